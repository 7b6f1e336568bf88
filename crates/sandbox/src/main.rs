//! `sandbox`: the stand-in world that moves no money.

use anyhow::Context as _;
use clap::Parser as _;
use sandbox::Args;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.check_health {
        return sandbox::answers(args.listen).await.context("check health");
    }
    kit::init_logs(&args.logs);
    let shutdown = kit::shutdown_on_signal().context("listen for signals")?;
    sandbox::run(args, shutdown).await.context("run the sandbox")
}
