//! The other statuses of a paid post, and those of the post that asks for the terms.

use serde_json::{Value, json};

use super::{bench::Row, rows};

fn error(text: &str) -> Value {
    json!({ "error": text })
}

/// The first unpaid post is answered so; the next one gets the terms.
fn unpaid(status: u16, body: Value) -> Row {
    Row::of(json!({ "scripted": [{ "to": "unpaid", "status": status, "body": body }] }))
}

/// Every unpaid post is answered so: nothing is ever signed.
fn never(status: u16, body: Value) -> Row {
    let answer = json!({ "to": "unpaid", "status": status, "body": body, "times": 1_000 });
    Row::of(json!({ "scripted": [answer] }))
}

rows! {
    /// M2: the agent is gone between the terms and the payment: a person decides, since the
    /// nonce stays held; back again, the same bytes pay.
    agent_gone: Row::paid(404, json!({
        "error": "Agent not found", "address": "bc1q", "hint": "Register first.",
    })).tells("payment.stranded").closes("wallet");

    /// M1, M2: the agent is gone and was paid.
    agent_gone_though_settled: Row::paid(404, error("Agent not found"))
        .doubts("payment.stranded").though_settled();

    /// M2: the agent's addresses no longer match.
    recipient_mismatch: Row::paid(400, json!({
        "error": "Recipient STX address mismatch", "registeredStxAddress": "SP",
    })).tells("payment.stranded").closes("wallet");

    /// T1: our payload does not fit the schema.
    invalid_payment_payload: Row::paid(400, json!({
        "error": "invalid_payment_payload",
        "issues": [{ "code": "invalid_type", "path": ["payload", "transaction"] }],
    })).tells("wallet.payment-refused").closes("wallet");

    /// T1: our header cannot be read.
    bad_header: Row::paid(400, error("Invalid payment-signature header (expected base64 JSON)"))
        .tells("wallet.payment-refused").closes("wallet");

    /// T1: told that we sent a payment and a transaction id.
    both_payment_and_txid:
        Row::paid(400, error("Send either payment-signature or paymentTxid, not both"))
        .tells("wallet.payment-refused").closes("wallet");

    /// T1: the sender's signature over the message failed; ours carries none.
    sender_signature_failed: Row::paid(400, error("Sender signature verification failed"))
        .tells("payment.stranded").closes("wallet");

    /// M1, W3: this payment has bought a message: that is the proof of its delivery.
    already_redeemed: Row::of(json!({ "scripted": [{
        "to": "paid", "status": 409, "after": "delivered",
        "body": { "error": "already_redeemed", "existingMessageId": "msg_1" },
    }] })).proved("already-redeemed");

    /// M3, T1: "slow down" is nobody's fault; the same bytes, not before the time named.
    rate_limited: Row::paid(429, json!({
        "error": "Too many requests", "retryAfter": 2, "hint": "Slow down.",
    })).after(2).tells("inbox.rate-limited");

    /// M3: a minute is a minute, by the header alone.
    rate_limited_waits: Row::paid(429, error("Too many requests"))
        .after(60).tells("inbox.rate-limited").waits(60);

    /// M2, M3: the database is away before anything is done.
    transient_d1_unavailable: Row::paid(503, json!({
        "error": "transient_d1_unavailable", "message": "Retry the same payment.", "retry_after": 1,
    })).after(1).tells("inbox.unavailable");

    /// M1, M2: the database is away after the settlement.
    transient_d1_unavailable_though_settled: Row::paid(503, json!({
        "error": "transient_d1_unavailable", "message": "Retry the same payment.", "retry_after": 5,
    })).after(5).doubts("inbox.unavailable").though_settled();

    /// M3: the inbox falls over.
    internal_error: Row::paid(500, error("Internal server error processing inbox message"))
        .tells("inbox.unavailable");

    /// M1, M2: the inbox falls over after the settlement.
    internal_error_though_settled:
        Row::paid(500, error("Internal server error processing inbox message"))
        .doubts("inbox.unavailable").though_settled();

    /// M2: the connection dies before anything is done.
    cut_off: Row::paid(0, json!({})).tells("inbox.unavailable");

    /// M1, M2: the connection dies after the settlement and before the delivery.
    cut_off_though_settled: Row::paid(0, json!({})).doubts("inbox.unavailable").though_settled();

    /// M1, M2: the connection dies after the delivery: the inbox's list tells.
    cut_off_though_delivered: Row::of(json!({ "scripted": [
        { "to": "paid", "status": 0, "after": "delivered" },
    ] })).doubts("inbox.unavailable").proved("listed");

    /// M2, M3: accepted without a name to poll by, and nothing comes of it.
    staged_without_a_name: Row::paid(202, json!({ "success": true })).tells("payment.unknown");

    /// M1, M2: the same for a payment that settles.
    staged_without_a_name_though_settled: Row::paid(202, json!({ "success": true }))
        .doubts("payment.unknown").though_settled();

    /// W3: "delivered" without a message is not believed.
    delivered_without_a_message: Row::paid(201, json!({ "success": true, "inbox": {} }))
        .tells("payment.unknown");

    /// M2: a payment is posted to whom it was meant for, whatever a redirect says.
    redirected: Row::paid(307, json!({})).tells("inbox.garbled");

    /// T1: no such agent: the task's own trouble, and nothing is signed.
    no_such_agent: never(404, json!({ "error": "Agent not found", "address": "bc1q" }))
        .tells("target.invalid").dies();

    /// T1: the agent has no Stacks address to be paid at.
    agent_without_an_address: never(400, error("Recipient has no registered Stacks address"))
        .tells("target.invalid").dies();

    /// T1: the agent's addresses are not those of the directory.
    unpaid_btc_mismatch: never(400, json!({
        "error": "Recipient BTC address mismatch", "correctEndpoint": "/api/inbox/bc1q",
    })).tells("target.invalid").dies();

    /// T1: the same for the other address.
    unpaid_stx_mismatch: never(400, json!({
        "error": "Recipient STX address mismatch", "registeredStxAddress": "SP",
    })).tells("target.invalid").dies();

    /// T1: our JSON cannot be read.
    malformed_json: never(400, json!({ "error": "Malformed JSON body", "parseError": "x" }))
        .tells("task.invalid").dies();

    /// T1: our message is not allowed.
    validation_failed: never(400, json!({
        "error": "validation_failed",
        "errors": [{ "field": "content", "message": "too long", "hint": "500 at most" }],
    })).tells("task.invalid").dies();

    /// T1: the same in the words of March.
    validation_failed_in_march:
        never(400, error("content exceeds maximum length, toBtcAddress is required"))
        .tells("task.invalid").dies();

    /// T1: slow down, before anything is signed.
    unpaid_rate_limited: unpaid(429, json!({ "error": "Too many requests", "retryAfter": 1 }))
        .tells_before("inbox.rate-limited");

    /// T1: the database is away before anything is signed.
    unpaid_transient_d1:
        unpaid(503, json!({ "error": "transient_d1_unavailable", "retry_after": 1 }))
        .tells_before("inbox.unavailable");

    /// T1: a 402 that names no terms.
    no_terms: unpaid(402, json!({ "error": "Payment required" })).tells_before("inbox.garbled");

    /// T1, W3: accepted for nothing: not believed.
    accepted_for_nothing: unpaid(201, json!({ "success": true, "inbox": { "messageId": "msg_0" } }))
        .tells_before("inbox.garbled");

    /// M1: another payee than the agent.
    another_payee: Row::of(json!({ "pay_to_override": "SP000000000000000000002Q6VF78" }))
        .tells("target.payment-terms").dies();

    /// M4: one sat more than is allowed.
    an_amount_of_101: Row::of(json!({ "amount_override": "101" }))
        .tells("target.payment-terms").dies();

    /// M4: no number at all.
    an_amount_of_nonsense: Row::of(json!({ "amount_override": "1e2" }))
        .tells("target.payment-terms").dies();

    /// M4: another asset.
    another_asset: Row::of(json!({
        "asset_override": "SP3K8BC0PPEVCV7NZ6QSRWPQ2JE9E5B6N3PA0KBR9.token-wbtc",
    })).tells("target.payment-terms").dies();

    /// M4: another network.
    another_network: Row::of(json!({ "network_override": "stacks:2147483648" }))
        .tells("target.payment-terms").dies();
}
