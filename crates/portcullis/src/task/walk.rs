//! Finding tasks: those in the queue by WORK, the ended ones by STATE.

use anyhow::Context as _;
use bus::{Bus, Stored};
use domain::{Key, Kind, Phase, Task, TaskState};
use fleet::store::{self, StoreError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use wire::{Wire as _, subject};

/// A task as far as it could be found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) key: Key,
    /// As far as it is readable.
    pub(super) source_key: String,
    /// Its place in WORK; `None` once it has ended.
    pub(super) seq: Option<u64>,
    /// `None` if ended, or if the message is garbage.
    pub(super) task: Option<Task>,
    pub(super) state: Option<TaskState>,
    /// The sequence of that state, which the next link must expect; 0 where there is none.
    pub(super) link: u64,
}

/// States are read side by side, since each is a round trip.
const AT_ONCE: usize = 16;

/// The tasks in the queue, oldest first, at most `limit`.
pub(super) async fn queued(bus: &Bus, kind: &Kind, limit: usize) -> anyhow::Result<Vec<Found>> {
    let stored = bus
        .all(subject::WORK, &subject::tasks_of(kind), limit)
        .await
        .with_context(|| format!("read the queue of {kind}"))?;
    let found = stored.iter().filter_map(queued_one).map(|found| with_state(bus, found));
    futures_util::stream::iter(found).buffered(AT_ONCE).try_collect().await
}

/// The tasks that STATE knows, at most `limit` that satisfy `wanted`.
pub(super) async fn known(
    bus: &Bus,
    kind: &Kind,
    limit: usize,
    wanted: impl Fn(&TaskState) -> bool,
) -> anyhow::Result<Vec<Found>> {
    let over = format!("state.{kind}.*");
    let mut found = Vec::new();
    let mut from = 1;
    while found.len() < limit {
        let next = bus.next(subject::STATE, &over, from).await.context("read the states")?;
        let Some(stored) = next else { break };
        from = stored.seq + 1;
        let Some(key) = stored.subject.rsplit('.').next().and_then(|key| key.parse().ok()) else {
            continue;
        };
        let Ok(state) = TaskState::decode(&stored.body) else { continue };
        if wanted(&state) {
            let source_key = state.source_key.to_string();
            let task = kept(&state);
            let (kind, state, link) = (kind.clone(), Some(state), stored.seq);
            found.push(Found { kind, key, source_key, seq: None, task, state, link });
        }
    }
    Ok(found)
}

/// The revived tasks, in the queue or not: whoever put one back may have been interrupted
/// before it was created again.
pub(super) async fn revived(bus: &Bus, kind: &Kind, limit: usize) -> anyhow::Result<Vec<Found>> {
    let meant = |state: &TaskState| matches!(state.phase, Phase::Revived { .. });
    let mut revived = Vec::new();
    for found in known(bus, kind, limit, meant).await? {
        revived.extend(one(bus, kind, found.key).await?);
    }
    Ok(revived)
}

/// One task, wherever it stands.
pub(super) async fn one(bus: &Bus, kind: &Kind, key: Key) -> anyhow::Result<Option<Found>> {
    let last = bus.last(subject::WORK, &subject::task(kind, key)).await;
    let queued = last.context("read the queue")?.as_ref().and_then(queued_one);
    let blank = || Found {
        kind: kind.clone(),
        key,
        source_key: String::new(),
        seq: None,
        task: None,
        state: None,
        link: 0,
    };
    let mut found = with_state(bus, queued.unwrap_or_else(blank)).await?;
    if let Some(state) = &found.state
        && found.source_key.is_empty()
    {
        found.source_key = state.source_key.to_string();
    }
    Ok((found.seq.is_some() || found.state.is_some()).then_some(found))
}

fn queued_one(stored: &Stored) -> Option<Found> {
    let (kind, key) = subject::parse_task(&stored.subject)?;
    let task = Task::decode(&stored.body).ok();
    let source_key = task
        .as_ref()
        .map_or_else(|| "(not readable)".to_owned(), |task| task.source_key.to_string());
    Some(Found { kind, key, source_key, seq: Some(stored.seq), task, state: None, link: 0 })
}

async fn with_state(bus: &Bus, found: Found) -> anyhow::Result<Found> {
    let subject = subject::state(&found.kind, found.key);
    match store::read::<TaskState>(bus, subject::STATE, &subject).await {
        Ok(Some(read)) => {
            let task = found.task.clone().or_else(|| kept(&read.value));
            Ok(Found { task, state: Some(read.value), link: read.seq, ..found })
        }
        Ok(None) | Err(StoreError::Garbled { .. }) => Ok(found),
        Err(error) => Err(error).context("read a task's state"),
    }
}

/// The task of one that asks: it is not in the queue, and has not ended.
fn kept(state: &TaskState) -> Option<Task> {
    state.asks().then(|| state.task.as_deref().cloned()).flatten()
}
