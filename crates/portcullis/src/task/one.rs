use std::fmt::Write as _;

use bus::Bus;
use domain::{Config, Key, Kind, Lineage, SourceKey, Timestamp};
use kit::Clock;
use serde_json::{Value, json};

use super::{
    ShowArgs,
    events::{Told, told_of},
    phase::{PhaseName, object, why},
    walk::{self, Found},
};
use crate::{
    exit::Ended,
    gate::field,
    look::{self, Seen},
    out::Out,
    show::{ago, line},
};

/// How far the events of a task stand in.
const INDENT: usize = 2;

pub(super) async fn run(bus: &Bus, args: &ShowArgs, out: &Out) -> anyhow::Result<()> {
    let key = key(&args.task)?;
    let config = look::config(bus).await?;
    if let Some(kind) = &args.kind {
        look::known_kind(&config, kind)?;
    }
    let found = &find(bus, &config, args.kind.as_ref(), &args.task, key).await?;
    let gates = Seen::all(bus, &config).await?;
    let told = told_of(bus, &found.kind, key, out.width().map(|width| width - INDENT)).await?;
    let now = Clock.now();
    let why = why(found, &config, &gates, now);
    if out.json {
        let mut object = object(found, &why);
        if let Value::Object(object) = &mut object {
            let payload = found.task.as_ref().map(|task| &task.payload);
            object.insert("payload".to_owned(), json!(payload));
            let told: Vec<&Value> = told.iter().map(|told| &told.event).collect();
            object.insert("events".to_owned(), json!(told));
        }
        out.object(&object)?;
    } else {
        out.data(&text(found, &config, &why, &told, now))?;
    }
    Ok(())
}

/// The task that `name` stands for: of `kind`, or of the only kind that has one.
pub(super) async fn find(
    bus: &Bus,
    config: &Config,
    kind: Option<&Kind>,
    name: &str,
    key: Key,
) -> anyhow::Result<Found> {
    let kinds: Vec<&Kind> = match kind {
        Some(kind) => vec![kind],
        None => config.kinds.keys().collect(),
    };
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(walk::one(bus, kind, key).await?);
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Ended::not_found(format!("no task `{name}` was ever created")).into()),
        (Some(_), false) => {
            Err(Ended::usage("there is one of several kinds: name one with --kind").into())
        }
    }
}

/// What names a task: its source key, or the digits of its key.
///
/// # Errors
///
/// When it can be neither.
pub(super) fn key(text: &str) -> Result<Key, Ended> {
    if let Ok(key) = text.parse::<Key>() {
        return Ok(key);
    }
    match text.parse::<SourceKey>() {
        Ok(source) => Ok(source.key()),
        Err(error) => Err(Ended::usage(format!("{text:?} names no task: {error}"))),
    }
}

fn text(found: &Found, config: &Config, why: &str, told: &[Told], now: Timestamp) -> String {
    let mut text = String::new();
    let phase = PhaseName::of(found.state.as_ref()).word();
    let _ = writeln!(text, "{} is {phase}", found.source_key);
    field(&mut text, "kind", found.kind.as_str());
    field(&mut text, "key", &found.key.to_string());
    field(&mut text, "why", why);
    if let Some(task) = &found.task {
        let created = format!("{} by {}", ago(task.created_at, now), task.created_by);
        field(&mut text, "created", &created);
        field(&mut text, "payload", &line(&task.payload, 86));
        for (name, at) in [("not before", task.not_before), ("expires at", task.expires_at)] {
            if let Some(at) = at {
                field(&mut text, name, &at.to_string());
            }
        }
        if let Some(Lineage { parent_kind, parent, spent, budget, depth, .. }) =
            task.follows.as_deref()
        {
            let follows = format!(
                "{parent_kind}/{parent}, {depth} deep; its lineage had spent {spent} of {budget}"
            );
            field(&mut text, "follows", &follows);
        }
    }
    if let Some(state) = &found.state {
        let max = config.kinds.get(&found.kind).map_or(0, |kind| kind.attempts_max);
        let tried = format!("{} begun, {} of {max} charged", state.attempt, state.charged);
        field(&mut text, "attempts", &tried);
        field(&mut text, "since", &format!("{} ({})", ago(state.at, now), state.at));
        if state.cost != domain::Cost::ZERO {
            let cost = format!("{}, {}", state.cost.sats, state.cost.micro_usd);
            field(&mut text, "cost", &cost);
        }
    }
    if !told.is_empty() {
        text.push_str("told\n");
        for told in told {
            let _ = writeln!(text, "{:INDENT$}{}", "", told.line);
        }
    }
    text
}
