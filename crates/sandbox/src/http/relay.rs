//! The relay's own doors: `POST /relay`, `/settle` and `/verify` (wire facts: relay API).

use axum::{body::Bytes, extract::State, http::StatusCode};
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{
        World,
        parcel::{Parcel, Unreadable},
        payment::{PaymentStatus, Stage},
        relay::{Door, PaymentIndex, Refusal, Terms},
    },
};

use super::{
    Shared,
    relay_answers::{RelayError, refusal, unreadable, x402_reason},
    reply::{Reply, defined, iso},
};

/// `POST /relay`: sponsor, broadcast, wait.
pub(crate) async fn relay(State(shared): State<Shared>, body: Bytes) -> Reply {
    let request_id = shared.world().ids.uuid();
    let asked = match read_relay(&body) {
        Ok(asked) => asked,
        Err(error) => return error.reply(&request_id),
    };
    let submitted = {
        let mut world = shared.world();
        submit(&mut world, &asked)
    };
    let (payment, parcel) = match submitted {
        Ok(submitted) => submitted,
        Err(error) => return error.reply(&request_id),
    };
    let wait_ms = shared.world().faults.settle_wait_ms.min(asked.wait_ms);
    let held = matches!(shared.world().relay.payment(payment).stage, Stage::Held { .. });
    if held {
        return held_reply(&shared.world(), payment, &request_id);
    }
    let status = shared.outcome(payment, wait_ms).await;
    settled_reply(&shared.world(), &parcel, &status, &request_id)
}

/// `POST /settle`: x402 v2; failures are HTTP 200 too.
pub(crate) async fn settle(State(shared): State<Shared>, body: Bytes) -> Reply {
    let network = shared.world().options.network;
    let failed = |reason: &str| {
        let network = network.caip2();
        json!({"success": false, "errorReason": reason, "transaction": "", "network": network})
    };
    let asked = match read_x402(&body) {
        Ok(asked) => asked,
        Err(reason) => return Reply::new(StatusCode::BAD_REQUEST, failed(reason)),
    };
    let Ok(parcel) = Parcel::read(&asked.transaction, network) else {
        return Reply::ok(failed("invalid_transaction_state"));
    };
    let submitted = shared.world().submit(&parcel, &Door::Http(asked.terms));
    let payment = match submitted {
        Ok(payment) => payment,
        Err(refusal) => return Reply::ok(failed(x402_reason(refusal))),
    };
    let wait_ms = {
        let world = shared.world();
        let waits = world.options.relay == RelayVersion::March;
        if waits { world.faults.settle_wait_ms } else { 0 }
    };
    match shared.outcome(payment, wait_ms).await {
        PaymentStatus::Failed { .. } => Reply::ok(failed("transaction_failed")),
        PaymentStatus::Queued { .. } => Reply::ok(failed("transaction_held")),
        PaymentStatus::Mempool { txid } | PaymentStatus::Confirmed { txid, .. } => {
            Reply::ok(json!({
                "success": true,
                "payer": parcel.sender.to_string(),
                "transaction": txid.to_string(),
                "network": network.caip2(),
            }))
        }
    }
}

/// `POST /verify`: looks at the transaction and at nothing else, so it says nothing about
/// whether the relay could send it.
pub(crate) async fn verify(State(shared): State<Shared>, body: Bytes) -> Reply {
    let invalid = |reason: &str| Reply::ok(json!({"isValid": false, "invalidReason": reason}));
    let asked = match read_x402(&body) {
        Ok(asked) => asked,
        Err(reason) => return invalid(reason),
    };
    let network = shared.world().options.network;
    let Ok(parcel) = Parcel::read(&asked.transaction, network) else {
        return invalid("invalid_transaction_state");
    };
    match asked.terms.check(&parcel) {
        Err(mismatch) => invalid(x402_reason(Refusal::Mismatch(mismatch))),
        Ok(()) => Reply::ok(json!({"isValid": true, "payer": parcel.sender.to_string()})),
    }
}

/// A request to `POST /relay`.
#[derive(Debug)]
struct Asked {
    transaction: String,
    terms: Terms,
    /// How long the caller is ready to wait for the confirmation.
    wait_ms: u64,
}

