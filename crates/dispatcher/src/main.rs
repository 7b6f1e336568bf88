//! The dispatcher: does the work whose gates are open.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

fn main() -> anyhow::Result<ExitCode> {
    match dispatcher::guard() {
        Some(ended) => Ok(ended),
        None => dispatch().map(|()| ExitCode::SUCCESS),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn dispatch() -> anyhow::Result<()> {
    let args = dispatcher::Args::parse();
    if args.health.check_health {
        return args.health.check().context("check health");
    }
    kit::init_logs(&args.logs);
    let shutdown = kit::shutdown_on_signal().context("install signal handlers")?;
    dispatcher::run(args, shutdown).await.context("run dispatcher")
}
