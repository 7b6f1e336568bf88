//! What people say: open, close.
//!
//! A command is answered with the gate as it stands, what waits behind it, and if it was not
//! carried out, why and what to do. One that comes twice, because its answer was lost, is
//! answered as done.

use std::time::Duration;

use anyhow::bail;
use bus::{Inbox, Question};
use domain::{Actor, Gate, GateState};
use logic::gate::{Decision, PersonCloses, PersonOpens, Refusal, close, open};
use tokio_util::sync::CancellationToken;
use wire::{
    Wire as _,
    event::shorten,
    message::{GateCommand, GateCommandReply, GateVerb},
    subject,
};

use crate::{
    Keeper,
    moves::{self, Carried, TRIES},
    record::Record,
    retell,
    standing::{Look, look},
    waiting,
};

/// Between tries to hear commands at all.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const PERSON_MAX: usize = 100;
const NOTE_MAX: usize = 2_000;

/// Why a command was not carried out.
enum Undone {
    Refused { why: String, gate: Option<Box<Gate>> },
    Failed(anyhow::Error),
}

/// Obeys commands until `shutdown`.
pub(crate) async fn obey(keeper: Keeper, shutdown: CancellationToken) {
    let bus = &keeper.fleet.bus;
    let mut inbox: Option<Inbox> = None;
    while !shutdown.is_cancelled() {
        let Some(heard) = &mut inbox else {
            match bus.serve(subject::GATEKEEPER_COMMAND, "gatekeeper").await {
                Ok(served) => inbox = Some(served),
                Err(error) => {
                    tracing::warn!(%error, "commands cannot be heard");
                    keeper.fleet.clock.sleep(AGAIN_AFTER).await;
                }
            }
            continue;
        };
        let question = tokio::select! {
            () = shutdown.cancelled() => return,
            question = heard.question(bus) => question,
        };
        match question {
            Ok(question) => answer(&keeper, question).await,
            Err(error) => {
                tracing::warn!(%error, "commands are no longer heard");
                inbox = None;
            }
        }
    }
}

async fn answer(keeper: &Keeper, question: Question) {
    let reply = match GateCommand::decode(&question.body) {
        Ok(command) => reply(keeper, command).await,
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(subject = question.subject, error, "a command makes no sense");
            let why = "the command cannot be read: use a `portcullis` of the gatekeeper's version";
            refused(why.to_owned(), None)
        }
    };
    question.answer(reply.encode()).await;
}

async fn reply(keeper: &Keeper, mut command: GateCommand) -> GateCommandReply {
    command.person = shorten(&command.person, PERSON_MAX);
    command.note = shorten(&command.note, NOTE_MAX);
    let name = command.gate.clone();
    let reply = match carry_out(keeper, &command).await {
        Ok(gate) => GateCommandReply { refused: None, gate: Some(gate), waiting: 0 },
        Err(Undone::Refused { why, gate }) => {
            tracing::info!(gate = %name, person = command.person, why, "command refused");
            refused(why, gate.map(|gate| *gate))
        }
        Err(Undone::Failed(error)) => {
            let error = format!("{error:#}");
            tracing::warn!(gate = %name, person = command.person, error, "command not carried out");
            let why = format!(
                "gate {name} could not be moved ({error}): see how it stands with \
                 `portcullis gate show {name}`, then try again"
            );
            refused(why, None)
        }
    };
    GateCommandReply { waiting: waiting::count(keeper, &name).await, ..reply }
}

fn refused(why: String, gate: Option<Gate>) -> GateCommandReply {
    GateCommandReply { refused: Some(why), gate, waiting: 0 }
}

async fn carry_out(keeper: &Keeper, command: &GateCommand) -> Result<Gate, Undone> {
    let name = &command.gate;
    for _ in 0..TRIES {
        let look = look(&keeper.fleet.bus, name).await?;
        let Some(look) = look else { return Err(unknown_gate(keeper, command)) };
        // What the gate is moved away from is told first: later it would not be missed.
        if let Err(error) = retell::missing(keeper, &look.gate).await {
            tracing::warn!(gate = %name, error = format!("{error:#}"), "not told before the move");
        }
        if is_repeat(&look, command) {
            return Ok(look.gate);
        }
        let number = match look.gate.state {
            GateState::Open => look.gate.incident.saturating_add(1),
            GateState::Closed | GateState::Probing | GateState::Draining => look.gate.incident,
        };
        let record = Record::read(&keeper.fleet.bus, name, number).await?;
        let decision = decide(keeper, &look, &record, command).map_err(|refusal| {
            Undone::Refused { why: refusal.to_string(), gate: Some(Box::new(look.gate.clone())) }
        })?;
        match moves::carry_out(keeper, &look, &record, &decision, None).await {
            Ok(Carried::Done(gate)) => return Ok(*gate),
            Ok(Carried::Lost) => moves::step_aside().await,
            Err(error) => return moved_all_the_same(keeper, command, error).await,
        }
    }
    let kept_moving = || -> anyhow::Result<Gate> { bail!("it kept moving") };
    Ok(kept_moving()?)
}

