//! Whether money may leave now, read from the leader right before it would.

use domain::{Admission, Gate, GateState, Key, Phase, SourceKey, TaskState};
use logic::payment::Leave;

use super::Desk;
use crate::{
    words::{Silent, Subject},
    world::Run,
};

/// The payment that would be sent.
#[derive(Clone, Copy)]
pub(super) struct Matter<'a> {
    pub(super) payment: Key,
    /// What its own task is about.
    pub(super) source_key: &'a SourceKey,
    /// Its bytes may have left already.
    pub(super) sent: bool,
}

pub(super) async fn leave(desk: &Desk, run: &Run, matter: Matter<'_>) -> Leave {
    match desk.contact(matter.payment).await {
        Ok(contact) if !contact || matter.sent => (),
        Ok(_) => return Leave::Never { why: "there was contact".to_owned() },
        Err(Silent) => return unread(),
    }
    if let Some(leave) = claim(desk, run, matter).await {
        return leave;
    }
    gates(desk, run).await.unwrap_or(Leave::Granted)
}

async fn claim(desk: &Desk, run: &Run, matter: Matter<'_>) -> Option<Leave> {
    let own = *matter.source_key == run.task.source_key;
    let state = async |key: Key| {
        let found = desk.p.get::<TaskState>(Subject::State(run.task.kind.clone(), key)).await;
        found.map(|found| found.map(|found| found.value))
    };
    let Ok(ours) = state(run.task.key()).await else { return Some(unread()) };
    if !ours.as_ref().is_some_and(|state| claimed(state, run)) {
        let ended = ours.is_some_and(|state| state.ended());
        return Some(match own && ended && !matter.sent {
            true => Leave::Never { why: "its task has ended".to_owned() },
            false => not_yet("the attempt no longer holds it"),
        });
    }
    if own || matter.sent {
        return None;
    }
    match state(matter.source_key.key()).await {
        Ok(Some(state)) if state.ended() => {
            Some(Leave::Never { why: format!("its task is {}", state.word()) })
        }
        Ok(_) => None,
        Err(Silent) => Some(unread()),
    }
}

fn claimed(state: &TaskState, run: &Run) -> bool {
    let holds = |phase: &Phase| match phase {
        Phase::Claimed(claim) => claim.holder == run.holder,
        _ => false,
    };
    state.attempt == run.attempt && holds(&state.phase)
}

async fn gates(desk: &Desk, run: &Run) -> Option<Leave> {
    for name in desk.p.config().needs(&run.task.kind) {
        let Some(admission) = run.admitted.iter().find(|admitted| admitted.gate == name) else {
            return Some(not_yet("the request was not admitted by it"));
        };
        let Ok(Some(standing)) = desk.p.gate_now(&name).await else { return Some(unread()) };
        if !admits(&standing.value, standing.seq, admission) {
            let why = format!("it is {} now", standing.value.state.word());
            return Some(Leave::NotYet { gate: Some(name), why });
        }
        if desk.latched(&standing.value).await {
            return Some(Leave::NotYet { gate: Some(name), why: "latched".to_owned() });
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

fn not_yet(why: &str) -> Leave {
    Leave::NotYet { gate: None, why: why.to_owned() }
}

fn unread() -> Leave {
    not_yet("the record is not at hand")
}
