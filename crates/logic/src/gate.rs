//! How gates close, open, probe and drain.
//!
//! | from     | on                                             | to       | incident       |
//! | -------- | ---------------------------------------------- | -------- | -------------- |
//! | OPEN     | shared failures reach their threshold          | CLOSED   | a new one      |
//! | OPEN     | a person closes                                | CLOSED   | a new one      |
//! | CLOSED   | a shared failure                               | as it is | joins          |
//! | CLOSED   | the same, for a cause new to the incident      | CLOSED   | joins          |
//! | CLOSED   | a person opens                                 | PROBING  | goes on        |
//! | CLOSED   | the time has come that was named for every cause, and a person said beforehand that this will do | PROBING | goes on |
//! | PROBING  | the canary completes                           | DRAINING | goes on        |
//! | PROBING  | a shared failure                               | CLOSED   | the same       |
//! | PROBING  | the canary fails for anything that says nothing of this gate | PROBING | goes on |
//! | PROBING  | the canary is undecided for [`UNDECIDED_AFTER`] | CLOSED  | the same       |
//! | DRAINING | a shared failure                               | CLOSED   | the same       |
//! | DRAINING | the backlog is gone                            | OPEN     | ends           |
//! | PROBING, DRAINING | a person closes                       | CLOSED   | the same       |
//! | CLOSED, to reset  | a person closes                       | CLOSED   | the same       |
//! | not OPEN | a person opens without a canary                | OPEN     | ends           |
//! | any      | a shared failure admitted before the opening   | as it is | joins the old  |
//!
//! A *shared failure* is one that [`Blame::Shared`] lays on this gate. With threshold 0 it is
//! counted and moves nothing. "Since the opening" is told by the epoch under which the
//! attempt was admitted, never by a clock.
//!
//! Each function decides from the newest gate message and one incident record. The caller
//! writes the gate message first and the record second, each a compare-and-set; on a lost one
//! it reads again and decides again. So any number of gatekeepers may decide at once, any
//! event may come twice or late, and a crash between the two writes loses nothing.
//!
//! Promises: one closing is one incident, each failure is counted in exactly one of them, and
//! a straggler moves nothing (G5); what opens is a person, now or by a word given beforehand
//! that leads to a canary only ([`resets_at`]), and what follows that opening (G3);
//! opening goes through a canary unless a person says otherwise (G4). "Counted once" reaches
//! as far back as a record keeps single failures, see [`Incident::KEPT_MAX`]. While a gate is
//! OPEN its record keeps what may still close it; what no longer can was never an incident.
//!
//! [`Blame::Shared`]: domain::Blame::Shared
//! [`Incident::KEPT_MAX`]: domain::Incident::KEPT_MAX

mod canary;
mod failure;
mod home;
mod person;
mod record;
mod reset;
#[cfg(test)]
mod stories;

pub use canary::{CompletedSeen, UNDECIDED_AFTER, on_backlog_gone, on_canary_late, on_completed};
pub use failure::{FailureSeen, on_failure};
pub use home::{Home, Misplaced, counted_before, home};
pub use person::{PersonCloses, PersonOpens, Refusal, close, open};
pub use reset::{on_reset_due, resets_at, taken_back};

use domain::{Actor, Admission, Cause, Epoch, Gate, GateName, GateState, Incident, Timestamp};

/// What the caller knows and a gate message must say.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    pub now: Timestamp,
    /// The newest sequence over all gates, read from the leader: also what the write of the
    /// decided message expects.
    pub prev: u64,
    /// The gate's `remedy` from the configuration.
    pub remedy: &'a str,
}

/// What is to be written, in this order, and then told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The gate's next message.
    pub gate: Option<Gate>,
    /// The incident record as it must read now.
    pub incident: Option<Incident>,
    /// May repeat what was told before: an event that comes twice is told twice, under the
    /// same event id.
    pub told: Vec<Told>,
}

