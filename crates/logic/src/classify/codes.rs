//! The codes of the inbox, of the relay and of x402, and the cause that each stands for.

use super::{Reply, evidence};

/// The relay's own codes, believed first (wire facts: relay codes, which conflict is whose).
fn of_relay_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "NONCE_CONFLICT" | "NONCE_OCCUPIED" | "SPONSOR_NONCE_CONFLICT" => "relay.nonce-conflict",
        "CLIENT_NONCE_CONFLICT"
        | "CLIENT_BAD_NONCE"
        | "SENDER_NONCE_STALE"
        | "SENDER_NONCE_GAP" => "wallet.sender-nonce",
        "SENDER_NONCE_DUPLICATE" => "relay.pending",
        "RATE_LIMIT_EXCEEDED" | "BROADCAST_RATE_LIMITED" | "ORIGIN_CHAINING_LIMIT" => {
            "relay.rate-limited"
        }
        "TOO_MUCH_CHAINING"
        | "LOW_HEADROOM"
        | "SERVICE_DEGRADED"
        | "NONCE_DO_UNAVAILABLE"
        | "INTERNAL_ERROR"
        | "SETTLEMENT_BROADCAST_FAILED" => "relay.unavailable",
        "SPONSOR_FAILED" | "SPONSOR_CONFIG_ERROR" | "BROADCAST_REJECTED" | "BROADCAST_FAILED" => {
            "relay.sponsor-failed"
        }
        "CLIENT_INSUFFICIENT_FUNDS" => "wallet.insufficient-funds",
        "MISSING_TRANSACTION"
        | "MISSING_SETTLE_OPTIONS"
        | "INVALID_SETTLE_OPTIONS"
        | "INVALID_TRANSACTION"
        | "NOT_SPONSORED"
        | "MALFORMED_PAYLOAD"
        | "INVALID_AUTH_SIGNATURE"
        | "AUTH_EXPIRED"
        | "SETTLEMENT_VERIFICATION_FAILED"
        | "SIGNATURE_VALIDATION_FAILED"
        | "PAYMENT_IDENTIFIER_CONFLICT" => "wallet.payment-refused",
        "SETTLEMENT_FAILED" => "payment.unknown",
        _ => return None,
    })
}

/// The inbox's codes, and those of x402 that it passes on.
fn of_inbox_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "SENDER_NONCE_STALE" | "SENDER_NONCE_GAP" | "client_bad_nonce" => "wallet.sender-nonce",
        "SENDER_NONCE_DUPLICATE" | "transaction_held" | "transaction_pending" => "relay.pending",
        "SETTLEMENT_TIMEOUT"
        | "PAYMENT_NOT_FOUND"
        | "MISSING_CANONICAL_IDENTITY"
        | "SETTLEMENT_FAILED"
        | "transaction_failed" => "payment.unknown",
        "BROADCAST_FAILED" => "relay.sponsor-failed",
        "RELAY_ERROR" | "broadcast_failed" => "relay.unavailable",
        "INSUFFICIENT_FUNDS" | "client_insufficient_funds" => "wallet.insufficient-funds",
        "conflicting_nonce" => "relay.nonce-conflict",
        "INVALID_TRANSACTION_FORMAT"
        | "PAYMENT_REJECTED"
        | "invalid_payload"
        | "invalid_payment_payload"
        | "invalid_payment_requirements"
        | "invalid_scheme"
        | "unsupported_scheme"
        | "invalid_network"
        | "unrecognized_asset"
        | "sender_mismatch"
        | "recipient_mismatch"
        | "amount_insufficient"
        | "invalid_transaction_state"
        | "signature_validation_failed"
        | "payment_identifier_conflict" => "wallet.payment-refused",
        _ => return None,
    })
}

