//! The states of a staged payment. What the relay calls failed, replaced or unknown here is a
//! payment that settles a moment later: nothing is ever posted a second time for it.

use serde_json::{Value, json};

use super::{bench::Row, rows};

/// The first poll is answered so, and the payment settles all the same.
fn polled(status: u16, body: Value) -> Row {
    Row::of(json!({
        "confirm_delay_ms": 800,
        "scripted": [{ "to": "poll", "status": status, "body": body }],
    }))
    .today()
    .also("relay.pending")
}

/// The relay no longer stands for it.
fn given_up(state: &str, reason: &str, cause: &'static str) -> Row {
    let status = if state == "not_found" { 404 } else { 200 };
    let body = json!({
        "paymentId": "pay_1", "status": state, "terminalReason": reason, "retryable": false,
    });
    polled(status, body).doubts(cause).redeems(1).proved("redeemed")
}

fn failed(reason: &str, cause: &'static str) -> Row {
    given_up("failed", reason, cause)
}

/// The inbox cannot say; the relay itself is asked, and later polls deliver.
fn silent(status: u16, code: &str) -> Row {
    polled(status, json!({ "error": code, "code": code })).proved("listed")
}

rows! {
    /// M2: staged, confirmed, delivered by a poll.
    confirmed: Row::of(json!({ "confirm_delay_ms": 800 })).today().also("relay.pending")
        .proved("listed");

    /// M2: queued, and broadcast, which the relay says with a warning.
    queued_with_warning: polled(200, json!({
        "paymentId": "pay_1", "status": "queued_with_warning", "retryable": true,
    })).proved("listed");
    /// M2: held for a nonce of ours that the relay has not seen.
    held: polled(200, json!({
        "paymentId": "pay_1", "status": "queued", "relayState": "held", "holdReason": "gap",
    })).proved("listed");

    /// M2: failed, says the relay.
    sponsor_failure: failed("sponsor_failure", "relay.sponsor-failed");
    /// M2: failed, says the relay.
    sponsor_exhausted: failed("sponsor_exhausted", "relay.sponsor-failed");
    /// M2: failed, says the relay.
    broadcast_failure: failed("broadcast_failure", "relay.unavailable");
    /// M2: failed, says the relay.
    broadcast_rate_limited: failed("broadcast_rate_limited", "relay.rate-limited");
    /// M2: failed, says the relay.
    internal_error: failed("internal_error", "relay.unavailable");
    /// M2: failed, says the relay.
    queue_unavailable: failed("queue_unavailable", "relay.unavailable");
    /// M2: failed, says the relay.
    origin_chaining_limit: failed("origin_chaining_limit", "relay.rate-limited");
    /// M2: failed for our nonce, says the relay.
    sender_nonce_stale: failed("sender_nonce_stale", "wallet.sender-nonce");
    /// M2: failed for our nonce, says the relay.
    sender_nonce_gap: failed("sender_nonce_gap", "wallet.sender-nonce");
    /// M2: failed for our nonce, says the relay.
    sender_nonce_duplicate: failed("sender_nonce_duplicate", "relay.pending");
    /// M2: failed for a nonce that never came, says the relay.
    sender_hand_expired: failed("sender_hand_expired", "payment.unknown");
    /// M2: failed as it was signed, says the relay.
    invalid_transaction: failed("invalid_transaction", "wallet.payment-refused");
    /// M2: failed as it was signed, says the relay.
    not_sponsored: failed("not_sponsored", "wallet.payment-refused");
    /// M2: aborted, says the relay; the chain knows of no abort.
    chain_abort: failed("chain_abort", "payment.unknown");
    /// M2: failed for no reason that anybody knows.
    no_known_reason: failed("never_heard_of", "payment.unknown");

    /// M2, G2: failed for the sponsor's nonce: the gate closes; what settled meanwhile is not
    /// posted again.
    sponsor_nonce_conflict: failed("sponsor_nonce_conflict", "relay.nonce-conflict")
        .tells("relay.nonce-conflict").closes("relay");

    /// M2: replaced, says the relay.
    nonce_replacement: given_up("replaced", "nonce_replacement", "payment.unknown");
    /// M2: replaced, says the relay.
    superseded: given_up("replaced", "superseded", "payment.unknown");
    /// M2: not known any more, says the relay.
    expired: given_up("not_found", "expired", "payment.unknown");
    /// M2: never heard of, says the relay.
    unknown_payment_identity:
        given_up("not_found", "unknown_payment_identity", "payment.unknown");

    /// M2: the inbox cannot ask the relay.
    rpc_not_available: silent(503, "RPC_NOT_AVAILABLE");
    /// M2: the relay fails when it is asked.
    relay_error: silent(500, "RELAY_ERROR");
    /// M2: the inbox does not like the name that it gave.
    invalid_payment_id: silent(400, "INVALID_PAYMENT_ID");
    /// M2: the inbox's database is away.
    transient_d1: silent(503, "transient_d1_unavailable");
}
