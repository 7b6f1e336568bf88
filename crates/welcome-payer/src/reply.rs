use logic::classify::Reply;
use serde_json::Value;
use x402::{SettleResponse, header};

use crate::http::Response;

/// Takes out of an answer of inbox or relay what its meaning depends on.
pub(crate) fn reply(response: &Response) -> Reply {
    let body = &response.body;
    let text = |path: &str| body.pointer(path).and_then(as_text);
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
        payment_id: first(&["/inbox/paymentId", "/paymentId"])
            .or_else(|| response.header("x-payment-id").map(str::to_owned)),
        check_url: text("/checkStatusUrl")
            .or_else(|| response.header("x-payment-check-url").map(str::to_owned)),
        message_id: text("/inbox/messageId"),
        existing_message_id: text("/existingMessageId"),
        txid: settled
            .map(|settled| settled.transaction)
            .filter(|txid| !txid.is_empty())
            .or_else(|| text("/txid")),
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

/// What a service says that answers no JSON, or nothing.
fn unreadable(response: &Response) -> Option<String> {
    response.body.is_null().then(|| response.complaint())
}
