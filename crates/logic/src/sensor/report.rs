use std::{collections::BTreeMap, fmt, time::Duration};

use domain::{Fate, GateName};

/// Why a row made no task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Seen before in this cycle, because the offsets shifted.
    Repeated,
    NoAddress,
    BadAddress,
    WrongNetwork,
    /// An item without the fields of its key, or with ones that can be no part of it.
    NoKey,
    BadKey,
    BadPayload,
    Excluded,
    Completed,
    Dead,
    Withdrawn,
    Parked,
    /// There was contact before, by whatever means.
    Contact,
    /// A task for it is queued or running.
    InFlight,
    /// A gate that the kind needs does not admit.
    Gate(GateName),
    /// A gate is probing, and its canary has work already.
    Probing(GateName),
    /// Nobody knows how the gates stand.
    GatesUnknown,
    CapCycle,
    CapDay,
    /// The scan ended before this one was decided.
    Undecided,
    /// A firing that is never created.
    Unfired(Fate),
}

impl Reason {
    /// The reason without its gate: stable, for counting and for machines.
    pub const fn word(&self) -> &'static str {
        match self {
            Reason::Repeated => "repeated",
            Reason::NoAddress => "no address",
            Reason::BadAddress => "bad address",
            Reason::WrongNetwork => "wrong network",
            Reason::NoKey => "no key",
            Reason::BadKey => "bad key",
            Reason::BadPayload => "bad payload",
            Reason::Excluded => "excluded",
            Reason::Completed => "completed",
            Reason::Dead => "dead",
            Reason::Withdrawn => "withdrawn",
            Reason::Parked => "parked",
            Reason::Contact => "contact",
            Reason::InFlight => "in flight",
            Reason::Gate(_) => "gate",
            Reason::Probing(_) => "gate probing",
            Reason::GatesUnknown => "gates unknown",
            Reason::CapCycle => "cap cycle",
            Reason::CapDay => "cap day",
            Reason::Undecided => "undecided",
            Reason::Unfired(fate) => fate.word(),
        }
    }

    const fn ended(&self) -> bool {
        matches!(self, Reason::Completed | Reason::Dead | Reason::Withdrawn)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Gate(gate) => write!(f, "gate {gate}"),
            Reason::Probing(gate) => write!(f, "gate {gate} probing"),
            _ => f.write_str(self.word()),
        }
    }
}

/// Why a cycle read no further page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The directory has no more.
    End,
    /// The list is as it was when it was last read, and nothing of it was left over then.
    Unchanged,
    /// As many pages as one cycle may read.
    PagesMax,
    /// A whole page brought only rows that this cycle had seen: the directory repeats itself.
    Repeats,
    /// A page could not be read.
    Failed { why: String, retry_after: Option<Duration> },
    /// The sensor was stopped.
    Interrupted,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::End => f.write_str("end"),
            Stop::Unchanged => f.write_str("unchanged"),
            Stop::PagesMax => f.write_str("page limit"),
            Stop::Repeats => f.write_str("pages repeat"),
            Stop::Failed { why, .. } => write!(f, "stopped: {why}"),
            Stop::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// What one cycle did. Every row seen is in exactly one of `created`, `unknown` and `skipped`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleReport {
    /// Rows read.
    pub seen: u64,
    /// Agents whom we never greeted and for whom nothing waits: created, unknown, or held
    /// back by gates and caps alone.
    pub new: u64,
    pub created: u64,
    /// Creates whose answer was lost: there may be a task.
    pub unknown: u64,
    pub skipped: BTreeMap<Reason, u64>,
    /// How the gates stood when last looked at, in words; empty when nothing asked.
    pub gates: String,
    pub pages: u32,
    pub stop: Stop,
}

impl CycleReport {
    pub fn skipped_for(&self, reason: &Reason) -> u64 {
        self.skipped.get(reason).copied().unwrap_or(0)
    }

    pub fn in_flight(&self) -> u64 {
        self.skipped_for(&Reason::InFlight)
    }

    /// Held back by gates, to be looked at again.
    pub fn held(&self) -> u64 {
        let held = |reason: &Reason| {
            matches!(reason, Reason::Gate(_) | Reason::Probing(_) | Reason::GatesUnknown)
        };
        self.skipped.iter().filter(|(reason, _)| held(reason)).map(|(_, count)| count).sum()
    }

    /// Whether the list may have something left that a task is still to be made of: then it
    /// must be read again in full, changed or not.
    pub fn leaves_over(&self) -> bool {
        let left = |reason: &Reason| {
            matches!(
                reason,
                Reason::Gate(_)
                    | Reason::Probing(_)
                    | Reason::GatesUnknown
                    | Reason::CapCycle
                    | Reason::CapDay
                    | Reason::Undecided
                    | Reason::Parked
            )
        };
        !matches!(self.stop, Stop::End | Stop::Unchanged)
            || 0 < self.unknown
            || self.skipped.keys().any(left)
    }

    /// Completed, dead or withdrawn.
    pub fn ended(&self) -> u64 {
        self.skipped.iter().filter(|(reason, _)| reason.ended()).map(|(_, count)| count).sum()
    }

    /// How long the next cycle must wait, when the directory said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.stop {
            Stop::Failed { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// One line: `seen 87 = created 3 + unknown 0 + in flight 4 + ended 60 + skipped 20 (contact
/// 12, excluded 8); new 3; gates OPEN; 2 pages, end`.
impl fmt::Display for CycleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = |reason: &Reason| !reason.ended() && *reason != Reason::InFlight;
        let others: Vec<_> = self.skipped.iter().filter(|(reason, _)| rest(reason)).collect();
        let skipped: u64 = others.iter().map(|(_, count)| **count).sum();
        let Self { seen, new, created, unknown, gates, pages, stop, .. } = self;
        write!(f, "seen {seen} = created {created} + unknown {unknown}")?;
        write!(
            f,
            " + in flight {} + ended {} + skipped {skipped}",
            self.in_flight(),
            self.ended()
        )?;
        for (at, (reason, count)) in others.iter().enumerate() {
            write!(f, "{}{reason} {count}", if at == 0 { " (" } else { ", " })?;
        }
        f.write_str(if others.is_empty() { "" } else { ")" })?;
        let gates = if gates.is_empty() { "not asked" } else { gates };
        let s = if *pages == 1 { "" } else { "s" };
        write!(f, "; new {new}; gates {gates}; {pages} page{s}, {stop}")
    }
}
