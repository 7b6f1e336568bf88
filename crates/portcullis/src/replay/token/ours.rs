use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use bus::{Bus, Inbox};
use domain::{Gate, GateName, GateState, Phase, Task, TaskState};
use fleet::create::{Created, create};
use kit::Clock;
use serde_json::json;
use wire::{Wire as _, event::AttemptTold, subject};

use super::{
    MAX_TOKENS, MODEL, POINTER, PRICE, TokenExpiry, TokenFigures, counted, expire_after, issue, say,
};
use crate::{
    replay::ours::{follow_ups, wait},
    up::{stage::Stage, world::World},
};

const KIND: &str = "prompt";
/// Who creates the tasks.
const CREATOR: &str = "replay";
/// The key is found under this name in a dispatcher's environment.
const KEY: &str = "REPLAY_API_KEY";
const SERVICES: [&str; 2] = ["gatekeeper", "dispatcher"];
/// Nothing may be done for longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a task asks.
pub(super) fn prompt(about: u64) -> String {
    format!("Sum up what happened in repository {about} last night.")
}

/// Runs the incident through the fleet, with a key to fall back on or without.
pub(super) async fn run(
    incident: &TokenExpiry,
    dir: &Path,
    with_key: bool,
) -> anyhow::Result<TokenFigures> {
    let mut stage = Stage::bare(dir, None, None, &TokenExpiry::settings()).await?;
    let measured = measure(incident, dir, &mut stage, with_key).await;
    stage.strike().await;
    measured
}

async fn measure(
    incident: &TokenExpiry,
    dir: &Path,
    stage: &mut Stage,
    with_key: bool,
) -> anyhow::Result<TokenFigures> {
    let word = if with_key { "with a key" } else { "without a key" };
    let token = dir.join("claude.json");
    refresh(&stage.world, &token).await?;
    if with_key {
        let key = issue(&stage.world, "api-key", "api-key").await?;
        stage.lend(KEY, &key);
    }
    stage.apply(&toml(stage.world.url(), &token, with_key)).await?;
    expire_after(&stage.world, incident.served_before()).await?;
    let watch = Watch::start(stage).await?;
    let creates = watch.bus.subscribe("task.>").await?;
    for about in 0..u64::from(incident.tasks) {
        watch.create(about).await?;
    }
    stage.start_these(&watch.bus, &SERVICES, usize::try_from(incident.dispatchers)?).await?;
    say(&format!("{word}: the fleet runs, and its token is about to expire"));
    if !with_key {
        watch.gate(GateState::Closed).await?;
        say(&format!("{word}: the gate is closed"));
        Clock.sleep(incident.refreshed_after()).await;
        refresh(&stage.world, &token).await?;
        let open = ["gate", "open", "anthropic", "--note", "logged in again", "--as", "replay"];
        stage.command(&[&open[..], &["--no-wait"]].concat()).await?;
        say(&format!("{word}: a person has refreshed the token and opened the gate"));
    }
    let completed = all_completed(&watch, stage, incident).await?;
    let gate = watch.gate(GateState::Open).await?;
    let figures = watch.figures(creates, completed, gate.incident).await?;
    counted(&stage.world, TokenFigures { tasks: incident.tasks.into(), ..figures }).await
}

/// Logs in again: a fresh token in its file, put there in one step.
async fn refresh(world: &World, file: &Path) -> anyhow::Result<()> {
    let token = issue(world, "oauth", "bearer").await?;
    let (held, new) =
        (json!({ "claudeAiOauth": { "accessToken": token } }), file.with_extension("new"));
    fs::write(&new, held.to_string()).context("write the token")?;
    fs::rename(&new, file).context("put the token in its place")
}

fn toml(url: &str, token: &Path, with_key: bool) -> String {
    let key = match with_key {
        true => format!("{{ name = \"api-key\", env = \"{KEY}\", scheme = \"api-key\" }},"),
        false => String::new(),
    };
    let (token, (input, output)) = (token.display().to_string(), PRICE);
    format!(
        r#"# Written by `portcullis replay`: a prompt job against the sandbox.

[kinds.{KIND}]
handler = {{ anthropic = {{ provider = "anthropic", model = "{MODEL}", max_tokens = {MAX_TOKENS} }} }}
needs = ["anthropic"]
attempts = 3
rest = "1s"
rest_max = "5s"
lease = "5s"
timeout = "15s"

[gates.anthropic]
about = "Anthropic's API, and the credentials for it"
remedy = "log in again, so that a fresh token lies on disk; then open"

[providers.anthropic]
gate = "anthropic"
url = "{url}"
credentials = [
    {{ name = "oauth", file = {token:?}, pointer = "{POINTER}", scheme = "bearer" }},
    {key}
]

[prices.{MODEL}]
input = "{input}"
output = "{output}"
"#
    )
}

