//! What waits behind a gate.

use domain::{GateName, Timestamp};
use wire::subject;

use crate::Keeper;

/// How many tasks are queued, running or resting of the kinds that need the gate. What cannot
/// be asked counts as none.
pub(crate) async fn count(keeper: &Keeper, gate: &GateName) -> u64 {
    let mut waiting = 0_u64;
    for kind in keeper.fleet.config().needing(gate) {
        let consumer = subject::dispatch_consumer(&kind);
        match keeper.fleet.bus.backlog(subject::WORK, &consumer).await {
            Ok(backlog) => {
                waiting = waiting.saturating_add(backlog.pending.saturating_add(backlog.in_flight));
            }
            Err(error) => tracing::debug!(%kind, %error, "what waits is not known"),
        }
    }
    waiting
}

/// When the oldest of them was created; `None` if there is none or it cannot be asked.
pub(crate) async fn oldest(keeper: &Keeper, gate: &GateName) -> Option<Timestamp> {
    let mut oldest: Option<u64> = None;
    for kind in keeper.fleet.config().needing(gate) {
        let tasks = subject::tasks_of(&kind);
        if let Ok(Some(task)) = keeper.fleet.bus.next(subject::WORK, &tasks, 1).await {
            oldest = Some(oldest.map_or(task.at_ms, |other| other.min(task.at_ms)));
        }
    }
    oldest.map(Timestamp::from_millis)
}
