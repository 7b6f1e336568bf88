//! Whether a failed attempt may be repeated now: one budget for each kind, shared by the fleet.
//!
//! One record says how many first and how many repeated attempts were begun lately, by slices
//! of a tenth of the budget's time. Whoever repeats an attempt writes the record together with
//! the claim, both or neither, by compare-and-set on what it read; so however many dispatchers
//! there are, each repeated attempt was counted before it began. First attempts touch nothing
//! of this: each dispatcher reports its own now and then.
//!
//! Promises: whenever an attempt is repeated, no more than `floor`, and `share` of the first
//! attempts that were reported in the `per` before, have been repeated within that time, itself
//! included. Whoever is refused is told when to ask again, which is never later than `per` and a
//! slice from then; and since `floor` is never 0, in each such time at least one more goes.
//!
//! What is refused was no attempt: it is neither charged nor counted.

use std::time::Duration;

use domain::{Phase, RetriesSpent, RetryBudget, RetrySlice, TaskState, Timestamp};

/// So many slices make the budget's time.
const SLICES: u32 = 10;

/// Whether the next attempt of a task that stands so is a repeated one: what it failed for last
/// was charged to it. What shared failures put back is let go by the pace of its gates.
pub const fn repeats(state: &TaskState) -> bool {
    matches!(state.phase, Phase::Resting { charged: true, .. })
}

/// The record once one more attempt is repeated and `first` more first ones are reported.
///
/// # Errors
///
/// How long to wait before asking again, when the budget is spent.
pub fn repeat(
    spent: &RetriesSpent,
    budget: &RetryBudget,
    first: u32,
    now: Timestamp,
) -> Result<RetriesSpent, Duration> {
    let mut spent = report(spent, budget, first, now);
    // Those that may lie within the time count as repeated; those that surely do, as first.
    let repeated: u64 = spent.slices.iter().map(|slice| u64::from(slice.repeated)).sum();
    let within = |slice: &&RetrySlice| now <= slice.from.after(budget.per);
    let firsts: u64 = spent.slices.iter().filter(within).map(|slice| u64::from(slice.first)).sum();
    let share = firsts.saturating_mul(u64::from(budget.share_permille)) / 1_000;
    let floor = u64::from(budget.floor.max(1));
    if repeated < floor.saturating_add(share) {
        if let Some(newest) = spent.slices.last_mut() {
            newest.repeated = newest.repeated.saturating_add(1);
        }
        return Ok(spent);
    }
    // Until so many have passed out of the time that the floor alone lets one more go.
    let mut left = repeated;
    let passed = |slice: &&RetrySlice| {
        left = left.saturating_sub(u64::from(slice.repeated));
        left < floor
    };
    let until = spent.slices.iter().find(passed).map_or(now, |slice| over(slice, budget));
    Err(until.since(now).max(Duration::from_millis(1)))
}

/// The record once `first` more first attempts are reported.
pub fn report(
    spent: &RetriesSpent,
    budget: &RetryBudget,
    first: u32,
    now: Timestamp,
) -> RetriesSpent {
    let width = millis(width(budget));
    let from = Timestamp::from_millis(now.as_millis() / width * width);
    let counts = |slice: &&RetrySlice| now < over(slice, budget);
    let mut slices: Vec<RetrySlice> = spent.slices.iter().filter(counts).copied().collect();
    // A clock that is behind counts on into the newest.
    if slices.last().is_none_or(|slice| slice.from < from) {
        slices.push(RetrySlice { from, first: 0, repeated: 0 });
    }
    if let Some(newest) = slices.last_mut() {
        newest.first = newest.first.saturating_add(first);
    }
    RetriesSpent { slices, ..spent.clone() }
}

/// How long one slice is, which is also by how much those who wait should part.
pub fn width(budget: &RetryBudget) -> Duration {
    (budget.per / SLICES).max(Duration::from_millis(1))
}

/// When nothing of a slice lies within the budget's time any more.
fn over(slice: &RetrySlice, budget: &RetryBudget) -> Timestamp {
    slice.from.after(width(budget)).after(budget.per)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
