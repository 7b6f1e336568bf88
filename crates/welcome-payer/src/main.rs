//! `welcome-payer`: pays and greets one agent, exactly once.

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::Parser as _;
use welcome_payer::{Args, rehearse};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.health.check_health {
        args.health.check().context("check health")?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(address) = &args.dry_run {
        return dry_run(&args, address).await;
    }
    kit::init_logs(&args.logs);
    let shutdown = kit::shutdown_on_signal().context("listen for signals")?;
    welcome_payer::run(args, shutdown).await.context("run the welcome-payer")?;
    Ok(ExitCode::SUCCESS)
}

async fn dry_run(args: &Args, address: &str) -> anyhow::Result<ExitCode> {
    match Box::pin(rehearse::by_args(args, address)).await {
        Ok(rehearsal) => {
            writeln!(std::io::stdout(), "{}", rehearse::text(&rehearsal)).context("print")?;
            Ok(ExitCode::from(rehearsal.code()))
        }
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error}").context("print")?;
            Ok(ExitCode::from(error.code()))
        }
    }
}
