use domain::{
    Actor, Admission, Canary, DrainPace, Epoch, Gate, GateState, Incident, JoinedFailure, Reset,
    SourceKey, Timestamp, Trigger,
};

use super::{DecodeError, Wire, at, parse, parse_all, some_at, texts};
use crate::proto;

impl Wire for Gate {
    type Proto = proto::Gate;

    fn to_proto(&self) -> proto::Gate {
        proto::Gate {
            name: self.name.to_string(),
            epoch: self.epoch.get(),
            prev: self.prev,
            state: state_to(self.state).into(),
            at_ms: self.at.as_millis(),
            since_ms: self.since.as_millis(),
            incident: self.incident,
            opening: self.opening.get(),
            causes: texts(&self.causes),
            trigger: self.trigger.as_ref().map(trigger_to),
            person: match &self.by {
                Actor::Person(name) => name.clone(),
                Actor::Gatekeeper => String::new(),
            },
            note: self.note.clone(),
            remedy: self.remedy.clone(),
            canaries_failed: self.canaries_failed,
            without_canary: self.without_canary,
            resets: self.resets.iter().map(reset_to).collect(),
            failing_since_ms: self.failing_since.as_millis(),
            words_broken: self.words_broken,
        }
    }

    fn of_proto(gate: proto::Gate) -> Result<Self, DecodeError> {
        Ok(Gate {
            name: parse("name", &gate.name)?,
            epoch: Epoch::new(gate.epoch),
            prev: gate.prev,
            state: state_of(gate.state)?,
            at: at(gate.at_ms),
            since: at(gate.since_ms),
            incident: gate.incident,
            opening: Epoch::new(gate.opening),
            causes: parse_all("causes", &gate.causes)?,
            trigger: gate.trigger.map(trigger_of).transpose()?,
            by: if gate.person.is_empty() { Actor::Gatekeeper } else { Actor::Person(gate.person) },
            note: gate.note,
            remedy: gate.remedy,
            canaries_failed: gate.canaries_failed,
            without_canary: gate.without_canary,
            resets: gate.resets.into_iter().map(reset_of).collect::<Result<_, _>>()?,
            failing_since: at(gate.failing_since_ms),
            words_broken: gate.words_broken,
        })
    }
}

const fn state_to(state: GateState) -> proto::GateState {
    match state {
        GateState::Open => proto::GateState::Open,
        GateState::Closed => proto::GateState::Closed,
        GateState::Probing => proto::GateState::Probing,
        GateState::Draining => proto::GateState::Draining,
    }
}

fn state_of(value: i32) -> Result<GateState, DecodeError> {
    match proto::GateState::try_from(value) {
        Ok(proto::GateState::Open) => Ok(GateState::Open),
        Ok(proto::GateState::Closed) => Ok(GateState::Closed),
        Ok(proto::GateState::Probing) => Ok(GateState::Probing),
        Ok(proto::GateState::Draining) => Ok(GateState::Draining),
        Ok(proto::GateState::Unspecified) | Err(_) => {
            Err(DecodeError::Unknown { field: "state", value })
        }
    }
}

fn reset_to(reset: &Reset) -> proto::Reset {
    proto::Reset {
        cause: reset.cause.to_string(),
        version: reset.version,
        person: reset.by.clone(),
        note: reset.note.clone(),
    }
}

fn reset_of(reset: proto::Reset) -> Result<Reset, DecodeError> {
    Ok(Reset {
        cause: parse("resets.cause", &reset.cause)?,
        version: reset.version,
        by: reset.person,
        note: reset.note,
    })
}

fn trigger_to(trigger: &Trigger) -> proto::Trigger {
    proto::Trigger {
        event: trigger.event.clone(),
        source_key: trigger.source_key.to_string(),
        attempt: trigger.attempt,
        cause: trigger.cause.to_string(),
        evidence: trigger.evidence.clone(),
    }
}

