//! When a schedule fires: cron expressions in time zones.
//!
//! It decides nothing about what a firing is for, and reads no clock. The zones are compiled in.
//!
//! Five fields, `minute hour day month weekday`, or six with seconds first; names (`MON`, `JAN`),
//! `L`, `#` and `@daily` are understood. Where a day and a weekday are both given, either will
//! do, as in cron. When clocks change:
//!
//! | an expression with                        | clocks go forward over it   | clocks go back over it  |
//! | ----------------------------------------- | --------------------------- | ----------------------- |
//! | one hour, minute and second: `30 2 * * *` | fires right after the gap   | fires the first time    |
//! | anything else: `*/15 * * * *`             | has no such times to fire at | fires both times       |

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use domain::Timestamp;
use jiff::{
    Zoned,
    tz::{TimeZone, TimeZoneDatabase},
};

/// The times of one schedule.
///
/// ```
/// let nightly = calendar::Calendar::new("0 3 * * *", "Europe/Zurich")?;
/// let noon = domain::Timestamp::from_millis(1_773_226_800_000); // 2026-03-11T11:00:00Z
/// assert_eq!(nightly.next(noon).unwrap().to_string(), "2026-03-12T02:00:00.000Z");
/// # Ok::<(), calendar::CalendarError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
}

/// Why nothing can be scheduled so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    #[error(
        "{cron:?} is no cron expression ({why}); write \"minute hour day month weekday\", as in \
         \"0 3 * * *\""
    )]
    Cron { cron: String, why: String },
    #[error("{cron:?} names no day that there is")]
    Never { cron: String },
    #[error("there is no time zone {zone:?}; use a name like \"Europe/Zurich\", or \"UTC\"")]
    Zone { zone: String },
}

/// Whole seconds: no firing falls between two of them.
const SECOND_MS: u64 = 1_000;

impl Calendar {
    /// # Errors
    ///
    /// When the expression or the zone means nothing, or there never is such a time.
    pub fn new(cron: &str, zone: &str) -> Result<Calendar, CalendarError> {
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let parsed = parser.parse(cron).map_err(|error| CalendarError::Cron {
            cron: cron.to_owned(),
            why: error.to_string().trim_end_matches('.').to_owned(),
        })?;
        let zone = TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|_| CalendarError::Zone { zone: zone.to_owned() })?;
        let calendar = Calendar { cron: parsed, zone };
        match calendar.next(Timestamp::from_millis(0)) {
            Some(_) => Ok(calendar),
            None => Err(CalendarError::Never { cron: cron.to_owned() }),
        }
    }

    /// The first firing after `at`.
    pub fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.zoned(at)?, false).ok()?;
        stamp(&found)
    }

    /// The firings up to `at`, itself included, newest first.
    pub fn back(&self, at: Timestamp) -> impl Iterator<Item = Timestamp> {
        let begin = self.zoned(at);
        let newest = begin.and_then(|at| self.cron.find_previous_occurrence(&at, true).ok());
        let older = |at: &Zoned| self.cron.find_previous_occurrence(at, false).ok();
        std::iter::successors(newest, older).map_while(|at| stamp(&at))
    }

    /// The date of `at` in the zone: `2026-03-11`.
    pub fn date(&self, at: Timestamp) -> String {
        self.zoned(at).map(|at| at.date().to_string()).unwrap_or_default()
    }

    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        let whole = at.as_millis() / SECOND_MS * SECOND_MS;
        let at = jiff::Timestamp::from_millisecond(i64::try_from(whole).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
}

/// `None` before 1970.
fn stamp(at: &Zoned) -> Option<Timestamp> {
    u64::try_from(at.timestamp().as_millisecond()).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests;
