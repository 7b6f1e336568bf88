//! What people hear of a gate.

use domain::{Gate, Incident, Timestamp};
use logic::gate::{Told, resets_at};
use serde_json::{Value, json};
use wire::event::{AttemptTold, Event, GateTold, gate_json};

/// Who tells something, and when.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    pub(crate) source: String,
    pub(crate) now: Timestamp,
}

/// The event for one thing told, now that the gate reads `gate`, and its incident `record` where
/// that was written.
pub(crate) fn event(
    teller: Teller,
    gate: &Gate,
    record: Option<&Incident>,
    told: &Told,
    about: Option<&AttemptTold>,
) -> Event {
    let mut more = about.map_or_else(|| json!({}), attempt_json);
    if let Some(at) = record.and_then(|record| resets_at(gate, record)) {
        merge(&mut more, json!({ "resets_at": at.to_string() }));
    }
    let own = match told {
        Told::CauseJoined { cause } => {
            json!({ "incident": gate.incident, "new_cause": cause.to_string() })
        }
        Told::Joined { incident, straggler } => {
            json!({ "incident": incident, "straggler": straggler })
        }
        Told::Counted { tasks, of } => json!({ "tasks": tasks, "of": of }),
        Told::Closed
        | Told::Probing
        | Told::CanaryFailed { .. }
        | Told::Draining
        | Told::Undecided
        | Told::Opened { .. } => json!({}),
    };
    merge(&mut more, own);
    let verb = verb(told);
    let (state, id) = match told {
        // Told of the failure and not of the gate's epoch, which may be another when it is
        // told again: so the id knows the failure only.
        Told::CauseJoined { .. } | Told::Joined { .. } | Told::Counted { .. } => {
            let mut whole = gate_json(gate);
            merge(&mut whole, more);
            more = whole;
            (None, about.map(|about| id_of(told, about)))
        }
        _ => (Some(gate), None),
    };
    GateTold {
        verb,
        gate: &gate.name,
        state,
        source: teller.source,
        at: state.map_or(teller.now, |gate| gate.at),
        about: id,
        more,
    }
    .to_event()
}

/// The event for a gate that stands as `gate` says and for nothing else: what the gate
/// message itself tells, whoever wrote it.
pub(crate) fn transition(teller: Teller, gate: &Gate) -> Event {
    GateTold {
        verb: transition_verb(gate),
        gate: &gate.name,
        state: Some(gate),
        source: teller.source,
        at: gate.at,
        about: None,
        more: json!({}),
    }
    .to_event()
}

/// How an incident has come about, in numbers: "286 failures = 230 relay + …".
pub(crate) fn incident_json(incident: &Incident) -> Value {
    let causes = incident.causes().into_iter();
    let causes = causes.map(|(cause, count)| (cause.to_string(), json!(count)));
    json!({ "failures": incident.count(), "failures_by_cause": Value::Object(causes.collect()) })
}

/// Adds the fields of `more` to those of `to`.
pub(crate) fn merge(to: &mut Value, more: Value) {
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}

/// The verb under which a move to the state of `gate` is told.
pub(crate) fn transition_verb(gate: &Gate) -> &'static str {
    use domain::GateState::{Closed, Draining, Open, Probing};
    match gate.state {
        Closed => "closed",
        Probing => "probing",
        Draining => "draining",
        Open => "opened",
    }
}

fn verb(told: &Told) -> &'static str {
    match told {
        Told::Closed | Told::Undecided => "closed",
        Told::CauseJoined { .. } | Told::Joined { .. } => "joined",
        Told::Counted { .. } => "counted",
        Told::Probing => "probing",
        Told::CanaryFailed { .. } => "canary-failed",
        Told::Draining => "draining",
        Told::Opened { .. } => "opened",
    }
}

fn id_of(told: &Told, about: &AttemptTold) -> String {
    match told {
        Told::CauseJoined { cause } => format!("{}/{cause}", about.id()),
        _ => about.id(),
    }
}

fn attempt_json(about: &AttemptTold) -> Value {
    json!({
        "event": about.id(),
        "kind": about.kind.to_string(),
        "source_key": about.source_key.to_string(),
        "task": about.source_key.key().to_string(),
        "attempt": about.attempt,
        "cause": about.cause.as_ref().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use domain::{Cost, Epoch, HolderId};
    use logic::gate::{Stamp, first};
    use wire::event::AttemptVerb;

    use super::*;

    fn gate(epoch: u64) -> Gate {
        let stamp = Stamp { now: Timestamp::from_millis(7), prev: 1, remedy: "look" };
        let epoch = Epoch::new(epoch);
        Gate { epoch, incident: 2, ..first("relay".parse().unwrap(), "ann", &stamp) }
    }

    fn id(gate: &Gate, told: &Told) -> String {
        let about = AttemptTold {
            verb: AttemptVerb::Failed,
            kind: "welcome".parse().unwrap(),
            source_key: "a".parse().unwrap(),
            attempt: 4,
            holder: HolderId::of(1),
            at: Timestamp::from_millis(5),
            cause: Some("relay.nonce-conflict".parse().unwrap()),
            charged: false,
            gate: None,
            evidence: String::new(),
            rest_until: None,
            effect: String::new(),
            cost: Cost::ZERO,
            admitted: Vec::new(),
            canary: Vec::new(),
            credential: None,
            resets_at: None,
            begun: None,
            created: None,
        };
        let teller = Teller { source: "gatekeeper/1".to_owned(), now: Timestamp::from_millis(9) };
        event(teller, gate, None, told, Some(&about)).id
    }

    /// A failure told again under a later epoch has the same id; a transition has its epoch's,
    /// whether its mover tells it or anybody else.
    #[test]
    fn told_twice_counts_once() {
        let joined = Told::Joined { incident: 2, straggler: false };
        assert_eq!(id(&gate(5), &joined), id(&gate(6), &joined));
        let cause = "relay.unavailable".parse().unwrap();
        assert_ne!(id(&gate(5), &joined), id(&gate(5), &Told::CauseJoined { cause }));
        let opened = id(&gate(5), &Told::Opened { without_canary: true });
        assert_ne!(opened, id(&gate(6), &Told::Opened { without_canary: true }));
        let teller = Teller { source: "gatekeeper/2".to_owned(), now: Timestamp::from_millis(99) };
        assert_eq!(opened, transition(teller, &gate(5)).id);
    }
}
