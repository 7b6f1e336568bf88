use std::fmt;

use crate::{Cause, GateName, Key, Kind, SourceKey, Timestamp};

/// The number of a gate's state in its log: 1 for the first, one more for each transition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    pub const FIRST: Epoch = Epoch(1);

    pub const fn new(epoch: u64) -> Self {
        Epoch(epoch)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn next(self) -> Self {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateState {
    Open,
    Closed,
    Probing,
    Draining,
}

impl GateState {
    /// With what it does, since breaker people read the bare words the other way round.
    pub const fn told(self) -> &'static str {
        match self {
            GateState::Open => "OPEN (flowing)",
            GateState::Closed => "CLOSED (blocking)",
            GateState::Probing => "PROBING (one canary)",
            GateState::Draining => "DRAINING (paced)",
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            GateState::Open => "open",
            GateState::Closed => "closed",
            GateState::Probing => "probing",
            GateState::Draining => "draining",
        }
    }
}

/// Who moved a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, by the name given.
    Person(String),
    /// A gatekeeper, by the rules.
    Gatekeeper,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Person(name) => f.write_str(name),
            Actor::Gatekeeper => f.write_str("gatekeeper"),
        }
    }
}

/// One message of a gate's log: where the gate stands from here on, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub name: GateName,
    pub epoch: Epoch,
    /// The stream sequence of the gate message before this one, over all gates; 0 for none.
    /// A reader whose newest sequence is another has missed one.
    pub prev: u64,
    pub state: GateState,
    /// When this message was written.
    pub at: Timestamp,
    /// Since when the gate has not been open: when its incident began. Its own `at` if OPEN.
    pub since: Timestamp,
    /// The standing incident, or while OPEN the last one; 0 before the first.
    pub incident: u64,
    /// The epoch of the newest opening. What was admitted under an older one is a straggler.
    pub opening: Epoch,
    /// Every cause of the standing incident, the first one first; empty while OPEN.
    pub causes: Vec<Cause>,
    pub trigger: Option<Trigger>,
    pub by: Actor,
    /// What the acting person said, or what a gatekeeper has to say.
    pub note: String,
    /// For whoever clears it: what to look at, from the gate's configuration.
    pub remedy: String,
    /// Canaries of this opening that failed for their own fault.
    pub canaries_failed: u32,
    /// Opened past the canary, for these causes, on a person's word.
    pub without_canary: bool,
    /// What a person allowed beforehand of this closing: its causes that pass by themselves.
    /// Each was in force as the gate closed, or as its cause joined. While CLOSED, a canary may
    /// go once all causes are among them; while PROBING or DRAINING, one has gone for that.
    pub resets: Vec<Reset>,
    /// Times that were named earlier are not counted on: things went well since, or a person has
    /// said so.
    pub failing_since: Timestamp,
    /// How many canaries have gone for a time that was named, and failed, since then.
    pub words_broken: u32,
}

/// A person's word, given beforehand, that a cause passes by itself at the time that is named
/// with it: one of `resets` of the configuration, as a closing cites it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    pub cause: Cause,
    /// The version of the configuration that said so when the cause joined.
    pub version: u64,
    /// Who applied that version.
    pub by: String,
    /// Why, in their words.
    pub note: String,
}

/// The attempt that moved a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The id of the failure event, by which a repeated one is recognised.
    pub event: String,
    pub task: Key,
    pub source_key: SourceKey,
    pub attempt: u32,
    pub cause: Cause,
    /// What the other side answered, raw, shortened, without secrets.
    pub evidence: String,
}

/// A gate as an attempt saw it when it began; its outcome carries this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub gate: GateName,
    pub epoch: Epoch,
    /// The stream sequence of that gate message.
    pub seq: u64,
}

/// The one attempt let through a PROBING gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    pub gate: GateName,
    pub epoch: Epoch,
    /// Whose task: two kinds may work on one source key.
    pub kind: Kind,
    pub task: Key,
    pub source_key: SourceKey,
    pub attempt: u32,
    pub holder: crate::HolderId,
    pub begun: Timestamp,
    /// The holder gave it back before it acted; the next may have it.
    pub released: bool,
}
