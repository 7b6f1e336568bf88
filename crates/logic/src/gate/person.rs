//! What a person may do to a gate, and what a command must say.

use domain::{Actor, Cause, Epoch, Gate, GateState, Incident, Timestamp};

use super::{Decision, Stamp, Told, closed, next, opened};

/// A person's command to close a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonCloses {
    pub by: String,
    pub note: String,
    /// Why; `person.closed` if they name none.
    pub cause: Option<Cause>,
}

/// A person's command to open a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonOpens {
    pub by: String,
    pub note: String,
    /// Straight to OPEN, past the canary and the paced drain.
    pub without_canary: bool,
    /// With `without_canary`: every cause that the person takes upon themselves.
    pub accept: Vec<Cause>,
    /// The epoch that the person looked at, so that what they did not see is not opened.
    pub expected_epoch: Option<Epoch>,
}

/// Why a person's command is not carried out, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a gate is moved by a named person: give a name with --as")]
    NoName,
    #[error("a gate is moved with a reason: say what was done with --note")]
    NoNote,
    #[error("gate {gate} is moved by `portcullis apply` only")]
    Reserved { gate: String },
    #[error("gate {gate} is OPEN (flowing) since {since} already: there is nothing to open")]
    AlreadyOpen { gate: String, since: Timestamp },
    #[error(
        "gate {gate} is {} already, opened by {by}: wait for it, close it, \
         or open it with --without-canary", .state.told()
    )]
    AlreadyOpening { gate: String, state: GateState, by: Actor },
    #[error("gate {gate} is CLOSED (blocking) since {since} already, by {by}")]
    AlreadyClosed { gate: String, since: Timestamp, by: Actor },
    #[error(
        "gate {gate} has moved: it was looked at in epoch {expected} and is now {} in epoch \
         {epoch}; look again with `portcullis gate show {gate}`", .state.told()
    )]
    Moved { gate: String, expected: Epoch, epoch: Epoch, state: GateState },
    #[error(
        "opening gate {gate} without a canary needs each of its causes accepted: add {}",
        accepts(.causes)
    )]
    NotAccepted { gate: String, causes: Vec<Cause> },
}

/// Decides a person's closing. `record` is the standing incident, or while the gate is OPEN
/// the one after its last; `None` if it was never written.
///
/// Without a gatekeeper alive, the command line writes this decision itself.
///
/// A CLOSED gate that could reset is closed by them once more: then it no longer can.
///
/// # Errors
///
/// The command says too little, or the gate is closed already.
pub fn close(
    gate: &Gate,
    record: Option<&Incident>,
    command: &PersonCloses,
    stamp: &Stamp<'_>,
) -> Result<Decision, Refusal> {
    check(gate, &command.by, &command.note)?;
    let by = Actor::Person(command.by.clone());
    // One that could open again by a word given beforehand is closed for good.
    if gate.state == GateState::Closed && gate.resets.is_empty() {
        let (gate, since, by) = (gate.name.to_string(), gate.since, gate.by.clone());
        return Err(Refusal::AlreadyClosed { gate, since, by });
    }
    let cause = command.cause.clone().or_else(|| "person.closed".parse().ok());
    let mut closed = match cause {
        Some(cause) => closed(gate, cause, by, command.note.clone(), stamp),
        None => next(gate, GateState::Closed, by, command.note.clone(), stamp),
    };
    closed.resets = Vec::new();
    if gate.state == GateState::Closed {
        closed.trigger = gate.trigger.clone();
        // Whatever cause they name: from here on a person is asked.
        let person: Option<Cause> = "person.closed".parse().ok();
        closed.causes.extend(person.filter(|cause| !closed.causes.contains(cause)));
    }
    let empty = || Incident::new(closed.name.clone(), closed.incident);
    let incident = record.is_none().then(empty);
    Ok(Decision { gate: Some(closed), incident, told: vec![Told::Closed] })
}

/// Decides a person's opening: but for a word given beforehand, see [`on_reset_due`], the only
/// way out of CLOSED (G3). `record` is the standing
/// incident, `None` if it was never written.
///
/// # Errors
///
/// The command says too little, the gate moved or is not closed, or a cause that the person
/// did not accept would be passed over.
pub fn open(
    gate: &Gate,
    record: Option<&Incident>,
    command: &PersonOpens,
    stamp: &Stamp<'_>,
) -> Result<Decision, Refusal> {
    check(gate, &command.by, &command.note)?;
    let name = || gate.name.to_string();
    if let Some(expected) = command.expected_epoch
        && expected != gate.epoch
    {
        let (epoch, state) = (gate.epoch, gate.state);
        return Err(Refusal::Moved { gate: name(), expected, epoch, state });
    }
    match gate.state {
        GateState::Open => Err(Refusal::AlreadyOpen { gate: name(), since: gate.since }),
        _ if command.without_canary => open_without_canary(gate, record, command, stamp),
        GateState::Probing | GateState::Draining => {
            let by = gate.by.clone();
            Err(Refusal::AlreadyOpening { gate: name(), state: gate.state, by })
        }
        GateState::Closed => {
            let by = Actor::Person(command.by.clone());
            let mut probing = next(gate, GateState::Probing, by, command.note.clone(), stamp);
            probing.opening = probing.epoch;
            probing.canaries_failed = 0;
            probing.resets = Vec::new();
            (probing.failing_since, probing.words_broken) = (stamp.now, 0);
            Ok(Decision::write(probing, Told::Probing))
        }
    }
}

fn open_without_canary(
    gate: &Gate,
    record: Option<&Incident>,
    command: &PersonOpens,
    stamp: &Stamp<'_>,
) -> Result<Decision, Refusal> {
    let causes = standing_causes(gate, record);
    let missing = causes.iter().filter(|cause| !command.accept.contains(cause));
    let missing: Vec<Cause> = missing.cloned().collect();
    if !missing.is_empty() {
        return Err(Refusal::NotAccepted { gate: gate.name.to_string(), causes: missing });
    }
    let list = causes.iter().map(Cause::as_str).collect::<Vec<_>>().join(", ");
    let note = format!("{} (accepted: {list})", command.note);
    let mut opened = opened(gate, Actor::Person(command.by.clone()), note, stamp);
    opened.without_canary = true;
    if gate.state == GateState::Closed {
        // While PROBING or DRAINING, the opening has taken place already.
        opened.opening = opened.epoch;
    }
    Ok(Decision::write(opened, Told::Opened { without_canary: true }))
}

/// The causes on the gate, and those that only joined its record.
fn standing_causes(gate: &Gate, record: Option<&Incident>) -> Vec<Cause> {
    let mut causes = gate.causes.clone();
    let record = record.filter(|record| record.number == gate.incident);
    for (cause, _) in record.map(Incident::causes).unwrap_or_default() {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}

fn check(gate: &Gate, by: &str, note: &str) -> Result<(), Refusal> {
    if gate.name.is_config() {
        return Err(Refusal::Reserved { gate: gate.name.to_string() });
    }
    if by.trim().is_empty() {
        return Err(Refusal::NoName);
    }
    if note.trim().is_empty() {
        return Err(Refusal::NoNote);
    }
    Ok(())
}

fn accepts(causes: &[Cause]) -> String {
    let accept = |cause: &Cause| format!("--accept {cause}");
    causes.iter().map(accept).collect::<Vec<_>>().join(" ")
}
