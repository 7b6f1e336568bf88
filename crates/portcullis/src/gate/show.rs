use std::fmt::Write as _;

use bus::Bus;
use domain::{Config, Gate, GateName, GateState, Incident, Timestamp};
use kit::Clock;
use serde_json::{Value, json};

use super::{
    budget::{self, Account},
    list::{incident_object, latched_object, seen_object},
    resets::Word,
};
use crate::{
    look::{self, Pulse, Queues, Seen},
    out::Out,
    show::{ago, line},
};

/// How many single failures are shown; the rest is a count.
const FAILURES_SHOWN: usize = 5;

/// One gate, with what hangs on it.
struct Shown<'a> {
    config: &'a Config,
    name: &'a GateName,
    seen: Seen,
    incident: Option<Incident>,
    word: Option<Word>,
    queues: Queues,
    budgets: Vec<Account>,
    pulse: Pulse,
}

pub(super) async fn run(bus: &Bus, name: &GateName, out: &Out) -> anyhow::Result<()> {
    let config = look::config(bus).await?;
    look::known_gate(&config, name)?;
    let pulse = Pulse::listen(bus).await?;
    let seen = Seen::read(bus, name).await?;
    let incident = match seen.gate() {
        Some(gate) => look::incident(bus, gate).await?,
        None => None,
    };
    let word = Word::read(bus, seen.gate(), incident.as_ref()).await;
    let queues = Queues::read(bus, &config.needing(name)).await;
    let budgets = Account::all(bus, &config, name, &queues).await?;
    let shown = Shown { config: &config, name, seen, incident, word, queues, budgets, pulse };
    if out.json {
        out.object(&shown.object())?
    } else {
        out.data(&shown.text(out))?
    }
    Ok(())
}

impl Shown<'_> {
    fn text(&self, out: &Out) -> String {
        let Shown { config, name, seen, queues, .. } = self;
        let now = Clock.now();
        let mut text = String::new();
        let told = out.state(seen.state(), seen.state().told());
        let _ = writeln!(text, "{name} is {told}");
        let settings = config.gates.get(*name);
        if let Some(settings) = settings.filter(|settings| !settings.about.is_empty()) {
            field(&mut text, "guards", &settings.about);
        }
        let kinds = config.needing(name);
        let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        field(&mut text, "needed by", &names.join(", "));
        field(&mut text, "in queue", &queues.told(&kinds));
        self.budgets.iter().for_each(|budget| budget.tell(&mut text));
        field(&mut text, "latched", &self.pulse.latched_lines(name, seen, now).join("\n"));
        let Some(gate) = seen.gate() else {
            field(&mut text, "why", seen.doubt().unwrap_or_default());
            return text;
        };
        standing(&mut text, gate, now);
        failures(&mut text, gate, self.incident.as_ref(), now);
        if gate.state != GateState::Open {
            let word = self.word.as_ref().map(|word| word.told(gate, now));
            field(&mut text, "by itself", &word.unwrap_or_default());
            field(&mut text, "remedy", &gate.remedy);
            if gate.state == GateState::Closed {
                let open = format!("portcullis gate open {name} --note \"…\"");
                field(&mut text, "to open", &open);
            }
        }
        text
    }

    fn object(&self) -> Value {
        let Shown { config, name, seen, queues, pulse, .. } = self;
        let kinds = config.needing(name);
        let incident = self.incident.as_ref();
        let failures = incident.map(|incident| incident.failures.as_slice()).unwrap_or_default();
        let failures = failures.iter().map(|failure| {
            json!({
                "event": failure.event,
                "task": failure.task.to_string(),
                "source_key": failure.source_key.to_string(),
                "attempt": failure.attempt,
                "cause": failure.cause.to_string(),
                "at": failure.at.to_string(),
                "straggler": failure.straggler,
                "evidence": failure.evidence,
            })
        });
        let mut object = seen_object(name, seen);
        if let Value::Object(object) = &mut object {
            object.extend(incident_object(incident));
            let queued = kinds.iter().map(|kind| (kind.to_string(), json!(queues.of(kind))));
            object.insert("in_queue".to_owned(), Value::Object(queued.collect()));
            object.insert("latched".to_owned(), latched_object(pulse, name, seen));
            let at = self.word.as_ref().and_then(|word| word.at);
            object.insert("resets_at".to_owned(), json!(at.map(|at| at.to_string())));
            object.insert("evidence".to_owned(), Value::Array(failures.collect()));
            object.insert("budgets".to_owned(), budget::objects(&self.budgets));
        }
        object
    }
}

fn standing(text: &mut String, gate: &Gate, now: Timestamp) {
    field(text, "since", &format!("{} ({})", ago(gate.since, now), gate.since));
    if gate.at != gate.since {
        field(text, "last moved", &format!("{} ({})", ago(gate.at, now), gate.at));
    }
    let past = if gate.without_canary { ", without a canary" } else { "" };
    field(text, "by", &format!("{} in epoch {}{past}", gate.by, gate.epoch));
    field(text, "note", &gate.note);
    if gate.state != GateState::Open {
        let causes = gate.causes.iter().map(|cause| match cause.rule() {
            Some(rule) => format!("{cause}: {}", rule.means),
            None => cause.to_string(),
        });
        field(text, "causes", &causes.collect::<Vec<_>>().join("\n"));
    }
    if 0 < gate.canaries_failed {
        field(text, "canaries", &format!("{} proved nothing so far", gate.canaries_failed));
    }
    if let Some(trigger) = &gate.trigger {
        let what = format!(
            "{} of {}, attempt {}\n{}",
            trigger.cause, trigger.source_key, trigger.attempt, trigger.evidence
        );
        field(text, "trigger", &what);
    }
}

fn failures(text: &mut String, gate: &Gate, incident: Option<&Incident>, now: Timestamp) {
    let count = incident.map_or(0, Incident::count);
    let causes = incident.map(Incident::causes).unwrap_or_default();
    let causes: Vec<String> =
        causes.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
    match (gate.state, count) {
        (GateState::Open, 0) => field(text, "incidents", &format!("{} so far", gate.incident)),
        (GateState::Open, _) => {
            field(text, "gathering", &format!("{count} failed = {}", causes.join(" + ")));
        }
        (_, 0) => field(text, "incident", &format!("{}, nothing failed", gate.incident)),
        (..) => {
            let sum = causes.join(" + ");
            field(text, "incident", &format!("{}: {count} failed = {sum}", gate.incident));
        }
    }
    let Some(incident) = incident else { return };
    for failure in incident.failures.iter().take(FAILURES_SHOWN) {
        let straggler = if failure.straggler { ", admitted before the opening" } else { "" };
        let what = format!(
            "{}  {} #{}  {}{straggler}",
            ago(failure.at, now),
            failure.source_key,
            failure.attempt,
            failure.cause
        );
        field(text, "", &line(&what, 110));
    }
    let shown = u64::try_from(FAILURES_SHOWN.min(incident.failures.len())).unwrap_or(u64::MAX);
    if shown < count {
        field(text, "", &format!("and {} more", count - shown));
    }
}

/// A label, and a text that keeps to its right.
pub(crate) fn field(text: &mut String, label: &str, value: &str) {
    if value.trim().is_empty() {
        return;
    }
    for (at, line) in value.trim().lines().enumerate() {
        let label = if at == 0 { label } else { "" };
        let _ = writeln!(text, "  {label:10}  {}", line.trim_end());
    }
}
