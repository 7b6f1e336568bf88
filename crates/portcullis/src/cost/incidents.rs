//! What each closed gate has saved: how many tasks waited behind it, counted from who was let
//! through as its canary and in its drain; while it is closed, from the queue.

use domain::{Config, GateName, Kind, Timestamp};
use logic::costs::{Saved, saved};

use super::told::{Move, Told};
use crate::{file::BUDGET, look::Queues};

/// One closing of a gate, to its reopening.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) gate: GateName,
    pub(super) incident: u64,
    pub(super) causes: Vec<String>,
    pub(super) since: Timestamp,
    /// `None`: it stands.
    pub(super) until: Option<Timestamp>,
    pub(super) counted: Counted,
    /// `None` where nobody counted what waited.
    pub(super) saved: Option<Saved>,
}

/// How it is known what waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Tasks let through as canary and in the drain.
    LetThrough,
    /// Tasks in the queue now.
    Queue,
    /// Opened without a canary: nobody told who had waited.
    Not,
}

/// Every incident that began in the window for a failure. What a person closed, and what a budget
/// closed, has kept no failure from being paid for.
pub(super) fn of(told: &Told, config: &Config, queues: &Queues) -> Vec<Closing> {
    let mut closings: Vec<Closing> = Vec::new();
    for closed in told.moves.iter().filter(|it| it.state == "closed") {
        let same = |it: &&Closing| it.gate == closed.gate && it.incident == closed.incident;
        if closings.iter().any(|it| same(&it)) || closed.gate.as_str() == BUDGET {
            continue;
        }
        let later: Vec<&Move> = told.moves.iter().filter(|it| after(it, closed)).collect();
        let causes = causes(closed, &later);
        if !causes.is_empty() {
            closings.push(one(told, config, queues, (closed, causes), &later));
        }
    }
    closings
}

/// A later move of the same gate in the same incident.
fn after(moved: &Move, closed: &Move) -> bool {
    let same = (&moved.gate, moved.incident) == (&closed.gate, closed.incident);
    same && closed.epoch < moved.epoch
}

/// Every failure for which it was closed, the first closing first.
fn causes(closed: &Move, later: &[&Move]) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in later.iter().fold(closed.causes.clone(), |mut all, it| {
        all.extend(it.causes.clone());
        all
    }) {
        if cause != "person.closed" && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

fn one(
    told: &Told,
    config: &Config,
    queues: &Queues,
    (closed, causes): (&Move, Vec<String>),
    later: &[&Move],
) -> Closing {
    let kinds = config.needing(&closed.gate);
    let opened = later.iter().find(|it| it.state == "open");
    let probed = later.iter().find(|it| it.state == "probing").map(|it| it.epoch);
    let until = opened.map(|opened| Timestamp::from_millis(opened.at_ms));
    let (waited, counted) = match (opened, probed) {
        (Some(opened), _) if opened.without_canary => (None, Counted::Not),
        (Some(opened), Some(probed)) => {
            (Some(let_through(told, &closed.gate, probed..opened.epoch)), Counted::LetThrough)
        }
        (Some(_), None) => (None, Counted::Not),
        (None, probed) => {
            let gone = probed.map_or(0, |probed| let_through(told, &closed.gate, probed..u64::MAX));
            (in_queue(queues, &kinds).map(|queue| queue + gone), Counted::Queue)
        }
    };
    Closing {
        gate: closed.gate.clone(),
        incident: closed.incident,
        causes,
        since: Timestamp::from_millis(closed.at_ms),
        until,
        counted,
        saved: waited.map(|waited| saved(&told.attempts, &kinds, waited)),
    }
}

/// Distinct tasks that the gate let through under these epochs.
fn let_through(told: &Told, gate: &GateName, epochs: std::ops::Range<u64>) -> u64 {
    let through = told.let_through.iter();
    let through = through.filter(|it| it.gate == *gate && epochs.contains(&it.epoch));
    let tasks: std::collections::BTreeSet<_> = through.map(|it| (&it.kind, &it.task)).collect();
    u64::try_from(tasks.len()).unwrap_or(u64::MAX)
}

fn in_queue(queues: &Queues, kinds: &[Kind]) -> Option<u64> {
    kinds.iter().map(|kind| queues.of(kind)).sum()
}
