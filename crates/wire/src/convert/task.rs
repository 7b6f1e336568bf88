use std::time::Duration;

use domain::{
    Claim, Cost, CredentialUse, MicroUsd, Outcome, Phase, Sats, Task, TaskState, Timestamp,
};

use super::{
    DecodeError, Wire, at, millis, parse, parse_all, parse_some, required, some_at, text, texts,
};
use crate::{
    event::shorten,
    message::{RunReply, RunRequest},
    proto::{self, run_reply, task_state},
};

/// What is kept of a handler's effect, in characters: it goes into the chain and into an event,
/// which both must fit into one message.
pub(crate) const EFFECT_MAX: usize = 2_000;
/// What is kept of its evidence and reasons, in characters.
pub(crate) const EVIDENCE_MAX: usize = 1_000;

impl Wire for Task {
    type Proto = proto::Task;

    fn to_proto(&self) -> proto::Task {
        proto::Task {
            kind: self.kind.to_string(),
            source_key: self.source_key.to_string(),
            created_by: self.created_by.clone(),
            created_at_ms: self.created_at.as_millis(),
            contact: text(self.contact.as_ref()),
            payload: self.payload.clone(),
            not_before_ms: self.not_before.map(Timestamp::as_millis),
            expires_at_ms: self.expires_at.map(Timestamp::as_millis),
            follows: self.follows.as_deref().map(Wire::to_proto),
        }
    }

    fn of_proto(task: proto::Task) -> Result<Self, DecodeError> {
        Ok(Task {
            kind: parse("kind", &task.kind)?,
            source_key: parse("source_key", &task.source_key)?,
            created_by: task.created_by,
            created_at: at(task.created_at_ms),
            contact: parse_some("contact", &task.contact)?,
            payload: task.payload,
            not_before: task.not_before_ms.map(at),
            expires_at: task.expires_at_ms.map(at),
            follows: task.follows.map(Wire::of_proto).transpose()?.map(Box::new),
        })
    }
}

impl Wire for TaskState {
    type Proto = proto::TaskState;

    fn to_proto(&self) -> proto::TaskState {
        proto::TaskState {
            kind: self.kind.to_string(),
            source_key: self.source_key.to_string(),
            at_ms: self.at.as_millis(),
            attempt: self.attempt,
            charged: self.charged,
            cost: Some(cost_to(self.cost)),
            newest: Some(cost_to(self.newest)),
            credential: self.credential.as_ref().map(Wire::to_proto),
            resets_at_ms: self.resets_at.map_or(0, Timestamp::as_millis),
            admitted: self.admitted.iter().map(Wire::to_proto).collect(),
            canary: texts(&self.canary),
            task: self.task.as_deref().map(Wire::to_proto),
            phase: Some(phase_to(&self.phase)),
        }
    }

    fn of_proto(state: proto::TaskState) -> Result<Self, DecodeError> {
        Ok(TaskState {
            kind: parse("kind", &state.kind)?,
            source_key: parse("source_key", &state.source_key)?,
            at: at(state.at_ms),
            attempt: state.attempt,
            charged: state.charged,
            cost: cost_of(state.cost),
            newest: cost_of(state.newest),
            credential: state.credential.map(Wire::of_proto).transpose()?,
            resets_at: some_at(state.resets_at_ms),
            admitted: state.admitted.into_iter().map(Wire::of_proto).collect::<Result<_, _>>()?,
            canary: parse_all("canary", &state.canary)?,
            task: state.task.map(Wire::of_proto).transpose()?.map(Box::new),
            phase: phase_of(required("phase", state.phase)?)?,
        })
    }
}

impl Wire for CredentialUse {
    type Proto = proto::CredentialUse;

    fn to_proto(&self) -> proto::CredentialUse {
        proto::CredentialUse {
            provider: self.provider.to_string(),
            credential: self.credential.to_string(),
            fingerprint: self.fingerprint.to_string(),
        }
    }

