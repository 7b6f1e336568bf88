//! The expired token: a prompt job whose OAuth token dies in mid-run, through Portcullis with a
//! key to fall back on and without one, and through the loop that failed then.

mod figures;
mod naive;
mod ours;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use stacks::Network;

use super::say;
use crate::up::{settings::Settings, world::World};

pub use figures::{TokenComparison, TokenFigures};

/// The expired token. It became 13 failed tasks in 90 minutes, each with a follow-up.
#[derive(Clone, Debug, clap::Args)]
pub struct TokenExpiry {
    /// How many tasks there are to do
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(3..=5_000))]
    pub tasks: u32,

    /// How many dispatchers to run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub dispatchers: u32,

    /// Seconds until a person refreshes the token: 90 minutes then
    #[arg(long, value_name = "SECS", default_value_t = 6)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub refresh_after_secs: u32,

    /// Keep data and logs in this folder
    #[arg(long)]
    pub keep: Option<PathBuf>,

    /// Write JSON to stdout, for programs
    #[arg(long)]
    pub json: bool,
}

/// What is asked in all three columns.
const MODEL: &str = "claude-sonnet-4-5";
const MAX_TOKENS: u64 = 200;
/// Of that model, in dollars per million tokens.
const PRICE: (&str, &str) = ("3.00", "15.00");
/// Where the token lies in its file, as the command line client keeps it.
const POINTER: &str = "/claudeAiOauth/accessToken";

impl TokenExpiry {
    fn settings() -> Settings {
        Settings {
            agents: 1,
            relay: "march".to_owned(),
            network: Network::Mainnet,
            block: Duration::from_secs(1),
            every: Duration::from_secs(60),
            unconfirmed_after: Duration::from_secs(60),
        }
    }

    fn refreshed_after(&self) -> Duration {
        Duration::from_secs(self.refresh_after_secs.into())
    }

    /// The token dies once it has served a third of the tasks.
    fn served_before(&self) -> u64 {
        u64::from(self.tasks / 3).max(1)
    }
}

/// Runs all three columns in `dir`.
pub(super) async fn compare(incident: &TokenExpiry, dir: &Path) -> anyhow::Result<TokenComparison> {
    let with_key = ours::run(incident, &dir.join("with-key"), true).await;
    let with_key = with_key.context("run the incident with a key to fall back on")?;
    let without_key = ours::run(incident, &dir.join("without-key"), false).await;
    let without_key = without_key.context("run the incident without another key")?;
    let naive = naive::run(incident, &dir.join("naive")).await;
    let naive = naive.context("run the incident through the naive loop")?;
    Ok(TokenComparison { with_key, without_key, naive })
}

/// Has the world issue a credential, and answers its secret.
async fn issue(world: &World, name: &str, scheme: &str) -> anyhow::Result<String> {
    let asked = json!({ "name": name, "scheme": scheme });
    let issued = world.control("anthropic/credentials", &asked).await?;
    issued["secret"].as_str().map(str::to_owned).context("read the issued secret")
}

/// The token named `oauth` dies as soon as it has served so many calls.
async fn expire_after(world: &World, served: u64) -> anyhow::Result<()> {
    let kill = json!({ "name": "oauth", "how": "expired", "after": served });
    world.control("anthropic/kill", &kill).await?;
    Ok(())
}

/// What the world counted and billed.
async fn counted(world: &World, figures: TokenFigures) -> anyhow::Result<TokenFigures> {
    let counts = world.get("anthropic").await?;
    let count = |at: &Value, name: &str| at[name].as_u64().with_context(|| format!("read {name}"));
    let price = domain::Price {
        input: crate::file::parse_dollars(PRICE.0).context("read a price")?,
        output: crate::file::parse_dollars(PRICE.1).context("read a price")?,
        ..domain::Price::default()
    };
    let usage = &counts["usage"];
    let tokens = domain::Tokens {
        input: count(usage, "input_tokens")?,
        output: count(usage, "output_tokens")?,
        ..domain::Tokens::default()
    };
    Ok(TokenFigures {
        calls: count(&counts, "calls")?,
        calls_with_dead_token: count(&counts, "calls_after_death")?,
        billed_micro_usd: price.of(tokens).get(),
        ..figures
    })
}