/// Why a paid post failed.
pub(super) fn of_paid_post(reply: &Reply) -> &'static str {
    let embedded = evidence::embedded_code(reply);
    let relay_code = reply.relay_code.as_deref().or(embedded.as_deref());
    if let Some(word) = relay_code.and_then(of_relay_code) {
        return word;
    }
    let codes = [reply.code.as_deref(), reply.error_code.as_deref(), reply.error.as_deref()];
    if codes.contains(&Some("NONCE_CONFLICT")) {
        let ours = reply.responsible.as_deref() == Some("sender");
        return if ours { "wallet.sender-nonce" } else { "relay.nonce-conflict" };
    }
    let word = codes.into_iter().flatten().find_map(of_inbox_code);
    match word {
        Some("relay.unavailable") if tells_of_conflict(reply) => "relay.nonce-conflict",
        Some(word) => word,
        None if tells_of_conflict(reply) => "relay.nonce-conflict",
        None => of_paid_status(reply),
    }
}

/// Without any code that is known: by the status, and by who seems to speak.
fn of_paid_status(reply: &Reply) -> &'static str {
    let text = reply.error.as_deref().unwrap_or_default();
    match reply.status {
        Some(402) if text.starts_with("Sponsor relay failed") => "relay.sponsor-failed",
        Some(402) => "wallet.payment-refused",
        Some(400) if text.to_ascii_lowercase().contains("payment") => "wallet.payment-refused",
        Some(400 | 404) => "payment.stranded",
        Some(200..300 | 409 | 422) => "payment.unknown",
        status => by_status(status),
    }
}

/// Why the relay no longer stands for a payment.
pub(super) fn of_terminal_reason(reply: &Reply) -> &'static str {
    match reply.terminal_reason.as_deref().unwrap_or_default() {
        "sponsor_nonce_conflict" => "relay.nonce-conflict",
        "sponsor_failure" | "sponsor_exhausted" | "broadcast_failure" | "internal_error"
            if tells_of_conflict(reply) =>
        {
            "relay.nonce-conflict"
        }
        "sponsor_failure" | "sponsor_exhausted" => "relay.sponsor-failed",
        "broadcast_failure" | "internal_error" | "queue_unavailable" => "relay.unavailable",
        "broadcast_rate_limited" | "origin_chaining_limit" => "relay.rate-limited",
        "sender_nonce_stale" | "sender_nonce_gap" => "wallet.sender-nonce",
        "sender_nonce_duplicate" => "relay.pending",
        "invalid_transaction" | "not_sponsored" => "wallet.payment-refused",
        // Aborted, replaced, expired, unknown to it: the chain knows more.
        _ => "payment.unknown",
    }
}

/// Why a poll brought nothing.
pub(super) fn of_poll(reply: &Reply) -> &'static str {
    match (reply.code.as_deref(), reply.status) {
        (Some("RELAY_ERROR"), _) => "relay.unavailable",
        (_, Some(400 | 404)) => "payment.unknown",
        (_, status) => by_status(status),
    }
}

/// Why naming a settled transfer brought no message.
pub(super) fn of_redeem(reply: &Reply) -> &'static str {
    match (reply.code.as_deref(), reply.status) {
        (Some("TXID_NOT_FOUND" | "TX_NOT_CONFIRMED"), _) | (_, Some(200..300)) => "relay.pending",
        (_, Some(400 | 402 | 404 | 409 | 422)) => "inbox.undelivered",
        (_, status) => by_status(status),
    }
}

/// What is left to say by the status alone.
pub(super) fn by_status(status: Option<u16>) -> &'static str {
    match status {
        Some(429) => "inbox.rate-limited",
        Some(500..) | None => "inbox.unavailable",
        Some(_) => "inbox.garbled",
    }
}

pub(super) fn already_redeemed(reply: &Reply) -> bool {
    let codes = [reply.error.as_deref(), reply.code.as_deref()];
    codes.contains(&Some("already_redeemed")) || reply.existing_message_id.is_some()
}

/// A refusal of what we wrote rather than of whom we wrote to.
pub(super) fn our_message_is_bad(reply: &Reply) -> bool {
    let text = reply.error.as_deref().unwrap_or_default();
    text == "validation_failed" || text.starts_with("Malformed JSON") || text.contains("content")
}

/// The words of a stuck sponsor nonce, wherever they stand.
fn tells_of_conflict(reply: &Reply) -> bool {
    let texts = [&reply.error, &reply.relay_detail, &reply.error_code];
    let words = ["NONCE_CONFLICT", "ConflictingNonceInMempool", "BadNonce", "Nonce conflict"];
    texts.into_iter().flatten().any(|text| words.iter().any(|word| text.contains(word)))
}