/// What people should hear of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The gate is closed: a new incident, or the same one again.
    Closed,
    /// The standing incident has one more cause.
    CauseJoined { cause: Cause },
    /// A failure joined an incident and moved nothing.
    Joined { incident: u64, straggler: bool },
    /// A failure was counted, and so many distinct tasks of those needed to close have now
    /// failed for its cause; `of` 0 for never.
    Counted { tasks: u32, of: u32 },
    /// A person opened the gate, now or beforehand: one canary.
    Probing,
    /// So many canaries of this opening proved nothing; the next one may try.
    CanaryFailed { failed: u32 },
    /// The canary's effect is on record; what waited is let go, paced.
    Draining,
    /// The canary was undecided for too long; the gate is closed again.
    Undecided,
    /// The gate is open.
    Opened { without_canary: bool },
}

/// The first message of a new gate: OPEN, in the name of the person who applied it.
pub fn first(name: GateName, by: &str, stamp: &Stamp<'_>) -> Gate {
    Gate {
        name,
        epoch: Epoch::FIRST,
        prev: stamp.prev,
        state: GateState::Open,
        at: stamp.now,
        since: stamp.now,
        incident: 0,
        opening: Epoch::FIRST,
        causes: Vec::new(),
        trigger: None,
        by: Actor::Person(by.to_owned()),
        note: "first applied".to_owned(),
        remedy: stamp.remedy.to_owned(),
        canaries_failed: 0,
        without_canary: false,
        resets: Vec::new(),
        failing_since: stamp.now,
        words_broken: 0,
    }
}

/// The message of the reserved gate `_config` that puts a version of the configuration in
/// force; its epoch is the version.
pub fn config(version: u64, by: &str, stamp: &Stamp<'_>) -> Gate {
    let epoch = Epoch::new(version);
    let note = format!("configuration {version} applied");
    Gate { epoch, note, ..first(GateName::config(), by, stamp) }
}

/// Whether what was admitted under `admission` may still act, now that the gate reads `gate`:
/// it was not closed in between, and it is not another's turn to be the canary.
pub fn still_admits(gate: &Gate, admission: &Admission) -> bool {
    let same = gate.epoch == admission.epoch;
    match gate.state {
        GateState::Closed => false,
        GateState::Probing => same,
        GateState::Open | GateState::Draining => gate.opening <= admission.epoch,
    }
}

impl Decision {
    fn tell(told: Told) -> Self {
        Decision { told: vec![told], ..Decision::default() }
    }

    fn write(gate: Gate, told: Told) -> Self {
        Decision { gate: Some(gate), incident: None, told: vec![told] }
    }
}

/// The message after `gate`: the same in a new state, by `by`.
fn next(gate: &Gate, state: GateState, by: Actor, note: String, stamp: &Stamp<'_>) -> Gate {
    let since = if state == GateState::Open || gate.state == GateState::Open {
        stamp.now
    } else {
        gate.since
    };
    Gate {
        epoch: gate.epoch.next(),
        prev: stamp.prev,
        state,
        at: stamp.now,
        since,
        by,
        note,
        remedy: stamp.remedy.to_owned(),
        without_canary: false,
        ..gate.clone()
    }
}

/// The closing that follows `gate`: a new incident from OPEN, else the standing one.
fn closed(gate: &Gate, cause: Cause, by: Actor, note: String, stamp: &Stamp<'_>) -> Gate {
    let mut closed = next(gate, GateState::Closed, by, note, stamp);
    if gate.state == GateState::Open {
        closed.incident = gate.incident.saturating_add(1);
        closed.causes = Vec::new();
    }
    if !closed.causes.contains(&cause) {
        closed.causes.push(cause);
    }
    closed.trigger = None;
    closed.canaries_failed = 0;
    closed
}

/// The opening that ends the incident.
fn opened(gate: &Gate, by: Actor, note: String, stamp: &Stamp<'_>) -> Gate {
    let mut opened = next(gate, GateState::Open, by, note, stamp);
    opened.causes = Vec::new();
    opened.resets = Vec::new();
    opened.trigger = None;
    opened.canaries_failed = 0;
    opened
}

/// The epoch of the gate under which an attempt was admitted; `None` if it never passed it.
fn admitted_under(gate: &Gate, admitted: &[Admission]) -> Option<Epoch> {
    let passed = |it: &&Admission| it.gate == gate.name && Epoch::FIRST <= it.epoch;
    admitted.iter().find(passed).map(|admission| admission.epoch)
}
