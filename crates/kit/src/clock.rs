use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;

/// The one place that reads the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

/// A point on the monotonic clock, for measuring how long ago something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(tokio::time::Instant);

impl Clock {
    /// The wall clock, for what people and records read. It may jump.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(self) -> Timestamp {
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

    /// Sleeps until the wall clock should read `due`; for ever when there is nothing due.
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
