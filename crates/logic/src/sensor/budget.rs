use domain::Timestamp;

/// How many tasks were reserved on one day (UTC), as the record that all sensors share.
///
/// Each change is written by compare-and-set on the record it was decided from; whoever loses
/// reads again and decides again. So however many sensors share it, `used` stays within the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayBudget {
    /// Days since 1970-01-01.
    pub day: u64,
    pub used: u32,
}

/// The day that `at` falls on: days since 1970-01-01, UTC.
pub const fn day_of(at: Timestamp) -> u64 {
    at.day()
}

impl DayBudget {
    pub const fn new(day: u64) -> Self {
        DayBudget { day, used: 0 }
    }

    /// The record with `count` more reserved; `None` when that would exceed `cap`.
    pub fn reserve(self, count: u32, cap: u32) -> Option<Self> {
        let used = self.used.checked_add(count).filter(|used| *used <= cap)?;
        Some(DayBudget { used, ..self })
    }

    /// The record with `count` reservations returned that created nothing.
    pub const fn give_back(self, count: u32) -> Self {
        DayBudget { used: self.used.saturating_sub(count), ..self }
    }

    pub const fn left(self, cap: u32) -> u32 {
        cap.saturating_sub(self.used)
    }
}
