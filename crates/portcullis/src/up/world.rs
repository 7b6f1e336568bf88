use std::{path::Path, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    process::{Launch, Process},
    settings::Settings,
};

/// The stand-in world as a child process, and its controls.
#[derive(Debug)]
pub struct World {
    process: Process,
    url: String,
    http: reqwest::Client,
}

/// Who was paid and greeted, by the world's own ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Agents that were paid at least once.
    pub welcomed: u64,
    /// Agents that were paid more than once by one sender.
    pub paid_twice: u64,
}

/// What the world was asked so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Posts to the inbox that carried a payment.
    pub paid_posts: u64,
    pub paid_posts_while_stuck: u64,
    /// The most that were under way at once.
    pub max_in_flight: u64,
}

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl World {
    /// Starts the world that `program` is, on a free port or on `port`.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn start(
        program: &Path,
        log_dir: &Path,
        port: Option<u16>,
        settings: &Settings,
    ) -> anyhow::Result<World> {
        let listen = format!("127.0.0.1:{}", port.unwrap_or(0));
        let mut process = Process::start(Launch {
            name: "sandbox",
            program,
            args: [
                ("--listen", listen),
                ("--agents", settings.agents.to_string()),
                ("--relay", settings.relay.clone()),
                ("--network", settings.network.to_string()),
                ("--block-ms", settings.block.as_millis().to_string()),
            ]
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect(),
            env: Vec::new(),
            log_dir,
        })?;
        let said = process.says("listening on http://", Duration::from_secs(20)).await?;
        let url = said.rsplit(' ').next().unwrap_or_default().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(ANSWERS_WITHIN).build();
        Ok(World { process, url, http: http.context("make an HTTP client")? })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn stop(&mut self) {
        self.process.stop(Duration::from_secs(5)).await;
    }

    /// Puts a transaction into the node's mempool that nobody can see and that never confirms.
    ///
    /// # Errors
    ///
    /// When the world does not answer.
    pub async fn plant_stuck_nonce(&self) -> anyhow::Result<()> {
        self.post("faults", &json!({ "stuck_nonce": true })).await
    }

    /// What somebody at the relay does in the end.
    ///
    /// # Errors
    ///
    /// When the world does not answer.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.post("heal", &json!({})).await
    }

    /// # Errors
    ///
    /// When the world does not answer.
    pub async fn ledger(&self) -> anyhow::Result<Ledger> {
        let ledger = self.get("ledger").await?;
        let count = |name: &str| ledger[name].as_u64().with_context(|| format!("read {name}"));
        Ok(Ledger { welcomed: count("welcomed")?, paid_twice: count("paid_twice")? })
    }

    /// # Errors
    ///
    /// When the world does not answer.
    pub async fn stats(&self) -> anyhow::Result<Stats> {
        let stats = self.get("stats").await?;
        let count = |name: &str| stats[name].as_u64().with_context(|| format!("read {name}"));
        Ok(Stats {
            paid_posts: count("paid_posts")?,
            paid_posts_while_stuck: count("paid_posts_while_stuck")?,
            max_in_flight: count("max_in_flight_paid_posts")?,
        })
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.control(path, body).await?;
        Ok(())
    }

    /// Sends a body to one of the world's controls, and answers what that says.
    ///
    /// # Errors
    ///
    /// When the world does not answer, or refuses.
    pub async fn control(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/sandbox/{path}", self.url);
        let sent = self.http.post(&url).json(body).send().await;
        let sent = sent.and_then(reqwest::Response::error_for_status);
        let answer = sent.with_context(|| format!("post {url}"))?;
        answer.json().await.with_context(|| format!("read {url}"))
    }

    /// What one of the world's counters says.
    ///
    /// # Errors
    ///
    /// When the world does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}/sandbox/{path}", self.url);
        let answer = self.http.get(&url).send().await.with_context(|| format!("get {url}"))?;
        answer.json().await.with_context(|| format!("read {url}"))
    }
}
