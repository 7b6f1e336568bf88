use std::time::Duration;

use crate::{
    Admission, Cause, CredentialUse, GateName, HolderId, Key, Kind, Lineage, MicroUsd, Sats,
    SourceKey, Timestamp,
};

/// One piece of work of a kind, for a source key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub kind: Kind,
    pub source_key: SourceKey,
    /// Who created it: a sensor or a person.
    pub created_by: String,
    pub created_at: Timestamp,
    /// Earlier contact under this key means: do not act. From [`Key::of_payee`].
    pub contact: Option<Key>,
    /// What the handler reads: JSON, as the sensor wrote it.
    pub payload: String,
    /// Not begun earlier.
    pub not_before: Option<Timestamp>,
    /// Not begun later: withdrawn as stale instead.
    pub expires_at: Option<Timestamp>,
    /// What it follows up, if anything.
    pub follows: Option<Box<Lineage>>,
}

/// Who created a task, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    pub by: String,
    pub at: Timestamp,
}

/// Where a task stands: the newest link of its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    pub kind: Kind,
    pub source_key: SourceKey,
    pub at: Timestamp,
    /// Attempts begun so far; the number of the newest one.
    pub attempt: u32,
    /// Attempts charged to the task so far.
    pub charged: u32,
    /// What all attempts cost together.
    pub cost: Cost,
    /// What the newest attempt cost, kept until the next begins, so that it is told again as it
    /// was told first.
    pub newest: Cost,
    /// The credential that the newest attempt was made with, kept as long.
    pub credential: Option<CredentialUse>,
    /// When whatever refused the newest attempt works again, by its own word, kept as long.
    pub resets_at: Option<Timestamp>,
    /// Every gate that the kind needs, as it stood when the newest attempt was admitted. Kept
    /// to the end of the attempt and beyond, so that it is told again as it was told first.
    pub admitted: Vec<Admission>,
    /// The probing gates for which the newest attempt is the canary.
    pub canary: Vec<GateName>,
    /// The task itself, kept where it is dead, withdrawn or revived, or asks: its message is taken
    /// out of the queue, and a person who puts the task back has it created from this. Of a
    /// follow-up also where it is completed: what follows that in turn needs its lineage.
    pub task: Option<Box<Task>>,
    pub phase: Phase,
}

/// What a task is doing, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// An attempt is under way.
    Claimed(Claim),
    /// Waiting out its own delay. `charged` says whether its last attempt was its own fault.
    Resting { due: Timestamp, cause: Cause, charged: bool },
    /// Put back uncharged for a failure that it shares, or because a gate no longer admits.
    /// Not before `due`.
    Returned { gate: Option<GateName>, cause: Option<Cause>, due: Timestamp },
    /// Done: the effect is recorded. Final.
    Completed { effect: String },
    /// The budget of attempts is spent.
    Dead { cause: Cause },
    /// Not to be done: by a person, or because there was earlier contact.
    Withdrawn { by: String, why: String },
    /// A dead or withdrawn task that a person put back.
    Revived { by: String, note: String },
    /// Not a task that may run: created past the gates, or nobody knows what an attempt of it
    /// did and a person is asked ([`TaskState::asks`]). Alarmed.
    Parked { cause: Cause, evidence: String },
}

/// The right to act on a task, held by one dispatcher at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub holder: HolderId,
    pub begun: Timestamp,
    /// How long the holder may act after a renewal. A configuration applied since changes
    /// nothing for this claim.
    pub lease: Duration,
    /// Counts the renewals of that lease: whoever sees it stand still for a whole lease, by
    /// their own clock, may take the task over.
    pub renewals: u32,
}

/// What attempts cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub micro_usd: MicroUsd,
    pub sats: Sats,
    /// Of a language model: what it read and what it wrote.
    pub tokens_in: u64,
    pub tokens_out: u64,
}

/// What a handler answers for one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The effect is recorded.
    Completed { effect: String, cost: Cost },
    /// It did not work. Who is to blame follows from the cause.
    Failed { cause: Cause, evidence: String, retry_after: Option<Duration>, cost: Cost },
    /// It may have worked; asking again tells.
    Unknown { cause: Cause, evidence: String, retry_after: Option<Duration>, cost: Cost },
    /// Nothing was tried, because a gate moved or something else comes first.
    Held { gate: Option<GateName>, why: String },
    /// It must not be done: there was earlier contact.
    Moot { why: String },
}

impl TaskState {
    /// Completed, dead, withdrawn: nothing more happens by itself.
    pub const fn ended(&self) -> bool {
        matches!(self.phase, Phase::Completed { .. } | Phase::Dead { .. } | Phase::Withdrawn { .. })
    }

    /// Parked since nobody knows what an attempt did: it has left the queue with its task kept,
    /// and only a person puts it back or ends it.
    pub const fn asks(&self) -> bool {
        matches!(self.phase, Phase::Parked { .. }) && self.task.is_some()
    }

    pub const fn word(&self) -> &'static str {
        match self.phase {
            Phase::Claimed(_) => "claimed",
            Phase::Resting { .. } => "resting",
            Phase::Returned { .. } => "returned",
            Phase::Completed { .. } => "completed",
            Phase::Dead { .. } => "dead",
            Phase::Withdrawn { .. } => "withdrawn",
            Phase::Revived { .. } => "revived",
            Phase::Parked { .. } => "parked",
        }
    }
}

impl Cost {
    pub const ZERO: Cost =
        Cost { micro_usd: MicroUsd::ZERO, sats: Sats::ZERO, tokens_in: 0, tokens_out: 0 };

    pub const fn plus(self, other: Cost) -> Cost {
        Cost {
            micro_usd: MicroUsd::new(self.micro_usd.get().saturating_add(other.micro_usd.get())),
            sats: self.sats.saturating_add(other.sats),
            tokens_in: self.tokens_in.saturating_add(other.tokens_in),
            tokens_out: self.tokens_out.saturating_add(other.tokens_out),
        }
    }
}

/// The id of the event that tells how an attempt ended, `<kind>/<key>/<attempt>/<verb>`: the
/// same for whoever tells it, so that telling twice counts once. The kind is part of it, since
/// two kinds may work on one source key.
///
/// ```
/// let key: domain::SourceKey = "a".parse().unwrap();
/// let id = domain::event_id(&"welcome".parse().unwrap(), key.key(), 3, "failed");
/// assert_eq!(id, "welcome/ca978112ca1bbdcafac231b39a23dc4d/3/failed");
/// ```
pub fn event_id(kind: &Kind, key: Key, attempt: u32, verb: &str) -> String {
    format!("{kind}/{key}/{attempt}/{verb}")
}

impl Task {
    pub fn created(&self) -> Created {
        Created { by: self.created_by.clone(), at: self.created_at }
    }

    pub fn key(&self) -> Key {
        self.source_key.key()
    }
}
