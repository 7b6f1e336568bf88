use std::collections::BTreeMap;

use bus::Bus;
use domain::{Config, GateName, GateState, Incident, Kind, Timestamp};
use kit::Clock;
use serde_json::{Value, json};
use wire::event::gate_json;

use super::{
    budget::{self, Account},
    resets::Word,
};
use crate::{
    look::{self, NOTHING, Pulse, Queues, Seen},
    out::Out,
    show::{Cell, Table, ago, lasts},
};

/// Everything that one listing shows.
struct Listing {
    config: Config,
    gates: BTreeMap<GateName, Seen>,
    incidents: BTreeMap<GateName, Incident>,
    /// Of those that may open by themselves.
    words: BTreeMap<GateName, Word>,
    queues: Queues,
    /// Of the gate that they close.
    budgets: BTreeMap<GateName, Vec<Account>>,
    pulse: Pulse,
    now: Timestamp,
}

pub(super) async fn run(bus: &Bus, out: &Out) -> anyhow::Result<()> {
    let config = look::config(bus).await?;
    let kinds: Vec<Kind> = config.kinds.keys().cloned().collect();
    let pulse = Pulse::listen(bus).await?;
    let gates = Seen::all(bus, &config).await?;
    let (mut incidents, mut words) = (BTreeMap::new(), BTreeMap::new());
    for gate in gates.values().filter_map(Seen::gate) {
        let incident = look::incident(bus, gate).await?;
        let word = Word::read(bus, Some(gate), incident.as_ref()).await;
        words.extend(word.map(|word| (gate.name.clone(), word)));
        incidents.extend(incident.map(|incident| (gate.name.clone(), incident)));
    }
    let queues = Queues::read(bus, &kinds).await;
    let mut budgets = BTreeMap::new();
    for name in gates.keys() {
        budgets.insert(name.clone(), Account::all(bus, &config, name, &queues).await?);
    }
    let now = Clock.now();
    let listing = Listing { config, gates, incidents, words, queues, budgets, pulse, now };
    if out.json {
        out.object(&listing.object())?;
    } else {
        out.data(&listing.table().render(out))?;
        listing.remark(out);
    }
    Ok(())
}

impl Listing {
    fn table(&self) -> Table {
        let mut table = Table::new(&["GATE", "STATE", "SINCE", "IN QUEUE", "WHY"]);
        for (name, seen) in &self.gates {
            let since =
                seen.gate().map_or_else(|| "?".to_owned(), |gate| ago(gate.since, self.now));
            let state = Cell::of(seen.state());
            let waits = self.queues.told(&self.config.needing(name));
            let waits = if waits == NOTHING { "-".to_owned() } else { waits };
            let why = self.why(name, seen);
            table.row(vec![name.as_str().into(), state, since.into(), waits.into(), why.into()]);
            if let Some(gate) = seen.gate().filter(|gate| gate.state != GateState::Open) {
                table.remark(format!("by {}: {}", gate.by, gate.note));
                let word = self.words.get(name).map(|word| word.told(gate, self.now));
                if let Some(line) = word.as_deref().and_then(|told| told.lines().next()) {
                    table.remark(format!("by itself: {line}"));
                }
                for budget in self.budgets.get(name).into_iter().flatten() {
                    table.remark(budget.line());
                }
            }
            for line in self.pulse.latched_lines(name, seen, self.now) {
                table.remark(line);
            }
        }
        table
    }

    fn why(&self, name: &GateName, seen: &Seen) -> String {
        let Some(gate) = seen.gate() else { return seen.doubt().unwrap_or_default().to_owned() };
        let count = self.incidents.get(name).map_or(0, Incident::count);
        if gate.state == GateState::Open {
            return match count {
                0 => String::new(),
                count => format!("{count} failed, not enough to close it"),
            };
        }
        let causes: Vec<&str> = gate.causes.iter().map(|cause| cause.as_str()).collect();
        format!("{}; incident {}, {count} failed", causes.join(", "), gate.incident)
    }

