use std::time::Duration;

use domain::Canary;

/// Whether `mine` may be written over what the canary record holds; by compare-and-set.
///
/// The record is free when nobody wrote it or its holder gave it back. One that names the same
/// task is taken over when that attempt is over (ours has a higher number), when it is our own,
/// or when whoever wrote it has not claimed the task for two leases: it vanished in between.
///
/// Whoever frees a canary that it did not use does so by compare-and-set on its own write, and
/// not when the chain shows by then that another claimed the task.
pub fn win_canary(found: Option<&Canary>, mine: &Canary, lease: Duration) -> bool {
    let Some(found) = found else { return true };
    let same_task = (&found.kind, found.task) == (&mine.kind, mine.task);
    let abandoned = lease.saturating_mul(2) < mine.begun.since(found.begun);
    let over = found.attempt < mine.attempt || found.holder == mine.holder || abandoned;
    found.released || (same_task && over)
}
