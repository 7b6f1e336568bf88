use std::fmt::Write as _;

use bus::Bus;
use domain::{Config, Created, Key, Kind, Lineage, SourceKey, Task, Timestamp};
use kit::Clock;
use serde_json::{Value, json};
use wire::event::AttemptTold;

use super::{
    ShowArgs,
    events::told_of,
    phase::{PhaseName, object, why},
    story::{self, Story},
    walk::{self, Found},
};
use crate::{
    exit::Ended,
    gate::field,
    look::{self, Seen},
    out::Out,
    show::{ago, line},
};

pub(super) async fn run(bus: &Bus, args: &ShowArgs, out: &Out) -> anyhow::Result<()> {
    let key = key(&args.task)?;
    let config = look::config(bus).await?;
    if let Some(kind) = &args.kind {
        look::known_kind(&config, kind)?;
    }
    let found = &find(bus, &config, args.kind.as_ref(), &args.task, key).await?;
    let gates = Seen::all(bus, &config).await?;
    let told = told_of(bus, &found.kind, key, &config.needs(&found.kind)).await?;
    let now = Clock.now();
    let ended = found.state.as_ref().filter(|state| state.ended()).map(|state| state.at);
    let attempts: Vec<&AttemptTold> = told.attempts.iter().collect();
    let created = created(found, &told.attempts);
    let since = created.as_ref().map(|created| created.at);
    let story = Story::of(&attempts, &told.moves, since, ended.unwrap_or(now));
    let why = why(found, &config, &gates, now);
    if out.json {
        let mut object = object(found, &why);
        if let Value::Object(object) = &mut object {
            let payload = kept(found).map(|task| &task.payload);
            let by = created.as_ref().map(|created| &created.by);
            object.insert("created_by".to_owned(), json!(by));
            let at = created.as_ref().map(|created| created.at.to_string());
            object.insert("created_at".to_owned(), json!(at));
            object.insert("payload".to_owned(), json!(payload));
            object.insert("story".to_owned(), story.object());
            object.insert("events".to_owned(), json!(told.events));
        }
        out.object(&object)?;
    } else {
        let mut text = text(found, &config, (&why, created.as_ref()), now);
        tell(&mut text, &story, out);
        out.data(&text)?;
    }
    if told.cut {
        out.talk("there are too many events to read them all: the story is not whole");
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

/// Who created it: as the task itself says, or when that has ended, what was told of it.
fn created(found: &Found, told: &[AttemptTold]) -> Option<Created> {
    let told = || told.iter().find_map(|told| told.created.clone());
    kept(found).map(Task::created).or_else(told)
}

/// The task as it was created, as long as anybody keeps it.
fn kept(found: &Found) -> Option<&Task> {
    let kept = found.state.as_ref().and_then(|state| state.task.as_deref());
    found.task.as_ref().or(kept)
}

/// What happened to it, line by line.
fn tell(text: &mut String, story: &Story, out: &Out) {
    let lines = story.lines();
    if lines.is_empty() {
        return;
    }
    text.push_str("story\n");
    let room = out.width().map_or(usize::MAX, |width| width.saturating_sub(2).max(40));
    for told in lines {
        let _ = writeln!(text, "  {}", line(&told, room));
    }
}

fn text(
    found: &Found,
    config: &Config,
    (why, created): (&str, Option<&Created>),
    now: Timestamp,
) -> String {
    let mut text = String::new();
    let phase = PhaseName::of(found.state.as_ref()).word();
    let _ = writeln!(text, "{} is {phase}", found.source_key);
    field(&mut text, "kind", found.kind.as_str());
    field(&mut text, "key", &found.key.to_string());
    field(&mut text, "why", why);
    if let Some(Created { by, at }) = created {
        let created = format!("{} ({at}) by {by}", ago(*at, now));
        field(&mut text, "created", &created);
    }
    if let Some(task) = kept(found) {
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
        field(&mut text, "cost", &story::cost(state.cost));
    }
    text
}
