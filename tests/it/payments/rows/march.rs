//! The relay's codes as the inbox of March 2026 passes them on: a 402 with the terms, and the
//! relay's JSON inside a string.

use serde_json::json;

use super::{bench::Row, rows};

/// What the relay said, as the inbox repeats it.
fn march(code: &str, retryable: bool, retry_after: Option<u64>) -> Row {
    let mut relay = json!({
        "success": false, "error": "The relay did not take it", "code": code,
        "retryable": retryable, "requestId": "00000000-0000-4000-8000-000000000000",
    });
    if let Some(seconds) = retry_after {
        relay["retryAfter"] = json!(seconds);
    }
    Row::paid_402(json!({
        "error": format!("Sponsor relay failed: {relay}"),
        "errorCode": "unexpected_settle_error",
    }))
}

/// Refused as it was signed: all of ours would be.
fn refused(code: &str) -> Row {
    march(code, false, None).tells("wallet.payment-refused").closes("wallet")
}

/// One failure of the relay's own closes nothing.
fn failed(code: &str, cause: &'static str) -> Row {
    march(code, true, Some(1)).tells(cause)
}

rows! {
    /// G2, M2: the conflict of the incident.
    nonce_conflict: march("NONCE_CONFLICT", true, Some(1))
        .tells("relay.nonce-conflict").closes("relay");

    /// M1, M2: the conflict of a payment that has settled.
    nonce_conflict_though_settled: march("NONCE_CONFLICT", true, Some(1))
        .tells("relay.nonce-conflict").closes("relay").though_settled();

    /// T1: our request had no transaction in it.
    missing_transaction: refused("MISSING_TRANSACTION");
    /// T1: our request did not say what is to be settled.
    missing_settle_options: refused("MISSING_SETTLE_OPTIONS");
    /// T1: our request said it wrongly.
    invalid_settle_options: refused("INVALID_SETTLE_OPTIONS");
    /// T1: our transaction cannot be read.
    invalid_transaction: refused("INVALID_TRANSACTION");
    /// T1: our transaction is not sponsored.
    not_sponsored: refused("NOT_SPONSORED");
    /// T1: our payload cannot be read.
    malformed_payload: refused("MALFORMED_PAYLOAD");
    /// T1: our transaction does not pay what was asked.
    settlement_verification_failed: refused("SETTLEMENT_VERIFICATION_FAILED");
    /// T1: our signature does not verify.
    signature_validation_failed: refused("SIGNATURE_VALIDATION_FAILED");
    /// T1: our authority does not verify.
    invalid_auth_signature: refused("INVALID_AUTH_SIGNATURE");
    /// T1: our authority is over.
    auth_expired: refused("AUTH_EXPIRED");

    /// M2: refused by the relay, and settled.
    refused_though_settled: march("SETTLEMENT_VERIFICATION_FAILED", false, None)
        .doubts("wallet.payment-refused").though_settled();

    /// T1: asked to slow down: nobody's fault, and not before its time.
    rate_limit_exceeded: march("RATE_LIMIT_EXCEEDED", true, Some(2)).tells("relay.rate-limited");
    /// M3: a minute is a minute.
    rate_limit_exceeded_waits: march("RATE_LIMIT_EXCEEDED", true, Some(60))
        .tells("relay.rate-limited").waits(60);

    /// T1: the sponsor has too many under way.
    too_much_chaining: failed("TOO_MUCH_CHAINING", "relay.unavailable");
    /// M3: our own nonce conflicts, by the node: not signed again.
    client_nonce_conflict: march("CLIENT_NONCE_CONFLICT", true, Some(30))
        .tells("wallet.sender-nonce").closes("wallet");
    /// M3: our own nonce is past, by the node: not signed again while the chain says otherwise.
    client_bad_nonce: march("CLIENT_BAD_NONCE", true, None)
        .tells("wallet.sender-nonce").closes("wallet");
    /// M1, M3: our own nonce is past because the payment took it.
    client_bad_nonce_though_settled: march("CLIENT_BAD_NONCE", true, None)
        .doubts("wallet.sender-nonce").though_settled();
    /// M1: the node says that we cannot pay.
    client_insufficient_funds: march("CLIENT_INSUFFICIENT_FUNDS", false, None)
        .tells("wallet.insufficient-funds").closes("wallet");
    /// T1: the node refused the broadcast.
    broadcast_rejected: failed("BROADCAST_REJECTED", "relay.sponsor-failed");
    /// M2: called aborted, and nothing is in the chain.
    settlement_failed: march("SETTLEMENT_FAILED", false, None).tells("payment.unknown");
    /// T1: the relay could not broadcast.
    settlement_broadcast_failed: failed("SETTLEMENT_BROADCAST_FAILED", "relay.unavailable");
    /// M1, M2: the relay could not broadcast, and had.
    settlement_broadcast_failed_though_settled:
        march("SETTLEMENT_BROADCAST_FAILED", true, Some(5))
        .doubts("relay.unavailable").though_settled();
    /// T1: the relay could not sponsor.
    sponsor_failed: failed("SPONSOR_FAILED", "relay.sponsor-failed");
    /// T1: the relay is not set up.
    sponsor_config_error: march("SPONSOR_CONFIG_ERROR", false, None).tells("relay.sponsor-failed");
    /// T1: the relay's pool is all but full.
    low_headroom: failed("LOW_HEADROOM", "relay.unavailable");
    /// T1: every wallet of the relay is broken.
    service_degraded: failed("SERVICE_DEGRADED", "relay.unavailable");
    /// T1: the relay's coordinator is away.
    nonce_do_unavailable: failed("NONCE_DO_UNAVAILABLE", "relay.unavailable");
    /// T1: the relay fell over.
    internal_error: failed("INTERNAL_ERROR", "relay.unavailable");
    /// T1: the relay says nothing that anybody knows.
    an_unknown_code: failed("NEVER_HEARD_OF", "relay.sponsor-failed");
}
