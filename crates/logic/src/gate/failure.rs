//! What a failed attempt does to a gate.

use std::time::Duration;

use domain::{
    Actor, Admission, Blame, Cause, Gate, GateName, GateState, Incident, Key, Kind, Reset,
    SourceKey, Timestamp, Trigger,
};

use super::{
    Decision, Home, Misplaced, Stamp, Told, admitted_under, closed, home, next,
    record::{gathered, joined, tasks_within},
};

/// One failed attempt, as its durable event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureSeen {
    /// The event's id, the same however often it is told.
    pub event: String,
    pub kind: Kind,
    pub task: Key,
    pub source_key: SourceKey,
    pub attempt: u32,
    pub cause: Cause,
    /// [`Config::blame`](domain::Config::blame) of kind and cause.
    pub blame: Blame,
    /// The gates as the attempt was admitted. A failure that was found outside any attempt
    /// carries the gates as its teller saw them.
    pub admitted: Vec<Admission>,
    /// The probing gates whose canary the attempt was.
    pub canary: Vec<GateName>,
    pub at: Timestamp,
    pub evidence: String,
    /// When it will have passed, by the word of whoever refused.
    pub resets_at: Option<Timestamp>,
    /// What a person allowed of the gate that is blamed, by the configuration in force.
    pub allowed: Vec<Reset>,
}

impl FailureSeen {
    /// Every gate that this failure may say something of: decide once for each.
    pub fn concerns(&self) -> Vec<GateName> {
        let mut gates = self.canary.clone();
        if let Blame::Shared { gate, .. } = &self.blame
            && !gates.contains(gate)
        {
            gates.insert(0, gate.clone());
        }
        gates
    }
}

/// Decides what one failure does to one gate. `record` is the incident of [`home`], empty if
/// it was never written; whatever it is, when the failure belongs in none.
///
/// # Errors
///
/// The record is another than the one that the failure belongs in, because the gate moved
/// between reading the two: read again.
pub fn on_failure(
    gate: &Gate,
    record: &Incident,
    seen: &FailureSeen,
    stamp: &Stamp<'_>,
) -> Result<Decision, Misplaced> {
    let home = home(gate, seen);
    let fits = record.gate == gate.name
        && match home {
            Home::None => return Ok(on_unrelated(gate, seen, stamp)),
            Home::Incident(number) => record.number == number,
            Home::From(_) => (1..=gate.incident).contains(&record.number),
        };
    match (&seen.blame, home) {
        _ if !fits => Err(Misplaced { home }),
        (_, Home::From(_)) => Ok(on_straggler(gate, record, seen)),
        (Blame::Shared { tasks, within, .. }, _) => {
            Ok(on_shared(gate, record, seen, (*tasks, *within), stamp))
        }
        (Blame::Own | Blame::Nobody, _) => Ok(Decision::default()),
    }
}

/// Joins the incident that ended with the opening it missed, and moves nothing (G5).
fn on_straggler(gate: &Gate, record: &Incident, seen: &FailureSeen) -> Decision {
    let told = vec![Told::Joined { incident: record.number, straggler: true }];
    let incident =
        (!record.has(&seen.event)).then(|| joined(record, seen, true, gate.trigger.as_ref()));
    Decision { gate: None, incident, told }
}