/// The gate moves first, and the rest may fail after it: then the command was obeyed. What was
/// not told of it is told again with the next rounds.
async fn moved_all_the_same(
    keeper: &Keeper,
    command: &GateCommand,
    error: anyhow::Error,
) -> Result<Gate, Undone> {
    match look(&keeper.fleet.bus, &command.gate).await {
        Ok(Some(look)) if is_repeat(&look, command) => {
            let error = format!("{error:#}");
            tracing::warn!(gate = %command.gate, error, "moved, and not told yet");
            Ok(look.gate)
        }
        _ => Err(error.into()),
    }
}

fn decide(
    keeper: &Keeper,
    look: &Look,
    record: &Record,
    command: &GateCommand,
) -> Result<Decision, Refusal> {
    let remedy = keeper.remedy(&command.gate);
    let stamp = keeper.stamp(look, &remedy);
    let record = record.written.then_some(&record.incident);
    let (by, note) = (command.person.clone(), command.note.clone());
    match &command.verb {
        GateVerb::Open { without_canary, accept } => {
            let opens = PersonOpens {
                by,
                note,
                without_canary: *without_canary,
                accept: accept.clone(),
                expected_epoch: command.expected_epoch,
            };
            open(&look.gate, record, &opens, &stamp)
        }
        GateVerb::Close { cause } => {
            let closes = PersonCloses { by, note, cause: cause.clone() };
            close(&look.gate, record, &closes, &stamp)
        }
    }
}

/// Whether the gate's newest message is what this very command has done.
fn is_repeat(look: &Look, command: &GateCommand) -> bool {
    let gate = &look.gate;
    let state = match &command.verb {
        GateVerb::Open { without_canary: true, .. } => GateState::Open,
        GateVerb::Open { without_canary: false, .. } => GateState::Probing,
        GateVerb::Close { .. } => GateState::Closed,
    };
    // The accepted causes are added to the note of an opening without a canary.
    let same_note = match &command.verb {
        GateVerb::Open { without_canary: true, .. } => gate.note.starts_with(&command.note),
        _ => gate.note == command.note,
    };
    let seen_before = command.expected_epoch.is_none_or(|seen| seen.next() == gate.epoch);
    let same_person = gate.by == Actor::Person(command.person.clone());
    !look.garbled
        && !command.note.is_empty()
        && gate.state == state
        && (same_person && same_note && seen_before)
}

fn unknown_gate(keeper: &Keeper, command: &GateCommand) -> Undone {
    let (name, config) = (&command.gate, keeper.fleet.config());
    let all = config.all_gates();
    let why = if all.contains(name) {
        format!("gate {name} has never been written: run `portcullis apply` again")
    } else {
        let all: Vec<&str> = all.iter().map(domain::GateName::as_str).collect();
        format!("there is no gate {name}; the gates are {}", all.join(", "))
    };
    Undone::Refused { why, gate: None }
}

impl<E: Into<anyhow::Error>> From<E> for Undone {
    fn from(error: E) -> Self {
        Undone::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::{Epoch, Timestamp};
    use logic::gate::{Stamp, first};

    use super::*;

    /// A command whose answer was lost is recognised when it comes again, and one that
    /// anybody else gave, or that was said before the gate moved on, is not.
    #[test]
    fn knows_its_own_work_again() {
        let stamp = Stamp { now: Timestamp::from_millis(5), prev: 3, remedy: "" };
        let gate = Gate {
            state: GateState::Probing,
            epoch: Epoch::new(3),
            note: "relay restarted".to_owned(),
            ..first("relay".parse().unwrap(), "ann", &stamp)
        };
        let look = |gate: &Gate| Look { token: 3, gate: gate.clone(), seq: 3, garbled: false };
        let command = GateCommand {
            gate: gate.name.clone(),
            person: "ann".to_owned(),
            note: "relay restarted".to_owned(),
            expected_epoch: Some(Epoch::new(2)),
            verb: GateVerb::Open { without_canary: false, accept: Vec::new() },
        };
        assert!(is_repeat(&look(&gate), &command));
        let other = GateCommand { person: "bob".to_owned(), ..command.clone() };
        assert!(!is_repeat(&look(&gate), &other));
        let newer = GateCommand { expected_epoch: Some(Epoch::new(3)), ..command.clone() };
        assert!(!is_repeat(&look(&gate), &newer));
        let closed = Gate { state: GateState::Closed, ..gate };
        assert!(!is_repeat(&look(&closed), &command));
    }
}
