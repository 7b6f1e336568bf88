//! What the relay says of itself. With `lying_health`, the default, that nothing is wrong:
//! neither version looks at what can get stuck.

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
};
use serde_json::{Map, Value, json};

use crate::{
    RelayVersion,
    model::{Heal, World, relay::IN_FLIGHT_MAX, script::Asked, wallet::Wallet},
};

use super::{
    Shared,
    inbox_reads::status_fields,
    relay_answers::RelayError,
    reply::{Reply, base_url, iso},
    scripted,
};

/// How long a conflict counts as recent.
const RECENT_MS: u64 = 600_000;

/// `GET /health`.
pub(crate) async fn health(State(shared): State<Shared>) -> Reply {
    let mut world = shared.world();
    let degraded = honest(&world) || world.faults.relay_cold;
    Reply::ok(json!({
        "success": true,
        "requestId": world.ids.uuid(),
        "status": if degraded { "degraded" } else { "ok" },
        "network": world.options.network.to_string(),
        "version": world.options.relay.number(),
    }))
}

/// Whether the relay is to tell what it cannot know.
fn honest(world: &World) -> bool {
    !world.faults.lying_health && world.stuck()
}

/// Whether the relay has seen a hole of late. One stuck nonce shows it none before somebody
/// repeats what waits behind it, and many show it none at all.
pub(crate) fn healing(world: &World) -> bool {
    let age_ms = world.relay.last_gap_ms.map(|at_ms| world.now_ms.saturating_sub(at_ms));
    age_ms.is_some_and(|age_ms| age_ms < RECENT_MS)
}

/// Why the relay would not sponsor, as far as it knows.
fn reasons(world: &World) -> Vec<&'static str> {
    if world.faults.relay_cold {
        vec!["NO_AVAILABLE_NONCES", "RECONCILIATION_STALE"]
    } else if healing(world) {
        vec!["RECENT_CONFLICT", "HEAL_IN_PROGRESS"]
    } else if honest(world) {
        vec!["RECENT_CONFLICT"]
    } else {
        Vec::new()
    }
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
    let reasons = reasons(&world);
    let well = reasons.is_empty();
    let cold = world.faults.relay_cold;
    let wallets = pool(&world);
    let capacity = IN_FLIGHT_MAX * wallets.len();
    let reserved: usize = wallets.iter().sum();
    let available = capacity.saturating_sub(reserved);
    let now = iso(world.now_ms);
    let conflict_ms = world.relay.last_conflict_ms.filter(|_| honest(&world));
    Reply::ok(json!({
        "success": true,
        "requestId": request_id,
        "status": if well { "healthy" } else { "degraded" },
        "canSponsor": well,
        "walletCount": wallets.len(),
        "recommendation": if well { Value::Null } else { json!("fallback_to_direct") },
        "reasons": reasons,
        "noncePool": {
            "totalAvailable": available,
            "totalReserved": reserved,
            "totalCapacity": capacity,
            "poolAvailabilityRatio": ratio(available, capacity),
            "conflictsDetected": if honest(&world) { world.relay.conflicts } else { 0 },
            "lastConflictAt": world.relay.last_gap_ms.or(conflict_ms).map(iso),
            "healInProgress": healing(&world),
        },
        "reconciliation": {
            "source": "hiro",
            "lastSuccessfulAt": if cold { Value::Null } else { json!(now) },
            "freshness": if cold { "unavailable" } else { "fresh" },
        },
        "snapshot": {"asOf": now, "ageMs": 0, "freshness": "fresh"},
    }))
}

/// `GET /nonce/stats`: conflicts are not gaps, so none are counted.
pub(crate) async fn nonce_stats(State(shared): State<Shared>) -> Reply {
    let mut world = shared.world();
    let request_id = world.ids.uuid();
    let mut stats = counted(&world);
    if let (RelayVersion::Today, Some(stats)) = (world.options.relay, stats.as_object_mut()) {
        stats.extend(counted_since(&world));
    }
    Reply::ok(json!({"success": true, "requestId": request_id, "stats": stats}))
}

