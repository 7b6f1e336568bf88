use std::time::Duration;

use domain::{Claim, Phase, Task, TaskState, Timestamp};

/// Why a task cannot be moved so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    #[error("a completed task is final")]
    Completed,
    #[error(
        "the task is {phase}; only a dead or withdrawn task can be revived, or a parked one that \
         asks what is to be done"
    )]
    NotEnded { phase: &'static str },
    #[error("the task has ended already: {phase}")]
    Ended { phase: &'static str },
    #[error(
        "it came to this a moment ago, and an attempt under way then may act a little longer: \
         try again in {seconds} s"
    )]
    MayStillAct { seconds: u64 },
    #[error("it may not begin before {at}: put it back then")]
    NotDue { at: Timestamp },
    #[error("the task itself was not kept when it ended: create it anew under another source key")]
    NotKept,
}

/// The same claim with one more renewal; `None` when the state is no claim.
pub fn renew(state: &TaskState, now: Timestamp) -> Option<TaskState> {
    let Phase::Claimed(claim) = &state.phase else { return None };
    let claim = Claim { renewals: claim.renewals.wrapping_add(1), ..claim.clone() };
    Some(TaskState { at: now, phase: Phase::Claimed(claim), ..state.clone() })
}

/// Puts a dead or withdrawn task, or one that asks, back, with a fresh budget of attempts. Its message must be
/// created again after this is written, from the `task` that the link keeps; until it is,
/// sensors may create it too.
///
/// An attempt that ran when the task was withdrawn, or whose holder was silent when it was
/// parked, may act until its lease is over, so one `lease` must pass after that (W4). A task that has expired is put back without its
/// deadline: whoever puts it back wants it done.
///
/// # Errors
///
/// Completed is final, a task that has not ended needs no reviving, one that was not kept cannot
/// be created again, and one whose time has not come must wait for it.
pub fn revive(
    state: &TaskState,
    by: &str,
    note: &str,
    lease: Duration,
    now: Timestamp,
) -> Result<TaskState, NotAllowed> {
    let acts_until = match state.phase {
        Phase::Completed { .. } => return Err(NotAllowed::Completed),
        Phase::Withdrawn { .. } => state.at.after(lease),
        Phase::Dead { .. } => state.at,
        Phase::Parked { .. } if state.asks() => state.at.after(lease),
        _ => return Err(NotAllowed::NotEnded { phase: state.word() }),
    };
    let Some(task) = state.task.as_deref() else { return Err(NotAllowed::NotKept) };
    // What waited for its time before would not be told to wait again.
    if let Some(at) = task.not_before.filter(|at| now < *at) {
        return Err(NotAllowed::NotDue { at });
    }
    let expires_at = task.expires_at.filter(|at| now < *at);
    let task = Some(Box::new(Task { expires_at, ..task.clone() }));
    if now < acts_until {
        return Err(NotAllowed::MayStillAct { seconds: acts_until.since(now).as_secs() + 1 });
    }
    let phase = Phase::Revived { by: by.to_owned(), note: note.to_owned() };
    Ok(TaskState { at: now, charged: 0, task, phase, ..state.clone() })
}

/// Ends `task` on a person's word. An attempt that runs finds its claim gone when it next
/// renews or ends. Whoever writes this first tells what the state before it [`owed`](super::owed).
///
/// # Errors
///
/// An ended task stays as it ended.
pub fn withdraw(
    state: &TaskState,
    task: &Task,
    by: &str,
    why: &str,
    now: Timestamp,
) -> Result<TaskState, NotAllowed> {
    match state.phase {
        Phase::Completed { .. } => Err(NotAllowed::Completed),
        Phase::Dead { .. } | Phase::Withdrawn { .. } => {
            Err(NotAllowed::Ended { phase: state.word() })
        }
        _ => {
            let phase = Phase::Withdrawn { by: by.to_owned(), why: why.to_owned() };
            let task = Some(Box::new(task.clone()));
            Ok(TaskState { at: now, task, phase, ..state.clone() })
        }
    }
}

/// The state of a task that nobody has claimed, as something to start from. A follow-up starts
/// with what its lineage was charged.
pub fn unclaimed(task: &Task, now: Timestamp) -> TaskState {
    TaskState {
        kind: task.kind.clone(),
        source_key: task.source_key.clone(),
        at: now,
        attempt: 0,
        charged: task.follows.as_deref().map_or(0, |lineage| lineage.spent),
        cost: domain::Cost::ZERO,
        admitted: Vec::new(),
        canary: Vec::new(),
        task: None,
        phase: Phase::Returned { gate: None, cause: None, due: now },
        newest: domain::Cost::ZERO,
        credential: None,
        resets_at: None,
    }
}
