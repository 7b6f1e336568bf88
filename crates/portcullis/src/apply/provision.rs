//! Making streams and consumers so, and saying line by line what that changed.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, BusError, Change};
use domain::Config;
use kit::Clock;
use wire::subject;

use super::{server, streams};

/// What became of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Created,
    Changed,
    Same,
}

/// One thing on the bus, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub mark: Mark,
    /// `stream WORK`.
    pub what: String,
    /// What changed, or how it stands.
    pub more: String,
}

impl Line {
    pub(super) fn new(mark: Mark, what: impl Into<String>, more: impl Into<String>) -> Self {
        Line { mark, what: what.into(), more: more.into() }
    }

    fn of(what: String, change: Change) -> Self {
        match change {
            Change::Created => Line::new(Mark::Created, what, ""),
            Change::Same => Line::new(Mark::Same, what, ""),
            Change::Updated(differences) => Line::new(Mark::Changed, what, differences.join("; ")),
        }
    }
}

impl Mark {
    pub const fn sign(self) -> char {
        match self {
            Mark::Created => '+',
            Mark::Changed => '~',
            Mark::Same => '=',
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Mark::Created => "created",
            Mark::Changed => "changed",
            Mark::Same => "same",
        }
    }
}

pub(super) async fn streams(bus: &Bus, replicas: Option<usize>) -> anyhow::Result<Vec<Line>> {
    let standing = server::replicas(bus).await?;
    let replicas = replicas.or(standing).unwrap_or(1);
    let mut lines = Vec::new();
    for wanted in streams::streams(replicas) {
        let name = wanted.name.clone();
        let mut change = Change::Same;
        patiently(async || {
            // A cluster that loses its leader now forgets a stream that it has told of already, so
            // each try makes it anew.
            match bus.ensure_stream(wanted.clone()).await? {
                Change::Same => (),
                made => change = made,
            }
            // Nothing lies on this subject; any answer at all means that there is a leader.
            bus.last(&name, "none.at.all").await
        })
        .await
        .with_context(|| format!("make stream {name}"))?;
        lines.push(Line::of(format!("stream {name}"), change));
    }
    Ok(lines)
}

pub(super) async fn consumers(bus: &Bus, config: &Config) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (stream, wanted) in streams::consumers(config) {
        let name = wanted.durable_name.clone().unwrap_or_default();
        let change = patiently(async || bus.ensure_consumer(stream, wanted.clone()).await)
            .await
            .with_context(|| format!("make consumer {name}"))?;
        if change == Change::Created {
            patiently(async || bus.backlog(stream, &name).await)
                .await
                .with_context(|| format!("wait for the leader of consumer {name}"))?;
        }
        lines.push(Line::of(format!("consumer {name}"), change));
    }
    Ok(lines)
}

/// What is not there yet. Whether the settings of the rest differ shows when it is applied.
pub(super) async fn missing(bus: &Bus, config: &Config) -> anyhow::Result<Vec<Line>> {
    let line = |there: bool, what: String| {
        Line::new(if there { Mark::Same } else { Mark::Created }, what, "")
    };
    let mut lines = Vec::new();
    for stream in [subject::WORK, subject::STATE, subject::RECORD, subject::EVENTS] {
        lines.push(line(bus.has_stream(stream).await?, format!("stream {stream}")));
    }
    for (stream, wanted) in streams::consumers(config) {
        let name = wanted.durable_name.unwrap_or_default();
        let there = match bus.backlog(stream, &name).await {
            Ok(_) => true,
            Err(error) if is_missing(&error) => false,
            Err(error) => return Err(error).context("look for the consumers"),
        };
        lines.push(line(there, format!("consumer {name}")));
    }
    Ok(lines)
}

fn is_missing(error: &BusError) -> bool {
    error.is_absent() || chain(error).contains("not found")
}

/// Tries again while the cluster has no leader for it yet.
async fn patiently<T>(mut step: impl AsyncFnMut() -> Result<T, BusError>) -> Result<T, BusError> {
    let begun = Clock.instant();
    loop {
        match step().await {
            Err(error) if is_passing(&error) && begun.elapsed() < server::PATIENCE => {
                Clock.sleep(Duration::from_millis(100)).await;
            }
            result => return result,
        }
    }
}

/// What a cluster answers while it is still finding itself.
fn is_passing(error: &BusError) -> bool {
    let text = chain(error).to_lowercase();
    ["no responders", "timed out", "unavailable", "no suitable peers", "leader", "not found"]
        .iter()
        .any(|passing| text.contains(passing))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
