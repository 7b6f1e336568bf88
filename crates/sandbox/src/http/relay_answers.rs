//! How the relay words its refusals (recorded at v1.17.4 and v1.31.0).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{
        parcel::Unreadable,
        relay::{Mismatch, Refusal},
    },
};

use super::reply::{Reply, defined};

/// An error in the relay's own terms, before it has an envelope.
#[derive(Clone, Debug)]
pub(crate) struct RelayError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) error: &'static str,
    pub(crate) details: Option<String>,
    pub(crate) retryable: bool,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
}

impl RelayError {
    pub(crate) const fn new(status: StatusCode, code: &'static str, error: &'static str) -> Self {
        RelayError { status, code, error, details: None, retryable: false, retry_after: None }
    }

    pub(crate) fn details(self, details: impl Into<String>) -> Self {
        RelayError { details: Some(details.into()), ..self }
    }

    pub(crate) const fn retry(mut self, after_secs: Option<u64>) -> Self {
        self.retryable = true;
        self.retry_after = after_secs;
        self
    }

    /// The relay's error envelope.
    pub(crate) fn envelope(&self, request_id: &str) -> Value {
        defined(json!({
            "success": false,
            "error": self.error,
            "code": self.code,
            "details": self.details,
            "retryable": self.retryable,
            "retryAfter": self.retry_after,
            "requestId": request_id,
        }))
    }

    pub(crate) fn reply(&self, request_id: &str) -> Reply {
        Reply::new(self.status, self.envelope(request_id)).retry_after(self.retry_after)
    }
}

/// A refusal as `POST /relay` answers it.
pub(crate) fn refusal(refusal: Refusal, version: RelayVersion) -> RelayError {
    let march = version == RelayVersion::March;
    match refusal {
        Refusal::Mismatch(Mismatch::Recipient) => verification("Recipient mismatch"),
        Refusal::Mismatch(Mismatch::Amount) => verification("Insufficient payment amount"),
        Refusal::NonceConflict(rejection) => conflict(march).details(rejection.to_string()),
        Refusal::FailedAgain => conflict(march).details("Nonce conflict"),
        Refusal::TooMuchChaining => RelayError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TOO_MUCH_CHAINING",
            "Too many chained transactions",
        )
        .details("transaction rejected: TooMuchChaining")
        .retry(Some(if march { 30 } else { 10 })),
        Refusal::PoolFull if march => pool_full_march(),
        Refusal::PoolFull => RelayError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "LOW_HEADROOM",
            "Sponsor nonce pool is running low",
        )
        .retry(Some(10)),
        Refusal::InsufficientFunds => RelayError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "CLIENT_INSUFFICIENT_FUNDS",
            "Sender has insufficient funds",
        )
        .details("transaction rejected: NotEnoughFunds"),
        Refusal::RateLimited => rate_limited(),
        Refusal::Unavailable => RelayError::new(
            StatusCode::BAD_GATEWAY,
            "SETTLEMENT_BROADCAST_FAILED",
            "Failed to broadcast transaction",
        )
        .retry(Some(5)),
        Refusal::SenderNonceStale { nonce } => sender("SENDER_NONCE_STALE", nonce),
        Refusal::SenderNonceDuplicate { nonce } => sender("SENDER_NONCE_DUPLICATE", nonce),
        Refusal::SenderNonceGap { nonce, .. } => sender("SENDER_NONCE_GAP", nonce),
    }
}

/// Bytes that are no payment, as `POST /relay` answers them.
pub(crate) fn unreadable(unreadable: &Unreadable) -> RelayError {
    let bad = |code, error| RelayError::new(StatusCode::BAD_REQUEST, code, error);
    match unreadable {
        Unreadable::Malformed(details) => {
            bad("MALFORMED_PAYLOAD", "Malformed transaction payload").details(details)
        }
        Unreadable::Invalid => bad("INVALID_TRANSACTION", "Invalid transaction")
            .details("Could not deserialize transaction hex"),
        Unreadable::NotSponsored => bad("NOT_SPONSORED", "Transaction must be sponsored")
            .details("Build transaction with sponsored: true"),
        Unreadable::NotATransfer => verification("Unsupported transaction type"),
        Unreadable::BadSignature => RelayError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "SPONSOR_FAILED",
            "Failed to sponsor transaction",
        )
        .retry(None),
    }
}

/// Why `/settle` and `/verify` say no, in the words of x402.
pub(crate) fn x402_reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Mismatch(Mismatch::Recipient) => "recipient_mismatch",
        Refusal::Mismatch(Mismatch::Amount) => "amount_insufficient",
        Refusal::NonceConflict(_)
        | Refusal::FailedAgain
        | Refusal::SenderNonceStale { .. }
        | Refusal::SenderNonceDuplicate { .. } => "conflicting_nonce",
        Refusal::SenderNonceGap { .. } => "transaction_held",
        Refusal::InsufficientFunds => "client_insufficient_funds",
        Refusal::TooMuchChaining | Refusal::PoolFull | Refusal::RateLimited => "broadcast_failed",
        Refusal::Unavailable => "unexpected_settle_error",
    }
}

const fn conflict(march: bool) -> RelayError {
    let (error, after_secs) = match march {
        true => ("Nonce conflict — resubmit with a new transaction", 1),
        false => {
            ("Nonce conflict — back off and retry. Check GET /nonce/stats for nonce pool state", 10)
        }
    };
    RelayError::new(StatusCode::CONFLICT, "NONCE_CONFLICT", error).retry(Some(after_secs))
}

const fn verification(error: &'static str) -> RelayError {
    RelayError::new(StatusCode::BAD_REQUEST, "SETTLEMENT_VERIFICATION_FAILED", error)
}

fn pool_full_march() -> RelayError {
    RelayError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "SPONSOR_FAILED",
        "Failed to sponsor transaction",
    )
    .retry(None)
}

fn rate_limited() -> RelayError {
    RelayError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", "Rate limit exceeded")
        .retry(Some(60))
}

fn sender(code: &'static str, nonce: u64) -> RelayError {
    RelayError::new(StatusCode::BAD_REQUEST, code, "Sender nonce out of order")
        .details(format!("Your transaction uses nonce {nonce}."))
}
