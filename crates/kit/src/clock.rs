use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use domain::Timestamp;

/// The one place that reads the time.
///
/// A host's wall clock may be wrong, and may jump. Once a process knows a better one it says so
/// with [`Clock::set`]; from then on [`Clock::now`] counts on from there by the monotonic clock,
/// and what the host's wall clock shows no longer matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

/// A point on the monotonic clock, for measuring how long ago something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(tokio::time::Instant);

/// What the better clock showed, and when. A process has one time, hence static.
static SET: Mutex<Option<(Timestamp, Instant)>> = Mutex::new(None);

impl Clock {
    /// The time of day, for what people and records read.
    pub fn now(self) -> Timestamp {
        let set = *SET.lock().unwrap_or_else(PoisonError::into_inner);
        set.map_or_else(|| self.of_host(), |(shown, then)| shown.after(then.elapsed()))
    }

    /// Goes on from `shown`, which a better clock than the host's showed at `then`.
    pub fn set(self, shown: Timestamp, then: Instant) {
        *SET.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown, then));
    }

    /// The host's wall clock. It may be wrong, and it may jump.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn of_host(self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The monotonic clock, for leases and staleness. It never jumps.
    pub fn instant(self) -> Instant {
        Instant(tokio::time::Instant::now())
    }

    pub async fn sleep(self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Sleeps until [`Clock::now`] should read `due`; for ever when there is nothing due.
    pub async fn sleep_until(self, due: Option<Timestamp>) {
        match due {
            Some(due) => self.sleep(due.since(self.now())).await,
            None => std::future::pending().await,
        }
    }
}

impl Instant {
    pub fn elapsed(self) -> Duration {
        tokio::time::Instant::now().duration_since(self.0)
    }

    /// Zero when `earlier` is the later of the two.
    pub fn since(self, earlier: Instant) -> Duration {
        self.0.duration_since(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that was set goes on from there, whatever the host's shows.
    #[test]
    fn goes_on_from_what_was_set() {
        let hour = Duration::from_secs(3_600);
        let ahead = Clock.of_host().after(hour);
        Clock.set(ahead, Clock.instant());
        assert!(ahead <= Clock.now());
        assert!(Clock.of_host() < ahead);
        let later = Clock.instant();
        Clock.set(Timestamp::from_millis(1_000), later);
        assert!(Clock.now().since(Timestamp::from_millis(1_000)) <= later.elapsed());
    }
}