/// A failure that this gate is blamed for, of an attempt admitted since its opening. One that
/// is in the record has done its work, since the gate is written first: whenever it comes
/// again, it lets nothing that flows stop.
fn on_shared(
    gate: &Gate,
    record: &Incident,
    seen: &FailureSeen,
    (tasks, within): (u32, Duration),
    stamp: &Stamp<'_>,
) -> Decision {
    let new = !record.has(&seen.event);
    let incident = new.then(|| match gate.state {
        GateState::Open => gathered(record, seen, tasks, within),
        GateState::Closed | GateState::Probing | GateState::Draining => {
            joined(record, seen, false, gate.trigger.as_ref())
        }
    });
    let reached = match gate.state {
        GateState::Open => tasks_within(incident.as_ref().unwrap_or(record), seen, within),
        GateState::Closed | GateState::Probing | GateState::Draining => 0,
    };
    let joined = Told::Joined { incident: record.number, straggler: false };
    let told_and = |gate, told| Decision { gate, incident: incident.clone(), told };
    match gate.state {
        GateState::Open if !new || tasks == 0 || reached < tasks => {
            told_and(None, vec![Told::Counted { tasks: reached, of: tasks }])
        }
        GateState::Probing | GateState::Draining if !new => told_and(None, vec![joined]),
        GateState::Open | GateState::Probing | GateState::Draining => {
            told_and(Some(closed_by(gate, seen, stamp)), vec![Told::Closed, joined])
        }
        GateState::Closed if tasks != 0 && !gate.causes.contains(&seen.cause) => {
            let told = vec![Told::CauseJoined { cause: seen.cause.clone() }, joined];
            told_and(Some(with_cause(gate, seen, stamp)), told)
        }
        GateState::Closed => {
            // Whoever wrote the closing may have died before telling it.
            let mine = gate.trigger.as_ref().is_some_and(|trigger| trigger.event == seen.event);
            told_and(None, if mine { vec![Told::Closed, joined] } else { vec![joined] })
        }
    }
}

/// A failure that says nothing of this gate: at most its canary is spent, and the next epoch
/// is the next one's.
fn on_unrelated(gate: &Gate, seen: &FailureSeen, stamp: &Stamp<'_>) -> Decision {
    let admitted = admitted_under(gate, &seen.admitted);
    let decided = !matches!(seen.blame, Blame::Nobody);
    if gate.state != GateState::Probing || !seen.canary.contains(&gate.name) || !decided {
        return Decision::default();
    }
    if admitted.is_some_and(|epoch| epoch.next() == gate.epoch) && 0 < gate.canaries_failed {
        return Decision::tell(Told::CanaryFailed { failed: gate.canaries_failed });
    }
    if admitted != Some(gate.epoch) {
        return Decision::default();
    }
    let failed = gate.canaries_failed.saturating_add(1);
    let note = format!("canary {} failed: {}", seen.source_key, seen.cause);
    let mut probing = next(gate, GateState::Probing, Actor::Gatekeeper, note, stamp);
    probing.canaries_failed = failed;
    Decision::write(probing, Told::CanaryFailed { failed })
}

fn closed_by(gate: &Gate, seen: &FailureSeen, stamp: &Stamp<'_>) -> Gate {
    let note = format!("{} failed: {}", seen.source_key, seen.cause);
    let mut closed = closed(gate, seen.cause.clone(), Actor::Gatekeeper, note, stamp);
    closed.trigger = Some(trigger(seen));
    let cited = seen.allowed.iter().filter(|reset| closed.causes.contains(&reset.cause));
    closed.resets = cited.cloned().collect();
    if gate.state == GateState::Probing {
        let broken = u32::from(!gate.resets.is_empty());
        closed.words_broken = closed.words_broken.saturating_add(broken);
    } else {
        let begun = match seen.blame {
            // Whatever adds up to the closing of an OPEN gate was told within this window.
            Blame::Shared { within, .. } if gate.state == GateState::Open => seen.at.before(within),
            _ => seen.at,
        };
        (closed.failing_since, closed.words_broken) = (begun, 0);
    }
    closed
}

/// The closing goes on for one more cause; what began it stays on the message, and what was
/// allowed of the causes before: what is applied later is of no use to those.
fn with_cause(gate: &Gate, seen: &FailureSeen, stamp: &Stamp<'_>) -> Gate {
    let note = format!("{} failed too: {}", seen.source_key, seen.cause);
    let mut closed = closed(gate, seen.cause.clone(), Actor::Gatekeeper, note, stamp);
    closed.trigger = gate.trigger.clone();
    closed.resets.extend(seen.allowed.iter().find(|reset| reset.cause == seen.cause).cloned());
    closed
}

fn trigger(seen: &FailureSeen) -> Trigger {
    Trigger {
        event: seen.event.clone(),
        task: seen.task,
        source_key: seen.source_key.clone(),
        attempt: seen.attempt,
        cause: seen.cause.clone(),
        evidence: seen.evidence.clone(),
    }
}
