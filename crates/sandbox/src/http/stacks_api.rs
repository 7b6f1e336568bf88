//! The Stacks API, as an indexer sees the chain: what is planted in the node is not in it.

use std::collections::HashMap;

use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use stacks::{Address, Principal, TxId};

use crate::model::{
    World,
    chain::{Tx, TxState},
};

use super::{
    Shared,
    reply::{Reply, integer, iso},
    tx_json::{block_hash, tx},
};

/// STX that every account shows; the sandbox does not move any.
const MICRO_STX: u64 = 100_000_000;

pub(crate) fn routes(shared: Shared) -> Router<Shared> {
    Router::new()
        .route("/v2/accounts/{address}", get(account))
        .route("/v2/info", get(info))
        .route("/extended/v1/address/{address}/nonces", get(nonces))
        .route("/extended/v1/address/{address}/balances", get(balances))
        .route("/extended/v1/address/{address}/transactions", get(transactions))
        .route("/extended/v1/address/{address}/mempool", get(mempool))
        .route("/extended/v1/tx/{txid}", get(transaction))
        .route("/extended/v2/blocks", get(blocks))
        .route_layer(from_fn_with_state(shared, or_down))
}

/// Answers 503 while the API is to be down.
async fn or_down(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let down = shared.world().faults.api_down;
    match down {
        true => {
            let body = json!({"error": "service unavailable"});
            Reply::new(StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
        false => next.run(request).await,
    }
}

/// `GET /v2/accounts/{address}`: the node's view, confirmed transactions only.
async fn account(State(shared): State<Shared>, Path(address): Path<String>) -> Reply {
    let Ok(address) = parse(&address) else { return bad_address() };
    let nonce = shared.world().chain.account(&address).nonce;
    Reply::ok(json!({
        "balance": format!("0x{MICRO_STX:032x}"),
        "locked": format!("0x{:032x}", 0),
        "unlock_height": 0,
        "nonce": nonce,
    }))
}

async fn info(State(shared): State<Shared>) -> Reply {
    let world = shared.world();
    let height = world.chain.height;
    Reply::ok(json!({
        "peer_version": 402_653_196,
        "burn_block_height": height / 100,
        "server_version": "sandbox",
        "network_id": world.options.network.chain_id(),
        "parent_network_id": 3_652_501_241_u32,
        "stacks_tip_height": height,
        "stacks_tip": &block_hash(height)[2..],
    }))
}

async fn nonces(State(shared): State<Shared>, Path(address): Path<String>) -> Reply {
    let Ok(address) = parse(&address) else { return bad_address() };
    let nonces = shared.world().chain.nonces(&address);
    Reply::ok(json!({
        "last_mempool_tx_nonce": nonces.mempool.iter().max(),
        "last_executed_tx_nonce": nonces.executed,
        "possible_next_nonce": nonces.possible_next,
        "detected_missing_nonces": nonces.missing,
        "detected_mempool_nonces": nonces.mempool,
    }))
}

async fn balances(State(shared): State<Shared>, Path(address): Path<String>) -> Reply {
    let Ok(address) = parse(&address) else { return bad_address() };
    let world = shared.world();
    let moved = |sum: u128, tx: &Tx| sum + tx.amount;
    let confirmed = || world.chain.txs().filter(|tx| matches!(tx.state, TxState::Confirmed { .. }));
    let sent = confirmed().filter(|tx| tx.sender == address).fold(0, moved);
    let to_us = Principal::Standard(address);
    let received = confirmed().filter(|tx| tx.recipient == to_us).fold(0, moved);
    let token = format!("{}::sbtc-token", stacks::sbtc_contract(world.options.network));
    Reply::ok(json!({
        "stx": {
            "balance": MICRO_STX.to_string(),
            "total_sent": "0",
            "total_received": MICRO_STX.to_string(),
            "total_fees_sent": "0",
            "locked": "0",
            "lock_tx_id": "",
            "lock_height": 0,
        },
        "fungible_tokens": {
            token: {
                "balance": world.chain.account(&address).sats.to_string(),
                "total_sent": sent.to_string(),
                "total_received": received.to_string(),
            },
        },
        "non_fungible_tokens": {},
    }))
}

/// Confirmed transactions that an account sent, sponsored or received, newest first.
async fn transactions(
    State(shared): State<Shared>,
    Path(address): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Reply {
    let Ok(address) = parse(&address) else { return bad_address() };
    listed(&shared.world(), &address, &query, |state| state != TxState::Pending)
}

/// The same for those that wait.
async fn mempool(
    State(shared): State<Shared>,
    Path(address): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Reply {
    let Ok(address) = parse(&address) else { return bad_address() };
    listed(&shared.world(), &address, &query, |state| state == TxState::Pending)
}

fn listed(
    world: &World,
    address: &Address,
    query: &HashMap<String, String>,
    keep: impl Fn(TxState) -> bool,
) -> Reply {
    let limit = integer(query.get("limit")).unwrap_or(20).clamp(1, 50);
    let offset = integer(query.get("offset")).unwrap_or(0).max(0);
    let to_us = Principal::Standard(*address);
    let concerns =
        |tx: &Tx| tx.sender == *address || tx.sponsor == *address || tx.recipient == to_us;
    let mut found: Vec<&Tx> =
        world.chain.txs().filter(|tx| keep(tx.state) && concerns(tx)).collect();
    found.sort_by_key(|tx| std::cmp::Reverse(mined_at(tx)));
    let page = found.iter().skip(to_usize(offset)).take(to_usize(limit));
    let results: Vec<Value> = page.map(|found| tx(world, found)).collect();
    let total = found.len();
    Reply::ok(json!({"limit": limit, "offset": offset, "total": total, "results": results}))
}

/// Newest block first; within one, and in the mempool, the higher nonce first.
fn mined_at(tx: &Tx) -> (u64, u64) {
    match tx.state {
        TxState::Pending => (u64::MAX, tx.origin_nonce),
        TxState::Confirmed { height, .. } | TxState::Aborted { height, .. } => {
            (height, tx.origin_nonce)
        }
    }
}

async fn transaction(State(shared): State<Shared>, Path(txid): Path<String>) -> Reply {
    let world = shared.world();
    let found = txid.parse::<TxId>().ok().and_then(|txid| world.chain.by_txid(&txid));
    match found {
        Some(found) => Reply::ok(tx(&world, found)),
        None => {
            let body = json!({"error": "could not find transaction by ID"});
            Reply::new(StatusCode::NOT_FOUND, body)
        }
    }
}

async fn blocks(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
) -> Reply {
    let world = shared.world();
    let tip = world.chain.height;
    let limit = integer(query.get("limit")).unwrap_or(20).clamp(1, 30);
    let heights = (0..u64::try_from(limit).unwrap_or(1)).filter_map(|age| tip.checked_sub(age));
    let last_ms = world.chain.next_block_ms().saturating_sub(world.options.block_ms);
    let results = heights.map(|height| {
        let at_ms = last_ms.saturating_sub((tip - height) * world.options.block_ms);
        json!({
            "canonical": true,
            "height": height,
            "hash": block_hash(height),
            "block_time": at_ms / 1_000,
            "block_time_iso": iso(at_ms),
        })
    });
    let results: Vec<Value> = results.collect();
    Reply::ok(json!({"limit": limit, "offset": 0, "total": tip, "results": results}))
}

fn parse(address: &str) -> Result<Address, stacks::AddressError> {
    address.parse()
}

fn bad_address() -> Reply {
    let body = json!({"error": "invalid STX address"});
    Reply::new(StatusCode::BAD_REQUEST, body)
}

fn to_usize(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
