use std::time::Duration;

use domain::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::CostArgs;
use crate::file::parse_duration;

/// From when, and until just before when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

const DAY: Duration = Duration::from_secs(86_400);
/// So long events are kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

impl Window {
    pub(super) fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether it reaches back further than what is kept at `now`.
    pub(super) fn beyond_what_is_kept(&self, now: Timestamp) -> bool {
        KEPT < now.since(self.from)
    }
}

/// The window that was asked for; `now` ends it, or a little later, since whoever tells may have
/// a clock that is ahead.
pub(super) fn of(args: &CostArgs, now: Timestamp) -> Result<Window, String> {
    let until_now = now.after(DAY);
    if let Some(from) = &args.from {
        let from = day(from)?;
        let to = match &args.to {
            Some(to) => day(to)?.after(DAY),
            None => until_now,
        };
        if to <= from {
            return Err("--to is before --from: nothing lies between".to_owned());
        }
        return Ok(Window { from, to });
    }
    let since = args.since.as_deref().unwrap_or("7d");
    let back = parse_duration(since.trim_start_matches('-')).ok_or_else(|| {
        format!("--since {since:?} is no duration; write a number and a unit: 12h, 7d")
    })?;
    let back = u64::try_from(back.as_millis()).unwrap_or(u64::MAX);
    Ok(Window { from: Timestamp::from_millis(now.as_millis().saturating_sub(back)), to: until_now })
}

/// The beginning of a day.
fn day(text: &str) -> Result<Timestamp, String> {
    let parsed = OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339);
    let seconds = parsed.ok().and_then(|at| u64::try_from(at.unix_timestamp()).ok());
    let seconds = seconds.ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        format!("{text:?} is no day; write it like 2026-11-20")
    })?;
    Ok(Timestamp::from_millis(seconds.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: CostArgs,
    }

    fn window(words: &[&str]) -> Result<Window, String> {
        let line = Line::try_parse_from(["cost"].iter().chain(words)).unwrap();
        of(&line.args, Timestamp::from_millis(20_523 * 86_400_000 + 7))
    }

    /// Days are whole and both included; what makes no sense is said, with how to write it.
    #[test]
    fn windows() {
        let check = |words: &[&str], from: &str, to: &str| {
            let Window { from: found, to: until } = window(words).unwrap();
            assert_eq!((&found.to_string()[..16], &until.to_string()[..16]), (from, to));
        };
        check(&[], "2026-03-04T00:00", "2026-03-12T00:00");
        check(&["--since", "12h"], "2026-03-10T12:00", "2026-03-12T00:00");
        check(
            &["--from", "2026-03-01", "--to", "2026-03-02"],
            "2026-03-01T00:00",
            "2026-03-03T00:00",
        );
        for wrong in [
            &["--since", "week"][..],
            &["--from", "yesterday"],
            &["--from", "2026-02-30"],
            &["--from", "2026-03-03", "--to", "2026-03-01"],
        ] {
            assert!(window(wrong).is_err(), "{wrong:?}");
        }
    }
}
