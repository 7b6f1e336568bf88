//! Everything that was told of one task, and of the gates that it may have waited for.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, FeedStart, Stored};
use domain::{GateName, Key, Kind};
use kit::Clock;
use serde_json::Value;
use wire::{event::AttemptTold, subject};

use crate::cost::Move;

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    /// Of the task, oldest first.
    pub(super) attempts: Vec<AttemptTold>,
    /// The same as the events that they came in.
    pub(super) events: Vec<Value>,
    /// Of the gates, oldest first.
    pub(super) moves: Vec<Move>,
    /// Not all of it could be read.
    pub(super) cut: bool,
}

/// A month of events is read through for one task; this is when it is given up.
const PATIENCE: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(2);

pub(super) async fn told_of(
    bus: &Bus,
    kind: &Kind,
    key: Key,
    gates: &[GateName],
) -> anyhow::Result<Told> {
    let mut filters = vec![format!("event.failure.{kind}.>"), format!("event.task.*.{kind}")];
    for verb in ["closed", "probing", "draining", "opened"] {
        filters.extend(gates.iter().map(|gate| subject::event_gate(verb, gate)));
    }
    let mut end = 0;
    for filter in &filters {
        let last = bus.last(subject::EVENTS, filter).await.context("read the events")?;
        end = end.max(last.map_or(0, |last| last.seq));
    }
    let mut told = Told::default();
    if end == 0 {
        return Ok(told);
    }
    let begun = Clock.instant();
    let feed = bus.feed(subject::EVENTS, filters, FeedStart::All).await;
    let mut feed = feed.context("read the events")?;
    told.cut = true;
    while begun.elapsed() < PATIENCE {
        let Some(stored) = feed.next_within(SILENCE).await.context("read the events")? else {
            break;
        };
        told.take(&stored, key);
        if end <= stored.seq {
            told.cut = false;
            break;
        }
    }
    Ok(told)
}

impl Told {
    fn take(&mut self, stored: &Stored, key: Key) {
        let event = || serde_json::from_slice::<Value>(&stored.body).unwrap_or(Value::Null);
        if stored.subject.starts_with("event.gate.") {
            self.moves.extend(Move::of(&event()));
        } else if let Ok(attempt) = AttemptTold::from_json(&stored.body)
            && attempt.source_key.key() == key
        {
            self.attempts.push(attempt);
            self.events.push(event());
        }
    }
}
