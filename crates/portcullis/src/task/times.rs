//! When a task may begin and until when, as a person writes it and reads it.

use std::time::Duration;

use domain::{Task, Timestamp};
use kit::Clock;

use crate::{
    file::parse_duration,
    show::{ago, until},
};

/// A time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    At(Timestamp),
    /// So long from now on, by the broker's time.
    From(Duration),
}

/// `2026-11-22T09:00:00Z`, with an offset such as `+01:00` in place of the `Z`, or `2h`.
///
/// # Errors
///
/// When it is neither, with how to write it.
pub(super) fn parse(text: &str) -> Result<When, String> {
    let found = parse_duration(text).map(When::From);
    found.or_else(|| rfc_3339(text).map(When::At)).ok_or_else(|| {
        format!(
            "{text:?} is no time: write 2026-11-22T09:00:00Z, with an offset such as +01:00 in \
             place of the Z, or from now on: 30s, 10m, 2h, 7d"
        )
    })
}

/// The task with these times.
///
/// # Errors
///
/// When it could never begin, with why.
pub(super) fn set(
    task: Task,
    not_before: Option<When>,
    expires_at: Option<When>,
) -> Result<Task, String> {
    let now = Clock.now();
    let (not_before, expires_at) =
        (not_before.map(|when| when.after(now)), expires_at.map(|when| when.after(now)));
    if let Some(at) = expires_at.filter(|at| *at <= now) {
        return Err(format!("it would expire at {at}, which has passed: it is {now}"));
    }
    if let (Some(from), Some(until)) = (not_before, expires_at)
        && until <= from
    {
        return Err(format!("it would expire at {until}, before it may begin at {from}"));
    }
    Ok(Task { not_before, expires_at, ..task })
}

/// What the times of a task say just now, in a few words; empty when they say nothing.
pub(super) fn why(task: &Task, now: Timestamp) -> String {
    match (task.not_before, task.expires_at) {
        (_, Some(at)) if at <= now => {
            format!("expired {}, withdrawn when its turn comes", ago(at, now))
        }
        (Some(at), _) if now < at => format!("not before {at}, {}", until(at, now)),
        (_, Some(at)) => format!("expires {}", until(at, now)),
        _ => String::new(),
    }
}

impl When {
    fn after(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(at) => at,
            When::From(time) => now.after(time),
        }
    }
}

/// A date and time with seconds and an offset, from 1970 on.
fn rfc_3339(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if !text.is_ascii() || marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
        return None;
    }
    matches!(bytes[10], b'T' | b't' | b' ').then_some(())?;
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let (millis, zone) = fraction(text.get(19..)?)?;
    let real = (1970..=9999).contains(&year) && hour < 24 && minute < 60 && second < 60;
    let days = real.then(|| days_from_civil(year, month, day))??;
    let local = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millis;
    let utc = match zone {
        "Z" | "z" => local,
        zone => {
            let (sign, minutes) = offset(zone)?;
            let shift = minutes * 60_000;
            if sign == '+' { local.checked_sub(shift)? } else { local + shift }
        }
    };
    Some(Timestamp::from_millis(utc))
}

/// `.25Z` is 250 and `Z`; digits beyond milliseconds are left out.
fn fraction(rest: &str) -> Option<(u64, &str)> {
    let Some(part) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, zone) = part.split_at(digits);
    let kept = digits.get(..3).unwrap_or(digits);
    (!digits.is_empty()).then_some(())?;
    Some((format!("{kept:0<3}").parse().ok()?, zone))
}

/// `+01:30` is `+` and 90 minutes.
fn offset(zone: &str) -> Option<(char, u64)> {
    let sign = zone.chars().next().filter(|sign| matches!(sign, '+' | '-'))?;
    let (hours, minutes) = zone[1..].split_once(':')?;
    let two = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u64>().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some((sign, hours * 60 + minutes))
}

/// Days since 1970-01-01 of a date that exists.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *lengths.get(before)?;
    if !(1..=length).contains(&day) {
        return None;
    }
    let past = year - 1;
    // Since the year 1, of which 719,162 days were before 1970.
    let years = past * 365 + past / 4 - past / 100 + past / 400;
    let of_year: u64 = lengths[..before].iter().sum::<u64>() + day - 1;
    Some(years + of_year - 719_162)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the calendar has reads back as it is printed; what it has not is no time.
    #[test]
    fn times_read_back() {
        for text in
            ["1970-01-01T00:00:00.000Z", "2000-02-29T23:59:59.123Z", "2100-03-01T00:00:00.000Z"]
        {
            let Ok(When::At(at)) = parse(text) else { panic!("{text}") };
            assert_eq!(at.to_string(), text);
        }
        let same = |one: &str, other: &str| assert_eq!(parse(one), parse(other), "{one} {other}");
        same("2026-11-22T09:00:00+01:00", "2026-11-22T08:00:00Z");
        same("2026-11-22 09:00:00.5-02:30", "2026-11-22T11:30:00.500Z");
        assert_eq!(parse("2h"), Ok(When::From(Duration::from_secs(7_200))));
        for text in [
            "",
            "tomorrow",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T09:00:00",
            "2026-11-22T09:00:00+1:00",
            "2026-11-22T09:00:00.Z",
            "1969-12-31T23:59:59Z",
            "2026-11-2é",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
