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
}

/// The same claim with one more renewal; `None` when the state is no claim.
pub fn renew(state: &TaskState, now: Timestamp) -> Option<TaskState> {
    let Phase::Claimed(claim) = &state.phase else { return None };
    let claim = Claim { renewals: claim.renewals.wrapping_add(1), ..claim.clone() };
    Some(TaskState { at: now, phase: Phase::Claimed(claim), ..state.clone() })
}

/// Puts a dead or withdrawn task back, with a fresh budget of attempts. The message must be
/// created again after this is written; until it is, sensors may create it too.
///
/// An attempt that ran when the task was withdrawn may act until its lease is over: whoever
/// revives must let one lease pass after the withdrawal.
///
/// # Errors
///
/// Completed is final, and a task that has not ended needs no reviving.
pub fn revive(
    state: &TaskState,
    by: &str,
    note: &str,
    now: Timestamp,
) -> Result<TaskState, NotAllowed> {
    match state.phase {
        Phase::Completed { .. } => Err(NotAllowed::Completed),
        Phase::Dead { .. } | Phase::Withdrawn { .. } => {
            let phase = Phase::Revived { by: by.to_owned(), note: note.to_owned() };
            Ok(TaskState { at: now, charged: 0, phase, ..state.clone() })
        }
        _ => Err(NotAllowed::NotEnded { phase: state.word() }),
    }
}

/// Ends a task on a person's word. An attempt that runs finds its claim gone when it next
/// renews or ends. Whoever writes this first tells what the state before it [`owed`](super::owed).
///
/// # Errors
///
/// An ended task stays as it ended.
pub fn withdraw(
    state: &TaskState,
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
            Ok(TaskState { at: now, phase, ..state.clone() })
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
        phase: Phase::Returned { gate: None, cause: None, due: now },
    }
}
