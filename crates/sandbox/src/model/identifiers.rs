//! The payment-identifier extension: a client's own name for a payment, by which a repeat of the
//! same request gets the same answer, and another request under the same name gets a refusal.

use std::collections::HashMap;

use serde_json::Value;

/// How long an answer is kept under its name (wire facts: idempotency).
const KEPT_MS: u64 = 300_000;
const LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

/// Successful answers by route and name. A failure is not kept: the name is free again.
#[derive(Debug, Default)]
pub(crate) struct Identifiers(HashMap<(&'static str, String), Kept>);

#[derive(Debug)]
struct Kept {
    at_ms: u64,
    asked: Value,
    answer: Value,
}

/// What is known of a request's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// It was asked before, and answered so.
    Answered(Value),
    /// Something else was asked under it.
    Taken,
}

/// The name that a payment payload carries, if any.
///
/// # Errors
///
/// When it is no name: 16 to 128 letters, digits, `_` or `-`.
pub(crate) fn of(payload: &Value) -> Result<Option<String>, ()> {
    let Some(id) = payload.pointer("/extensions/payment-identifier/info/id") else {
        return Ok(None);
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let id = id.as_str().filter(|id| LENGTH.contains(&id.len()) && id.chars().all(allowed));
    id.map(|id| Some(id.to_owned())).ok_or(())
}

impl Identifiers {
    pub(crate) fn look(&self, route: &'static str, id: &str, asked: &Value, now_ms: u64) -> Known {
        match self.0.get(&(route, id.to_owned())) {
            Some(kept) if now_ms.saturating_sub(kept.at_ms) >= KEPT_MS => Known::Nothing,
            Some(kept) if kept.asked == *asked => Known::Answered(kept.answer.clone()),
            Some(_) => Known::Taken,
            None => Known::Nothing,
        }
    }

    pub(crate) fn keep(
        &mut self,
        route: &'static str,
        id: &str,
        asked: Value,
        answer: &Value,
        now_ms: u64,
    ) {
        let kept = Kept { at_ms: now_ms, asked, answer: answer.clone() };
        self.0.insert((route, id.to_owned()), kept);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One name, one request, for five minutes; each route has its own names.
    #[test]
    fn a_name_stands_for_one_request() {
        let mut names = Identifiers::default();
        let (asked, answer) = (json!({"a": 1}), json!({"b": 2}));
        names.keep("/settle", "pay_0000000000000", asked.clone(), &answer, 0);
        let look = |route, asked: &Value, now| names.look(route, "pay_0000000000000", asked, now);
        assert_eq!(look("/settle", &asked, 299_999), Known::Answered(answer));
        assert_eq!(look("/settle", &json!({"a": 2}), 299_999), Known::Taken);
        assert_eq!(look("/settle", &json!({"a": 2}), 300_000), Known::Nothing);
        assert_eq!(look("/verify", &asked, 0), Known::Nothing);
    }

    /// What is no name is an error, and no name is none.
    #[test]
    fn names_are_checked() {
        let with =
            |id: Value| of(&json!({"extensions": {"payment-identifier": {"info": {"id": id}}}}));
        assert_eq!(of(&json!({})), Ok(None));
        assert_eq!(with(json!("pay_0123456789-A")), Ok(Some("pay_0123456789-A".into())));
        for bad in
            [json!("pay_0123456789A"), json!("pay 0123456789-A"), json!(1), json!("x".repeat(129))]
        {
            assert_eq!(with(bad), Err(()));
        }
    }
}
