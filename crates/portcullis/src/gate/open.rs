use std::collections::BTreeMap;

use anyhow::Context as _;
use bus::{Bus, BusError};
use domain::{Actor, Config, Gate, GateName, GateState};
use kit::Clock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wire::message::{GateCommand, GateVerb};

use super::{OpenArgs, ask, budget::Account, drain, list::seen_object};
use crate::{
    exit::{Code, Ended},
    look::{self, Queues, Seen},
    out::Out,
    show::ago,
};

pub(super) async fn run(
    bus: &Bus,
    args: &OpenArgs,
    shutdown: &CancellationToken,
    out: &Out,
) -> anyhow::Result<()> {
    let person = args.person.name()?;
    if args.note.trim().is_empty() {
        return Err(Ended::usage("--note is empty: say what was done about it").into());
    }
    let config = look::config(bus).await?;
    look::known_gate(&config, &args.gate)?;
    let gates = Seen::all(bus, &config).await?;
    let queues = Queues::read(bus, &config.needing(&args.gate)).await;
    let seen = gates.get(&args.gate).unwrap_or(&Seen::Absent);
    if let Seen::Absent = seen {
        let why = seen.doubt().unwrap_or_default();
        return Err(Ended::refused(format!("gate `{}` cannot be opened: {why}", args.gate)).into());
    }
    if seen.state() == GateState::Open {
        return Err(nothing_to_open(&config, &gates, &args.gate).into());
    }
    if seen.state() == GateState::Closed || args.without_canary {
        for line in foretold(&config, &gates, seen, &queues, args) {
            out.talk(&line);
        }
        for budget in Account::all(bus, &config, &args.gate, &queues).await? {
            out.talk(&budget.line());
        }
    }
    let command = GateCommand {
        gate: args.gate.clone(),
        person,
        note: args.note.trim().to_owned(),
        // A message that cannot be read has no epoch to hold a gatekeeper to.
        expected_epoch: seen.gate().map(|gate| gate.epoch),
        verb: GateVerb::Open { without_canary: args.without_canary, accept: args.accept.clone() },
    };
    let opened = command_gate(bus, &command).await?;
    out.talk(&format!("gate {} is {} now, by {}", opened.name, opened.state.told(), opened.by));
    if out.json {
        let seen = Seen::Known(Box::new(opened));
        out.object(&object(&config, &gates, &args.gate, &seen, &queues))?;
        return Ok(());
    }
    if args.no_wait || opened.state == GateState::Open {
        return Ok(());
    }
    let drain = drain::Drain { config: &config, opened: &opened, waiting: queues.total() };
    drain.follow(bus, shutdown, out).await
}

/// Whoever opens an open gate wonders why nothing flows.
fn nothing_to_open(config: &Config, gates: &BTreeMap<GateName, Seen>, name: &GateName) -> Ended {
    let held = held(config, gates, name);
    let held = if held.is_empty() { String::new() } else { format!("; {}", held.join("; ")) };
    Ended::refused(format!(
        "gate `{name}` is {} already, there is nothing to open{held}; to see what waits and why: \
         portcullis task list",
        GateState::Open.told()
    ))
}

/// What will happen, and what it will not change.
fn foretold(
    config: &Config,
    gates: &BTreeMap<GateName, Seen>,
    seen: &Seen,
    queues: &Queues,
    args: &OpenArgs,
) -> Vec<String> {
    let name = &args.gate;
    let mut lines = vec![match seen.gate() {
        Some(gate) => {
            let causes: Vec<&str> = gate.causes.iter().map(|cause| cause.as_str()).collect();
            let (told, since) = (gate.state.told(), ago(gate.since, Clock.now()));
            format!("gate {name} is {told} since {since}: {}", causes.join(", "))
        }
        None => format!("gate {name}: {}", seen.doubt().unwrap_or_default()),
    }];
    let max = config.gates.get(name).and_then(|gate| gate.drain_max);
    let max = max.map(|max| format!(", at most {max}")).unwrap_or_default();
    lines.push(if args.without_canary {
        "opening it WITHOUT a canary: everything that waits goes at once".to_owned()
    } else {
        format!("opening it lets one canary through; if that completes, what waits follows, 1, 2, 4 … at a time{max}")
    });
    lines.push(format!("in the queue: {}", queues.told(&config.needing(name))));
    lines.extend(held(config, gates, name));
    lines
}

/// What else keeps each kind from running.
pub(super) fn held(
    config: &Config,
    gates: &BTreeMap<GateName, Seen>,
    opening: &GateName,
) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in config.needing(opening) {
        let held = look::held_by(config, gates, &kind, Some(opening));
        let held: Vec<String> =
            held.iter().map(|(gate, seen)| format!("{gate} {}", seen.state().told())).collect();
        if !held.is_empty() {
            lines.push(format!("`{kind}` still held by: {}", held.join(", ")));
        }
    }
    lines
}

/// Has a gatekeeper carry it out, and answers how the gate reads then.
async fn command_gate(bus: &Bus, command: &GateCommand) -> anyhow::Result<Gate> {
    let reply = match ask(bus, command).await {
        Ok(reply) => reply?,
        Err(BusError::NobodyAnswers { .. }) => {
            let text = "no gatekeeper is running, and opening needs one to lead the canary and \
                        the drain: start `gatekeeper`, then open again";
            return Err(Ended::new(Code::Bus, text).into());
        }
        Err(BusError::TimedOut { .. }) => return look_up(bus, command).await,
        Err(error) => return Err(error).context("ask the gatekeeper"),
    };
    if let Some(refused) = reply.refused {
        return Err(Ended::refused(refused).into());
    }
    match reply.gate {
        Some(gate) => Ok(gate),
        None => look_up(bus, command).await,
    }
}

/// An answer that did not come: the gate's log says whether it was done.
async fn look_up(bus: &Bus, command: &GateCommand) -> anyhow::Result<Gate> {
    let log = fleet::gate_log::history(bus, &command.gate).await.context("read the gate's log")?;
    let by = Actor::Person(command.person.clone());
    let moved = |gate: &Gate| Some(gate.epoch) == command.expected_epoch.map(|it| it.next());
    let ours = log.iter().map(|found| &found.value).find(|gate| moved(gate) && gate.by == by);
    match (ours, log.last()) {
        (Some(_), Some(newest)) => Ok(newest.value.clone()),
        _ => {
            let text = format!(
                "the gatekeeper did not answer in time, and gate `{0}` has not moved; it may \
                 still: look with `portcullis gate show {0}`",
                command.gate
            );
            Err(Ended::new(Code::Bus, text).into())
        }
    }
}

fn object(
    config: &Config,
    gates: &BTreeMap<GateName, Seen>,
    name: &GateName,
    seen: &Seen,
    queues: &Queues,
) -> Value {
    let mut object = seen_object(name, seen);
    let mut held = serde_json::Map::new();
    for kind in config.needing(name) {
        let gates = look::held_by(config, gates, &kind, Some(name));
        let gates: Vec<String> = gates.iter().map(|(gate, _)| gate.to_string()).collect();
        held.insert(kind.to_string(), json!(gates));
    }
    if let Value::Object(object) = &mut object {
        object.insert("waiting".to_owned(), json!(queues.total()));
        object.insert("still_held_by".to_owned(), Value::Object(held));
    }
    object
}
