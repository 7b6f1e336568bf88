//! A task's own times: when it may begin, and until when.
//!
//! | the task                                       | then                                  |
//! | ---------------------------------------------- | ------------------------------------- |
//! | may not begin yet                              | returned until then, told as held     |
//! | has expired, and nothing is in doubt           | withdrawn as stale, told, acknowledged |
//! | has expired, and what it did is not known      | goes on until that is known (M2)      |
//! | is claimed                                     | is never ended for its time           |
//!
//! Both are decided when the task is delivered, before any canary is won or seat looked for. So
//! a task that expires behind a closed gate is withdrawn once its kind is pulled again, costs
//! neither an attempt nor a seat, and is nobody's canary.
//!
//! A task that waits for its time keeps its place with the broker, so that is told with the
//! time: gatekeepers then let another one through in its stead. No drain waits for it
//! ([`waited_for`]).

use domain::{Phase, Task, TaskState, Timestamp};

use super::{DELAY_MAX, Ending, outcome::Attempt, report::owed};

/// How the reason begins for which an expired task is withdrawn; and the cause that is told.
pub const STALE: &str = "stale";

/// What `task` must do for its own times instead of beginning; `base` is where it stands,
/// unclaimed and not ended.
pub(super) fn out_of_time(task: &Task, base: &TaskState, now: Timestamp) -> Option<Ending> {
    if let Some(expired) = task.expires_at.filter(|at| *at <= now)
        && nothing_in_doubt(base)
    {
        let why = format!("{STALE}: it had not begun at {expired}, when it expired");
        let mut ending = Attempt::of(base, now).moot(&why);
        // The link covers what the one before was owed for.
        ending.reports.splice(0..0, owed(base));
        return Some(ending);
    }
    let due = task.not_before.filter(|at| now < *at && base.attempt == 0)?;
    // What was told longer ago is not remembered by gatekeepers that start anew.
    let wait = due.since(now).min(DELAY_MAX);
    // Told already: whoever is to wait does.
    if matches!(base.phase, Phase::Returned { due, .. } if now < due) {
        return None;
    }
    Some(Attempt::of(base, now).give_back(None, &format!("not before {due}"), wait))
}

/// Whether the end of a drain waits for `task`: not for one that may not begin yet.
pub fn waited_for(task: &Task, now: Timestamp) -> bool {
    task.not_before.is_none_or(|at| at <= now)
}

/// Whether it is known of every attempt so far that it did nothing or failed.
fn nothing_in_doubt(base: &TaskState) -> bool {
    match base.phase {
        // Its last attempt failed for its own fault; whoever asked then knew of those before.
        Phase::Resting { charged, .. } => charged,
        // Nothing was tried under the last one; of those before nothing is known here.
        Phase::Returned { cause: None, .. } => base.attempt <= 1,
        Phase::Revived { .. } => true,
        _ => base.attempt == 0,
    }
}
