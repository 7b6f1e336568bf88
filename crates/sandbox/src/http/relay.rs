//! The relay's own door, `POST /relay`, and the receipts that it hands out (wire facts: relay API).

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{
        World,
        memory::{RECEIPT_MS, Said},
        parcel::{Parcel, Unreadable},
        payment::PaymentStatus,
        relay::{Door, Mismatch, PaymentIndex, Refusal, Terms},
    },
};

use super::{
    Shared, held,
    relay_answers::{RelayError, refusal, unreadable},
    reply::{Reply, defined, iso},
};

/// How many posts that are no transaction an address may make in ten minutes, less one.
const MALFORMED_MAX: usize = 3;
const MALFORMED_WITHIN_MS: u64 = 600_000;

/// `POST /relay`: sponsor, broadcast, wait.
pub(crate) async fn relay(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Reply {
    let request_id = shared.world().ids.uuid();
    let asked = match read_relay(&body) {
        Ok(asked) => asked,
        Err(error) => return error.reply(&request_id),
    };
    let submitted = submit(&mut shared.world(), &asked, &headers);
    let payment = match submitted {
        Ok(payment) => payment,
        Err(error) => return error.reply(&request_id),
    };
    if let Some(reply) = held_reply(&mut shared.world(), payment, &request_id) {
        return reply;
    }
    let said = shared.world().said(payment);
    if let Some(said) = said {
        return settled_reply(&shared.world(), payment, &said, &request_id);
    }
    let wait_ms = shared.world().faults.settle_wait_ms.min(asked.wait_ms);
    let status = shared.outcome(payment, wait_ms).await;
    let mut world = shared.world();
    let said = world.say(payment, true);
    match status {
        PaymentStatus::Failed { reason, .. } => failed(reason).reply(&request_id),
        _ => settled_reply(&world, payment, &said, &request_id),
    }
}

/// `GET /verify/{receiptId}`: what the payment was told as, not how it stands.
pub(crate) async fn receipt(State(shared): State<Shared>, Path(id): Path<String>) -> Reply {
    let mut world = shared.world();
    let request_id = world.ids.uuid();
    let Some(receipt) = world.relay.memory.receipt(&id, world.now_ms).cloned() else {
        let error = "Receipt not found or expired";
        return RelayError::new(StatusCode::NOT_FOUND, "NOT_FOUND", error).reply(&request_id);
    };
    let parcel = &world.relay.payment(receipt.payment).parcel;
    let txid = world.tx_of(receipt.payment).map(|tx| tx.txid.to_string()).unwrap_or_default();
    Reply::ok(json!({
        "success": true,
        "requestId": request_id,
        "receipt": {
            "receiptId": id,
            "status": "valid",
            "createdAt": iso(receipt.created_ms),
            "expiresAt": iso(receipt.created_ms.saturating_add(RECEIPT_MS)),
            "senderAddress": parcel.sender.to_string(),
            "txid": txid,
            "explorerUrl": explorer_url(&world, &txid),
            "settlement": {
                "success": true,
                "status": if receipt.confirmed { "confirmed" } else { "pending" },
                "recipient": parcel.recipient.to_string(),
                "amount": parcel.amount.to_string(),
            },
            "accessCount": 0,
        },
    }))
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
    let token = settle["tokenType"].as_str().unwrap_or("STX");
    if token != "sBTC" {
        let details = format!("Transaction uses sBTC, but settle.tokenType is {token}");
        return Err(verification("Token type mismatch", details));
    }
    let timeout_secs = settle["maxTimeoutSeconds"].as_u64().unwrap_or(180);
    let wait_ms = timeout_secs.saturating_mul(1_000).saturating_sub(5_000).max(1_000);
    Ok(Asked { transaction, terms: Terms { recipient, amount_min }, wait_ms })
}

fn submit(
    world: &mut World,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<PaymentIndex, RelayError> {
    let version = world.options.relay;
    let read = Parcel::read(&asked.transaction, world.options.network);
    let parcel = read.map_err(|error| no_payment(world, &error, headers))?;
    let (per_minute, now_ms) = (world.faults.relay_rate_limit, world.now_ms);
    if world.relay.posts.exceeded(parcel.sender, per_minute, now_ms) {
        let limited = refusal(Refusal::RateLimited, version);
        return Err(limited.details(format!("Maximum {per_minute} requests per minute")));
    }
    let submitted = world.submit(&parcel, &Door::Http(asked.terms.clone()));
    submitted.map_err(|error| match error {
        Refusal::Mismatch(mismatch) => mismatched(mismatch, &parcel, &asked.terms),
        error => refusal(error, version),
    })
}

/// What is no payment; for today's relay, too much of it from one address is an abuse.
fn no_payment(world: &mut World, error: &Unreadable, headers: &HeaderMap) -> RelayError {
    let version = world.options.relay;
    let malformed = matches!(error, Unreadable::Malformed(_));
    if malformed && version == RelayVersion::Today {
        let from = headers.get("x-forwarded-for").and_then(|from| from.to_str().ok());
        let from = from.unwrap_or("unknown").to_owned();
        let now_ms = world.now_ms;
        if world.relay.malformed.count(from, MALFORMED_WITHIN_MS, now_ms) >= MALFORMED_MAX {
            let error = "Too many malformed transaction payloads — try again later";
            let status = StatusCode::TOO_MANY_REQUESTS;
            return RelayError::new(status, "RATE_LIMIT_EXCEEDED", error)
                .details("Submitted 3+ malformed payloads within 10 minutes")
                .retry(Some(600));
        }
    }
    unreadable(error, version)
}

fn mismatched(mismatch: Mismatch, parcel: &Parcel, terms: &Terms) -> RelayError {
    match mismatch {
        Mismatch::Recipient => {
            let (to, expected) = (&parcel.recipient, &terms.recipient);
            let details = format!("Transaction sends to {to}, expected {expected}");
            verification("Recipient mismatch", details)
        }
        Mismatch::Amount => {
            let (amount, least) = (parcel.amount, terms.amount_min);
            let details =
                format!("Transaction amount {amount} is less than required minimum {least}");
            verification("Insufficient payment amount", details)
        }
    }
}

fn verification(error: &'static str, details: String) -> RelayError {
    let code = "SETTLEMENT_VERIFICATION_FAILED";
    RelayError::new(StatusCode::BAD_REQUEST, code, error).details(details)
}

/// What the chain made nothing of.
fn failed(reason: &str) -> RelayError {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let error = RelayError::new(status, "SETTLEMENT_FAILED", "Transaction failed on-chain");
    match reason {
        "chain_abort" => error.details("tx_status: abort_by_post_condition"),
        reason => error.details(reason),
    }
}

fn settled_reply(world: &World, payment: PaymentIndex, said: &Said, request_id: &str) -> Reply {
    let parcel = &world.relay.payment(payment).parcel;
    let txid = world.status(payment).txid().map(|txid| txid.to_string()).unwrap_or_default();
    // The answer kept by /settle has neither receipt nor transaction.
    let sponsored = said.receipt.as_ref().and_then(|_| world.sponsored_hex(payment));
    Reply::ok(defined(json!({
        "success": true,
        "requestId": request_id,
        "txid": txid,
        "explorerUrl": explorer_url(world, &txid),
        "settlement": defined(json!({
            "success": true,
            "status": if said.height.is_some() { "confirmed" } else { "pending" },
            "sender": parcel.sender.to_string(),
            "recipient": parcel.recipient.to_string(),
            "amount": parcel.amount.to_string(),
            "blockHeight": said.height,
        })),
        "sponsoredTx": sponsored,
        "receiptId": said.receipt,
    })))
}

fn explorer_url(world: &World, txid: &str) -> String {
    format!("https://explorer.hiro.so/txid/0x{txid}?chain={}", world.options.network)
}

/// 202, for what was put aside.
fn held_reply(world: &mut World, payment: PaymentIndex, request_id: &str) -> Option<Reply> {
    let (queue, after_secs) = held::queue(world, payment)?;
    let body = json!({"success": true, "status": "held", "requestId": request_id, "queue": queue});
    Some(Reply::new(StatusCode::ACCEPTED, body).retry_after(Some(after_secs)))
}
