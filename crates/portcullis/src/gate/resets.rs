//! What a closed gate will do by itself, by a person's word given beforehand.

use bus::Bus;
use domain::{Cause, Gate, GateState, Incident, Timestamp};
use logic::gate::{resets_at, taken_back};

use crate::show::until;

/// What is known of the word that a closing cites.
pub(super) struct Word {
    /// When a canary goes, if it does.
    pub(super) at: Option<Timestamp>,
    /// What stands against the word itself.
    against: Option<String>,
}

impl Word {
    /// Reads it of a gate that could open by itself; `None` for one that cannot.
    pub(super) async fn read(
        bus: &Bus,
        gate: Option<&Gate>,
        incident: Option<&Incident>,
    ) -> Option<Word> {
        let allowed = |gate: &&Gate| gate.state == GateState::Closed && !gate.resets.is_empty();
        let gate = gate.filter(allowed)?;
        let against = match fleet::configs_since_closing(bus, gate).await {
            Ok(configs) => taken_back(gate, &configs)
                .map(|version| format!("configuration {version} has taken that back")),
            Err(error) => Some(format!("the configurations cannot be read ({error})")),
        };
        let at = incident.and_then(|incident| resets_at(gate, incident));
        Some(Word { at: at.filter(|_| against.is_none()), against })
    }

    /// When a canary goes and by whose word, or why a person is asked all the same.
    pub(super) fn told(&self, gate: &Gate, now: Timestamp) -> String {
        let Some(due) = self.at else {
            return format!("not by itself: {}; a person is asked", self.why_not(gate));
        };
        let words = gate.resets.iter().map(|reset| {
            let (by, version, note) = (&reset.by, reset.version, &reset.note);
            format!("as {by} allowed in configuration {version}: {note}")
        });
        let mut words: Vec<String> = words.collect();
        words.dedup();
        let keep = format!("to keep it closed: portcullis gate close {} --note \"…\"", gate.name);
        format!("one canary {} ({due})\n{}\n{keep}", until(due, now), words.join("\n"))
    }

    fn why_not(&self, gate: &Gate) -> String {
        if let Some(against) = &self.against {
            return against.clone();
        }
        let allowed = |cause: &&Cause| gate.resets.iter().any(|reset| reset.cause == **cause);
        let others = gate.causes.iter().filter(|cause| !allowed(cause));
        let others: Vec<&str> = others.map(Cause::as_str).collect();
        match others.as_slice() {
            [] => "no time was named that still holds".to_owned(),
            others => format!("{} does not pass by itself", others.join(", ")),
        }
    }
}