    /// What a person should know on top of the table.
    fn remark(&self, out: &Out) {
        let closed = self.gates.iter().filter(|(_, seen)| seen.state() == GateState::Closed);
        let closed: Vec<&str> = closed.map(|(name, _)| name.as_str()).collect();
        if let Some(gate) = closed.first() {
            out.talk(&format!("\nmore: portcullis gate show {gate}"));
        }
        if self.pulse.alive("gatekeeper") == 0 {
            out.talk("no gatekeeper is alive: nothing closes or opens until one starts");
        }
        if self.pulse.alive("dispatcher") == 0 && 0 < self.queues.total() {
            out.talk("no dispatcher is alive: nothing runs until one starts");
        }
        for beat in self.pulse.beats.values().filter(|beat| !beat.blind.is_empty()) {
            let since = lasts(self.now.since(beat.at));
            let who = format!("{} {}", beat.service, beat.id);
            out.talk(&format!("{who} cannot see the gates and holds ({since}): {}", beat.blind));
        }
    }

    fn object(&self) -> Value {
        let gates: Vec<Value> =
            self.gates.iter().map(|(name, seen)| self.gate_object(name, seen)).collect();
        json!({
            "configuration": self.config.version,
            "gates": gates,
            "alive": {
                "gatekeeper": self.pulse.alive("gatekeeper"),
                "dispatcher": self.pulse.alive("dispatcher"),
                "sensor": self.pulse.alive("sensor"),
                "welcome-payer": self.pulse.alive("welcome-payer"),
            },
        })
    }

    fn gate_object(&self, name: &GateName, seen: &Seen) -> Value {
        let kinds = self.config.needing(name);
        let incident = self.incidents.get(name);
        let mut object = seen_object(name, seen);
        if let Value::Object(object) = &mut object {
            object.extend(incident_object(incident));
            let queued = kinds.iter().map(|kind| (kind.to_string(), json!(self.queues.of(kind))));
            object.insert("in_queue".to_owned(), Value::Object(queued.collect()));
            object.insert("latched".to_owned(), latched_object(&self.pulse, name, seen));
            let at = self.words.get(name).and_then(|word| word.at);
            object.insert("resets_at".to_owned(), json!(at.map(|at| at.to_string())));
            let budgets = self.budgets.get(name).map(Vec::as_slice).unwrap_or_default();
            object.insert("budgets".to_owned(), budget::objects(budgets));
        }
        object
    }
}

/// A gate as JSON, the unknown ones as CLOSED.
pub(super) fn seen_object(name: &GateName, seen: &Seen) -> Value {
    let mut object = seen.gate().map_or_else(
        || {
            json!({
                "gate": name.to_string(),
                "state": seen.state().word(),
                "told": seen.state().told(),
                "why": seen.doubt(),
            })
        },
        gate_json,
    );
    if let Value::Object(object) = &mut object {
        object.insert("known".to_owned(), json!(seen.gate().is_some()));
    }
    object
}

/// What an incident counts, cause by cause.
pub(super) fn incident_object(incident: Option<&Incident>) -> serde_json::Map<String, Value> {
    let causes = incident.map(Incident::causes).unwrap_or_default();
    let causes = causes.into_iter().map(|(cause, count)| (cause.to_string(), json!(count)));
    let mut object = serde_json::Map::new();
    object.insert("failures".to_owned(), json!(incident.map_or(0, Incident::count)));
    object.insert("failures_by_cause".to_owned(), Value::Object(causes.collect()));
    object
}

/// Who holds itself back at a gate, and has had no answer.
pub(super) fn latched_object(pulse: &Pulse, name: &GateName, seen: &Seen) -> Value {
    let latched = pulse.latched(name, seen).map(|(beat, latch)| {
        json!({
            "service": beat.service,
            "id": beat.id,
            "epoch": latch.epoch.get(),
            "since": latch.since.to_string(),
            "event": latch.event,
        })
    });
    Value::Array(latched.collect())
}
