//! From what is to be told of an attempt to the event that tells it.

use domain::{Cause, Cost, HolderId, Phase, TaskState, Timestamp};
use logic::attempt::{Report, STALE, Told};
use wire::event::{AttemptTold, AttemptVerb};

/// The event of one report, as `holder` tells it: a dispatcher, or a person's command. `state` is
/// the link that it is about.
pub fn attempt_told(holder: &HolderId, state: &TaskState, report: &Report) -> AttemptTold {
    let mut event = AttemptTold {
        verb: AttemptVerb::Completed,
        kind: state.kind.clone(),
        source_key: state.source_key.clone(),
        attempt: report.attempt,
        holder: holder.clone(),
        at: state.at,
        cause: None,
        charged: false,
        gate: None,
        evidence: String::new(),
        rest_until: match state.phase {
            Phase::Resting { due, .. } | Phase::Returned { due, .. } => Some(due),
            _ => None,
        },
        resets_at: None,
        effect: String::new(),
        cost: Cost::ZERO,
        credential: state.credential.clone(),
        admitted: report.admitted.clone(),
        canary: report.canary.clone(),
        begun: report.begun,
        created: report.created.clone(),
    };
    tell(&mut event, report.told.clone(), state.resets_at);
    event
}

fn tell(event: &mut AttemptTold, told: Told, resets_at: Option<Timestamp>) {
    match told {
        Told::Completed { effect, cost } => {
            (event.effect, event.cost) = (effect, cost);
        }
        Told::Failed { cause, evidence, charged, gate, cost } => {
            event.verb = AttemptVerb::Failed;
            (event.cause, event.evidence, event.cost) = (Some(cause), evidence, cost);
            (event.charged, event.gate, event.resets_at) = (charged, gate, resets_at);
        }
        Told::Unknown { cause, evidence, cost } => {
            event.verb = AttemptVerb::Failed;
            (event.cause, event.evidence, event.cost) = (Some(cause), evidence, cost);
            event.resets_at = resets_at;
        }
        Told::Dead { cause } => {
            (event.verb, event.cause) = (AttemptVerb::Dead, Some(cause));
        }
        Told::Held { gate, why } => {
            (event.verb, event.gate, event.evidence) = (AttemptVerb::Held, gate, why);
        }
        Told::Withdrawn { by, why } => {
            event.cause = why.starts_with(STALE).then(|| Cause::known(STALE));
            (event.verb, event.evidence) = (AttemptVerb::Withdrawn, format!("by {by}: {why}"));
        }
        Told::Revived { by, note } => {
            (event.verb, event.evidence) = (AttemptVerb::Revived, format!("by {by}: {note}"));
        }
        Told::Parked { cause, evidence } => {
            event.verb = AttemptVerb::Parked;
            (event.cause, event.evidence) = (Some(cause), evidence);
        }
    }
}
