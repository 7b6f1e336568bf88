//! `portcullis task withdraw`: a task that is not to be done ends, whatever its gates say.
//!
//! Its message stays in the queue until a dispatcher is delivered it, finds the end and takes it
//! out. An attempt that runs finds its claim gone.

use anyhow::Context as _;
use bus::{Bus, Expect, Put};
use domain::{HolderId, TaskState};
use fleet::{
    attempt_told,
    store::{self, Cas},
};
use kit::Clock;
use logic::attempt::{owed, unclaimed, withdraw};
use wire::{event::Event, subject};

use super::{
    ByHandArgs,
    choose::{Chosen, Done, Verb, choose},
    walk::Found,
};
use crate::out::Out;

pub(super) async fn run(bus: &Bus, args: &ByHandArgs, out: &Out) -> anyhow::Result<()> {
    let Some(chosen) = choose(bus, args, Verb::Withdraw, out).await? else { return Ok(()) };
    let mut done = Done::default();
    for found in &chosen.tasks {
        let ended = one(bus, &chosen, found).await;
        done.note(found, ended.unwrap_or_else(|error| Err(format!("{error:#}"))));
    }
    bus.flush().await;
    done.tell("withdrawn", out)
}

async fn one(bus: &Bus, chosen: &Chosen, found: &Found) -> anyhow::Result<Result<(), String>> {
    let Some(task) = &found.task else {
        return Ok(Err(match &found.state {
            Some(state) if state.ended() => format!("it has ended already: {}", state.word()),
            _ => "its message in the queue makes no sense; a dispatcher will park it".to_owned(),
        }));
    };
    let now = Clock.now();
    let before = found.state.clone().unwrap_or_else(|| unclaimed(task, now));
    let next = match withdraw(&before, task, &chosen.by, &chosen.note, now) {
        Ok(next) => next,
        Err(refused) => return Ok(Err(refused.to_string())),
    };
    let chain = subject::state(&found.kind, found.key);
    let written = store::compare_and_set(bus, subject::STATE, &chain, &next, found.link).await;
    match written.context("withdraw a task")? {
        Cas::Stored(_) => (),
        Cas::Lost => return Ok(Err("it has moved since it was looked at".to_owned())),
    }
    tell(bus, &before, &next, &chosen.by).await?;
    Ok(Ok(()))
}

/// Under the ids that a dispatcher would tell it by, should it find the end first.
async fn tell(bus: &Bus, before: &TaskState, next: &TaskState, by: &str) -> anyhow::Result<()> {
    let holder: HolderId = "portcullis".parse().context("name this program")?;
    for state in [before, next] {
        for report in owed(state) {
            let told = attempt_told(&holder, state, &report).to_event();
            let event = Event { source: format!("portcullis/{by}"), ..told };
            let (subject, body) = (event.subject.clone(), event.to_json());
            let put = Put { subject, body, expect: Expect::Nothing, id: Some(event.id) };
            bus.put(put).await.context("the task is withdrawn; tell of it")?;
        }
    }
    Ok(())
}
