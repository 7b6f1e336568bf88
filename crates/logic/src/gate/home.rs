//! In which incident a failure belongs, however late or often it is delivered.
//!
//! A failure belongs to the first closing after the epoch under which its attempt was
//! admitted; while there is none, to the one that it may bring about. Since gate messages
//! are never changed, a second delivery finds the same record.

use domain::{Blame, Epoch, Gate, GateState};

use super::{FailureSeen, admitted_under};

/// Where to look for the incident record that a failure belongs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In none: it says nothing of this gate, or moves it only as its canary.
    None,
    /// In this incident of the gate.
    Incident(u64),
    /// In the incident of the gate's first CLOSED message at or after this epoch: read them
    /// one by one. There is one before the newest opening.
    From(Epoch),
}

/// A failure was decided with a record that is not the one it belongs in; read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the failure belongs elsewhere: {home:?}")]
pub struct Misplaced {
    pub home: Home,
}

/// Where `seen` belongs, now that the gate reads `gate`.
///
/// A failure that does not say under which epoch it passed the gate is taken for one admitted
/// just now: to close once too often is the safer error.
pub fn home(gate: &Gate, seen: &FailureSeen) -> Home {
    let Blame::Shared { gate: blamed, tasks, .. } = &seen.blame else { return Home::None };
    if *blamed != gate.name {
        return Home::None;
    }
    match (admitted_under(gate, &seen.admitted), gate.state) {
        (Some(epoch), _) if epoch < gate.opening => Home::From(epoch),
        (_, GateState::Open) => Home::Incident(gate.incident.saturating_add(1)),
        (_, GateState::Closed) => Home::Incident(gate.incident),
        // What never closes belongs to no closing; counted here, it would be counted again
        // if it came once more after the gate has opened.
        (_, GateState::Probing | GateState::Draining) if *tasks == 0 => Home::None,
        (_, GateState::Probing | GateState::Draining) => Home::Incident(gate.incident),
    }
}

/// The older incident in which `seen` may be counted already, to be looked at before [`home`].
///
/// Only a failure that names no epoch can be: told again after its incident has ended, it
/// looks like a new one.
pub fn counted_before(gate: &Gate, seen: &FailureSeen) -> Option<u64> {
    let names_none = admitted_under(gate, &seen.admitted).is_none();
    let fresh = home(gate, seen) == Home::Incident(gate.incident.saturating_add(1));
    (names_none && fresh && 0 < gate.incident).then_some(gate.incident)
}
