use std::time::Duration;

use domain::SensorName;

/// Finds work and creates its tasks, as long as the gates admit: new agents in the directory, the
/// items of lists over HTTP, and what is due by a schedule.
///
/// Runs every sensor of the applied configuration. Safe to run more than once: the broker refuses
/// a second task for the same source key, and the caps of a day are shared.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub struct Args {
    #[command(flatten)]
    pub nats: kit::NatsArgs,

    #[command(flatten)]
    pub logs: kit::LogArgs,

    #[command(flatten)]
    pub health: kit::HealthArgs,

    /// Run this sensor of the configuration and no other
    #[arg(long, value_name = "NAME", env = "SENSOR_ONLY")]
    pub only: Option<SensorName>,

    /// Run one cycle of each and exit: 0 when all were read, 1 when one was not
    #[arg(long)]
    pub once: bool,

    /// Time between cycles in place of the configured one, e.g. 500ms, 30s, 5m; for a schedule,
    /// the longest between two looks at the clock
    #[arg(long, value_name = "TIME", env = "SENSOR_EVERY", value_parser = time)]
    pub every: Option<Duration>,
}

/// A whole number and its unit; without a unit, seconds.
fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let (digits, millis) = units
        .into_iter()
        .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, millis)))
        .unwrap_or((text, 1_000));
    let time = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(millis));
    match time {
        None | Some(0) => Err("use a number above 0 and a unit: 500ms, 30s, 5m, 1h".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times are read with and without a unit; nonsense and zero are refused.
    #[test]
    fn reads_times() {
        let check = |text, millis: Option<u64>| {
            assert_eq!(time(text).ok(), millis.map(Duration::from_millis), "{text}");
        };
        check("500ms", Some(500));
        check("30s", Some(30_000));
        check("30", Some(30_000));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        for wrong in ["", "0", "0s", "-1s", "1.5s", "5 m", "1d", "99999999999999999h"] {
            check(wrong, None);
        }
    }
}
