use anyhow::Context as _;
use bus::Bus;
use domain::{Actor, Gate, GateName, GateState};
use fleet::gate_log;
use kit::Clock;
use serde_json::{Value, json};
use wire::{event::gate_json, subject};

use crate::{
    exit::Ended,
    look,
    out::Out,
    show::{Cell, Table, ago},
};

/// A log longer than this is cut off.
const LOG_MAX: usize = 10_000;

pub(super) async fn run(bus: &Bus, name: &GateName, out: &Out) -> anyhow::Result<()> {
    let log = gate_log::history(bus, name).await.context("read the gate's log")?;
    let all = bus.all(subject::WORK, &subject::gate_log(name), LOG_MAX).await?.len();
    let garbled = all.saturating_sub(log.len());
    if all == 0 {
        // A gate that was dropped from the configuration keeps its log.
        look::known_gate(&look::config(bus).await?, name)?;
        return Err(Ended::not_found(format!("gate `{name}` has no message yet")).into());
    }
    if out.json {
        let object = |gate: &Gate, seq: u64| {
            let mut object = gate_json(gate);
            if let Value::Object(object) = &mut object {
                object.insert("seq".to_owned(), json!(seq));
                object.insert("prev".to_owned(), json!(gate.prev));
                object.insert("opening".to_owned(), json!(gate.opening.get()));
            }
            object
        };
        let log: Vec<Value> = log.iter().map(|found| object(&found.value, found.seq)).collect();
        let name = name.to_string();
        out.object(&json!({ "gate": name, "history": log, "not_readable": garbled }))?;
        return Ok(());
    }
    let now = Clock.now();
    let mut table = Table::new(&["EPOCH", "WHEN", "STATE", "BY", "WHY"]);
    for gate in log.iter().map(|found| &found.value) {
        table.row(vec![
            gate.epoch.to_string().into(),
            ago(gate.at, now).into(),
            Cell::of(gate.state),
            gate.by.to_string().into(),
            why(gate).into(),
        ]);
    }
    out.data(&table.render(out))?;
    if 0 < garbled {
        out.talk(&format!("{garbled} more could not be read; such a message counts as CLOSED"));
    }
    Ok(())
}

fn why(gate: &Gate) -> String {
    let causes: Vec<&str> = gate.causes.iter().map(|cause| cause.as_str()).collect();
    let of_incident = match gate.state {
        GateState::Closed => format!("incident {}, {}: ", gate.incident, causes.join(", ")),
        _ => String::new(),
    };
    let past = if gate.without_canary { "without a canary: " } else { "" };
    let note = match (&gate.by, gate.note.is_empty()) {
        (Actor::Gatekeeper, true) => String::new(),
        _ => gate.note.clone(),
    };
    format!("{of_incident}{past}{note}")
}
