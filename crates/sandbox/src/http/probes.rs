//! What the relay says of itself. With `lying_health`, the default, that nothing is wrong:
//! neither version looks at what can get stuck.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
};
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{Heal, World, relay::IN_FLIGHT_MAX, script::Asked},
};

use super::{
    Shared,
    inbox_reads::status_fields,
    relay_answers::RelayError,
    reply::{Reply, base_url, iso},
    scripted,
};

/// `GET /health`.
pub(crate) async fn health(State(shared): State<Shared>) -> Reply {
    let mut world = shared.world();
    let honest = !world.faults.lying_health && world.stuck();
    Reply::ok(json!({
        "success": true,
        "requestId": world.ids.uuid(),
        "status": if honest { "degraded" } else { "ok" },
        "network": world.options.network.to_string(),
        "version": world.options.relay.number(),
    }))
}

/// `GET /supported`: static.
pub(crate) async fn supported(State(shared): State<Shared>) -> Reply {
    let network = shared.world().options.network.caip2();
    Reply::ok(json!({
        "kinds": [{"x402Version": 2, "scheme": "exact", "network": network}],
        "extensions": ["payment-identifier"],
        "signers": {"stacks:*": []},
    }))
}

/// `GET /status/sponsor`; the relay of March has no such route.
pub(crate) async fn status_sponsor(State(shared): State<Shared>) -> Reply {
    let mut world = shared.world();
    let request_id = world.ids.uuid();
    if world.options.relay == RelayVersion::March {
        return not_found("GET", "/status/sponsor", &request_id);
    }
    let honest = !world.faults.lying_health && world.stuck();
    let wallets = pool(&world);
    let capacity = IN_FLIGHT_MAX * wallets.len();
    let reserved: usize = wallets.iter().sum();
    let available = capacity.saturating_sub(reserved);
    let now = iso(world.now_ms);
    Reply::ok(json!({
        "success": true,
        "requestId": request_id,
        "status": if honest { "degraded" } else { "healthy" },
        "canSponsor": !honest,
        "walletCount": wallets.len(),
        "recommendation": null,
        "reasons": if honest { json!(["RECENT_CONFLICT"]) } else { json!([]) },
        "noncePool": {
            "totalAvailable": available,
            "totalReserved": reserved,
            "totalCapacity": capacity,
            "poolAvailabilityRatio": ratio(available, capacity),
            "conflictsDetected": if honest { world.relay.conflicts } else { 0 },
            "lastConflictAt": world.relay.last_conflict_ms.filter(|_| honest).map(iso),
            "healInProgress": false,
        },
        "reconciliation": {"source": "hiro", "lastSuccessfulAt": now, "freshness": "fresh"},
        "snapshot": {"asOf": now, "ageMs": 0, "freshness": "fresh"},
    }))
}

/// `GET /nonce/stats`: conflicts are not gaps, so none are counted.
pub(crate) async fn nonce_stats(State(shared): State<Shared>) -> Reply {
    let mut world = shared.world();
    let request_id = world.ids.uuid();
    let honest = !world.faults.lying_health && world.stuck();
    let pool = pool(&world);
    let wallets = world.relay.wallets.iter().enumerate().map(|(index, wallet)| {
        json!({
            "walletIndex": index,
            "available": IN_FLIGHT_MAX.saturating_sub(pool[index]),
            "reserved": 0,
            "spent": wallet.sent,
            "maxNonce": wallet.head + 19,
            "sponsorAddress": wallet.address.to_string(),
        })
    });
    let wallets: Vec<Value> = wallets.collect();
    let last = world.relay.wallets.iter().filter_map(|wallet| wallet.last_assigned);
    let last = last.max_by_key(|(_, at_ms)| *at_ms);
    Reply::ok(json!({
        "success": true,
        "requestId": request_id,
        "stats": {
            "totalAssigned": world.relay.wallets.iter().map(|wallet| wallet.assigned).sum::<u64>(),
            "conflictsDetected": if honest { world.relay.conflicts } else { 0 },
            "lastAssignedNonce": last.map(|(nonce, _)| nonce),
            "lastAssignedAt": last.map(|(_, at_ms)| iso(at_ms)),
            "nextNonce": world.relay.wallets.first().map(|wallet| wallet.head),
            "txidCount": world.relay.wallets.iter().map(|wallet| wallet.sent).sum::<u64>(),
            "gapsRecovered": 0,
            "gapsFilled": 0,
            "lastHiroSync": null,
            "lastGapDetected": null,
            "poolAvailable": pool.first().map(|reserved| IN_FLIGHT_MAX.saturating_sub(*reserved)),
            "poolReserved": 0,
            "chainingLimit": IN_FLIGHT_MAX,
            "wallets": wallets,
            "gapStatus": "no_gaps",
        },
    }))
}

/// `POST /nonce/reset`, the operator's way out. `resync` believes the indexer, which does not
/// see what is stuck, so it helps only after the nonce came free; the others free it.
pub(crate) async fn nonce_reset(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let mut world = shared.world();
    let request_id = world.ids.uuid();
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !key.is_some_and(|key| key.starts_with("Bearer x402_sk_")) {
        let status = StatusCode::UNAUTHORIZED;
        return RelayError::new(status, "MISSING_API_KEY", "API key required").reply(&request_id);
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    match asked["action"].as_str() {
        Some("resync" | "clear-conflicts") => world.resync(),
        Some("reset" | "clear-pools" | "flush-wallet") => world.heal(Heal::Confirm, true),
        _ => {
            let status = StatusCode::BAD_REQUEST;
            let error = RelayError::new(status, "NONCE_RESET_FAILED", "Unknown action");
            return error.reply(&request_id);
        }
    }
    let action = &asked["action"];
    Reply::ok(json!({"success": true, "requestId": request_id, "action": action, "result": {}}))
}

/// `GET /payment/{id}`: the relay's own view. Reading it delivers no message.
pub(crate) async fn payment(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Reply {
    let mut world = shared.world();
    if let Some(reply) = scripted::answer(&mut world, Asked::Relay, &Value::Null) {
        return reply;
    }
    let request_id = world.ids.uuid();
    let mut body = status_fields(&world, &id, &base_url(&headers));
    let found = body["status"] != "not_found";
    // A payment that was not found is a success in this envelope.
    body["success"] = json!(true);
    body["requestId"] = json!(request_id);
    if let Some(payment) = world.relay.by_id(&id) {
        let payment = world.relay.payment(payment);
        body["senderAddress"] = json!(payment.parcel.sender.to_string());
        body["senderNonce"] = json!(payment.parcel.nonce);
        body["submittedAt"] = json!(iso(payment.submitted_ms));
    }
    let status = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Reply::new(status, body)
}

/// Any other route of the relay.
pub(crate) async fn no_route(State(shared): State<Shared>, method: Method, uri: Uri) -> Reply {
    let request_id = shared.world().ids.uuid();
    not_found(method.as_str(), uri.path(), &request_id)
}

fn not_found(method: &str, path: &str, request_id: &str) -> Reply {
    let error = RelayError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Not found");
    error.details(format!("Route {method} {path} not found")).reply(request_id)
}

/// What each wallet has in flight, as far as the indexer knows.
fn pool(world: &World) -> Vec<usize> {
    let in_flight = |address| world.chain.nonces(address).mempool.len();
    world.relay.wallets.iter().map(|wallet| in_flight(&wallet.address)).collect()
}

fn ratio(part: usize, whole: usize) -> f64 {
    let (part, whole) = (u32::try_from(part), u32::try_from(whole));
    f64::from(part.unwrap_or(0)) / f64::from(whole.unwrap_or(0).max(1))
}
