//! `portcullis`: the operators' command line.

use std::process::ExitCode;

use clap::Parser as _;
use portcullis::{Args, exit, out::Out, run, stop::Signals};
use tokio_util::sync::CancellationToken;

/// What shells report for a program that a Ctrl-C has ended.
const STOPPED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    kit::init_logs(&kit::LogArgs { log: args.log.clone(), log_format: kit::LogFormat::Text });
    let shutdown = CancellationToken::new();
    let ended = match Signals::listen() {
        Ok(signals) => tokio::select! {
            ended = run(args, shutdown.clone()) => ended,
            () = signals.twice(shutdown) => return ExitCode::from(STOPPED),
        },
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
