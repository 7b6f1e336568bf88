//! Whether money may leave now, read from the leader right before it would.
//!
//! | what is read | and then |
//! | --- | --- |
//! | a gate stands as admitted, or has only opened further since | goes on |
//! | a gate is closed, was opened anew, or cannot be read | not yet |
//! | this payer is latched at the gate | not yet |
//! | the requester's claim is gone | not yet |
//! | there was contact with the payee, other than by this payment, and nothing left yet | never |
//! | the payment's own task has ended, and nothing left yet | never |

use domain::{Admission, Gate, GateState, Key, Kind, Payment, Phase, SourceKey, TaskState};
use fleet::{gate_log, store::read};
use logic::payment::Leave;
use wire::{
    message::{Contact, RunRequest},
    subject,
};

use crate::desk::Desk;

/// The payment that would be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) payment: Key,
    /// What its own task is about.
    pub(crate) source_key: &'a SourceKey,
    /// Its bytes may have left already.
    pub(crate) sent: bool,
    /// Its record, where there is one.
    pub(crate) record: Option<&'a Payment>,
}

pub(crate) async fn leave(desk: &Desk, request: &RunRequest, subject: Subject<'_>) -> Leave {
    if let Some(leave) = contact(desk, subject).await {
        return leave;
    }
    if let Some(leave) = claim(desk, request, subject).await {
        return leave;
    }
    match gates(desk, request).await {
        Some(leave) => leave,
        None => Leave::Granted,
    }
}

async fn contact(desk: &Desk, subject: Subject<'_>) -> Option<Leave> {
    match desk.ledger.contact(subject.payment).await {
        Ok(None) => None,
        // What has left may come true without us, so keeping it back would spare nobody: it
        // would only keep its nonce, and every payment after it, waiting for ever.
        Ok(Some(_)) if subject.sent => None,
        // Noted when it was paid: whether the message may follow is another question.
        Ok(Some(contact)) if subject.record.is_some_and(|it| wrote(it, &contact)) => None,
        Ok(Some(contact)) => {
            Some(Leave::Never { why: format!("there was contact: {}", contact.how) })
        }
        Err(error) => Some(unread(&error)),
    }
}

/// That contact was noted together with a step of this payment.
fn wrote(payment: &Payment, contact: &Contact) -> bool {
    payment.history.iter().any(|note| note.what == contact.how)
}

async fn claim(desk: &Desk, request: &RunRequest, subject: Subject<'_>) -> Option<Leave> {
    let task = &request.task;
    let reserved = subject.record.and_then(|record| record.reserved.as_ref());
    let owner = reserved.map_or(&task.kind, |reserved| &reserved.kind);
    let own = subject.source_key == &task.source_key && owner == &task.kind;
    let states = async |kind: &Kind, key: Key| {
        let subject = subject::state(kind, key);
        let found = read::<TaskState>(&desk.fleet.bus, subject::STATE, &subject).await;
        found.map(|found| found.map(|found| found.value))
    };
    let ours = match states(&task.kind, task.key()).await {
        Ok(ours) => ours,
        Err(error) => return Some(unread(&error)),
    };
    if !ours.as_ref().is_some_and(|state| claimed(state, request)) {
        let why = format!("attempt {} of {} no longer holds it", request.attempt, request.holder);
        let ended = ours.is_some_and(|state| state.ended());
        return Some(match own && ended && !subject.sent {
            true => Leave::Never { why: "its task has ended".to_owned() },
            false => Leave::NotYet { gate: None, why },
        });
    }
    if own || subject.sent {
        return None;
    }
    match states(owner, subject.source_key.key()).await {
        Ok(Some(state)) if state.ended() => {
            Some(Leave::Never { why: format!("its task is {}", state.word()) })
        }
        Ok(_) => None,
        Err(error) => Some(unread(&error)),
    }
}

fn claimed(state: &TaskState, request: &RunRequest) -> bool {
    let holds = |phase: &Phase| match phase {
        Phase::Claimed(claim) => claim.holder == request.holder,
        _ => false,
    };
    state.attempt == request.attempt && holds(&state.phase)
}

async fn gates(desk: &Desk, request: &RunRequest) -> Option<Leave> {
    for gate in desk.fleet.config().needs(&request.task.kind) {
        let not_yet = |why: String| Some(Leave::NotYet { gate: Some(gate.clone()), why });
        let Some(admission) = request.admitted.iter().find(|admitted| admitted.gate == gate) else {
            return not_yet("the request was not admitted by it".to_owned());
        };
        let standing = match gate_log::current(&desk.fleet.bus, &gate).await {
            Ok(Some(standing)) => standing,
            Ok(None) => return not_yet("it has no state".to_owned()),
            Err(error) => return not_yet(format!("{:#}", anyhow::Error::new(error))),
        };
        if !admits(&standing.value, standing.seq, admission) {
            return not_yet(format!("it is {} now", standing.value.state.told()));
        }
        if let Some(since) = desk.latches.since(&desk.fleet, &standing.value).await {
            return not_yet(format!("a failure of {since} waits for the gatekeeper's word"));
        }
    }
    None
}

/// As admitted, or opened further since: PROBING to DRAINING to OPEN, in one opening.
fn admits(gate: &Gate, seq: u64, admission: &Admission) -> bool {
    match gate.state {
        GateState::Closed => false,
        GateState::Probing => seq == admission.seq,
        GateState::Open | GateState::Draining => {
            seq == admission.seq || gate.opening <= admission.epoch
        }
    }
}

fn unread(error: &(dyn std::error::Error + 'static)) -> Leave {
    let sources = std::iter::successors(error.source(), |error| error.source());
    let why = sources.fold(error.to_string(), |text, source| format!("{text}: {source}"));
    Leave::NotYet { gate: None, why }
}

#[cfg(test)]
mod tests {
    use domain::{Actor, Epoch, Timestamp};

    use super::*;

    fn gate(epoch: u64, opening: u64, state: GateState) -> Gate {
        let at = Timestamp::from_millis(0);
        Gate {
            name: "relay".parse().unwrap(),
            epoch: Epoch::new(epoch),
            prev: 0,
            state,
            at,
            since: at,
            incident: 1,
            opening: Epoch::new(opening),
            causes: Vec::new(),
            trigger: None,
            by: Actor::Gatekeeper,
            note: String::new(),
            remedy: String::new(),
            canaries_failed: 0,
            without_canary: false,
            resets: Vec::new(),
            failing_since: Timestamp::from_millis(0),
            words_broken: 0,
        }
    }

    /// Admitted under epoch 4 (sequence 40), in the opening that began with it.
    #[test]
    fn a_gate_may_open_further_and_nothing_else() {
        let admission = Admission { gate: "relay".parse().unwrap(), epoch: Epoch::new(4), seq: 40 };
        let check = |gate: &Gate, seq, expected| {
            assert_eq!(admits(gate, seq, &admission), expected, "{gate:?}");
        };
        check(&gate(4, 4, GateState::Open), 40, true);
        check(&gate(4, 4, GateState::Probing), 40, true);
        check(&gate(5, 4, GateState::Draining), 50, true);
        check(&gate(6, 4, GateState::Open), 60, true);
        check(&gate(5, 4, GateState::Probing), 50, false);
        check(&gate(5, 4, GateState::Closed), 50, false);
        check(&gate(4, 4, GateState::Closed), 40, false);
        // Closed and opened anew since.
        check(&gate(8, 6, GateState::Draining), 80, false);
    }
}
