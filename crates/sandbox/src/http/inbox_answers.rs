//! How the inbox words what became of a payment, in both wire forms (wire facts: inbox errors).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{
        World,
        directory::Agent,
        faults::Generation,
        inbox::{Letter, Message},
        relay::{Mismatch, PaymentIndex, Refusal},
    },
};

use super::{
    relay_answers::{RelayError, refusal as relay_refusal},
    reply::{Reply, defined, in_header, iso},
};

/// What is asked of whoever posts without paying: the 402 body, which is also its header.
pub(crate) fn requirements(world: &World, agent: &Agent, base_url: &str) -> Value {
    let stx_address = agent.stx_address.clone().unwrap_or_default();
    let address = agent.btc_address.as_ref().unwrap_or(&stx_address);
    let terms = world.terms(&stx_address);
    let amount = world.faults.amount_override.clone();
    let network = world.options.network;
    let asset = world.faults.asset_override.clone();
    let asset = asset.unwrap_or_else(|| stacks::sbtc_contract(network).to_string());
    let on = world.faults.network_override.clone();
    json!({
        "x402Version": 2,
        "resource": {
            "url": format!("{base_url}/api/inbox/{address}"),
            "description": format!("Send message to {} (100 sats sBTC)", agent.display_name),
            "mimeType": "application/json",
        },
        "accepts": [{
            "scheme": "exact",
            "network": on.unwrap_or_else(|| network.caip2().to_owned()),
            "amount": amount.unwrap_or_else(|| terms.amount_min.to_string()),
            "asset": asset,
            "payTo": terms.recipient,
            "maxTimeoutSeconds": 300,
            "extra": {"pricing": {"type": "fixed", "tier": "inbox-message"}},
        }],
    })
}

/// 402: the requirements in body and header, and whatever else there is to say.
pub(crate) fn payment_required(requirements: &Value, also: Value) -> Reply {
    let mut body = requirements.clone();
    if let (Value::Object(body), Value::Object(also)) = (&mut body, also) {
        body.extend(also);
    }
    Reply::new(StatusCode::PAYMENT_REQUIRED, body)
        .header("payment-required", in_header(requirements))
}

/// A refusal by the relay, as the inbox passes it on.
pub(crate) fn refused(world: &mut World, refusal: Refusal, requirements: &Value) -> Reply {
    let request_id = world.ids.uuid();
    let error = relay_refusal(refusal, world.options.relay);
    match world.generation() {
        Generation::March => nested(&error, &request_id, requirements),
        Generation::Typed => typed(refusal, &error, &request_id, requirements),
    }
}

/// Accepted, but not confirmed while the inbox waited.
pub(crate) fn timed_out(world: &mut World, requirements: &Value) -> Reply {
    let request_id = world.ids.uuid();
    let text = "Transaction was broadcast but not confirmed in time";
    let error = RelayError::new(StatusCode::GATEWAY_TIMEOUT, "SETTLEMENT_TIMEOUT", text);
    let error = error.retry(Some(60));
    match world.generation() {
        Generation::March => nested(&error, &request_id, requirements),
        Generation::Typed => Failure {
            status: StatusCode::CONFLICT,
            code: "SETTLEMENT_TIMEOUT",
            retryable: true,
            retry_after: Some(60),
            action: None,
        }
        .reply(text, &error, &request_id),
    }
}

/// Given up by the relay, or aborted by the chain.
pub(crate) fn failed(world: &mut World, reason: &str, requirements: &Value) -> Reply {
    if reason != "chain_abort" {
        return refused(world, Refusal::FailedAgain, requirements);
    }
    let request_id = world.ids.uuid();
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let error = RelayError::new(status, "SETTLEMENT_FAILED", "Transaction aborted on chain");
    match world.generation() {
        Generation::March => nested(&error, &request_id, requirements),
        Generation::Typed => Failure {
            status,
            code: "SETTLEMENT_FAILED",
            retryable: false,
            retry_after: None,
            action: None,
        }
        .reply("Payment transaction failed on chain.", &error, &request_id),
    }
}