/// What both relays count.
fn counted(world: &World) -> Value {
    let shown = pool_of(world);
    let free: Vec<usize> =
        pool(world).iter().map(|used| IN_FLIGHT_MAX.saturating_sub(*used)).collect();
    let wallets = shown.iter().zip(&free).enumerate().map(|(index, (wallet, free))| {
        json!({
            "walletIndex": index,
            "available": free,
            "reserved": 0,
            "spent": wallet.sent,
            "maxNonce": wallet.head + 19,
            "sponsorAddress": wallet.address.to_string(),
        })
    });
    let wallets: Vec<Value> = wallets.collect();
    let last = shown.iter().filter_map(|wallet| wallet.last_assigned);
    let last = last.max_by_key(|(_, at_ms)| *at_ms);
    json!({
        "totalAssigned": shown.iter().map(|wallet| wallet.assigned).sum::<u64>(),
        "conflictsDetected": if honest(world) { world.relay.conflicts } else { 0 },
        "lastAssignedNonce": last.map(|(nonce, _)| nonce),
        "lastAssignedAt": last.map(|(_, at_ms)| iso(at_ms)),
        "nextNonce": shown.first().map(|wallet| wallet.head),
        "txidCount": shown.iter().map(|wallet| wallet.sent).sum::<u64>(),
        "gapsRecovered": 0,
        "gapsFilled": 0,
        "lastHiroSync": null,
        "lastGapDetected": world.relay.last_gap_ms.map(iso),
        "poolAvailable": free.first().unwrap_or(&0),
        "poolReserved": 0,
        "chainingLimit": IN_FLIGHT_MAX,
        "wallets": wallets,
        "gapStatus": "no_gaps",
    })
}

/// What today's relay counts besides.
fn counted_since(world: &World) -> Map<String, Value> {
    let use_of = |(index, wallet): (usize, &&Wallet)| {
        json!({
            "walletIndex": index,
            "assigned_count": 0,
            "broadcasted_count": wallet.sent,
            "confirmed_count": 0,
            "failed_count": 0,
            "window_hours": 1,
            "chain_gap_headroom": IN_FLIGHT_MAX,
            "chain_frontier": world.chain.account(&wallet.address).nonce,
        })
    };
    let shown = pool_of(world);
    let uses: Vec<Value> = shown.iter().enumerate().map(use_of).collect();
    let times = (0..shown.len()).map(|index| (index.to_string(), no_times()));
    let mut more = Map::new();
    let mut add = |name: &str, value: Value| more.insert(name.to_owned(), value);
    add("stuckTxRbfBroadcast", json!(0));
    add("stuckTxRbfConfirmed", json!(0));
    add("walletUtilization", json!(uses));
    add("dynamicWalletCount", Value::Null);
    add("totalQueueDepth", json!(pool(world).iter().sum::<usize>()));
    add("totalReplayBufferDepth", json!(0));
    add("settlementTimes", no_times());
    add("walletSettlementTimes", Value::Object(times.collect()));
    more
}

/// The sandbox keeps no statistics of how long settling took.
pub(crate) fn no_times() -> Value {
    json!({"p50": 0, "p95": 0, "avg": 0, "count": 0})
}

/// `POST /sponsor`: for holders of an API key, and the sandbox has given out none.
pub(crate) async fn sponsor(State(shared): State<Shared>, headers: HeaderMap) -> Reply {
    let request_id = shared.world().ids.uuid();
    let status = StatusCode::UNAUTHORIZED;
    let (code, error) = match headers.contains_key(header::AUTHORIZATION) {
        true => ("INVALID_API_KEY", "API key not found"),
        false => ("MISSING_API_KEY", "API key required"),
    };
    RelayError::new(status, code, error).reply(&request_id)
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
    if world.options.relay == RelayVersion::March {
        return not_found("GET", &format!("/payment/{id}"), &request_id);
    }
    let mut body = status_fields(&world, &id, &base_url(&headers));
    let found = body["status"] != "not_found";
    // A payment that was not found is a success in this envelope.
    body["success"] = json!(true);
    body["requestId"] = json!(request_id);
    if let (false, Some(fields)) = (id.starts_with("pay_"), body.as_object_mut()) {
        fields.insert("error".into(), json!("Invalid payment ID format"));
        fields.remove("checkStatusUrl");
    }
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

pub(crate) fn not_found(method: &str, path: &str, request_id: &str) -> Reply {
    let error = RelayError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "Not found");
    error.details(format!("Route {method} {path} not found")).reply(request_id)
}

/// The wallets that the relay knows of itself: in March those that it has used.
pub(crate) fn pool_of(world: &World) -> Vec<&Wallet> {
    let march = world.options.relay == RelayVersion::March;
    let shown = |wallet: &&Wallet| !world.faults.relay_cold && (!march || wallet.assigned > 0);
    world.relay.wallets.iter().filter(shown).collect()
}

/// What each of them has in flight, as far as the indexer knows.
fn pool(world: &World) -> Vec<usize> {
    let in_flight = |wallet: &&Wallet| world.chain.nonces(&wallet.address).mempool.len();
    pool_of(world).iter().map(in_flight).collect()
}

fn ratio(part: usize, whole: usize) -> f64 {
    let (part, whole) = (u32::try_from(part), u32::try_from(whole));
    f64::from(part.unwrap_or(0)) / f64::from(whole.unwrap_or(0).max(1))
}
