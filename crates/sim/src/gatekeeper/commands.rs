//! What people say: open, close.

use std::rc::Rc;

use domain::{Actor, GateState};
use logic::gate::{Decision, PersonCloses, PersonOpens, Refusal, close, open};

use super::{
    Keeper, Look, Record,
    moves::{self, Carried, TRIES},
};
use crate::world::{Ask, Command, Reply, Role};

pub(super) async fn obey(keeper: Rc<Keeper>) {
    let ear = keeper.p.serve(Role::Gatekeeper);
    let mut seen = 0;
    loop {
        let question = ear.next(&mut seen).await;
        let Ask::Gate(command) = question.ask.clone() else { continue };
        let done = carry_out(&keeper, &command).await;
        keeper.p.reply(&question, Reply::Gate(done));
    }
}

async fn carry_out(keeper: &Keeper, command: &Command) -> Result<(), String> {
    let silent = |_| "the bus is silent".to_owned();
    for _ in 0..TRIES {
        let look = keeper.look(&command.gate).await.map_err(silent)?;
        let Some(look) = look else { return Err("no such gate".to_owned()) };
        if is_repeat(&look, command) {
            return Ok(());
        }
        let number = match look.gate.state {
            GateState::Open => look.gate.incident.saturating_add(1),
            GateState::Closed | GateState::Probing | GateState::Draining => look.gate.incident,
        };
        let record = Record::read(&keeper.p, &command.gate, number).await.map_err(silent)?;
        let decision =
            decide(keeper, &look, &record, command).map_err(|refusal| refusal.to_string())?;
        match moves::carry_out(keeper, &look, &record, &decision).await.map_err(silent)? {
            Carried::Done => return Ok(()),
            Carried::Lost => keeper.p.jitter(1).await,
        }
    }
    Err("it kept moving".to_owned())
}

fn decide(
    keeper: &Keeper,
    look: &Look,
    record: &Record,
    command: &Command,
) -> Result<Decision, Refusal> {
    let stamp = keeper.stamp(look);
    let (by, note) = ("ann".to_owned(), command.note.clone());
    match &command.open {
        Some(opening) => {
            let opens = PersonOpens {
                by,
                note,
                without_canary: opening.without_canary,
                accept: opening.accept.clone(),
                expected_epoch: command.seen,
            };
            open(&look.gate, record.written(), &opens, &stamp)
        }
        None => {
            let closes = PersonCloses { by, note, cause: None };
            close(&look.gate, record.written(), &closes, &stamp)
        }
    }
}

/// Whether the gate's newest message is what this very command has done.
fn is_repeat(look: &Look, command: &Command) -> bool {
    let gate = &look.gate;
    let state = match &command.open {
        Some(opening) if opening.without_canary => GateState::Open,
        Some(_) => GateState::Probing,
        None => GateState::Closed,
    };
    let seen_before = command.seen.is_none_or(|seen| seen.next() == gate.epoch);
    let same_person = gate.by == Actor::Person("ann".to_owned());
    gate.state == state && same_person && gate.note.starts_with(&command.note) && seen_before
}
