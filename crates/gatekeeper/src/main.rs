//! `gatekeeper`: closes gates on shared failures, opens them on a person's word.

use anyhow::Context as _;
use clap::Parser as _;
use gatekeeper::{Args, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.health.check_health {
        return args.health.check().context("check health");
    }
    kit::init_logs(&args.logs);
    let shutdown = kit::shutdown_on_signal().context("listen for signals")?;
    run(args, shutdown).await.context("run gatekeeper")
}