/// 201: paid and stored.
pub(crate) fn delivered(world: &World, message: &Message, base_url: &str) -> Reply {
    let typed = world.generation() == Generation::Typed;
    let payment_id = message.payment_id.as_deref().filter(|_| typed);
    let body = json!({
        "success": true,
        "message": "Message sent successfully",
        "inbox": defined(json!({
            "messageId": message.id,
            "fromAddress": message.from.to_string(),
            "toBtcAddress": message.letter.to_btc,
            "sentAt": iso(message.sent_ms),
            "authenticated": false,
            "paymentStatus": typed.then_some("confirmed"),
            "paymentId": payment_id,
        })),
    });
    let proof = json!({
        "success": true,
        "payer": message.from.to_string(),
        "transaction": message.txid.to_string(),
        "network": world.options.network.caip2(),
    });
    let reply = Reply::new(StatusCode::CREATED, body).header("payment-response", in_header(&proof));
    let Some(payment_id) = payment_id else { return reply };
    reply
        .header("x-payment-status", "confirmed")
        .header("x-payment-id", payment_id)
        .header("x-payment-check-url", format!("{base_url}/relay-host/payment/{payment_id}"))
}

/// 202: accepted; the message waits for the confirmation.
pub(crate) fn staged(
    world: &World,
    payment: PaymentIndex,
    letter: &Letter,
    base_url: &str,
) -> Reply {
    let payment = world.relay.payment(payment);
    let check_url = format!("{base_url}/relay-host/payment/{}", payment.id);
    let body = json!({
        "success": true,
        "message":
            "Payment accepted. Inbox delivery is staged until the relay reports confirmed.",
        "inbox": {
            "fromAddress": payment.parcel.sender.to_string(),
            "toBtcAddress": letter.to_btc,
            "sentAt": iso(world.now_ms),
            "authenticated": false,
            "paymentStatus": "pending",
            "paymentId": payment.id,
        },
        "checkStatusUrl": check_url,
    });
    Reply::new(StatusCode::ACCEPTED, body)
        .header("x-payment-status", "pending")
        .header("x-payment-id", &payment.id)
        .header("x-payment-check-url", check_url)
}

/// 409: this transaction has bought a message before.
pub(crate) fn already_redeemed(message_id: &str) -> Reply {
    let body = json!({"error": "already_redeemed", "existingMessageId": message_id});
    Reply::new(StatusCode::CONFLICT, body)
}

/// 503 after the payment may have been settled.
pub(crate) fn store_unavailable() -> Reply {
    let body = json!({
        "error": "transient_d1_unavailable",
        "message": "Database temporarily unavailable. Retry the same payment.",
        "retry_after": 5,
    });
    Reply::new(StatusCode::SERVICE_UNAVAILABLE, body).retry_after(Some(5))
}

/// The form of March 2026: the relay's JSON as a string inside the 402.
fn nested(error: &RelayError, request_id: &str, requirements: &Value) -> Reply {
    let inner = error.envelope(request_id);
    let also = json!({
        "error": format!("Sponsor relay failed: {inner}"),
        "errorCode": "unexpected_settle_error",
    });
    payment_required(requirements, also)
}

