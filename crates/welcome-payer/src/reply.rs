use logic::classify::Reply;
use serde_json::Value;
use x402::{SettleResponse, header};

use crate::http::Response;

/// What names something outside. Real ones have 12 to 66 characters; the record keeps them for
/// ever, so what is longer than this is refused: half a name names nothing.
const ID_MAX: usize = 200;
/// Of any other text. The relay's whole answer may stand in the inbox's (March 2026).
const TEXT_MAX: usize = 8_000;

/// Takes out of an answer of inbox or relay what its meaning depends on.
pub(crate) fn reply(response: &Response) -> Reply {
    let body = &response.body;
    let text = |path: &str| body.pointer(path).and_then(as_text).map(|text| cut(&text, TEXT_MAX));
    let id = |path: &str| body.pointer(path).and_then(as_text).and_then(sound_id);
    let header = |name: &str| response.header(name).map(str::to_owned).and_then(sound_id);
    let first = |paths: &[&str]| paths.iter().find_map(|path| text(path));
    let number = |path: &str| body.pointer(path).and_then(Value::as_u64);
    let settled: Option<SettleResponse> =
        response.header(header::PAYMENT_RESPONSE).and_then(|text| header::decode(text).ok());
    Reply {
        status: response.status,
        code: text("/code"),
        relay_code: first(&["/relayCode", "/diagnostics/relayCode"]),
        error_code: text("/errorCode"),
        error: text("/error").or_else(|| unreadable(response)),
        relay_detail: text("/relayDetail"),
        responsible: text("/responsible"),
        terminal_reason: text("/terminalReason"),
        retryable: body.pointer("/retryable").and_then(Value::as_bool),
        retry_after: number("/retryAfter")
            .or_else(|| number("/retry_after"))
            .or_else(|| response.header("retry-after")?.trim().parse().ok()),
        payment_status: first(&["/inbox/paymentStatus", "/status"]),
        payment_id: id("/inbox/paymentId")
            .or_else(|| id("/paymentId"))
            .or_else(|| header("x-payment-id")),
        check_url: id("/checkStatusUrl").or_else(|| header("x-payment-check-url")),
        message_id: id("/inbox/messageId"),
        existing_message_id: id("/existingMessageId"),
        txid: settled.and_then(|settled| sound_id(settled.transaction)).or_else(|| id("/txid")),
        has_terms: false,
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// An id, unless it is none that could be kept.
pub(crate) fn sound_id(id: String) -> Option<String> {
    let fits = !id.is_empty() && id.len() <= ID_MAX && !id.chars().any(char::is_control);
    fits.then_some(id)
}

/// The first characters of a text.
pub(crate) fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// What a service says that answers no JSON, or nothing.
fn unreadable(response: &Response) -> Option<String> {
    response.body.is_null().then(|| response.complaint())
}

#[cfg(test)]
mod recorded;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Names from outside arrive whole or not at all, and no text without an end.
    #[test]
    fn nothing_from_outside_is_unbounded() {
        let check = |id: &str, expected: Option<&str>| {
            let body = json!({
                "paymentId": id, "checkStatusUrl": id, "existingMessageId": id, "txid": id,
                "inbox": { "messageId": id }, "error": "x".repeat(50_000),
            });
            let reply = reply(&Response { status: Some(200), body, ..Response::default() });
            let expected = expected.map(str::to_owned);
            assert_eq!(reply.payment_id, expected);
            assert_eq!(reply.check_url, expected);
            assert_eq!(reply.message_id, expected);
            assert_eq!(reply.existing_message_id, expected);
            assert_eq!(reply.txid, expected);
            assert_eq!(reply.error.map(|error| error.len()), Some(TEXT_MAX));
        };
        check("pay_1", Some("pay_1"));
        check(&"f".repeat(ID_MAX), Some(&"f".repeat(ID_MAX)));
        check(&"f".repeat(ID_MAX + 1), None);
        check("pay\n1", None);
        check("", None);
    }
}