    fn of_proto(used: proto::CredentialUse) -> Result<Self, DecodeError> {
        Ok(CredentialUse {
            provider: parse("credential.provider", &used.provider)?,
            credential: parse("credential.credential", &used.credential)?,
            fingerprint: parse("credential.fingerprint", &used.fingerprint)?,
        })
    }
}

fn phase_to(phase: &Phase) -> task_state::Phase {
    match phase {
        Phase::Claimed(claim) => task_state::Phase::Claimed(proto::Claimed {
            holder: claim.holder.to_string(),
            begun_ms: claim.begun.as_millis(),
            lease_ms: millis(claim.lease),
            renewals: claim.renewals,
        }),
        Phase::Resting { due, cause, charged } => task_state::Phase::Resting(proto::Resting {
            due_ms: due.as_millis(),
            cause: cause.to_string(),
            charged: *charged,
        }),
        Phase::Returned { gate, cause, due } => task_state::Phase::Returned(proto::Returned {
            gate: text(gate.as_ref()),
            cause: text(cause.as_ref()),
            due_ms: due.as_millis(),
        }),
        Phase::Completed { effect } => {
            task_state::Phase::Completed(proto::Completed { effect: effect.clone() })
        }
        Phase::Dead { cause } => task_state::Phase::Dead(proto::Dead { cause: cause.to_string() }),
        Phase::Withdrawn { by, why } => {
            task_state::Phase::Withdrawn(proto::Withdrawn { by: by.clone(), why: why.clone() })
        }
        Phase::Revived { by, note } => {
            task_state::Phase::Revived(proto::Revived { by: by.clone(), note: note.clone() })
        }
        Phase::Parked { cause, evidence } => task_state::Phase::Parked(proto::Parked {
            cause: cause.to_string(),
            evidence: evidence.clone(),
        }),
    }
}

fn phase_of(phase: task_state::Phase) -> Result<Phase, DecodeError> {
    Ok(match phase {
        task_state::Phase::Claimed(claim) => Phase::Claimed(Claim {
            holder: parse("claimed.holder", &claim.holder)?,
            begun: at(claim.begun_ms),
            lease: Duration::from_millis(claim.lease_ms),
            renewals: claim.renewals,
        }),
        task_state::Phase::Resting(resting) => Phase::Resting {
            due: at(resting.due_ms),
            cause: parse("resting.cause", &resting.cause)?,
            charged: resting.charged,
        },
        task_state::Phase::Returned(returned) => Phase::Returned {
            gate: parse_some("returned.gate", &returned.gate)?,
            cause: parse_some("returned.cause", &returned.cause)?,
            due: at(returned.due_ms),
        },
        task_state::Phase::Completed(done) => Phase::Completed { effect: done.effect },
        task_state::Phase::Dead(dead) => Phase::Dead { cause: parse("dead.cause", &dead.cause)? },
        task_state::Phase::Withdrawn(withdrawn) => {
            Phase::Withdrawn { by: withdrawn.by, why: withdrawn.why }
        }
        task_state::Phase::Revived(revived) => {
            Phase::Revived { by: revived.by, note: revived.note }
        }
        task_state::Phase::Parked(parked) => Phase::Parked {
            cause: parse("parked.cause", &parked.cause)?,
            evidence: parked.evidence,
        },
    })
}

pub(super) fn cost_to(cost: Cost) -> proto::Cost {
    proto::Cost {
        micro_usd: cost.micro_usd.get(),
        sats: cost.sats.get(),
        tokens_in: cost.tokens_in,
        tokens_out: cost.tokens_out,
    }
}

pub(super) fn cost_of(cost: Option<proto::Cost>) -> Cost {
    let cost = cost.unwrap_or_default();
    Cost {
        micro_usd: MicroUsd::new(cost.micro_usd),
        sats: Sats::new(cost.sats),
        tokens_in: cost.tokens_in,
        tokens_out: cost.tokens_out,
    }
}

impl Wire for RunRequest {
    type Proto = proto::RunRequest;

