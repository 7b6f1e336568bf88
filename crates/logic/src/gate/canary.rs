//! What follows a person's opening: the canary's success or silence, and the end of the drain.

use std::time::Duration;

use domain::{
    Actor, Admission, Canary, Cause, Epoch, Gate, GateName, GateState, Trigger, event_id,
};

use super::{Decision, Stamp, Told, admitted_under, closed, next, opened};

/// How long a canary may be under way before the gate closes again.
pub const UNDECIDED_AFTER: Duration = Duration::from_secs(30 * 60);

/// One completed attempt, as its durable event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedSeen {
    pub admitted: Vec<Admission>,
    /// The probing gates whose canary the attempt was.
    pub canary: Vec<GateName>,
}

/// Decides what one completed attempt does to one gate: only the canary of this very epoch
/// proves anything. A late success moves nothing (G5).
pub fn on_completed(gate: &Gate, seen: &CompletedSeen, stamp: &Stamp<'_>) -> Decision {
    let admitted = admitted_under(gate, &seen.admitted);
    if !seen.canary.contains(&gate.name) {
        return Decision::default();
    }
    match gate.state {
        GateState::Probing if admitted == Some(gate.epoch) => {
            let note = "the canary's effect is on record".to_owned();
            let draining = next(gate, GateState::Draining, Actor::Gatekeeper, note, stamp);
            Decision::write(draining, Told::Draining)
        }
        GateState::Draining if admitted.is_some_and(|epoch| epoch.next() == gate.epoch) => {
            Decision::tell(Told::Draining)
        }
        _ => Decision::default(),
    }
}

/// Decides about a canary as its record stands: undecided for too long, it closes the gate in
/// the same incident, with the cause `canary.undecided`. It has been seen `under_way` for so
/// long by one clock: when it was begun says another, which may be ahead or behind.
pub fn on_canary_late(
    gate: &Gate,
    canary: &Canary,
    under_way: Duration,
    stamp: &Stamp<'_>,
) -> Decision {
    let standing = gate.state == GateState::Probing
        && canary.gate == gate.name
        && canary.epoch == gate.epoch
        && !canary.released;
    let late = UNDECIDED_AFTER <= under_way;
    let (true, true, Ok(cause)) = (standing, late, "canary.undecided".parse::<Cause>()) else {
        return Decision::default();
    };
    let note =
        format!("canary {} was begun at {} and is undecided", canary.source_key, canary.begun);
    let trigger = Trigger {
        event: event_id(&canary.kind, canary.task, canary.attempt, "undecided"),
        task: canary.task,
        source_key: canary.source_key.clone(),
        attempt: canary.attempt,
        cause: cause.clone(),
        evidence: note.clone(),
    };
    let mut closed = closed(gate, cause, Actor::Gatekeeper, note, stamp);
    closed.trigger = Some(trigger);
    Decision::write(closed, Told::Undecided)
}

/// Decides that nothing is left of what waited at `opening`, see [`backlog_gone`]: the drain,
/// if it is still that opening's, ends.
///
/// [`backlog_gone`]: crate::pace::backlog_gone
pub fn on_backlog_gone(gate: &Gate, opening: Epoch, stamp: &Stamp<'_>) -> Decision {
    if gate.state != GateState::Draining || gate.opening != opening {
        return Decision::default();
    }
    let note = "what waited is done".to_owned();
    let opened = opened(gate, Actor::Gatekeeper, note, stamp);
    Decision::write(opened, Told::Opened { without_canary: false })
}