fn typed(refusal: Refusal, error: &RelayError, request_id: &str, requirements: &Value) -> Reply {
    let again = |code, retry_after, action| Failure {
        status: StatusCode::CONFLICT,
        code,
        retryable: true,
        retry_after: Some(retry_after),
        action: Some(action),
    };
    let (failure, text) = match refusal {
        Refusal::Mismatch(_) | Refusal::InsufficientFunds => {
            return own_fault(refusal, requirements);
        }
        Refusal::NonceConflict(_) | Refusal::TooMuchChaining => {
            let after_secs = error.retry_after.unwrap_or(5);
            let text = "Nonce conflict: your wallet has a pending transaction.";
            (again("NONCE_CONFLICT", after_secs, "retry_same_payment"), text)
        }
        Refusal::SenderNonceStale { .. } => (
            again("SENDER_NONCE_STALE", 0, "refetch_nonce_and_resign"),
            "Payment rejected: your transaction nonce is stale (below current account nonce). \
             Re-sign your transaction with the current nonce and retry.",
        ),
        Refusal::SenderNonceGap { .. } => (
            again("SENDER_NONCE_GAP", 0, "increment_nonce_and_resign"),
            "Payment rejected: your transaction nonce is ahead of its turn.",
        ),
        Refusal::SenderNonceDuplicate { .. } => (
            again("SENDER_NONCE_DUPLICATE", 30, "wait_for_queued_tx"),
            "Payment rejected: a transaction with this nonce is already queued.",
        ),
        Refusal::Misread => return unread(error),
        Refusal::PoolFull
        | Refusal::RateLimited
        | Refusal::Unavailable
        | Refusal::FailedAgain
        | Refusal::Node(_) => {
            let failure = Failure {
                status: StatusCode::BAD_GATEWAY,
                code: "RELAY_ERROR",
                retryable: true,
                retry_after: Some(10),
                action: None,
            };
            (failure, "Relay service error. Try again in a moment.")
        }
    };
    failure.reply(text, error, request_id)
}

/// Accepted by the relay, in words that the inbox chokes on: it says nothing of that.
fn unread(error: &RelayError) -> Reply {
    let body = json!({
        "error": "Relay service error. Try again in a moment.",
        "code": "RELAY_ERROR",
        "retryable": true,
        "retryAfter": error.retry_after,
        "nextSteps": "Relay was slow — retry the request",
        "relayCode": error.code,
        "relayDetail": error.details,
    });
    Reply::new(StatusCode::BAD_GATEWAY, body).retry_after(error.retry_after)
}

/// 402 once more, which a client that pays at every 402 takes for a price.
fn own_fault(refusal: Refusal, requirements: &Value) -> Reply {
    let (code, text) = match refusal {
        Refusal::Mismatch(Mismatch::Recipient) => {
            ("recipient_mismatch", "Payment goes to another recipient.")
        }
        Refusal::Mismatch(Mismatch::Amount) => {
            ("amount_insufficient", "Payment is less than the price.")
        }
        _ => ("INSUFFICIENT_FUNDS", "Not enough sBTC to pay for this message."),
    };
    let also = json!({"error": text, "code": code, "retryable": false, "nextSteps": text});
    payment_required(requirements, also)
}

/// A typed failure: status, code, and what the client is advised to do.
struct Failure {
    status: StatusCode,
    code: &'static str,
    retryable: bool,
    retry_after: Option<u64>,
    action: Option<&'static str>,
}

impl Failure {
    fn next_steps<'a>(&self, otherwise: &'a str) -> &'a str {
        match self.action {
            Some("refetch_nonce_and_resign") => "Sign again with the account's present nonce.",
            _ => otherwise,
        }
    }

    fn reply(&self, text: &str, relay: &RelayError, request_id: &str) -> Reply {
        let body = defined(json!({
            "error": text,
            "code": self.code,
            "retryable": self.retryable,
            "retryAfter": self.retry_after,
            "nextSteps": self.next_steps(text),
            "relayCode": relay.code,
            "relayDetail": relay.details,
            "action": self.action,
            "diagnostics": {"relayCode": relay.code, "requestId": request_id},
            "docs": "https://github.com/aibtcdev/x402-sponsor-relay/tree/main/docs",
        }));
        Reply::new(self.status, body).retry_after(self.retry_after)
    }
}

/// Whether accepted payments are answered at once when they have not confirmed in time.
pub(crate) fn stages_late(world: &World) -> bool {
    world.options.relay == RelayVersion::Today || world.staged()
}
