//! The post that names a settled transfer in place of a payment: the payment has settled, the
//! inbox has answered 503, and now it is asked to deliver for what the chain shows.

use serde_json::{Value, json};

use super::{bench::Row, rows};

/// The first such post is answered so.
fn redeemed(status: u16, body: Value) -> Row {
    Row::of(json!({
        "inbox_503_after_settle": 1,
        "scripted": [{ "to": "redeem", "status": status, "body": body }],
    }))
    .redeems(2)
    .proved("redeemed")
}

/// It is refused for good: paid, and never delivered. Nobody pays again; each attempt of the
/// task asks once more.
fn refused(code: &str) -> Row {
    let body = json!({ "error": code, "code": code, "retryable": false });
    let answer = json!({ "to": "redeem", "status": 400, "body": body, "times": 100 });
    Row::of(json!({ "inbox_503_after_settle": 1, "scripted": [answer] })).redeems(2).undelivered()
}

fn again(status: u16, code: &str, cause: &'static str) -> Row {
    let body = json!({ "error": code, "code": code, "retryable": true, "retryAfter": 1 });
    redeemed(status, body).after(1).doubts("inbox.unavailable").tells(cause)
}

rows! {
    /// M1, M2: at once.
    at_once: Row::of(json!({ "inbox_503_after_settle": 1 }))
        .doubts("inbox.unavailable").redeems(1).proved("redeemed");

    /// M1: the inbox does not see the transfer yet: asked again, never paid again.
    txid_not_found: again(409, "TXID_NOT_FOUND", "relay.pending");
    /// M1: the inbox does not believe in it yet.
    tx_not_confirmed: again(409, "TX_NOT_CONFIRMED", "relay.pending");
    /// M1: too many tries for one transfer.
    rate_limited: again(429, "RATE_LIMITED", "inbox.rate-limited");
    /// M1: the inbox cannot ask the chain.
    api_error: again(502, "API_ERROR", "inbox.unavailable");
    /// M1: the inbox's database is away.
    transient_d1: again(503, "transient_d1_unavailable", "inbox.unavailable");

    /// M1, W3: it had bought the message.
    already_redeemed: Row::of(json!({
        "inbox_503_after_settle": 1,
        "scripted": [{
            "to": "redeem", "status": 409, "after": "delivered",
            "body": { "error": "already_redeemed", "existingMessageId": "msg_1" },
        }],
    })).doubts("inbox.unavailable").redeems(1).proved("redeemed");

    /// M1, T1: paid, and the inbox calls it no sBTC transfer: told, and never paid again.
    not_sbtc_transfer: refused("NOT_SBTC_TRANSFER");
    /// M1, W3: refused once, and then delivered: one payment, and the task is completed.
    refused_by_mistake: redeemed(400, json!({ "error": "x", "code": "RECIPIENT_MISMATCH" }))
        .doubts("inbox.unavailable").tells("inbox.undelivered");
    /// M1, T1: the same for its kind.
    invalid_tx_type: refused("INVALID_TX_TYPE");
    /// M1, T1: the same for its arguments.
    invalid_tx_args: refused("INVALID_TX_ARGS");
    /// M1, T1: the same for its amount.
    insufficient_amount: refused("INSUFFICIENT_AMOUNT");
    /// M1, T1: the same for its recipient.
    recipient_mismatch: refused("RECIPIENT_MISMATCH");
}