    fn to_proto(&self) -> proto::RunRequest {
        proto::RunRequest {
            task: Some(self.task.to_proto()),
            attempt: self.attempt,
            holder: self.holder.to_string(),
            admitted: self.admitted.iter().map(Wire::to_proto).collect(),
        }
    }

    fn of_proto(request: proto::RunRequest) -> Result<Self, DecodeError> {
        Ok(RunRequest {
            task: Task::of_proto(required("task", request.task)?)?,
            attempt: request.attempt,
            holder: parse("holder", &request.holder)?,
            admitted: request.admitted.into_iter().map(Wire::of_proto).collect::<Result<_, _>>()?,
        })
    }
}

impl Wire for RunReply {
    type Proto = proto::RunReply;

    fn to_proto(&self) -> proto::RunReply {
        proto::RunReply { outcome: Some(outcome_to(&self.outcome)) }
    }

    fn of_proto(reply: proto::RunReply) -> Result<Self, DecodeError> {
        Ok(RunReply { outcome: outcome_of(required("outcome", reply.outcome)?, Cost::ZERO)? })
    }
}

impl RunReply {
    /// Reads a reply; `unnamed` is what it counts as having cost if it has no message `Cost`.
    ///
    /// # Errors
    ///
    /// As [`Wire::decode`].
    pub fn read(bytes: &[u8], unnamed: Cost) -> Result<Self, DecodeError> {
        let reply =
            <proto::RunReply as prost::Message>::decode(bytes).map_err(DecodeError::Bytes)?;
        Ok(RunReply { outcome: outcome_of(required("outcome", reply.outcome)?, unnamed)? })
    }
}

fn outcome_to(outcome: &Outcome) -> run_reply::Outcome {
    match outcome {
        Outcome::Completed { effect, cost } => {
            run_reply::Outcome::Completed(proto::OutcomeCompleted {
                effect: effect.clone(),
                cost: Some(cost_to(*cost)),
            })
        }
        Outcome::Failed { cause, evidence, retry_after, cost } => {
            run_reply::Outcome::Failed(proto::OutcomeFailed {
                cause: cause.to_string(),
                evidence: evidence.clone(),
                retry_after_ms: retry_after.map(millis),
                cost: Some(cost_to(*cost)),
            })
        }
        Outcome::Unknown { cause, evidence, retry_after, cost } => {
            run_reply::Outcome::Unknown(proto::OutcomeUnknown {
                cause: cause.to_string(),
                evidence: evidence.clone(),
                retry_after_ms: retry_after.map(millis),
                cost: Some(cost_to(*cost)),
            })
        }
        Outcome::Held { gate, why } => run_reply::Outcome::Held(proto::OutcomeHeld {
            gate: text(gate.as_ref()),
            why: why.clone(),
        }),
        Outcome::Moot { why } => run_reply::Outcome::Moot(proto::OutcomeMoot { why: why.clone() }),
    }
}

fn outcome_of(outcome: run_reply::Outcome, unnamed: Cost) -> Result<Outcome, DecodeError> {
    let named = |cost: Option<proto::Cost>| cost.map_or(unnamed, |cost| cost_of(Some(cost)));
    Ok(match outcome {
        run_reply::Outcome::Completed(done) => {
            Outcome::Completed { effect: shorten(&done.effect, EFFECT_MAX), cost: named(done.cost) }
        }
        run_reply::Outcome::Failed(failed) => Outcome::Failed {
            cause: parse("failed.cause", &failed.cause)?,
            evidence: shorten(&failed.evidence, EVIDENCE_MAX),
            retry_after: failed.retry_after_ms.map(Duration::from_millis),
            cost: named(failed.cost),
        },
        run_reply::Outcome::Unknown(unknown) => Outcome::Unknown {
            cause: parse("unknown.cause", &unknown.cause)?,
            evidence: shorten(&unknown.evidence, EVIDENCE_MAX),
            retry_after: unknown.retry_after_ms.map(Duration::from_millis),
            cost: named(unknown.cost),
        },
        run_reply::Outcome::Held(held) => {
            let why = shorten(&held.why, EVIDENCE_MAX);
            Outcome::Held { gate: parse_some("held.gate", &held.gate)?, why }
        }
        run_reply::Outcome::Moot(moot) => Outcome::Moot { why: shorten(&moot.why, EVIDENCE_MAX) },
    })
}

