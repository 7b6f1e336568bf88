//! What a closed gate will do by itself, by a person's word given beforehand.

use domain::{Cause, Gate, GateState, Incident, Timestamp};
use logic::gate::resets_at;

use crate::show::until;

/// When a canary goes by itself, if it does.
pub(super) fn at(gate: Option<&Gate>, incident: Option<&Incident>) -> Option<Timestamp> {
    resets_at(gate?, incident?)
}

/// When a canary goes and by whose word, or why a person is asked all the same; nothing where
/// nobody has allowed anything.
pub(super) fn told(gate: &Gate, incident: Option<&Incident>, now: Timestamp) -> Option<String> {
    if gate.state != GateState::Closed || gate.resets.is_empty() {
        return None;
    }
    let allowed = |cause: &&Cause| gate.resets.iter().any(|reset| reset.cause == **cause);
    let Some(due) = at(Some(gate), incident) else {
        let others = gate.causes.iter().filter(|cause| !allowed(cause));
        let others: Vec<&str> = others.map(Cause::as_str).collect();
        let why = match others.as_slice() {
            [] => "no time was named that still holds".to_owned(),
            others => format!("{} does not pass by itself", others.join(", ")),
        };
        return Some(format!("not by itself: {why}; a person is asked"));
    };
    let words = gate.resets.iter().map(|reset| {
        let (by, version, note) = (&reset.by, reset.version, &reset.note);
        format!("as {by} allowed in configuration {version}: {note}")
    });
    let mut words: Vec<String> = words.collect();
    words.dedup();
    let keep = format!("to keep it closed: portcullis gate close {} --note \"…\"", gate.name);
    Some(format!("one canary {} ({due})\n{}\n{keep}", until(due, now), words.join("\n")))
}
