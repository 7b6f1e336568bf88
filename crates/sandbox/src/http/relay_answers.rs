//! How the relay words its refusals (recorded at v1.17.4 and v1.31.0).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{
        faults::NodeFault,
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
            "Sponsor wallet congested — too many pending transactions. Back off and retry",
        )
        .details("TooMuchChaining")
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
            "Sender has insufficient funds — top up the wallet and re-sign the transaction",
        )
        .details("NotEnoughFunds (node reason: NotEnoughFunds)"),
        Refusal::Node(fault) => node(fault),
        Refusal::Misread => misread(),
        Refusal::RateLimited => rate_limited(),
        Refusal::Unavailable => RelayError::new(
            StatusCode::BAD_GATEWAY,
            "SETTLEMENT_BROADCAST_FAILED",
            "Broadcast failed",
        )
        .retry(Some(5)),
        Refusal::SenderNonceStale { nonce } => {
            sender("SENDER_NONCE_STALE", nonce).details(format!(
                "Your transaction uses nonce {nonce}, which is already confirmed on-chain. Re-sign \
             with the current nonce."
            ))
        }
        Refusal::SenderNonceDuplicate { nonce } => sender("SENDER_NONCE_DUPLICATE", nonce),
        Refusal::SenderNonceGap { nonce, .. } => sender("SENDER_NONCE_GAP", nonce),
    }
}

/// What a node that refuses everything is told as.
fn node(fault: NodeFault) -> RelayError {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    match fault {
        NodeFault::FeeTooLow => RelayError::new(
            unprocessable,
            "BROADCAST_REJECTED",
            "Transaction rejected by the Stacks node: FeeTooLow",
        )
        .details("FeeTooLow (node reason: FeeTooLow)")
        .retry(None),
        NodeFault::SignatureValidation => RelayError::new(
            unprocessable,
            "SIGNATURE_VALIDATION_FAILED",
            "Transaction rejected: invalid signature",
        )
        .details("SignatureValidation (node reason: SignatureValidation)"),
        NodeFault::Busy => RelayError::new(unprocessable, "SETTLEMENT_FAILED", "Broadcast failed")
            .details("Too many requests"),
        NodeFault::AnswerLost => broadcast_failed("The operation was aborted due to timeout"),
        _ => broadcast_failed(r#"upstream: {"error":"upstream"}"#),
    }
}

fn broadcast_failed(details: &str) -> RelayError {
    let code = "SETTLEMENT_BROADCAST_FAILED";
    RelayError::new(StatusCode::BAD_GATEWAY, code, "Broadcast failed")
        .details(details)
        .retry(Some(5))
}

/// The inbox's own trouble with what the relay says.
fn misread() -> RelayError {
    RelayError::new(StatusCode::BAD_GATEWAY, "too_small", "Relay answer could not be read")
        .details("Too small: expected number to be >=0")
        .retry(Some(10))
}

/// Bytes that are no payment, as `POST /relay` answers them.
pub(crate) fn unreadable(unreadable: &Unreadable, version: RelayVersion) -> RelayError {
    let bad = |code, error| RelayError::new(StatusCode::BAD_REQUEST, code, error);
    match unreadable {
        Unreadable::Malformed(details) if version == RelayVersion::Today => {
            bad("MALFORMED_PAYLOAD", "Malformed transaction payload").details(details)
        }
        Unreadable::Malformed(_) | Unreadable::Invalid => {
            bad("INVALID_TRANSACTION", "Invalid transaction")
                .details("Could not deserialize transaction hex")
        }
        Unreadable::NotSponsored => bad("NOT_SPONSORED", "Transaction must be sponsored")
            .details("Build transaction with sponsored: true"),
        Unreadable::NotATransfer => verification("Unsupported transaction type"),
        Unreadable::BadSignature(signer) => RelayError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "SPONSOR_FAILED",
            "Failed to sponsor transaction",
        )
        .details(format!(
            "Signer hash does not equal hash of public key(s): {} != {}",
            stacks::hex::encode(&[0; 20]),
            stacks::hex::encode(signer),
        ))
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
        Refusal::TooMuchChaining
        | Refusal::PoolFull
        | Refusal::RateLimited
        | Refusal::Node(_)
        | Refusal::Misread => "broadcast_failed",
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
