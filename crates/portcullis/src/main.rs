//! `portcullis`: the operators' command line.

use std::process::ExitCode;

use clap::Parser as _;
use portcullis::{Args, exit, out::Out, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    kit::init_logs(&kit::LogArgs { log: args.log.clone(), log_format: kit::LogFormat::Text });
    let ended = match kit::shutdown_on_signal() {
        Ok(shutdown) => run(args, shutdown).await,
        Err(error) => Err(anyhow::Error::new(error).context("listen for signals")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if exit::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            Out::new(false).talk(&format!("error: {error:#}"));
            ExitCode::from(exit::code_of(&error).number())
        }
    }
}