fn trigger_of(trigger: proto::Trigger) -> Result<Trigger, DecodeError> {
    let source_key: SourceKey = parse("trigger.source_key", &trigger.source_key)?;
    Ok(Trigger {
        event: trigger.event,
        task: source_key.key(),
        source_key,
        attempt: trigger.attempt,
        cause: parse("trigger.cause", &trigger.cause)?,
        evidence: trigger.evidence,
    })
}

impl Wire for Admission {
    type Proto = proto::Admission;

    fn to_proto(&self) -> proto::Admission {
        proto::Admission { gate: self.gate.to_string(), epoch: self.epoch.get(), seq: self.seq }
    }

    fn of_proto(admission: proto::Admission) -> Result<Self, DecodeError> {
        Ok(Admission {
            gate: parse("gate", &admission.gate)?,
            epoch: Epoch::new(admission.epoch),
            seq: admission.seq,
        })
    }
}

impl Wire for Canary {
    type Proto = proto::Canary;

    fn to_proto(&self) -> proto::Canary {
        proto::Canary {
            gate: self.gate.to_string(),
            epoch: self.epoch.get(),
            source_key: self.source_key.to_string(),
            attempt: self.attempt,
            holder: self.holder.to_string(),
            begun_ms: self.begun.as_millis(),
            released: self.released,
            kind: self.kind.to_string(),
        }
    }

    fn of_proto(canary: proto::Canary) -> Result<Self, DecodeError> {
        let source_key: SourceKey = parse("source_key", &canary.source_key)?;
        Ok(Canary {
            gate: parse("gate", &canary.gate)?,
            epoch: Epoch::new(canary.epoch),
            task: source_key.key(),
            source_key,
            attempt: canary.attempt,
            holder: parse("holder", &canary.holder)?,
            begun: at(canary.begun_ms),
            released: canary.released,
            kind: parse("kind", &canary.kind)?,
        })
    }
}

impl Wire for DrainPace {
    type Proto = proto::DrainPace;

    fn to_proto(&self) -> proto::DrainPace {
        proto::DrainPace {
            gate: self.gate.to_string(),
            epoch: self.epoch.get(),
            at_once: self.at_once,
        }
    }

    fn of_proto(pace: proto::DrainPace) -> Result<Self, DecodeError> {
        Ok(DrainPace {
            gate: parse("gate", &pace.gate)?,
            epoch: Epoch::new(pace.epoch),
            at_once: pace.at_once,
        })
    }
}

impl Wire for Incident {
    type Proto = proto::Incident;

    fn to_proto(&self) -> proto::Incident {
        proto::Incident {
            gate: self.gate.to_string(),
            number: self.number,
            failures: self.failures.iter().map(joined_to).collect(),
            more: self.more,
        }
    }

    fn of_proto(incident: proto::Incident) -> Result<Self, DecodeError> {
        Ok(Incident {
            gate: parse("gate", &incident.gate)?,
            number: incident.number,
            failures: incident.failures.into_iter().map(joined_of).collect::<Result<_, _>>()?,
            more: incident.more,
        })
    }
}

fn joined_to(failure: &JoinedFailure) -> proto::JoinedFailure {
    proto::JoinedFailure {
        event: failure.event.clone(),
        source_key: failure.source_key.to_string(),
        attempt: failure.attempt,
        cause: failure.cause.to_string(),
        at_ms: failure.at.as_millis(),
        straggler: failure.straggler,
        evidence: failure.evidence.clone(),
        resets_at_ms: failure.resets_at.map_or(0, Timestamp::as_millis),
    }
}

fn joined_of(failure: proto::JoinedFailure) -> Result<JoinedFailure, DecodeError> {
    let source_key: SourceKey = parse("failures.source_key", &failure.source_key)?;
    Ok(JoinedFailure {
        event: failure.event,
        task: source_key.key(),
        source_key,
        attempt: failure.attempt,
        cause: parse("failures.cause", &failure.cause)?,
        at: at(failure.at_ms),
        straggler: failure.straggler,
        evidence: failure.evidence,
        resets_at: some_at(failure.resets_at_ms),
    })
}
