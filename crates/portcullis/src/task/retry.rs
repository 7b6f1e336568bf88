//! `portcullis task retry`: a dead or withdrawn task gets a fresh budget of attempts and goes
//! back into the queue, by the same name: what it did before is known to its handler (W3, W4).

use anyhow::Context as _;
use bus::{Bus, Expect, Put};
use domain::{HolderId, Phase, Task, TaskState};
use fleet::{
    attempt_told,
    store::{self, Cas},
};
use kit::Clock;
use logic::attempt::{Report, Told, revive};
use wire::{event::Event, subject};

use super::{
    ByHandArgs,
    choose::{Chosen, Done, Verb, choose},
    put::{Queued, held, queue},
    walk::{self, Found},
};
use crate::out::Out;

pub(super) async fn run(bus: &Bus, args: &ByHandArgs, out: &Out) -> anyhow::Result<()> {
    let Some(chosen) = choose(bus, args, Verb::Retry, out).await? else { return Ok(()) };
    let mut done = Done::default();
    for found in &chosen.tasks {
        let ended = one(bus, &chosen, found).await;
        done.note(found, ended.unwrap_or_else(|error| Err(format!("{error:#}"))));
    }
    bus.flush().await;
    done.tell("put back", out)
}

async fn one(bus: &Bus, chosen: &Chosen, found: &Found) -> anyhow::Result<Result<(), String>> {
    // A dispatcher that found the end may be about to take the old message out, and would take
    // the revived task with it.
    let now = walk::one(bus, &found.kind, found.key).await?;
    if now.as_ref().is_some_and(|now| now.seq.is_some()) {
        return Ok(Err("it stands in the queue, and comes out by itself once it has ended and \
                       its gates are open: try again then"
            .to_owned()));
    }
    if let Some(held) = held(bus, &chosen.config, &found.kind).await? {
        return Ok(Err(held));
    }
    let task = match revived(bus, chosen, found).await? {
        Ok(task) => task,
        Err(why) => return Ok(Err(why)),
    };
    Ok(match queue(bus, &chosen.config, &task).await? {
        Queued::Created | Queued::Already => Ok(()),
        Queued::Not(why) => Err(format!("it is revived, but not in the queue: {why}; retry again")),
    })
}

/// Writes the link that puts the task back, unless it stands already.
async fn revived(
    bus: &Bus,
    chosen: &Chosen,
    found: &Found,
) -> anyhow::Result<Result<Task, String>> {
    let Some(state) = &found.state else {
        return Ok(Err("nothing is known of it".to_owned()));
    };
    if let (Phase::Revived { .. }, Some(task)) = (&state.phase, &state.task) {
        return Ok(Ok(Task::clone(task)));
    }
    let Some(kind) = chosen.config.kinds.get(&found.kind) else {
        return Ok(Err(format!("no kind `{}` is configured", found.kind)));
    };
    let revived = revive(state, &chosen.by, &chosen.note, kind.lease, Clock.now());
    let (next, task) = match revived {
        Ok(next) => match next.task.clone() {
            Some(task) => (next, *task),
            None => return Ok(Err("the task itself was not kept".to_owned())),
        },
        Err(refused) => return Ok(Err(refused.to_string())),
    };
    let chain = subject::state(&found.kind, found.key);
    let written = store::compare_and_set(bus, subject::STATE, &chain, &next, found.link).await;
    Ok(match written.context("revive a task")? {
        Cas::Stored(_) => {
            tell(bus, chosen, &next).await?;
            Ok(task)
        }
        Cas::Lost => Err("it has moved since it was looked at".to_owned()),
    })
}

/// Who put it back, for whoever asks how it came to where it is.
async fn tell(bus: &Bus, chosen: &Chosen, next: &TaskState) -> anyhow::Result<()> {
    let holder: HolderId = "portcullis".parse().context("name this program")?;
    let (by, note) = (chosen.by.clone(), chosen.note.clone());
    let report = Report {
        attempt: next.attempt,
        admitted: Vec::new(),
        canary: Vec::new(),
        begun: None,
        created: None,
        told: Told::Revived { by, note },
    };
    let told = attempt_told(&holder, next, &report).to_event();
    let event = Event { source: format!("portcullis/{}", chosen.by), ..told };
    let (subject, body) = (event.subject.clone(), event.to_json());
    let put = Put { subject, body, expect: Expect::Nothing, id: Some(event.id) };
    bus.put(put).await.context("the task is revived; tell of it, then retry again")?;
    Ok(())
}
