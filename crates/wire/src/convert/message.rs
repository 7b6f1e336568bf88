use domain::{Epoch, Gate};

use super::{DecodeError, Wire, at, parse, parse_all, parse_some, required, text, texts};
use crate::{
    message::{Beat, Contact, DayBudget, GateCommand, GateCommandReply, GateVerb, Latch},
    proto::{self, gate_command},
};

impl Wire for GateCommand {
    type Proto = proto::GateCommand;

    fn to_proto(&self) -> proto::GateCommand {
        let verb = match &self.verb {
            GateVerb::Open { without_canary, accept } => {
                gate_command::Verb::Open(proto::OpenGate {
                    without_canary: *without_canary,
                    accept: texts(accept),
                })
            }
            GateVerb::Close { cause } => {
                gate_command::Verb::Close(proto::CloseGate { cause: text(cause.as_ref()) })
            }
        };
        proto::GateCommand {
            gate: self.gate.to_string(),
            person: self.person.clone(),
            note: self.note.clone(),
            expected_epoch: self.expected_epoch.map_or(0, Epoch::get),
            verb: Some(verb),
        }
    }

    fn of_proto(command: proto::GateCommand) -> Result<Self, DecodeError> {
        let verb = match required("verb", command.verb)? {
            gate_command::Verb::Open(open) => GateVerb::Open {
                without_canary: open.without_canary,
                accept: parse_all("open.accept", &open.accept)?,
            },
            gate_command::Verb::Close(close) => {
                GateVerb::Close { cause: parse_some("close.cause", &close.cause)? }
            }
        };
        Ok(GateCommand {
            gate: parse("gate", &command.gate)?,
            person: command.person,
            note: command.note,
            expected_epoch: Some(Epoch::new(command.expected_epoch))
                .filter(|epoch| epoch.get() != 0),
            verb,
        })
    }
}

impl Wire for GateCommandReply {
    type Proto = proto::GateCommandReply;

    fn to_proto(&self) -> proto::GateCommandReply {
        proto::GateCommandReply {
            refused: self.refused.clone().unwrap_or_default(),
            gate: self.gate.as_ref().map(Wire::to_proto),
            waiting: self.waiting,
        }
    }

    fn of_proto(reply: proto::GateCommandReply) -> Result<Self, DecodeError> {
        Ok(GateCommandReply {
            refused: Some(reply.refused).filter(|refused| !refused.is_empty()),
            gate: reply.gate.map(Gate::of_proto).transpose()?,
            waiting: reply.waiting,
        })
    }
}

impl Wire for DayBudget {
    type Proto = proto::DayBudget;

    fn to_proto(&self) -> proto::DayBudget {
        proto::DayBudget { day: self.day.clone(), used: self.used }
    }

    fn of_proto(budget: proto::DayBudget) -> Result<Self, DecodeError> {
        Ok(DayBudget { day: budget.day, used: budget.used })
    }
}

impl Wire for Contact {
    type Proto = proto::Contact;

    fn to_proto(&self) -> proto::Contact {
        proto::Contact {
            address: self.address.clone(),
            purpose: self.purpose.clone(),
            how: self.how.clone(),
            at_ms: self.at.as_millis(),
        }
    }

    fn of_proto(contact: proto::Contact) -> Result<Self, DecodeError> {
        Ok(Contact {
            address: contact.address,
            purpose: contact.purpose,
            how: contact.how,
            at: at(contact.at_ms),
        })
    }
}

impl Wire for Beat {
    type Proto = proto::Beat;

    fn to_proto(&self) -> proto::Beat {
        proto::Beat {
            service: self.service.clone(),
            id: self.id.clone(),
            at_ms: self.at.as_millis(),
            config_version: self.config_version,
            running: self.running,
            latches: self.latches.iter().map(latch_to).collect(),
            blind: self.blind.clone(),
            head: self.head,
        }
    }

    fn of_proto(beat: proto::Beat) -> Result<Self, DecodeError> {
        Ok(Beat {
            service: beat.service,
            id: beat.id,
            at: at(beat.at_ms),
            config_version: beat.config_version,
            running: beat.running,
            latches: beat.latches.into_iter().map(latch_of).collect::<Result<_, _>>()?,
            blind: beat.blind,
            head: beat.head,
        })
    }
}

fn latch_to(latch: &Latch) -> proto::Latch {
    proto::Latch {
        gate: latch.gate.to_string(),
        epoch: latch.epoch.get(),
        event: latch.event.clone(),
        since_ms: latch.since.as_millis(),
    }
}

fn latch_of(latch: proto::Latch) -> Result<Latch, DecodeError> {
    Ok(Latch {
        gate: parse("latches.gate", &latch.gate)?,
        epoch: Epoch::new(latch.epoch),
        event: latch.event,
        since: at(latch.since_ms),
    })
}
