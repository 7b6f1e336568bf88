//! From what is to be told of an attempt to the event that tells it.

use std::time::Duration;

use domain::{Cost, Key, Phase, TaskState};
use logic::attempt::{Report, Told};
use wire::event::{AttemptTold, AttemptVerb, Event};

use crate::desk::Desk;

/// Between tellings of an event that was not stored.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Tells every report about `state`; whether all of it is stored.
pub(super) async fn tell(desk: &Desk, key: Key, state: &TaskState, reports: &[Report]) -> bool {
    for report in reports {
        let told = told(desk, state, report);
        debug_assert_eq!(told.source_key.key(), key, "told of another task");
        if !insist(desk, &told.to_event()).await {
            return false;
        }
    }
    true
}

/// Tells an event until it is stored; gives up only when the service must end.
pub(super) async fn insist(desk: &Desk, event: &Event) -> bool {
    loop {
        match desk.fleet.tell(event).await {
            Ok(()) => return true,
            Err(error) => desk.grumble("tell an event", error),
        }
        tokio::select! {
            () = desk.hurry.cancelled() => return false,
            () = desk.fleet.clock.sleep(AGAIN_AFTER) => (),
        }
    }
}

/// The event of one report. `state` is the link that it is about.
pub(super) fn told(desk: &Desk, state: &TaskState, report: &Report) -> AttemptTold {
    let mut event = AttemptTold {
        verb: AttemptVerb::Completed,
        kind: state.kind.clone(),
        source_key: state.source_key.clone(),
        attempt: report.attempt,
        holder: desk.me().clone(),
        at: state.at,
        cause: None,
        charged: false,
        gate: None,
        evidence: String::new(),
        rest_until: match state.phase {
            Phase::Resting { due, .. } => Some(due),
            _ => None,
        },
        effect: String::new(),
        cost: Cost::ZERO,
        admitted: report.admitted.clone(),
        canary: report.canary.clone(),
    };
    match report.told.clone() {
        Told::Completed { effect, cost } => {
            (event.effect, event.cost) = (effect, cost);
        }
        Told::Failed { cause, evidence, charged, gate, cost } => {
            event.verb = AttemptVerb::Failed;
            (event.cause, event.evidence, event.cost) = (Some(cause), evidence, cost);
            (event.charged, event.gate) = (charged, gate);
        }
        Told::Unknown { cause, evidence, cost } => {
            event.verb = AttemptVerb::Failed;
            (event.cause, event.evidence, event.cost) = (Some(cause), evidence, cost);
        }
        Told::Dead { cause } => {
            (event.verb, event.cause) = (AttemptVerb::Dead, Some(cause));
        }
        Told::Held { gate, why } => {
            (event.verb, event.gate, event.evidence) = (AttemptVerb::Held, gate, why);
        }
        Told::Withdrawn { by, why } => {
            (event.verb, event.evidence) = (AttemptVerb::Withdrawn, format!("by {by}: {why}"));
        }
        Told::Parked { cause, evidence } => {
            event.verb = AttemptVerb::Parked;
            (event.cause, event.evidence) = (Some(cause), evidence);
        }
    }
    event
}
