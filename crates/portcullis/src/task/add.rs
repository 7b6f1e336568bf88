//! `portcullis task add`: work that a person or a script has, of any kind.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use bus::Bus;
use domain::{Config, Kind, Phase, SourceKey, Task, TaskState};
use fleet::store;
use kit::Clock;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use wire::subject;

use super::{
    AddArgs, TaskName, When, follow,
    put::{Queued, queue},
    times,
};
use crate::{exit::Ended, look, out::Out};

/// One line of a file of tasks. What else a line holds is a mistake: nothing is ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    kind: String,
    source_key: String,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    not_before: Option<String>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    follows: Option<String>,
}

/// A task as it is wanted, and what it is to follow.
struct Wanted {
    task: Task,
    follows: Option<TaskName>,
}

pub(super) async fn run(bus: &Bus, args: &AddArgs, out: &Out) -> anyhow::Result<()> {
    let person = args.person.name()?;
    let config = look::config(bus).await?;
    fleet::go_by_brokers_time(bus).await;
    let tasks = match &args.file {
        Some(path) => of_file(&config, path, &person)?,
        None => vec![of_flags(&config, args, &person)?],
    };
    let (mut told, mut refused, all) = (Vec::new(), 0, tasks.len());
    for Wanted { task, follows } in tasks {
        let task = &Task { follows: None, ..task };
        let inherited = follow::inherit(bus, &config, task, follows.as_ref()).await?;
        let added = match inherited {
            Ok(inherited) => {
                let task = Task { follows: inherited.map(Box::new), ..task.clone() };
                add(bus, &config, &task).await?
            }
            Err(why) => Err(why),
        };
        let word = match added {
            Ok(word) => word.to_owned(),
            Err(why) => {
                refused += 1;
                format!("not created: {why}")
            }
        };
        if !out.json {
            out.data(&format!("{} {word}", task.source_key))?;
        }
        told.push(json!({ "source_key": task.source_key.to_string(), "key": task.key().to_string(), "is": word }));
    }
    bus.flush().await;
    if out.json {
        out.object(&json!({ "tasks": told, "refused": refused }))?;
    }
    if 0 < refused {
        let text = format!("{refused} of {all} tasks were not created");
        return Err(Ended::refused(text).into());
    }
    Ok(())
}

/// What became of it; an error is why it is not in the queue.
async fn add(
    bus: &Bus,
    config: &Config,
    task: &Task,
) -> anyhow::Result<Result<&'static str, String>> {
    let chain = subject::state(&task.kind, task.key());
    let state = store::read::<TaskState>(bus, subject::STATE, &chain).await;
    let state = state.context("read where the task stands")?;
    if state.as_ref().is_some_and(|state| state.value.asks()) {
        let why = "it is parked and asks what is to be done: `portcullis task show` it";
        return Ok(Err(why.to_owned()));
    }
    match state.as_ref().map(|state| &state.value.phase) {
        Some(Phase::Completed { .. }) => return Ok(Ok("is completed already")),
        Some(Phase::Dead { .. } | Phase::Withdrawn { .. }) => {
            let why = "it has ended before; put it back with `portcullis task retry`";
            return Ok(Err(why.to_owned()));
        }
        _ => (),
    }
    if let Err(why) = follow::put_on_record(bus, task).await? {
        return Ok(Err(why));
    }
    Ok(match queue(bus, config, task).await? {
        Queued::Created => Ok("is created"),
        Queued::Already => Ok("is in the queue already"),
        Queued::Not(why) => Err(why),
    })
}

fn of_flags(config: &Config, args: &AddArgs, person: &str) -> anyhow::Result<Wanted> {
    let (Some(kind), Some(source_key)) = (&args.kind, &args.source_key) else {
        return Err(Ended::usage("name the task and its --kind, or a --file of them").into());
    };
    look::known_kind(config, kind)?;
    let payload = match args.payload.as_str() {
        "-" => stdin()?,
        payload => payload.to_owned(),
    };
    if let Err(error) = serde_json::from_str::<Value>(&payload) {
        return Err(Ended::usage(format!("the payload is not JSON: {error}")).into());
    }
    let expires_at = args.expires_at.or(args.expires_in.map(When::From));
    let task = task(kind.clone(), source_key.clone(), payload.trim().to_owned(), person);
    let task = times::set(task, args.not_before, expires_at).map_err(Ended::usage)?;
    Ok(Wanted { task, follows: args.follows.clone() })
}

/// Every line, or none of them.
fn of_file(config: &Config, path: &PathBuf, person: &str) -> anyhow::Result<Vec<Wanted>> {
    let text = if path == Path::new("-") {
        stdin()?
    } else {
        std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?
    };
    let mut tasks = Vec::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (at, line) in lines {
        let task = of_line(config, line, person).map_err(|why| {
            Ended::usage(format!("{}:{}: {why}; nothing is created", path.display(), at + 1))
        })?;
        tasks.push(task);
    }
    Ok(tasks)
}

fn of_line(config: &Config, line: &str, person: &str) -> Result<Wanted, String> {
    let row: Row = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let kind: Kind = row.kind.parse().map_err(|error| format!("kind {:?}: {error}", row.kind))?;
    look::known_kind(config, &kind).map_err(|error| error.to_string())?;
    let source_key: SourceKey = row
        .source_key
        .parse()
        .map_err(|error| format!("source_key {:?}: {error}", row.source_key))?;
    let payload = row.payload.map_or("{}", RawValue::get).to_owned();
    let when = |text: &Option<String>| text.as_deref().map(times::parse).transpose();
    let (not_before, expires_at) = (when(&row.not_before)?, when(&row.expires_at)?);
    let task = times::set(task(kind, source_key, payload, person), not_before, expires_at)?;
    let follows = row.follows.as_deref().map(follow::parse).transpose()?;
    Ok(Wanted { task, follows })
}

fn stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("read stdin")?;
    Ok(text)
}

fn task(kind: Kind, source_key: SourceKey, payload: String, person: &str) -> Task {
    let (created_by, created_at) = (person.to_owned(), Clock.now());
    Task {
        kind,
        source_key,
        created_by,
        created_at,
        contact: None,
        payload,
        not_before: None,
        expires_at: None,
        follows: None,
    }
}
