//! Answers written by whoever asks for the fault, word for word, for what no knob can say.
//!
//! What a request does to the world and what it is told are two things here: a payment can be
//! settled and called failed, or never leave and be called accepted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An answer in place of the real one, used up by the requests that it spoils.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scripted {
    pub(crate) to: Asked,
    /// How far the request gets before the answer is given.
    #[serde(default)]
    pub(crate) after: Done,
    /// How many requests it spoils.
    #[serde(default = "once")]
    pub(crate) times: u64,
    /// 0 cuts the connection in place of an answer; only a paid post can be cut.
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) body: Value,
    /// The `Retry-After` header, in seconds.
    #[serde(default)]
    pub(crate) retry_after: Option<u64>,
    /// The payment terms in the header and the body, as with every real 402.
    #[serde(default)]
    pub(crate) terms: bool,
}

/// Which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Asked {
    /// The post that asks for the terms.
    Unpaid,
    /// The post with the payment.
    Paid,
    /// The post with `paymentTxid`.
    Redeem,
    /// The status of a payment, at the inbox.
    Poll,
    /// The same at the relay.
    Relay,
}

/// How far a request gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Done {
    #[default]
    Nothing,
    /// The relay has the payment.
    Accepted,
    /// The chain has it, or the time that the inbox waits for that is over.
    Settled,
    /// The message is stored.
    Delivered,
}

const fn once() -> u64 {
    1
}

/// Uses up one of the answers to such a request: the first that was named.
pub(crate) fn take(scripted: &mut Vec<Scripted>, to: Asked) -> Option<Scripted> {
    let at = scripted.iter().position(|answer| answer.to == to && answer.times > 0)?;
    scripted[at].times -= 1;
    match scripted[at].times {
        0 => Some(scripted.remove(at)),
        _ => Some(scripted[at].clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Answers are used up in the order in which they were named, each by its own requests.
    #[test]
    fn uses_up_what_was_named() {
        let named = json!([
            {"to": "paid", "status": 500, "times": 2},
            {"to": "poll", "status": 503},
            {"to": "paid", "status": 0, "after": "settled"},
        ]);
        let mut scripted: Vec<Scripted> = serde_json::from_value(named).unwrap();
        let mut status = |to| take(&mut scripted, to).map(|answer| answer.status);
        assert_eq!((status(Asked::Paid), status(Asked::Redeem)), (Some(500), None));
        assert_eq!((status(Asked::Paid), status(Asked::Paid)), (Some(500), Some(0)));
        assert_eq!(
            (status(Asked::Poll), status(Asked::Poll), status(Asked::Paid)),
            (Some(503), None, None)
        );
    }
}
