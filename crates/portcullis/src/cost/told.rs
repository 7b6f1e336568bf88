//! Reading what was told of attempts and gates, each event once.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, bail};
use bus::{Bus, FeedStart};
use domain::{Admission, GateName, Kind, SourceKey};
use kit::Clock;
use logic::costs::Attempted;
use serde_json::Value;
use wire::{
    event::{AttemptTold, AttemptVerb},
    subject,
};

use super::window::Window;

/// What was told in a window.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Attempts that ended in the window.
    pub(super) attempts: Vec<Attempted>,
    /// Which tasks were let through under which state of which gate, in the window or after.
    pub(super) let_through: BTreeSet<Through>,
    pub(super) moves: Vec<Move>,
    /// Events that make no sense.
    pub(super) garbled: u64,
}

/// A task that a gate let through, under one of its epochs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Through {
    pub(super) gate: GateName,
    pub(super) epoch: u64,
    pub(super) kind: Kind,
    pub(super) task: SourceKey,
}

/// One transition of a gate, as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) gate: GateName,
    pub(crate) state: String,
    pub(crate) epoch: u64,
    pub(crate) at: String,
    pub(crate) at_ms: u64,
    pub(crate) incident: u64,
    pub(crate) causes: Vec<String>,
    pub(crate) without_canary: bool,
}

/// Nothing comes for so long: it is given up.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a month of events may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// # Errors
///
/// When not all of it could be read: a sum of a part would be a wrong one.
pub(super) async fn read(bus: &Bus, window: Window) -> anyhow::Result<Told> {
    let filters: Vec<String> = [
        "event.failure.>",
        "event.task.completed.>",
        "event.gate.closed.>",
        "event.gate.probing.>",
        "event.gate.draining.>",
        "event.gate.opened.>",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut end = 0;
    for filter in &filters {
        let last = bus.last(subject::EVENTS, filter).await.context("read the events")?;
        let fresh = last.filter(|last| window.from.as_millis() <= last.at_ms);
        end = end.max(fresh.map_or(0, |last| last.seq));
    }
    let (mut told, mut seen) = (Told::default(), BTreeSet::new());
    if end == 0 {
        return Ok(told);
    }
    let begun = Clock.instant();
    let start = FeedStart::Since(window.from.as_millis());
    let mut feed = bus.feed(subject::EVENTS, filters, start).await.context("read the events")?;
    loop {
        let Some(stored) = feed.next_within(SILENCE).await.context("read the events")? else {
            bail!("the events stopped coming before all of them were read; try again");
        };
        if stored.subject.starts_with("event.gate.") {
            told.gate(&stored.body, &mut seen);
        } else {
            told.attempt(&stored.body, window, &mut seen);
        }
        if end <= stored.seq {
            return Ok(told);
        }
        if PATIENCE < begun.elapsed() {
            bail!("there are too many events to read: ask for a shorter time with --since");
        }
    }
}

impl Told {
    fn attempt(&mut self, body: &[u8], window: Window, seen: &mut BTreeSet<String>) {
        let Ok(told) = AttemptTold::from_json(body) else {
            self.garbled += 1;
            return;
        };
        if !seen.insert(told.id()) {
            return;
        }
        for Admission { gate, epoch, .. } in &told.admitted {
            let (gate, epoch) = (gate.clone(), epoch.get());
            let (kind, task) = (told.kind.clone(), told.source_key.clone());
            self.let_through.insert(Through { gate, epoch, kind, task });
        }
        let ended = matches!(told.verb, AttemptVerb::Completed | AttemptVerb::Failed);
        // What was found outside any attempt is number 0.
        if ended && 0 < told.attempt && window.has(told.at) {
            self.attempts.push(Attempted {
                kind: told.kind,
                source_key: told.source_key,
                at: told.at,
                cause: told.cause,
                charged: told.charged,
                gate: told.gate,
                credential: told.credential,
                cost: told.cost,
            });
        }
    }

    fn gate(&mut self, body: &[u8], seen: &mut BTreeSet<String>) {
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(moved) = Move::of(&event) else {
            self.garbled += 1;
            return;
        };
        if seen.insert(format!("gate/{}/{}", moved.gate, moved.epoch)) {
            self.moves.push(moved);
        }
    }
}

impl Move {
    /// `None` where an event tells of no transition.
    pub(crate) fn of(event: &Value) -> Option<Move> {
        let data = &event["data"];
        let causes = data["causes"].as_array().into_iter().flatten();
        Some(Move {
            gate: data["gate"].as_str()?.parse().ok()?,
            state: data["state"].as_str()?.to_owned(),
            epoch: data["epoch"].as_u64()?,
            at: data["at"].as_str()?.to_owned(),
            at_ms: millis(data["at"].as_str()?)?,
            incident: data["incident"].as_u64()?,
            causes: causes.filter_map(Value::as_str).map(str::to_owned).collect(),
            without_canary: data["without_canary"].as_bool().unwrap_or(false),
        })
    }
}

/// RFC 3339 to milliseconds since 1970.
fn millis(text: &str) -> Option<u64> {
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}
