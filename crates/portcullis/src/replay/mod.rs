//! An incident of March 2026, run again against the stand-in world: once through Portcullis,
//! once through the loop that failed then. Every figure is measured.

mod figures;
mod naive;
mod ours;
mod token;

use std::{
    fmt::Display,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{out::Out, up::settings::Settings};

pub use figures::{Comparison, Figures};
pub use token::{TokenComparison, TokenExpiry, TokenFigures};

/// Run an incident again, beside the loop that failed then.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub incident: Incident,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum Incident {
    /// A relay's nonce is stuck where no health probe sees it
    NonceConflict(NonceConflict),
    /// The token for a language model expires in mid-run
    TokenExpiry(TokenExpiry),
}

/// The stuck nonce. With 60 agents and the naive loop it became 230 failed attempts.
#[derive(Clone, Debug, clap::Args)]
pub struct NonceConflict {
    /// How many agents there are to welcome
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub agents: u32,

    /// How many dispatchers to run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub dispatchers: u32,

    /// Which relay: the incident's, which refuses, or the one that says pending for ever
    #[arg(long, value_parser = ["march", "today"], default_value = "march")]
    pub relay: String,

    /// How many cycles of the sensor the relay stays stuck
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub cycles: u32,

    /// Seconds for which the naive loop is watched after the relay was cleared: it may not end
    #[arg(long, value_name = "SECS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub naive_watch_secs: u32,

    /// Keep data and logs in this folder
    #[arg(long)]
    pub keep: Option<PathBuf>,

    /// Write JSON to stdout, for programs
    #[arg(long)]
    pub json: bool,
}

/// The sensor's cycle. Half an hour then; a second here.
const CYCLE: Duration = Duration::from_secs(1);

impl NonceConflict {
    fn settings(&self) -> Settings {
        Settings {
            agents: usize::try_from(self.agents).unwrap_or(usize::MAX),
            relay: self.relay.clone(),
            network: stacks::Network::Mainnet,
            block: Duration::from_millis(50),
            every: CYCLE,
            unconfirmed_after: Duration::from_secs(2),
        }
    }

    /// How long the relay stays stuck after the first failure.
    fn stuck_for(&self) -> Duration {
        CYCLE * self.cycles
    }
}

/// Runs every column and prints them.
///
/// # Errors
///
/// When a program is missing, or something that must happen does not within minutes.
pub async fn run(args: &Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    match &args.incident {
        Incident::NonceConflict(incident) => {
            let compared = within(incident.keep.as_ref(), &shutdown, async |dir: &Path| {
                compare(incident, dir).await
            });
            print(&Box::pin(compared).await?, incident.json)
        }
        Incident::TokenExpiry(incident) => {
            let compared = within(incident.keep.as_ref(), &shutdown, async |dir: &Path| {
                token::compare(incident, dir).await
            });
            print(&Box::pin(compared).await?, incident.json)
        }
    }
}

fn print<T: Serialize + Display>(comparison: &T, json: bool) -> anyhow::Result<()> {
    let text = match json {
        true => serde_json::to_string(comparison).context("write JSON")?,
        false => comparison.to_string(),
    };
    Out::new(json).data(&text)?;
    Ok(())
}

/// Runs the stuck nonce in `dir`, in both columns.
async fn compare(incident: &NonceConflict, dir: &Path) -> anyhow::Result<Comparison> {
    let portcullis = ours::run(incident, &dir.join("portcullis")).await;
    let portcullis = portcullis.context("run the incident through Portcullis")?;
    let naive = naive::run(incident, &dir.join("naive")).await;
    let naive = naive.context("run the incident through the naive loop")?;
    Ok(Comparison { portcullis, naive })
}

/// Runs something in a folder of its own, which goes when all went well and nobody keeps it.
async fn within<T>(
    kept: Option<&PathBuf>,
    shutdown: &CancellationToken,
    run: impl AsyncFnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let number = kit::fresh_number();
    let made = || std::env::temp_dir().join(format!("replay-{number:016x}"));
    let dir = kept.cloned().unwrap_or_else(made);
    std::fs::create_dir_all(&dir).context("make the folder of this replay")?;
    let dir = dir.canonicalize().context("find the folder of this replay")?;
    let result = tokio::select! {
        result = run(&dir) => result,
        () = shutdown.cancelled() => Err(anyhow::anyhow!("stopped before it was done")),
    };
    match (&result, kept) {
        (Ok(_), None) => _ = std::fs::remove_dir_all(&dir),
        _ => say(&format!("data and logs are in {}", dir.display())),
    }
    result
}

/// To stderr, of which nothing may be left: the terminal was closed.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
