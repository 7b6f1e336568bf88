//! What the inbox tells without payment: messages, and how a payment stands.

use std::collections::HashMap;

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Map, Value, json};
use stacks::Address;

use crate::model::{World, inbox::Message, payment::PaymentStatus, script::Asked, segwit};

use super::{
    Shared,
    reply::{Reply, base_url, defined, integer, iso},
    scripted,
};

const LIMIT_DEFAULT: i64 = 20;
const LIMIT_MAX: i64 = 100;

/// Whose inbox is read.
struct Owner {
    btc_address: Option<String>,
    stx_address: String,
    display_name: Option<String>,
}

/// `GET /api/payment-status/{id}`. A poll that finds the payment confirmed delivers its message.
pub(crate) async fn payment_status(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Reply {
    let mut world = shared.world();
    if !id.starts_with("pay_") {
        let error = "Invalid paymentId — expected a relay payment identifier (pay_ prefix)";
        let body = json!({"error": error, "code": "INVALID_PAYMENT_ID"});
        return Reply::new(StatusCode::BAD_REQUEST, body);
    }
    if let Some(reply) = scripted::answer(&mut world, Asked::Poll, &Value::Null) {
        return reply;
    }
    if let Some(payment) = world.relay.by_id(&id) {
        world.deliver(payment);
    }
    let body = status_fields(&world, &id, &base_url(&headers));
    let found = body["status"] != "not_found";
    Reply::new(if found { StatusCode::OK } else { StatusCode::NOT_FOUND }, body)
}

/// How a payment stands, in the words of the relay (wire facts: pending and settlement polling).
pub(crate) fn status_fields(world: &World, id: &str, base_url: &str) -> Value {
    let check_url = format!("{base_url}/relay-host/payment/{id}");
    let Some(payment) = world.relay.by_id(id) else {
        return json!({
            "paymentId": id,
            "status": "not_found",
            "terminalReason": "unknown_payment_identity",
            "error": format!("Payment {id} not found or expired"),
            "retryable": false,
            "checkStatusUrl": check_url,
        });
    };
    let status = world.status(payment);
    let txid = status.txid().map(|txid| txid.to_string());
    let network = world.options.network;
    let explorer =
        txid.as_ref().map(|txid| format!("https://explorer.hiro.so/txid/0x{txid}?chain={network}"));
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("paymentId", json!(id));
    match &status {
        PaymentStatus::Queued { held, error } => {
            set("status", json!("queued"));
            set("relayState", json!(if *held { "held" } else { "queued" }));
            set("holdReason", json!(held.then_some("gap")));
            set("error", json!(error));
        }
        PaymentStatus::Mempool { .. } => {
            set("status", json!("mempool"));
        }
        PaymentStatus::Confirmed { height, at_ms, .. } => {
            set("status", json!("confirmed"));
            set("blockHeight", json!(height));
            set("confirmedAt", json!(iso(*at_ms)));
        }
        PaymentStatus::Failed { reason, error, .. } => {
            set("status", json!("failed"));
            set("terminalReason", json!(reason));
            set("error", json!(error));
            set("retryable", json!(*reason == "sponsor_failure"));
        }
    }
    set("txid", json!(txid));
    set("explorerUrl", json!(explorer));
    set("checkStatusUrl", json!(check_url));
    defined(Value::Object(fields))
}

/// `GET /api/inbox/{address}?view=received|sent&limit&offset`.
pub(crate) async fn inbox(
    State(shared): State<Shared>,
    Path(address): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Reply {
    let world = shared.world();
    let Some(owner) = owner(&world, &address) else { return unknown_agent(&address) };
    Reply::ok(json!({
        "agent": {
            "btcAddress": owner.btc_address,
            "stxAddress": owner.stx_address,
            "displayName": owner.display_name,
        },
        "inbox": view(&world, &owner.stx_address, &query),
        "howToSend": {
            "endpoint": format!("POST /api/inbox/{address}"),
            "price": "100 satoshis (sBTC)",
        },
    }))
}

fn view(world: &World, stx_address: &str, query: &HashMap<String, String>) -> Value {
    let wants_sent = query.get("view").is_some_and(|view| view == "sent");
    let sent = world.inbox.messages(|message| message.from.to_string() == stx_address);
    let received = world.inbox.messages(|message| message.letter.to_stx == stx_address);
    let all = if wants_sent { &sent } else { &received };

    let limit = integer(query.get("limit")).unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let offset = integer(query.get("offset")).unwrap_or(0).max(0);
    let page = all.iter().skip(to_usize(offset)).take(to_usize(limit));
    let messages: Vec<Value> = page.map(|message| listed(world, message, wants_sent)).collect();
    let has_more = to_usize(offset) + messages.len() < all.len();
    json!({
        "messages": messages,
        "replies": {},
        "unreadCount": received.len(),
        "totalCount": received.len() + sent.len(),
        "receivedCount": received.len(),
        "sentCount": sent.len(),
        "economics": {
            "satsReceived": sats(&received),
            "satsSent": sats(&sent),
            "satsNet": i128::from(sats(&received)) - i128::from(sats(&sent)),
        },
        "view": if wants_sent { "sent" } else { "received" },
        "status": "all",
        "pagination": {
            "limit": limit,
            "offset": offset,
            "hasMore": has_more,
            "nextOffset": has_more.then_some(offset + limit),
        },
    })
}

fn sats(messages: &[&Message]) -> u64 {
    let sats = messages.iter().map(|message| message.sats).sum::<u128>();
    u64::try_from(sats).unwrap_or(u64::MAX)
}

/// The route's answer for an address that nobody registered.
pub(crate) fn unknown_agent(address: &str) -> Reply {
    let hint = "Check the agent directory at https://aibtc.com/agents";
    let body = json!({"error": "Agent not found", "address": address, "hint": hint});
    Reply::new(StatusCode::NOT_FOUND, body)
}

/// A registered agent; or any valid Stacks address, since the payer's own account is nowhere
/// registered here and its sent list has to be readable.
fn owner(world: &World, address: &str) -> Option<Owner> {
    if let Some(agent) = world.directory.find(address) {
        return Some(Owner {
            btc_address: agent.btc_address.clone(),
            stx_address: agent.stx_address.clone().unwrap_or_default(),
            display_name: Some(agent.display_name.clone()),
        });
    }
    let parsed: Address = address.parse().ok()?;
    Some(Owner {
        btc_address: Some(segwit(parsed.hash160())),
        stx_address: parsed.to_string(),
        display_name: None,
    })
}

fn listed(world: &World, message: &Message, sent: bool) -> Value {
    let agent = world.directory.find(&message.letter.to_stx);
    let peer = sent.then_some(&message.letter.to_btc);
    defined(json!({
        "messageId": message.id,
        "fromAddress": message.from.to_string(),
        "toBtcAddress": message.letter.to_btc,
        "toStxAddress": message.letter.to_stx,
        "content": message.letter.content,
        "paymentTxid": message.txid.to_string(),
        "paymentSatoshis": u64::try_from(message.sats).unwrap_or(u64::MAX),
        "sentAt": iso(message.sent_ms),
        "authenticated": false,
        "paymentStatus": "confirmed",
        "paymentId": message.payment_id,
        "direction": if sent { "sent" } else { "received" },
        "peerBtcAddress": peer,
        "peerDisplayName": agent.filter(|_| sent).map(|agent| agent.display_name.clone()),
    }))
}

fn to_usize(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
