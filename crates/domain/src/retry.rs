use std::time::Duration;

use crate::Timestamp;

/// How many attempts of a kind may be repeated ones, over the whole fleet: of those that follow
/// a failure that was charged, in any `per` at most `floor` and on top `share` of the first
/// attempts in that time. What exceeds that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Thousandths: 200 is one repeated attempt for each five first ones.
    pub share_permille: u32,
    /// Never 0: so nothing waits for ever.
    pub floor: u32,
    pub per: Duration,
}

/// What a kind's budget for repeated attempts was spent on lately: one record for the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetriesSpent {
    /// Oldest first, no two of one time; only those that may still count.
    pub slices: Vec<RetrySlice>,
    /// Drawn anew for each write, so that no two are alike.
    pub mark: u64,
}

/// What was begun within a tenth of the budget's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySlice {
    /// When it begins.
    pub from: Timestamp,
    /// First attempts.
    pub first: u32,
    /// Repeated attempts.
    pub repeated: u32,
}

impl RetryBudget {
    /// What a file that says nothing means: one repeated attempt for each five first ones, and a
    /// hundred on top, in ten minutes.
    pub const DEFAULT: RetryBudget =
        RetryBudget { share_permille: 200, floor: 100, per: Duration::from_secs(600) };
}
