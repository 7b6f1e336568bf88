//! The typed codes of a paid post.

use serde_json::{Value, json};

use super::{bench::Row, rows};

/// A typed refusal, with the relay's word for it.
fn typed(code: &str, relay_code: &str, retryable: bool) -> Value {
    json!({
        "error": "Payment could not be processed.",
        "code": code,
        "retryable": retryable,
        "nextSteps": "See the documentation.",
        "relayCode": relay_code,
        "diagnostics": { "relayCode": relay_code, "requestId": "a-request" },
    })
}

fn sender(code: &str, action: &str) -> Value {
    let mut body = typed(code, code, true);
    body["action"] = json!(action);
    body["responsible"] = json!("sender");
    body
}

rows! {
    /// M2, M3: the relay's conflict: the gate closes at once, and the same bytes pay.
    nonce_conflict: Row::paid(409, typed("NONCE_CONFLICT", "NONCE_CONFLICT", true))
        .after(30).tells("relay.nonce-conflict").closes("relay");

    /// M2: a conflict of a payment that the chain has all the same: the gate closes, since the
    /// relay said so, and nothing is posted again.
    nonce_conflict_though_settled: Row::paid(409, typed("NONCE_CONFLICT", "NONCE_CONFLICT", true))
        .tells("relay.nonce-conflict").closes("relay").though_settled();

    /// T1: the conflict text blames our wallet; the relay's code says whose it is.
    nonce_conflict_of_the_sender: Row::paid(409, typed("NONCE_CONFLICT", "CLIENT_BAD_NONCE", true))
        .tells("wallet.sender-nonce").closes("wallet");

    /// M3: told to sign again with a fresh nonce. The chain says that ours is unspent: the gate
    /// `wallet` closes, and the same bytes go out when a person has looked.
    sender_nonce_stale: Row::paid(409, sender("SENDER_NONCE_STALE", "refetch_nonce_and_resign"))
        .after(0).tells("wallet.sender-nonce").closes("wallet");

    /// M1, M2: stale because the payment is in the chain already: nothing is signed again, and
    /// no person is needed.
    sender_nonce_stale_though_settled:
        Row::paid(409, sender("SENDER_NONCE_STALE", "refetch_nonce_and_resign"))
        .doubts("wallet.sender-nonce").though_settled();

    /// M3: told to sign again with a higher nonce, which would leave a hole: it is not done.
    sender_nonce_gap: Row::paid(409, sender("SENDER_NONCE_GAP", "increment_nonce_and_resign"))
        .after(0).tells("wallet.sender-nonce").closes("wallet");

    /// M1: the nonce is queued already, by these very bytes: they pay, once.
    sender_nonce_duplicate_though_settled:
        Row::paid(409, sender("SENDER_NONCE_DUPLICATE", "wait_for_queued_tx"))
        .after(30).doubts("relay.pending").though_settled();

    /// M3: the nonce is said to be queued, and nothing comes of it: the same bytes, not before
    /// the time that was named.
    sender_nonce_duplicate_of_nothing:
        Row::paid(409, sender("SENDER_NONCE_DUPLICATE", "wait_for_queued_tx"))
        .after(2).tells("relay.pending");

    /// M3: thirty seconds are thirty seconds.
    sender_nonce_duplicate_waits:
        Row::paid(409, sender("SENDER_NONCE_DUPLICATE", "wait_for_queued_tx"))
        .after(30).tells("relay.pending").waits(30);

    /// M2: a time-out of the settlement is no failure: it has settled.
    settlement_timeout_though_settled:
        Row::paid(409, typed("SETTLEMENT_TIMEOUT", "SETTLEMENT_TIMEOUT", true))
        .after(60).doubts("payment.unknown").though_settled();

    /// M2, M3: the same where nothing came of it: the same bytes again.
    settlement_timeout: Row::paid(409, typed("SETTLEMENT_TIMEOUT", "SETTLEMENT_TIMEOUT", true))
        .after(1).tells("payment.unknown");

    /// M2: the relay has lost the payment's name, and not the payment.
    payment_not_found_though_settled:
        Row::paid(409, typed("PAYMENT_NOT_FOUND", "PAYMENT_NOT_FOUND", false))
        .doubts("payment.unknown").though_settled();

    /// M2, M3: the same where the payment is lost too.
    payment_not_found: Row::paid(409, typed("PAYMENT_NOT_FOUND", "PAYMENT_NOT_FOUND", false))
        .tells("payment.unknown");

    /// M3: not broadcast. A new payment is not signed for it, whatever the answer allows.
    broadcast_failed: Row::paid(502, typed("BROADCAST_FAILED", "BROADCAST_FAILED", false))
        .tells("relay.sponsor-failed");

    /// M1, M2: "funds safe, pay anew" for a payment that has settled.
    broadcast_failed_though_settled:
        Row::paid(502, typed("BROADCAST_FAILED", "BROADCAST_FAILED", false))
        .doubts("relay.sponsor-failed").though_settled();

    /// T1: the relay limits broadcasts: nobody's fault.
    broadcast_rate_limited:
        Row::paid(502, typed("BROADCAST_FAILED", "BROADCAST_RATE_LIMITED", false))
        .tells("relay.rate-limited");

    /// M2: accepted without a name to ask by: not repeated blindly, and found in the chain.
    missing_canonical_identity_though_settled:
        Row::paid(502, typed("MISSING_CANONICAL_IDENTITY", "MISSING_CANONICAL_IDENTITY", false))
        .doubts("payment.unknown").though_settled();

    /// M2, M3: the same where it was not accepted after all.
    missing_canonical_identity:
        Row::paid(502, typed("MISSING_CANONICAL_IDENTITY", "MISSING_CANONICAL_IDENTITY", false))
        .tells("payment.unknown");

    /// M3: one error of the relay closes nothing; the same bytes again.
    relay_error: Row::paid(502, typed("RELAY_ERROR", "INTERNAL_ERROR", true))
        .after(1).tells("relay.unavailable");

    /// M1, M2: an error of the relay after it had paid.
    relay_error_though_settled: Row::paid(502, typed("RELAY_ERROR", "INTERNAL_ERROR", true))
        .after(10).doubts("relay.unavailable").though_settled();

    /// T1: the inbox's own breaker is open for a minute: the task waits as long, uncharged.
    relay_error_while_the_breaker_is_open: Row::paid(503, typed("RELAY_ERROR", "RELAY_ERROR", true))
        .after(60).tells("relay.unavailable").waits(60);

    /// T1: an error of the relay that speaks of a conflict is a conflict.
    relay_error_that_is_a_conflict: Row::paid(502, json!({
        "error": "Relay service error.", "code": "RELAY_ERROR", "retryable": true,
        "relayDetail": "transaction rejected: ConflictingNonceInMempool",
    })).tells("relay.nonce-conflict").closes("relay");

    /// M2: called aborted, and not so: the chain has the last word.
    settlement_failed_though_settled:
        Row::paid(422, typed("SETTLEMENT_FAILED", "SETTLEMENT_FAILED", false))
        .doubts("payment.unknown").though_settled();

    /// M2, T1: aborted indeed, told in the typed form: the nonce is spent, nothing moved, and
    /// one new payment pays.
    settlement_failed: Row::of(json!({ "generation": "typed", "chain_abort": 1 }))
        .tells("wallet.transfer-aborted").doubts("payment.unknown").also("payment.unknown")
        .posts(2).signed(2);

    /// T1: our bytes cannot be read: every payment of ours would fail, so the gate closes.
    invalid_transaction_format: Row::paid(400, json!({
        "error": "Invalid payment transaction format", "code": "INVALID_TRANSACTION_FORMAT",
        "retryable": false, "details": "Could not deserialize Stacks transaction",
    })).tells("wallet.payment-refused").closes("wallet");

    /// M1: refused for want of funds as a new 402: nobody pays at it.
    insufficient_funds:
        Row::paid_402(typed("INSUFFICIENT_FUNDS", "CLIENT_INSUFFICIENT_FUNDS", false))
        .tells("wallet.insufficient-funds").closes("wallet");

    /// M1: refused as a new 402.
    payment_rejected: Row::paid_402(typed("PAYMENT_REJECTED", "", false))
        .tells("wallet.payment-refused").closes("wallet");

    /// M1: the same in the words of x402.
    invalid_payload: Row::paid_402(json!({
        "error": "Payment asset is not accepted.", "code": "invalid_payload",
        "errorCode": "invalid_payload", "retryable": false,
    })).tells("wallet.payment-refused").closes("wallet");

    /// M1: the same without a reason.
    unexpected_settle_error: Row::paid_402(json!({
        "error": "Payment could not be processed.", "code": "unexpected_settle_error",
        "errorCode": "unexpected_settle_error", "retryable": false,
    })).tells("wallet.payment-refused").closes("wallet");

    /// M1: the same for a sender who is not ours.
    sender_mismatch: Row::paid_402(json!({
        "error": "Sender mismatch.", "code": "sender_mismatch", "errorCode": "sender_mismatch",
    })).tells("wallet.payment-refused").closes("wallet");

    /// M1, M2: refused as a new 402, and paid: what x402 calls a failure is none.
    refused_though_settled: Row::paid_402(json!({
        "error": "Payment could not be processed.", "code": "unexpected_settle_error",
        "errorCode": "unexpected_settle_error",
    })).doubts("wallet.payment-refused").though_settled();

    /// M1: nothing but the terms once more: never a new request to pay.
    the_terms_once_more: Row::paid_402(json!({}))
        .tells("wallet.payment-refused").closes("wallet");
}
