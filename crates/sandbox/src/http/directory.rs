use std::collections::HashMap;

use axum::{
    extract::{Query, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use crate::{
    RelayVersion,
    model::{directory::Agent, faults::take},
};

use super::{
    Shared,
    reply::{Reply, integer, iso},
};

const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 100;

/// `GET /api/agents` (wire facts: directory).
pub(crate) async fn agents(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
) -> Reply {
    let mut world = shared.world();
    world.note_directory_get();
    if take(&mut world.faults.directory_500) {
        let error = json!({"error": "Failed to fetch agents: internal error"});
        return Reply::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    }
    if take(&mut world.faults.directory_429) {
        let error = json!({"error": "Too many requests"});
        return Reply::new(StatusCode::TOO_MANY_REQUESTS, error).retry_after(Some(60));
    }
    if query.get("docs").is_some_and(|docs| docs == "1") {
        return Reply::ok(json!({"endpoint": "/api/agents", "method": "GET"}))
            .header("cache-control", "public, max-age=3600, s-maxage=86400");
    }
    let limit = integer(query.get("limit")).filter(|limit| *limit != 0).unwrap_or(LIMIT_DEFAULT);
    let limit = limit.min(LIMIT_MAX);
    let offset = integer(query.get("offset")).unwrap_or(0).max(0);
    let (stale_ms, now_ms) = (world.faults.directory_stale_ms, world.now_ms);
    let listed = world.directory.listed(stale_ms, now_ms);
    let total = i64::try_from(listed.len()).unwrap_or(i64::MAX);
    let march = world.options.relay == RelayVersion::March;
    let page = page(&listed, offset, limit).iter().map(|agent| row(agent, march));
    Reply::ok(json!({
        "agents": page.collect::<Vec<_>>(),
        "pagination": {
            "total": total,
            "limit": limit,
            "offset": offset,
            "hasMore": offset.saturating_add(limit) < total,
        },
    }))
    .header("cache-control", "public, max-age=30, s-maxage=120")
}

/// `slice(offset, offset + limit)`: a negative end counts from the end of the list.
fn page(listed: &[Agent], offset: i64, limit: i64) -> &[Agent] {
    let total = i64::try_from(listed.len()).unwrap_or(i64::MAX);
    let end = offset.saturating_add(limit);
    let end = if end < 0 { total + end } else { end.min(total) };
    let bounds = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
    bounds.and_then(|(start, end)| listed.get(start..end)).unwrap_or_default()
}

fn row(agent: &Agent, march: bool) -> Value {
    let mut row = json!({
        "btcPublicKey": null,
        "displayName": agent.display_name,
        "description": null,
        "bnsName": null,
        "owner": null,
        "verifiedAt": iso(agent.verified_ms),
        "lastActiveAt": null,
        "erc8004AgentId": null,
        "nostrPublicKey": null,
        "referredBy": null,
        "taprootAddress": null,
        "stxPublicKey": agent.public_key,
        "level": agent.level,
        "levelName": if agent.level == 2 { "Genesis" } else { "Verified Agent" },
    });
    // An address that a registration lacks is left out, not null.
    let addresses = [("stxAddress", &agent.stx_address), ("btcAddress", &agent.btc_address)];
    for (name, address) in addresses {
        if let Some(address) = address {
            row[name] = json!(address);
        }
    }
    if march {
        row["checkInCount"] = json!(0);
        row["achievementCount"] = json!(0);
    }
    row
}
