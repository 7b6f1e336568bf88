//! `POST /api/inbox/{address}`: unpaid, it says what it costs; paid, it goes to the relay and is
//! answered by what becomes of the payment (wire facts: inbox route).

use axum::{
    body::Bytes,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::model::{
    World,
    directory::Agent,
    faults::{Generation, take},
    inbox::{Delivery, Letter},
    parcel::{Parcel, Unreadable},
    payment::PaymentStatus,
    relay::{PaymentIndex, Refusal},
    script::Asked,
};

use super::{
    Shared,
    connection::Connection,
    inbox_answers as answers,
    inbox_reads::unknown_agent,
    letter,
    redeem::redeem,
    reply::{Reply, base_url},
    scripted,
};

/// A post with everything that its answer is made of.
pub(super) struct Post {
    agent: Agent,
    letter: Letter,
    /// `paymentTxid`, whatever it is; null without.
    txid: Value,
    pub(super) requirements: Value,
    base_url: String,
}

/// What the sandbox was told to do to a payment that was accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Plain,
    Drop,
    Unavailable,
    AlreadyRedeemed,
}

pub(crate) async fn post(
    State(shared): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(address): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let signature = ["payment-signature", "x-payment-signature"];
    let signature = signature.iter().find_map(|name| headers.get(*name));
    let post = match read(&shared.world(), &address, &headers, &body) {
        Ok(post) => post,
        Err(reply) => return reply,
    };
    let Some(signature) = signature else { return without_payment(&mut shared.world(), post) };
    if !post.txid.is_null() {
        let error = json!({"error": "Send either payment-signature or paymentTxid, not both"});
        return Reply::new(StatusCode::BAD_REQUEST, error);
    }
    shared.world().begin_paid_post();
    let _in_flight = InFlight(&shared);
    paid(&shared, &connection, &post, signature.as_bytes()).await
}

/// Counts the post as ended however its handler ends, a hung-up client included.
struct InFlight<'a>(&'a Shared);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.world().end_paid_post();
    }
}

/// The checks before payment, in the route's order.
fn read(world: &World, address: &str, headers: &HeaderMap, body: &[u8]) -> Result<Post, Reply> {
    let found = world.directory.find(address);
    // The inbox of March knows agents by their Bitcoin address only.
    let march = world.generation() == Generation::March;
    let found = found.filter(|agent| !march || agent.btc_address.as_deref() == Some(address));
    let agent = found.ok_or_else(|| unknown_agent(address))?;
    let Some(stx_address) = &agent.stx_address else {
        let body = json!({"error": "Recipient has no registered Stacks address"});
        return Err(Reply::new(StatusCode::BAD_REQUEST, body));
    };
    let body = letter::parse(body)?;
    let letter = letter::read(&body, agent, stx_address, world.generation())?;
    let base_url = base_url(headers);
    let requirements = answers::requirements(world, agent, &base_url);
    let txid = body["paymentTxid"].clone();
    Ok(Post { agent: agent.clone(), letter, txid, requirements, base_url })
}

fn without_payment(world: &mut World, post: Post) -> Reply {
    if !post.txid.is_null() {
        world.note_redeem_post();
        let Post { txid, letter, requirements, .. } = post;
        return scripted::redeemed(world, &requirements, |world| redeem(world, &txid, letter));
    }
    world.note_unpaid_post();
    if let Some(reply) = scripted::answer(world, Asked::Unpaid, &post.requirements) {
        return reply;
    }
    match take(&mut world.faults.inbox_unpaid_500) {
        true => internal_error(),
        false => answers::payment_required(&post.requirements, json!({})),
    }
}

async fn paid(shared: &Shared, connection: &Connection, post: &Post, signature: &[u8]) -> Reply {
    if let Some(reply) = scripted::paid(shared, connection, post, signature).await {
        return reply;
    }
    let accepted = accept(&mut shared.world(), post, signature);
    let (reply, stall_ms) = match accepted {
        Err(reply) => (*reply, shared.world().faults.inbox_stall_ms),
        Ok((payment, ending)) => {
            let reply = settle(shared, connection, post, payment, ending).await;
            (reply, shared.world().faults.inbox_stall_ms)
        }
    };
    if stall_ms > 0 {
        shared.pause(stall_ms).await;
    }
    reply
}

/// Takes the payment to the relay, unless something forbids.
pub(super) fn accept(
    world: &mut World,
    post: &Post,
    signature: &[u8],
) -> Result<(PaymentIndex, Ending), Box<Reply>> {
    if take(&mut world.faults.inbox_429) || world.header_exceeded(signature) {
        let body = json!({"error": "Too many requests", "retryAfter": 60, "hint": "Slow down."});
        let reply = Reply::new(StatusCode::TOO_MANY_REQUESTS, body);
        return Err(Box::new(reply.retry_after(Some(60))));
    }
    if take(&mut world.faults.inbox_500) {
        return Err(Box::new(internal_error()));
    }
    let transaction = transaction(world, post, signature)?;
    if take(&mut world.faults.insufficient_funds) {
        let refused = answers::refused(world, Refusal::InsufficientFunds, &post.requirements);
        return Err(Box::new(refused));
    }
    let read = Parcel::read(&transaction, world.options.network);
    let parcel = read.map_err(|error| Box::new(unreadable(&error, &post.requirements)))?;
    world.note_parcel(&parcel);
    let terms = world.terms(post.agent.stx_address.as_deref().unwrap_or_default());
    let payment = world
        .post(&parcel, post.letter.clone(), terms)
        .map_err(|refusal| Box::new(answers::refused(world, refusal, &post.requirements)))?;
    let faults = &mut world.faults;
    let ending = if take(&mut faults.inbox_drop_after_settle) {
        Ending::Drop
    } else if take(&mut faults.inbox_503_after_settle) {
        Ending::Unavailable
    } else if take(&mut faults.inbox_already_redeemed) {
        Ending::AlreadyRedeemed
    } else {
        Ending::Plain
    };
    Ok((payment, ending))
}