/// The bus, as an onlooker sees it.
struct Watch {
    bus: Bus,
    gate: GateName,
}

impl Watch {
    async fn start(stage: &Stage) -> anyhow::Result<Watch> {
        Ok(Watch { bus: stage.nats.connect(CREATOR).await?, gate: "anthropic".parse()? })
    }

    async fn create(&self, about: u64) -> anyhow::Result<()> {
        let task = Task {
            kind: KIND.parse()?,
            source_key: format!("{KIND}/{about}").parse()?,
            created_by: CREATOR.to_owned(),
            created_at: Clock.now(),
            contact: None,
            not_before: None,
            expires_at: None,
            follows: None,
            payload: json!({ "prompt": prompt(about) }).to_string(),
        };
        let token = fleet::gate_log::token(&self.bus).await?;
        let created = create(&self.bus, &task, token).await;
        ensure!(matches!(created, Created::Created(_)), "create a task: {created:?}");
        Ok(())
    }

    /// Waits until the gate stands so.
    async fn gate(&self, state: GateState) -> anyhow::Result<Gate> {
        wait(&format!("the gate to be {}", state.word()), async || {
            let gate = fleet::gate_log::current(&self.bus, &self.gate).await?;
            Ok(gate.map(|gate| gate.value).filter(|gate| gate.state == state))
        })
        .await
    }

    /// How many tasks are completed, by their chains.
    async fn completed(&self) -> anyhow::Result<u64> {
        let mut completed = 0;
        for state in self.bus.all(subject::STATE, "state.>", 1_000_000).await? {
            let state = TaskState::decode(&state.body).context("read where a task stands")?;
            completed += u64::from(matches!(state.phase, Phase::Completed { .. }));
        }
        Ok(completed)
    }

    /// Every attempt that ended, once each.
    async fn attempts(&self, subject: &str) -> anyhow::Result<Vec<AttemptTold>> {
        let mut attempts = BTreeMap::new();
        for event in self.bus.all(subject::EVENTS, subject, 1_000_000).await? {
            let told = AttemptTold::from_json(&event.body)?;
            attempts.insert(told.id(), told);
        }
        Ok(attempts.into_values().collect())
    }

    async fn figures(
        &self,
        creates: Inbox,
        tasks_completed: u64,
        incidents: u64,
    ) -> anyhow::Result<TokenFigures> {
        let failed = self.attempts("event.failure.>").await?;
        let done = self.attempts("event.task.completed.>").await?;
        let served_by_another = |told: &&AttemptTold| {
            told.credential.as_ref().is_some_and(|used| used.credential.as_str() != "oauth")
        };
        let charged = failed.iter().filter(|told| told.charged).count();
        Ok(TokenFigures {
            failed: u64::try_from(failed.len())?,
            charged_attempts: u64::try_from(charged)?,
            fallbacks: u64::try_from(done.iter().filter(served_by_another).count())?,
            follow_ups: follow_ups(creates, CREATOR).await?,
            tasks_completed,
            incidents,
            ..TokenFigures::default()
        })
    }
}

/// Waits until every task is completed, and counts them.
async fn all_completed(
    watch: &Watch,
    stage: &mut Stage,
    incident: &TokenExpiry,
) -> anyhow::Result<u64> {
    let mut last = (0, Clock.instant());
    loop {
        let completed = watch.completed().await?;
        if u64::from(incident.tasks) <= completed {
            return Ok(completed);
        }
        if last.0 < completed {
            last = (completed, Clock.instant());
        }
        let tasks = incident.tasks;
        ensure!(last.1.elapsed() < PATIENCE, "{completed} of {tasks} completed, then no more");
        let ended = stage.revive()?;
        ensure!(ended.is_empty(), "{ended:?} ended, see {}", stage.log_dir().display());
        Clock.sleep(Duration::from_millis(100)).await;
    }
}
