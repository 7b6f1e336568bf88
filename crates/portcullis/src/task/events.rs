//! Everything that was told of one task.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, FeedStart};
use domain::{Key, Kind};
use kit::Clock;
use serde_json::Value;
use wire::{event::AttemptTold, subject};

use crate::watch::told_line;

/// One event of the task.
pub(super) struct Told {
    pub(super) line: String,
    pub(super) event: Value,
}

/// A month of events is read through for one task; this is when it is given up.
const PATIENCE: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(2);

pub(super) async fn told_of(
    bus: &Bus,
    kind: &Kind,
    key: Key,
    width: Option<usize>,
) -> anyhow::Result<Vec<Told>> {
    let filters = vec![format!("event.failure.{kind}.>"), format!("event.task.*.{kind}")];
    let mut end = 0;
    for filter in &filters {
        let last = bus.last(subject::EVENTS, filter).await.context("read the events")?;
        end = end.max(last.map_or(0, |last| last.seq));
    }
    let mut told = Vec::new();
    if end == 0 {
        return Ok(told);
    }
    let begun = Clock.instant();
    let feed = bus.feed(subject::EVENTS, filters, FeedStart::All).await;
    let mut feed = feed.context("read the events")?;
    while begun.elapsed() < PATIENCE {
        let Some(stored) = feed.next_within(SILENCE).await.context("read the events")? else {
            break;
        };
        if let Ok(attempt) = AttemptTold::from_json(&stored.body)
            && attempt.source_key.key() == key
        {
            let event: Value = serde_json::from_slice(&stored.body).unwrap_or(Value::Null);
            let at = domain::Timestamp::from_millis(stored.at_ms);
            told.push(Told { line: told_line(&event, &stored.subject, at, width), event });
        }
        if end <= stored.seq {
            break;
        }
    }
    Ok(told)
}