/// Counts the bytes of a post that goes no further.
pub(super) fn note(world: &mut World, post: &Post, signature: &[u8]) {
    let transaction = transaction(world, post, signature).ok();
    let network = world.options.network;
    if let Some(parcel) = transaction.and_then(|text| Parcel::read(&text, network).ok()) {
        world.note_parcel(&parcel);
    }
}

/// Waits as long as this inbox waits, and answers by what it sees then.
async fn settle(
    shared: &Shared,
    connection: &Connection,
    post: &Post,
    payment: PaymentIndex,
    ending: Ending,
) -> Reply {
    let wait_ms = {
        let world = shared.world();
        // An ending that is to come after the settlement waits for it in either mode.
        let at_once = ending == Ending::Plain && world.staged();
        if at_once { 0 } else { world.faults.settle_wait_ms }
    };
    let status = shared.outcome(payment, wait_ms).await;
    let mut world = shared.world();
    match ending {
        Ending::Unavailable => return answers::store_unavailable(),
        Ending::Drop => connection.cut(),
        Ending::Plain | Ending::AlreadyRedeemed => (),
    }
    match world.deliver(payment) {
        Some(Delivery::Already(id)) => return answers::already_redeemed(&id),
        Some(Delivery::Stored(message)) if ending == Ending::AlreadyRedeemed => {
            return answers::already_redeemed(&message.id);
        }
        Some(Delivery::Stored(message)) => {
            return answers::delivered(&world, &message, &post.base_url);
        }
        None => (),
    }
    match status {
        PaymentStatus::Failed { reason, .. } => {
            answers::failed(&mut world, reason, &post.requirements)
        }
        _ if answers::stages_late(&world) => {
            answers::staged(&world, payment, &post.letter, &post.base_url)
        }
        _ => answers::timed_out(&mut world, &post.requirements),
    }
}

/// The transaction hex of a payment header: base64 of JSON, or plain JSON.
fn transaction(world: &World, post: &Post, signature: &[u8]) -> Result<String, Box<Reply>> {
    let bad = |body| Box::new(Reply::new(StatusCode::BAD_REQUEST, body));
    let decoded = BASE64_STANDARD.decode(signature).ok();
    let payload = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let payload: Option<Value> = payload.or_else(|| serde_json::from_slice(signature).ok());
    let payload = payload.ok_or_else(|| {
        bad(json!({
            "error": "Invalid payment-signature header (expected base64-encoded JSON)"
        }))
    })?;
    let transaction = payload["payload"]["transaction"].as_str().ok_or_else(|| {
        let (expected, path) = match payload["payload"].is_object() {
            true => ("string", json!(["payload", "transaction"])),
            false => ("object", json!(["payload"])),
        };
        let message = format!("Invalid input: expected {expected}, received undefined");
        let issue =
            json!({"expected": expected, "code": "invalid_type", "path": path, "message": message});
        bad(json!({"error": "invalid_payment_payload", "issues": [issue]}))
    })?;
    let asset = stacks::sbtc_contract(world.options.network).to_string();
    if payload["accepted"]["asset"] != json!(asset) {
        let also = json!({
            "error": "Payment asset is not accepted.",
            "code": "invalid_payload",
            "errorCode": "invalid_payload",
            "retryable": false,
        });
        return Err(Box::new(answers::payment_required(&post.requirements, also)));
    }
    Ok(transaction.to_owned())
}

fn unreadable(unreadable: &Unreadable, requirements: &Value) -> Reply {
    match unreadable {
        Unreadable::Malformed(_) | Unreadable::Invalid => {
            let body = json!({
                "error": "Invalid payment transaction format",
                "code": "INVALID_TRANSACTION_FORMAT",
                "retryable": false,
                "details": "The transaction field does not hold a serialized Stacks transaction",
                "hint": "Put base64 of JSON with the transaction's hex into payment-signature",
                "documentation": "https://aibtc.com/docs/messaging.txt",
            });
            Reply::new(StatusCode::BAD_REQUEST, body)
        }
        Unreadable::NotSponsored | Unreadable::BadSignature(_) | Unreadable::NotATransfer => {
            let also = json!({
                "error": "Payment could not be processed. Please try again.",
                "code": "unexpected_settle_error",
                "retryable": false,
                "nextSteps": "Check the payment and your sBTC balance.",
            });
            answers::payment_required(requirements, also)
        }
    }
}

fn internal_error() -> Reply {
    let body = json!({"error": "Internal server error processing inbox message"});
    Reply::new(StatusCode::INTERNAL_SERVER_ERROR, body)
}
