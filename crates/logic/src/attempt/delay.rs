use std::time::Duration;

/// No task waits longer than this, whatever a configuration or an upstream says.
pub const DELAY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a task waits after its `nth` failure (from 1): `rest`, doubled each time up to
/// `rest_max`, the upper half of it at random so that tasks that failed together part.
///
/// Never shorter than `retry_after`, never longer than [`DELAY_MAX`]. `jitter` is drawn from
/// 0 to 1; anything else counts as the nearer of the two.
pub fn delay(
    rest: Duration,
    rest_max: Duration,
    nth: u32,
    retry_after: Option<Duration>,
    jitter: f64,
) -> Duration {
    let doublings = nth.saturating_sub(1).min(31);
    let full = rest.saturating_mul(1 << doublings).min(rest_max).min(DELAY_MAX);
    let jitter = if jitter.is_nan() { 1.0 } else { jitter.clamp(0.0, 1.0) };
    let jittered = full.mul_f64(0.5 + jitter / 2.0);
    jittered.max(retry_after.unwrap_or_default()).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Doubles from `rest` to `rest_max`, within its upper half, and never overflows.
    #[test]
    fn doubles_up_to_its_limit() {
        let secs = Duration::from_secs;
        let longest = |nth| delay(secs(10), secs(60), nth, None, 1.0);
        assert_eq!([1, 2, 3, 4, 500].map(longest), [10, 20, 40, 60, 60].map(secs));
        assert_eq!(delay(secs(10), secs(60), 2, None, 0.0), secs(10));
        assert_eq!(delay(Duration::MAX, Duration::MAX, u32::MAX, None, f64::NAN), DELAY_MAX);
    }

    /// The upstream's wish is a minimum, and a senseless one is cut.
    #[test]
    fn honours_the_upstreams_wish() {
        let secs = Duration::from_secs;
        assert_eq!(delay(secs(10), secs(60), 1, Some(secs(90)), 1.0), secs(90));
        assert_eq!(delay(secs(10), secs(60), 1, Some(secs(3)), 1.0), secs(10));
        assert_eq!(delay(secs(10), secs(60), 1, Some(Duration::MAX), 1.0), DELAY_MAX);
    }
}
