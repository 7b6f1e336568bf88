//! `welcome-payer`: pays and greets one agent, exactly once.

use anyhow::Context as _;
use clap::Parser as _;
use welcome_payer::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.health.check_health {
        return args.health.check().context("check health");
    }
    kit::init_logs(&args.logs);
    let shutdown = kit::shutdown_on_signal().context("listen for signals")?;
    welcome_payer::run(args, shutdown).await.context("run the welcome-payer")
}
