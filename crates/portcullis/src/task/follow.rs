//! `--follows`: a task that follows up another one shares its budget of attempts, and is the only
//! one that does.

use anyhow::Context as _;
use bus::Bus;
use domain::{Config, Follower, Kind, Lineage, Phase, SourceKey, Task};
use fleet::store::{self, Cas};
use kit::Clock;
use logic::attempt::{NotFollowed, follow, only};
use wire::subject;

use super::walk;

/// A task by its kind and source key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskName {
    pub kind: Kind,
    pub source_key: SourceKey,
}

/// `prompt/report/2026-11-22` is the task `report/2026-11-22` of the kind `prompt`.
///
/// # Errors
///
/// When it names no task, with how to write it.
pub(super) fn parse(text: &str) -> Result<TaskName, String> {
    let named = text.split_once('/').and_then(|(kind, source_key)| {
        Some(TaskName { kind: kind.parse().ok()?, source_key: source_key.parse().ok()? })
    });
    named.ok_or_else(|| format!("{text:?} names no task: write its kind, a slash, its source key"))
}

/// What `task` inherits when it follows `parent`; nothing when it follows nothing. The error is
/// why it may not.
pub(super) async fn inherit(
    bus: &Bus,
    config: &Config,
    task: &Task,
    parent: Option<&TaskName>,
) -> anyhow::Result<Result<Option<Lineage>, String>> {
    let Some(TaskName { kind, source_key }) = parent else { return Ok(Ok(None)) };
    let (Some(of_parent), Some(own)) = (config.kinds.get(kind), config.kinds.get(&task.kind))
    else {
        return Ok(Err(format!("no kind `{kind}` is configured, so nothing follows its tasks")));
    };
    let Some(found) = walk::one(bus, kind, source_key.key()).await? else {
        return Ok(Err(format!("no task `{source_key}` of kind `{kind}` was ever created")));
    };
    let state = found.state.as_ref();
    let kept = state.and_then(|state| state.task.as_deref().cloned());
    // A completed task of which no link keeps the task followed nothing itself.
    let bare = || {
        let completed = state.is_some_and(|state| matches!(state.phase, Phase::Completed { .. }));
        completed.then(|| Task {
            kind: kind.clone(),
            source_key: source_key.clone(),
            created_by: String::new(),
            created_at: Clock.now(),
            contact: None,
            payload: String::new(),
            not_before: None,
            expires_at: None,
            follows: None,
        })
    };
    let Some(parent) = found.task.clone().or(kept).or_else(bare) else {
        return Ok(Err(format!("what is kept of the task `{source_key}` makes no sense")));
    };
    let follower = follower(bus, kind, source_key).await?;
    let child = (&task.kind, &task.source_key);
    let followed = follow(&parent, state, follower.as_ref(), of_parent, child, own);
    Ok(followed.map(Some).map_err(|refused| told(kind, source_key, &refused)))
}

/// Puts `task` on record as the one that follows its parent, if it follows any. The error is who
/// does already. To be done before it is created, as somebody else may add another meanwhile.
pub(super) async fn put_on_record(bus: &Bus, task: &Task) -> anyhow::Result<Result<(), String>> {
    let Some(Lineage { parent_kind, parent, .. }) = task.follows.as_deref() else {
        return Ok(Ok(()));
    };
    let on = subject::follows(parent_kind, parent.key());
    let me = Follower { kind: task.kind.clone(), source_key: task.source_key.clone() };
    let written = store::compare_and_set(bus, subject::STATE, &on, &me, 0).await;
    let written = written.with_context(|| {
        format!("write down who follows {parent_kind}/{parent} (if an older version applied the configuration, apply it anew)")
    })?;
    if matches!(written, Cas::Stored(_)) {
        return Ok(Ok(()));
    }
    let follower = follower(bus, parent_kind, parent).await?;
    let refused = only(follower.as_ref(), (&me.kind, &me.source_key));
    Ok(refused.map_err(|refused| told(parent_kind, parent, &refused)))
}

async fn follower(bus: &Bus, kind: &Kind, parent: &SourceKey) -> anyhow::Result<Option<Follower>> {
    let on = subject::follows(kind, parent.key());
    let read = store::read::<Follower>(bus, subject::STATE, &on).await;
    let read = read.with_context(|| format!("read who follows {kind}/{parent}"))?;
    Ok(read.map(|read| read.value))
}

fn told(kind: &Kind, parent: &SourceKey, refused: &NotFollowed) -> String {
    format!("it cannot follow {kind}/{parent}: {refused}")
}
