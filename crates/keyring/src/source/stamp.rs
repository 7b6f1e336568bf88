//! When a secret expires, in whichever form its issuer wrote it.

use domain::Timestamp;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// More seconds than that are milliseconds: they would lie beyond the year 5000.
const SECONDS_MAX: u64 = 100_000_000_000;

/// Milliseconds or seconds since 1970, as a number or as text, or RFC 3339.
pub(crate) fn read(found: &Value) -> Option<Timestamp> {
    match found {
        Value::Number(number) => of_number(number.as_u64()?),
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) => of_number(number),
            Err(_) => {
                let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
                let ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?;
                Some(Timestamp::from_millis(ms))
            }
        },
        _ => None,
    }
}

/// `at` in the form in which `before` is written; milliseconds where nothing was.
pub(crate) fn like(before: Option<&Value>, at: Timestamp) -> Value {
    let (ms, seconds) = (at.as_millis(), at.as_millis() / 1_000);
    let in_seconds = |number: u64| if number < SECONDS_MAX { seconds } else { ms };
    match before {
        Some(Value::Number(number)) => number.as_u64().map_or(ms, in_seconds).into(),
        Some(Value::String(text)) => match text.parse::<u64>() {
            Ok(number) => in_seconds(number).to_string().into(),
            Err(_) => at.to_string().into(),
        },
        _ => ms.into(),
    }
}

fn of_number(number: u64) -> Option<Timestamp> {
    let ms = if number < SECONDS_MAX { number.checked_mul(1_000)? } else { number };
    Some(Timestamp::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is written in the place of a time reads back as that time, in the form it had.
    #[test]
    fn written_as_it_was_found() {
        let at = Timestamp::from_millis(1_795_303_338_546);
        let check = |before: Value, expected: Value| {
            assert_eq!(like(Some(&before), at), expected);
            let read = read(&expected).unwrap();
            assert_eq!(read.as_millis() / 1_000, at.as_millis() / 1_000, "{before}");
        };
        check(json!(1_700_000_000_000_u64), json!(1_795_303_338_546_u64));
        check(json!(1_700_000_000), json!(1_795_303_338));
        check(json!("1700000000"), json!("1795303338"));
        check(json!("2026-01-01T00:00:00Z"), json!("2026-11-21T23:22:18.546Z"));
        check(Value::Null, json!(1_795_303_338_546_u64));
    }
}
