use domain::{Gate, GateName, Timestamp};
use serde_json::{Value, json};

use super::Event;
use crate::subject;

/// What is told of a gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateTold<'a> {
    /// closed, probing, draining, opened for transitions; joined, counted, canary-failed,
    /// still-closed for what happens in between.
    pub verb: &'static str,
    pub gate: &'a GateName,
    /// Where it stands, when known.
    pub state: Option<&'a Gate>,
    pub source: String,
    pub at: Timestamp,
    /// Makes the id of an event that is not a transition its own.
    pub about: Option<String>,
    /// Counts and words on top of the gate's state.
    pub more: Value,
}

impl GateTold<'_> {
    pub fn to_event(&self) -> Event {
        let epoch = self.state.map_or(0, |gate| gate.epoch.get());
        let mut id = format!("gate/{}/{epoch}/{}", self.gate, self.verb);
        if let Some(about) = &self.about {
            id = format!("{id}/{about}");
        }
        let mut data =
            self.state.map_or_else(|| json!({ "gate": self.gate.to_string() }), gate_json);
        if let (Value::Object(data), Value::Object(more)) = (&mut data, &self.more) {
            data.extend(more.clone());
        }
        Event {
            subject: subject::event_gate(self.verb, self.gate),
            id,
            kind: format!("portcullis.gate.{}", self.verb),
            source: self.source.clone(),
            at: self.at,
            data,
        }
    }
}

/// A gate as people and programs read it, the same in events and on the command line.
pub fn gate_json(gate: &Gate) -> Value {
    json!({
        "gate": gate.name.to_string(),
        "state": gate.state.word(),
        "told": gate.state.told(),
        "epoch": gate.epoch.get(),
        "at": gate.at.to_string(),
        "since": gate.since.to_string(),
        "incident": gate.incident,
        "causes": gate.causes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "by": gate.by.to_string(),
        "note": gate.note,
        "remedy": gate.remedy,
        "without_canary": gate.without_canary,
        "canaries_failed": gate.canaries_failed,
        "resets": gate.resets.iter().map(|reset| json!({
            "cause": reset.cause.to_string(),
            "configuration": reset.version,
            "by": reset.by,
            "note": reset.note,
        })).collect::<Vec<_>>(),
        "trigger": gate.trigger.as_ref().map(|trigger| json!({
            "event": trigger.event,
            "task": trigger.task.to_string(),
            "source_key": trigger.source_key.to_string(),
            "attempt": trigger.attempt,
            "cause": trigger.cause.to_string(),
            "evidence": trigger.evidence,
        })),
        "command": format!("portcullis gate open {} --note \"…\"", gate.name),
    })
}
