use anyhow::Context as _;
use bus::Bus;
use domain::{Actor, Gate, GateName, GateState};
use fleet::gate_log;
use kit::Clock;
use serde_json::{Value, json};
use wire::event::gate_json;

use crate::{
    exit::Ended,
    look,
    out::Out,
    show::{Cell, Table, ago},
};

pub(super) async fn run(bus: &Bus, name: &GateName, out: &Out) -> anyhow::Result<()> {
    let log = gate_log::history(bus, name).await.context("read the gate's log")?;
    if log.is_empty() {
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
        out.object(&json!({ "gate": name.to_string(), "history": log }))?;
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
