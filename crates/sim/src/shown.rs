//! Bodies in a line of the log.

use domain::{Phase, TaskState};

use crate::words::{Body, Told};

pub(crate) fn body(body: &Body) -> String {
    match body {
        Body::Task(task) => format!("task {}", task.source_key),
        Body::Gate(gate) => format!(
            "{} epoch {} {} incident {} opening {} by {}: {}",
            gate.name,
            gate.epoch,
            gate.state.word(),
            gate.incident,
            gate.opening,
            gate.by,
            gate.note
        ),
        Body::State(state) => link(state),
        Body::Payment(payment) => {
            let nonce = payment.signed().map(|signed| signed.nonce);
            let last = payment.history.last().map_or("", |note| &note.what);
            format!("{} nonce {nonce:?}: {last}", payment.word())
        }
        Body::Wallet(wallet) => {
            let open = wallet.unfinished.iter();
            let open: Vec<_> = open.map(|it| (it.nonce, it.sent, it.settled.is_some())).collect();
            format!("next {} unfinished {open:?} holes {:?}", wallet.next, wallet.holes)
        }
        Body::Contact(how) => how.clone(),
        Body::Incident(incident) => format!("{} failures", incident.count()),
        Body::Canary(canary) => format!(
            "{} attempt {} holder {} released {}",
            canary.source_key, canary.attempt, canary.holder, canary.released
        ),
        Body::Budget(budget) => format!("{} used", budget.used),
        Body::Told(told) => {
            let Told { verb, source_key, attempt, cause, resets_at, .. } = &**told;
            let named = resets_at.map(|at| format!(" until {at}")).unwrap_or_default();
            format!("{verb} {source_key} attempt {attempt} {cause:?}{named}")
        }
    }
}

pub(crate) fn link(state: &TaskState) -> String {
    let TaskState { source_key, attempt, charged, canary, .. } = state;
    let phase = match &state.phase {
        Phase::Claimed(claim) => format!("by {} renewed {}", claim.holder, claim.renewals),
        Phase::Resting { cause, .. } | Phase::Dead { cause } => cause.to_string(),
        Phase::Returned { cause, .. } => format!("{cause:?}"),
        _ => String::new(),
    };
    let word = state.word();
    format!("{source_key} attempt {attempt} charged {charged} canary {canary:?} {word} {phase}")
}
