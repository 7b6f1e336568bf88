use std::time::Duration;

use domain::{Claim, Phase, Task, TaskState, Timestamp};

/// Why a task cannot be moved so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    #[error("a completed task is final")]
    Completed,
    #[error("the task is {phase}; only a dead or withdrawn task can be revived")]
    NotEnded { phase: &'static str },
    #[error("the task has ended already: {phase}")]
    Ended { phase: &'static str },
    #[error(
        "it was withdrawn a moment ago, and an attempt under way then may act a little longer: \
         try again in {seconds} s"
    )]
    MayStillAct { seconds: u64 },
    #[error("the task itself was not kept when it ended: create it anew under another source key")]
    NotKept,
}

/// The same claim with one more renewal; `None` when the state is no claim.
pub fn renew(state: &TaskState, now: Timestamp) -> Option<TaskState> {
    let Phase::Claimed(claim) = &state.phase else { return None };
    let claim = Claim { renewals: claim.renewals.wrapping_add(1), ..claim.clone() };
    Some(TaskState { at: now, phase: Phase::Claimed(claim), ..state.clone() })
}

/// Puts a dead or withdrawn task back, with a fresh budget of attempts. Its message must be
/// created again after this is written, from the `task` that the link keeps; until it is,
/// sensors may create it too.
///
/// An attempt that ran when the task was withdrawn may act until its lease is over, so one
/// `lease` must pass after a withdrawal (W4).
///
/// # Errors
///
/// Completed is final, a task that has not ended needs no reviving, and one that was not kept
/// cannot be created again.
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
        _ => return Err(NotAllowed::NotEnded { phase: state.word() }),
    };
    if state.task.is_none() {
        return Err(NotAllowed::NotKept);
    }
    if now < acts_until {
        return Err(NotAllowed::MayStillAct { seconds: acts_until.since(now).as_secs() + 1 });
    }
    let phase = Phase::Revived { by: by.to_owned(), note: note.to_owned() };
    Ok(TaskState { at: now, charged: 0, phase, ..state.clone() })
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

/// The state of a task that nobody has claimed, as something to start from.
pub fn unclaimed(task: &Task, now: Timestamp) -> TaskState {
    TaskState {
        kind: task.kind.clone(),
        source_key: task.source_key.clone(),
        at: now,
        attempt: 0,
        charged: 0,
        cost: domain::Cost::ZERO,
        admitted: Vec::new(),
        canary: Vec::new(),
        task: None,
        phase: Phase::Returned { gate: None, cause: None, due: now },
        newest: domain::Cost::ZERO,
        credential: None,
    }
}