fn read_relay(body: &[u8]) -> Result<Asked, RelayError> {
    let bad = |code, error| RelayError::new(StatusCode::BAD_REQUEST, code, error);
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        RelayError::new(status, "INTERNAL_ERROR", "Internal server error")
            .details(error.to_string())
            .retry(Some(5))
    })?;
    let transaction = body["transaction"].as_str();
    let missing = || bad("MISSING_TRANSACTION", "Missing transaction field");
    let transaction = transaction.ok_or_else(missing)?.to_owned();
    let settle = &body["settle"];
    if !settle.is_object() {
        return Err(bad("MISSING_SETTLE_OPTIONS", "Missing settle options"));
    }
    let wrong = |error| bad("INVALID_SETTLE_OPTIONS", error);
    let recipient = settle["expectedRecipient"].as_str();
    let recipient = recipient.ok_or_else(|| wrong("Missing expected recipient"))?.to_owned();
    let amount_min = settle["minAmount"].as_str().and_then(|text| text.parse().ok());
    let amount_min = amount_min.ok_or_else(|| {
        wrong("Invalid minimum amount").details("settle.minAmount must be a numeric string")
    })?;
    if settle["tokenType"].as_str().unwrap_or("STX") != "sBTC" {
        return Err(bad("SETTLEMENT_VERIFICATION_FAILED", "Token type mismatch"));
    }
    let timeout_secs = settle["maxTimeoutSeconds"].as_u64().unwrap_or(180);
    let wait_ms = timeout_secs.saturating_mul(1_000).saturating_sub(5_000).max(1_000);
    Ok(Asked { transaction, terms: Terms { recipient, amount_min }, wait_ms })
}

fn submit(world: &mut World, asked: &Asked) -> Result<(PaymentIndex, Parcel), RelayError> {
    let version = world.options.relay;
    let read = Parcel::read(&asked.transaction, world.options.network);
    let parcel = read.map_err(|error: Unreadable| unreadable(&error))?;
    let (per_minute, now_ms) = (world.faults.relay_rate_limit, world.now_ms);
    if world.relay.posts.exceeded(parcel.sender, per_minute, now_ms) {
        let limited = refusal(Refusal::RateLimited, version);
        return Err(limited.details(format!("Maximum {per_minute} requests per minute")));
    }
    let submitted = world.submit(&parcel, &Door::Http(asked.terms.clone()));
    let payment = submitted.map_err(|error| refusal(error, version))?;
    Ok((payment, parcel))
}

/// A request to `/settle` or `/verify`.
struct AskedX402 {
    transaction: String,
    terms: Terms,
}

fn read_x402(body: &[u8]) -> Result<AskedX402, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "invalid_payload")?;
    let transaction = body["paymentPayload"]["payload"]["transaction"].as_str();
    let transaction = transaction.ok_or("invalid_payload")?.to_owned();
    let wanted = &body["paymentRequirements"];
    let recipient = wanted["payTo"].as_str().ok_or("invalid_payment_requirements")?.to_owned();
    let amount = wanted["amount"].as_str().and_then(|text| text.parse().ok());
    let amount_min = amount.ok_or("invalid_payment_requirements")?;
    if !wanted["asset"].as_str().is_some_and(|asset| asset.ends_with("sbtc-token")) {
        return Err("unrecognized_asset");
    }
    Ok(AskedX402 { transaction, terms: Terms { recipient, amount_min } })
}

fn settled_reply(
    world: &World,
    parcel: &Parcel,
    status: &PaymentStatus,
    request_id: &str,
) -> Reply {
    let (word, height) = match status {
        PaymentStatus::Failed { error, .. } => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let error = RelayError::new(status, "SETTLEMENT_FAILED", error);
            return error.reply(request_id);
        }
        PaymentStatus::Confirmed { height, .. } => ("confirmed", Some(height)),
        PaymentStatus::Mempool { .. } | PaymentStatus::Queued { .. } => ("pending", None),
    };
    let txid = status.txid().map(|txid| txid.to_string()).unwrap_or_default();
    let network = world.options.network;
    Reply::ok(json!({
        "success": true,
        "requestId": request_id,
        "txid": txid,
        "explorerUrl": format!("https://explorer.hiro.so/txid/0x{txid}?chain={network}"),
        "settlement": defined(json!({
            "success": true,
            "status": word,
            "sender": parcel.sender.to_string(),
            "recipient": parcel.recipient.to_string(),
            "amount": parcel.amount.to_string(),
            "blockHeight": height,
        })),
    }))
}

fn held_reply(world: &World, payment: PaymentIndex, request_id: &str) -> Reply {
    let parcel = &world.relay.payment(payment).parcel;
    let expected = world.chain.seems_free(&parcel.sender, 0);
    let missing: Vec<u64> = (expected..parcel.nonce).take(20).collect();
    let expires_ms = match world.relay.payment(payment).stage {
        Stage::Held { expires_ms } => expires_ms,
        _ => world.now_ms,
    };
    let body = json!({
        "success": true,
        "status": "held",
        "requestId": request_id,
        "queue": {
            "status": "held",
            "senderNonce": parcel.nonce,
            "nextExpectedNonce": expected,
            "missingNonces": missing,
            "handSize": 1,
            "estimatedDispatchMs": null,
            "expiresAt": iso(expires_ms),
            "help": "Submit transactions with the missing nonces to unblock dispatch",
        },
    });
    Reply::new(StatusCode::ACCEPTED, body).retry_after(Some(30))
}
