//! Which tasks a person means, shown with counts before anything is done to them.

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
};

use anyhow::Context as _;
use bus::Bus;
use domain::{Cause, Config, Kind, Phase, TaskState, Timestamp};
use kit::Clock;
use serde_json::{Value, json};

use super::{
    ByHandArgs,
    one::{self, key},
    phase::PhaseName,
    walk::{self, Found},
};
use crate::{exit::Ended, look, out::Out};

/// What is to be done to tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Retry,
    Withdraw,
}

/// The tasks that were meant, as they stood then: each is acted on only if it still does.
pub(super) struct Chosen {
    pub(super) config: Config,
    pub(super) tasks: Vec<Found>,
    pub(super) by: String,
    pub(super) note: String,
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Done {
    done: Vec<String>,
    not: Vec<(String, String)>,
}

/// As many as one command takes; with more, it is run again.
const AT_MOST: usize = 10_000;

/// Finds the tasks, shows them and asks; `None` when nothing is to be done.
pub(super) async fn choose(
    bus: &Bus,
    args: &ByHandArgs,
    verb: Verb,
    out: &Out,
) -> anyhow::Result<Option<Chosen>> {
    let (by, note) = (args.person.name()?, args.note.trim().to_owned());
    if note.is_empty() {
        return Err(Ended::usage("--note is empty: say why").into());
    }
    let config = look::config(bus).await?;
    if let Some(kind) = &args.kind {
        look::known_kind(&config, kind)?;
    }
    fleet::go_by_brokers_time(bus).await;
    let chosen = |tasks| Chosen { config: config.clone(), tasks, by, note };
    if !args.tasks.is_empty() {
        return Ok(Some(chosen(named(bus, &config, args).await?)));
    }
    let all = [args.kind.is_none(), args.cause.is_none(), args.older_than.is_none()];
    if all == [true; 3] && args.phase.is_none() {
        let text = "which tasks? Name them, or choose by --kind, --cause, --phase or --older-than";
        return Err(Ended::usage(text).into());
    }
    let mut tasks = find(bus, &config, args, verb).await?;
    let more = AT_MOST < tasks.len();
    tasks.truncate(AT_MOST);
    for line in told(&tasks, verb) {
        out.talk(&line);
    }
    if more {
        out.talk(&format!("there are more than {AT_MOST}: run it again for the rest"));
    }
    if tasks.is_empty() || !agreed(args, out)? {
        if out.json {
            out.object(&object(&tasks))?;
        }
        return Ok(None);
    }
    Ok(Some(chosen(tasks)))
}

/// A person at a terminal is asked; a script must have said so beforehand.
fn agreed(args: &ByHandArgs, out: &Out) -> anyhow::Result<bool> {
    if args.yes {
        return Ok(true);
    }
    if out.json || !std::io::stdin().is_terminal() {
        out.talk("nothing is done yet; with --yes it is");
        return Ok(false);
    }
    let mut err = std::io::stderr().lock();
    write!(err, "go on? [y/N] ").and_then(|()| err.flush()).context("ask")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Every task that was named; one that is not there refuses all of them.
async fn named(bus: &Bus, config: &Config, args: &ByHandArgs) -> anyhow::Result<Vec<Found>> {
    let mut tasks = Vec::new();
    for name in &args.tasks {
        tasks.push(one::find(bus, config, args.kind.as_ref(), name, key(name)?).await?);
    }
    Ok(tasks)
}

async fn find(
    bus: &Bus,
    config: &Config,
    args: &ByHandArgs,
    verb: Verb,
) -> anyhow::Result<Vec<Found>> {
    let now = Clock.now();
    let kinds: Vec<&Kind> = match &args.kind {
        Some(kind) => vec![kind],
        None => config.kinds.keys().collect(),
    };
    let mut tasks = Vec::new();
    for kind in kinds {
        match verb {
            Verb::Retry => {
                let phase = args.phase.unwrap_or(PhaseName::Dead);
                let meant = |state: &TaskState| {
                    PhaseName::of(Some(state)) == phase && fits(args, Some(state), state.at, now)
                };
                tasks.extend(walk::known(bus, kind, AT_MOST + 1, meant).await?);
                if phase == PhaseName::Dead {
                    let mut begun = walk::revived(bus, kind, AT_MOST + 1).await?;
                    begun.retain(|found| found.seq.is_none());
                    tasks.extend(begun);
                }
            }
            Verb::Withdraw => {
                let mut queued = walk::queued(bus, kind, AT_MOST + 1).await?;
                queued.retain(|found| {
                    let phase = PhaseName::of(found.state.as_ref());
                    let meant = args.phase.map_or(!phase.ended(), |meant| meant == phase);
                    let created = found.task.as_ref().map_or(now, |task| task.created_at);
                    let since = found.state.as_ref().map_or(created, |state| state.at);
                    meant && fits(args, found.state.as_ref(), since, now)
                });
                tasks.extend(queued);
                if args.phase.is_none_or(|phase| phase == PhaseName::Parked) {
                    let asks =
                        |state: &TaskState| state.asks() && fits(args, Some(state), state.at, now);
                    tasks.extend(walk::known(bus, kind, AT_MOST + 1, asks).await?);
                }
            }
        }
    }
    Ok(tasks)
}

fn fits(args: &ByHandArgs, state: Option<&TaskState>, since: Timestamp, now: Timestamp) -> bool {
    let old = args.older_than.is_none_or(|older| older <= now.since(since));
    let cause = args.cause.is_none() || args.cause.as_ref() == state.and_then(cause_of);
    old && cause
}

/// The cause of the newest failure, where the state still names it.
fn cause_of(state: &TaskState) -> Option<&Cause> {
    match &state.phase {
        Phase::Resting { cause, .. } | Phase::Dead { cause, .. } | Phase::Parked { cause, .. } => {
            Some(cause)
        }
        Phase::Returned { cause, .. } => cause.as_ref(),
        Phase::Claimed(_)
        | Phase::Completed { .. }
        | Phase::Withdrawn { .. }
        | Phase::Revived { .. } => None,
    }
}

/// `3 to put back = 2 welcome dead target.invalid + 1 …`
fn told(tasks: &[Found], verb: Verb) -> Vec<String> {
    let what = match verb {
        Verb::Retry => "to put back",
        Verb::Withdraw => "to withdraw",
    };
    let counts = counts(tasks);
    let parts: Vec<String> = counts.iter().map(|(part, count)| format!("{count} {part}")).collect();
    match parts.as_slice() {
        [] => vec![format!("no task {what}")],
        parts => vec![format!("{} {what} = {}", tasks.len(), parts.join(" + "))],
    }
}

fn counts(tasks: &[Found]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for found in tasks {
        let phase = PhaseName::of(found.state.as_ref()).word();
        let cause = found.state.as_ref().and_then(cause_of);
        let cause = cause.map(|cause| format!(" {cause}")).unwrap_or_default();
        *counts.entry(format!("{} {phase}{cause}", found.kind)).or_insert(0) += 1;
    }
    counts
}

fn object(tasks: &[Found]) -> Value {
    let names: Vec<&String> = tasks.iter().map(|found| &found.source_key).collect();
    json!({ "dry_run": true, "tasks": names, "counts": counts(tasks) })
}

impl Done {
    pub(super) fn note(&mut self, found: &Found, ended: Result<(), String>) {
        match ended {
            Ok(()) => self.done.push(found.source_key.clone()),
            Err(why) => self.not.push((found.source_key.clone(), why)),
        }
    }

    /// Tells what became of them. `did` says what was done: "put back".
    ///
    /// # Errors
    ///
    /// Where nothing could be done, with the reason: a rule forbids it.
    pub(super) fn tell(&self, did: &str, out: &Out) -> anyhow::Result<()> {
        const SHOWN: usize = 20;
        if out.json {
            let reason = |(task, why): &(String, String)| json!({ "task": task, "why": why });
            let not: Vec<Value> = self.not.iter().map(reason).collect();
            out.object(&json!({ "dry_run": false, "done": self.done, "not_done": not }))?;
        } else {
            for task in self.done.iter().take(SHOWN) {
                out.data(&format!("{task} is {did}"))?;
            }
        }
        for (task, why) in self.not.iter().take(SHOWN) {
            out.talk(&format!("{task} is not {did}: {why}"));
        }
        if SHOWN < self.done.len().max(self.not.len()) {
            let (done, not) = (self.done.len(), self.not.len());
            out.talk(&format!("in all {done} {did}, {not} not; see each with --json"));
        }
        if self.done.is_empty() && !self.not.is_empty() {
            return Err(Ended::refused(format!("nothing is {did}")).into());
        }
        Ok(())
    }
}
