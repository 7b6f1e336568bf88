use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bus::{Bus, Inbox};
use domain::{Gate, GateName, GateState, Task, Timestamp};
use fleet::store::Versioned;
use kit::Clock;
use wire::{Wire as _, event::AttemptTold, message::Beat, subject};

use super::{Figures, NonceConflict, say};
use crate::up::{stage::Stage, world::Stats};

/// Nothing in a replay takes longer, unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the incident through the whole fleet.
pub(super) async fn run(incident: &NonceConflict, dir: &Path) -> anyhow::Result<Figures> {
    let settings = incident.settings();
    let mut stage = Stage::set(dir, None, None, &settings).await?;
    let measured = measure(incident, &mut stage).await;
    stage.strike().await;
    measured
}

async fn measure(incident: &NonceConflict, stage: &mut Stage) -> anyhow::Result<Figures> {
    stage.world.plant_stuck_nonce().await?;
    let watch = Watch::start(stage).await?;
    let creates = watch.bus.subscribe("task.>").await?;
    let mut beats = watch.bus.subscribe("beat.dispatcher.*").await?;
    stage.start_services(&watch.bus, usize::try_from(incident.dispatchers)?).await?;
    say("portcullis: the relay is stuck, the fleet runs");

    let failure = watch.first_failure().await?;
    let closing = watch.gate(GateState::Closed).await?;
    let held = all_hold(&mut beats, closing.seq, incident.dispatchers).await?;
    let seconds_to_close = held.since(failure.at).as_secs_f64();
    let at_close = stage.world.stats().await?;
    say(&format!("portcullis: gate closed, all hold after {seconds_to_close:.3} s"));

    Clock.sleep(incident.stuck_for()).await;
    let at_heal = stage.world.stats().await?;
    let created_while_closed = watch.tasks_behind(closing.seq).await?;
    let healed_at = Clock.now();
    stage.world.heal().await?;
    let opened =
        ["gate", "open", "relay", "--note", "nonce cleared", "--as", "replay", "--no-wait"];
    stage.command(&opened).await?;
    say("portcullis: the relay is cleared, the gate was opened by command");

    all_welcomed(stage, u64::from(incident.agents)).await?;
    let gate = watch.gate(GateState::Open).await?;
    let counted = Counted { at_close, at_heal, healed_at, created_while_closed };
    let mut figures = watch.figures(stage, &counted, creates).await?;
    figures.agents = u64::from(incident.agents);
    figures.seconds_to_close = Some(seconds_to_close);
    figures.incidents = gate.value.incident;
    Ok(figures)
}

/// What was read off while it happened.
struct Counted {
    at_close: Stats,
    at_heal: Stats,
    healed_at: Timestamp,
    created_while_closed: u64,
}

/// The bus, as an onlooker sees it.
struct Watch {
    bus: Bus,
    relay: GateName,
}

impl Watch {
    async fn start(stage: &Stage) -> anyhow::Result<Watch> {
        Ok(Watch { bus: stage.nats.connect("replay").await?, relay: "relay".parse()? })
    }

    async fn first_failure(&self) -> anyhow::Result<AttemptTold> {
        wait("the first failure", async || {
            let event = self.bus.next(subject::EVENTS, "event.failure.>", 1).await?;
            event.map(|event| Ok(AttemptTold::from_json(&event.body)?)).transpose()
        })
        .await
    }

    /// Waits until the gate `relay` stands so.
    async fn gate(&self, state: GateState) -> anyhow::Result<Versioned<Gate>> {
        wait(&format!("the gate to be {}", state.word()), async || {
            let gate = fleet::gate_log::current(&self.bus, &self.relay).await?;
            Ok(gate.filter(|gate| gate.value.state == state))
        })
        .await
    }

    /// How many task messages lie behind a sequence of WORK: the stored stream is the witness.
    async fn tasks_behind(&self, seq: u64) -> anyhow::Result<u64> {
        let mut count = 0;
        let mut from = seq + 1;
        while let Some(task) = self.bus.next(subject::WORK, "task.>", from).await? {
            count += 1;
            from = task.seq + 1;
        }
        Ok(count)
    }

    /// Every attempt that ended, once each.
    async fn attempts(&self) -> anyhow::Result<Vec<AttemptTold>> {
        let mut attempts = BTreeMap::new();
        for subject in ["event.failure.>", "event.task.completed.>"] {
            for event in self.bus.all(subject::EVENTS, subject, 1_000_000).await? {
                let told = AttemptTold::from_json(&event.body)?;
                attempts.insert(told.id(), told);
            }
        }
        Ok(attempts.into_values().collect())
    }

    async fn figures(
        &self,
        stage: &Stage,
        counted: &Counted,
        creates: Inbox,
    ) -> anyhow::Result<Figures> {
        let attempts = self.attempts().await?;
        let while_stuck = attempts.iter().filter(|told| told.at < counted.healed_at).count();
        let (ledger, stats) = (stage.world.ledger().await?, stage.world.stats().await?);
        Ok(Figures {
            attempts_total: u64::try_from(attempts.len())?,
            attempts_while_stuck: u64::try_from(while_stuck)?,
            attempts_after_close: counted.at_heal.paid_posts - counted.at_close.paid_posts,
            tasks_created_while_closed: counted.created_while_closed,
            follow_ups: follow_ups(creates, "sensor").await?,
            welcomed: ledger.welcomed,
            paid_twice: ledger.paid_twice,
            drain_peak_in_flight: stats.max_in_flight,
            paid_posts: stats.paid_posts,
            ..Figures::default()
        })
    }
}

/// Tasks that `creator` did not create, or that were created again for the same source key.
pub(super) async fn follow_ups(mut creates: Inbox, creator: &str) -> anyhow::Result<u64> {
    let mut seen = BTreeSet::new();
    let mut follow_ups = 0;
    // What was published is already here: nothing creates any more.
    while let Ok(create) = tokio::time::timeout(Duration::from_millis(200), creates.next()).await {
        let task = Task::decode(&create?.body).context("read a task")?;
        let wanted = task.created_by.starts_with(creator);
        // A create that the stream refused was published as well; it made no task.
        if !wanted && seen.insert(task.source_key) {
            follow_ups += 1;
        }
    }
    Ok(follow_ups)
}

/// Waits until every dispatcher has said that it has seen the closing, and returns when.
async fn all_hold(beats: &mut Inbox, closing: u64, count: u32) -> anyhow::Result<Timestamp> {
    let mut holding = BTreeSet::new();
    let all = async {
        loop {
            let Ok(beat) = Beat::decode(&beats.next().await?.body) else { continue };
            if closing <= beat.head || !beat.latches.is_empty() {
                holding.insert(beat.id);
            }
            if usize::try_from(count)? <= holding.len() {
                return anyhow::Ok(Clock.now());
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.context("wait for all dispatchers to hold")?
}

async fn all_welcomed(stage: &mut Stage, agents: u64) -> anyhow::Result<()> {
    let begun = Clock.instant();
    let mut last = (0, begun);
    loop {
        let ledger = stage.world.ledger().await?;
        if agents <= ledger.welcomed {
            return Ok(());
        }
        if last.0 < ledger.welcomed {
            last = (ledger.welcomed, Clock.instant());
        }
        ensure!(last.1.elapsed() < PATIENCE, "{} of {agents} welcomed, then no more", last.0);
        let ended = stage.revive()?;
        ensure!(ended.is_empty(), "{ended:?} ended, see {}", stage.log_dir().display());
        Clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Asks until there is an answer.
pub(super) async fn wait<T>(
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Clock.instant();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        Clock.sleep(LOOK_EVERY).await;
    }
}
