use domain::{Epoch, Gate};

use super::{DecodeError, Wire, at, parse, parse_all, parse_some, required, text, texts};
use crate::{
    message::{
        AdoptReply, AdoptRequest, Beat, Contact, DayBudget, GateCommand, GateCommandReply,
        GateVerb, Latch, WalletAdopted,
    },
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

impl Wire for AdoptRequest {
    type Proto = proto::AdoptRequest;

    fn to_proto(&self) -> proto::AdoptRequest {
        proto::AdoptRequest {
            person: self.person.clone(),
            note: self.note.clone(),
            look: self.look,
            expected_next: self.expected_next,
        }
    }

    fn of_proto(request: proto::AdoptRequest) -> Result<Self, DecodeError> {
        let proto::AdoptRequest { person, note, look, expected_next } = request;
        Ok(AdoptRequest { person, note, look, expected_next })
    }
}

impl Wire for AdoptReply {
    type Proto = proto::AdoptReply;

    fn to_proto(&self) -> proto::AdoptReply {
        proto::AdoptReply {
            refused: self.refused.clone().unwrap_or_default(),
            wallet: self.wallet.clone(),
            before: self.before,
            next: self.next,
            chain_next: self.chain_next,
            mempool: self.mempool.clone(),
            unknown_messages: self.unknown_messages.clone(),
        }
    }

    fn of_proto(reply: proto::AdoptReply) -> Result<Self, DecodeError> {
        Ok(AdoptReply {
            refused: Some(reply.refused).filter(|refused| !refused.is_empty()),
            wallet: reply.wallet,
            before: reply.before,
            next: reply.next,
            chain_next: reply.chain_next,
            mempool: reply.mempool,
            unknown_messages: reply.unknown_messages,
        })
    }
}

impl Wire for WalletAdopted {
    type Proto = proto::WalletAdopted;

    fn to_proto(&self) -> proto::WalletAdopted {
        proto::WalletAdopted {
            wallet: self.wallet.clone(),
            person: self.person.clone(),
            note: self.note.clone(),
            at_ms: self.at.as_millis(),
            before: self.before,
            next: self.next,
            chain_next: self.chain_next,
        }
    }

    fn of_proto(adopted: proto::WalletAdopted) -> Result<Self, DecodeError> {
        Ok(WalletAdopted {
            wallet: adopted.wallet,
            person: adopted.person,
            note: adopted.note,
            at: at(adopted.at_ms),
            before: adopted.before,
            next: adopted.next,
            chain_next: adopted.chain_next,
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
            version: self.version.clone(),
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
            version: beat.version,
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

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    /// What people say about a wallet's record, and what is kept of it, reads back whole; a
    /// nonce of 0 that was seen is not taken for none.
    #[test]
    fn adopting_reads_back() {
        #[track_caller]
        fn check<T: Wire + PartialEq + std::fmt::Debug>(said: &T) {
            assert_eq!(T::decode(&said.encode()).unwrap(), *said);
        }
        let text = |word: &str| word.to_owned();
        for expected_next in [None, Some(0), Some(7)] {
            let (person, note) = (text("ada"), text("restored"));
            check(&AdoptRequest { person, note, look: expected_next.is_none(), expected_next });
        }
        for refused in [None, Some(text("no"))] {
            check(&AdoptReply {
                refused,
                wallet: text("SP1"),
                before: 3,
                next: 9,
                chain_next: 8,
                mempool: vec![8],
                unknown_messages: vec![text("msg_1 to SP2")],
            });
        }
        check(&WalletAdopted {
            wallet: text("SP1"),
            person: text("ada"),
            note: text("restored"),
            at: Timestamp::from_millis(1_773_219_600_123),
            before: 3,
            next: 9,
            chain_next: 8,
        });
    }
}