#[cfg(test)]
mod tests {
    use domain::{Admission, Cause, Epoch, Fingerprint};

    use super::*;

    /// Every phase of a chain reads back whole, with what its attempt was admitted under.
    #[test]
    fn a_chain_reads_back() {
        let cause = || "relay.pending".parse::<Cause>().unwrap();
        let cost = |micro_usd| Cost {
            micro_usd: MicroUsd::new(micro_usd),
            sats: Sats::new(100),
            tokens_in: 12,
            tokens_out: 34,
        };
        let (due, words) = (at(1_773_219_600_000), || "ann".to_owned());
        let claim = Claim {
            holder: "d1".parse().unwrap(),
            begun: at(5),
            lease: Duration::from_secs(30),
            renewals: 4,
        };
        for phase in [
            Phase::Claimed(claim),
            Phase::Resting { due, cause: cause(), charged: true },
            Phase::Returned { gate: Some("relay".parse().unwrap()), cause: Some(cause()), due },
            Phase::Returned { gate: None, cause: None, due },
            Phase::Completed { effect: words() },
            Phase::Dead { cause: cause() },
            Phase::Withdrawn { by: words(), why: words() },
            Phase::Revived { by: words(), note: words() },
            Phase::Parked { cause: cause(), evidence: words() },
        ] {
            let state = TaskState {
                kind: "welcome".parse().unwrap(),
                source_key: "welcome/SP1".parse().unwrap(),
                at: at(7),
                attempt: 3,
                charged: 2,
                cost: cost(9),
                newest: cost(4),
                credential: Some(CredentialUse {
                    provider: "anthropic".parse().unwrap(),
                    credential: "oauth".parse().unwrap(),
                    fingerprint: Fingerprint::of("anthropic", "sk"),
                }),
                admitted: vec![Admission {
                    gate: "relay".parse().unwrap(),
                    epoch: Epoch::new(4),
                    seq: 17,
                }],
                canary: vec!["relay".parse().unwrap()],
                task: None,
                resets_at: Some(at(9)),
                phase,
            };
            assert_eq!(TaskState::decode(&state.encode()).unwrap(), state);
        }
    }

    /// What a handler answers is kept as far as the chain and an event can hold it, and no
    /// further, however many bytes its characters take.
    #[test]
    fn a_large_answer_is_shortened() {
        let (long, cost) = ("🛑".repeat(200_000), Cost::ZERO);
        let cause = || "relay.pending".parse::<Cause>().unwrap();
        let (evidence, retry_after) = (|| long.clone(), None);
        let kept = |outcome: Outcome| {
            let reply = RunReply::decode(&RunReply { outcome }.encode()).unwrap();
            match reply.outcome {
                Outcome::Completed { effect: text, .. }
                | Outcome::Failed { evidence: text, .. }
                | Outcome::Unknown { evidence: text, .. }
                | Outcome::Held { why: text, .. }
                | Outcome::Moot { why: text } => text.chars().count(),
            }
        };
        assert_eq!(kept(Outcome::Completed { effect: long.clone(), cost }), EFFECT_MAX + 1);
        let failed = Outcome::Failed { cause: cause(), evidence: evidence(), retry_after, cost };
        let unknown = Outcome::Unknown { cause: cause(), evidence: evidence(), retry_after, cost };
        for outcome in [
            failed,
            unknown,
            Outcome::Held { gate: None, why: long.clone() },
            Outcome::Moot { why: long.clone() },
        ] {
            assert_eq!(kept(outcome), EVIDENCE_MAX + 1);
        }
    }
}
