use crate::{Cause, GateName, Key, SourceKey, Timestamp};

/// The failures that belong together: those that closed a gate and those that joined.
///
/// Its number is one more than the gate's last while the gate is OPEN: then it gathers the
/// failures that may close it, and lets go of those that no longer can. Who moved the gate, when and why, is the gate's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub gate: GateName,
    pub number: u64,
    /// In the order in which they were counted; each event once.
    pub failures: Vec<JoinedFailure>,
    /// How many more there were than `failures` keeps.
    pub more: u64,
}

/// One failed attempt, as an incident keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedFailure {
    /// The id of the failure event; a repeated one counts once.
    pub event: String,
    pub task: Key,
    pub source_key: SourceKey,
    pub attempt: u32,
    pub cause: Cause,
    pub at: Timestamp,
    /// Admitted before the newest opening: counted, and moves nothing.
    pub straggler: bool,
    pub evidence: String,
    /// When it will have passed, by the word of whoever refused.
    pub resets_at: Option<Timestamp>,
}

impl Incident {
    /// How many single failures are kept; beyond that they are only counted. The record is
    /// written whole for each failure and every writing is kept, so this bounds what one
    /// failure costs.
    pub const KEPT_MAX: usize = 200;

    pub fn new(gate: GateName, number: u64) -> Self {
        Incident { gate, number, failures: Vec::new(), more: 0 }
    }

    pub fn has(&self, event: &str) -> bool {
        self.failures.iter().any(|failure| failure.event == event)
    }

    /// All failures, kept and only counted.
    pub fn count(&self) -> u64 {
        u64::try_from(self.failures.len()).unwrap_or(u64::MAX).saturating_add(self.more)
    }

    /// Every cause with its count, most frequent first.
    pub fn causes(&self) -> Vec<(Cause, u64)> {
        let mut counts: Vec<(Cause, u64)> = Vec::new();
        for failure in &self.failures {
            match counts.iter_mut().find(|(cause, _)| *cause == failure.cause) {
                Some((_, count)) => *count += 1,
                None => counts.push((failure.cause.clone(), 1)),
            }
        }
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}
