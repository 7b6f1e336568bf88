//! `GET /nonce/state`: today's relay on its own pool, as much as it knows, which is not what is
//! stuck in the node.

use axum::extract::State;
use serde_json::{Value, json};
use stacks::Address;

use crate::{
    RelayVersion,
    model::{
        World,
        chain::{Tx, TxState},
        relay::IN_FLIGHT_MAX,
        wallet::Wallet,
    },
};

use super::{
    Shared,
    probes::{healing, no_times, not_found, pool_of},
    reply::{Reply, iso},
};

/// The window in which the relay counts a wallet's failures.
const FAILURE_WINDOW_MS: u64 = 900_000;

pub(crate) async fn nonce_state(State(shared): State<Shared>) -> Reply {
    let mut world = shared.world();
    let request_id = world.ids.uuid();
    if world.options.relay == RelayVersion::March {
        return not_found("GET", "/nonce/state", &request_id);
    }
    let shown = pool_of(&world);
    let wallets: Vec<Value> =
        shown.iter().enumerate().map(|(index, wallet)| of_wallet(&world, index, wallet)).collect();
    let reserved: usize = shown.iter().map(|wallet| in_flight(&world, wallet)).sum();
    let capacity = IN_FLIGHT_MAX * wallets.len();
    let state = json!({
        "healthy": !wallets.is_empty(),
        "wallets": wallets,
        "senderHands": hands(&mut world),
        "healInProgress": healing(&world),
        "gapsFilled": 0,
        "totalAvailable": capacity.saturating_sub(reserved),
        "totalReserved": reserved,
        "totalCapacity": capacity,
        "lastGapDetected": world.relay.last_gap_ms.map(iso),
        "recommendation": null,
        "settlementTimes": no_times(),
        "probeQueue": null,
        "timestamp": iso(world.now_ms),
    });
    Reply::ok(json!({"success": true, "requestId": request_id, "state": state}))
}

fn of_wallet(world: &World, index: usize, wallet: &Wallet) -> Value {
    let pending = waiting(world, wallet).map(|tx| {
        json!({
            "sponsorNonce": tx.sponsor_nonce,
            "state": "broadcasted",
            "txid": tx.txid.to_string(),
            "assignedAt": iso(tx.broadcast_ms),
            "broadcastedAt": iso(tx.broadcast_ms),
            "senderAddress": tx.sender.to_string(),
        })
    });
    let pending: Vec<Value> = pending.collect();
    let (address, frontier) = (wallet.address.to_string(), frontier(world, &wallet.address));
    let available = IN_FLIGHT_MAX.saturating_sub(pending.len());
    json!({
        "walletIndex": index,
        "sponsorAddress": address,
        "chainFrontier": frontier,
        "assignmentHead": wallet.head,
        "available": available,
        "reserved": pending.len(),
        "gaps": [],
        "circuitBreakerOpen": false,
        "healthy": true,
        "queueDepth": pending.len(),
        "replayBufferDepth": 0,
        "settlementTimes": no_times(),
        "walletCapacity": {
            "walletIndex": index,
            "sponsorAddress": address,
            "chainFrontier": frontier,
            "assignmentHead": wallet.head,
            "inFlightCount": pending.len(),
            "chainingLimit": IN_FLIGHT_MAX,
            "available": available,
            "occupiedNonces": [],
            "recentFailures": 0,
            "recentFailureWindow": FAILURE_WINDOW_MS,
        },
        "pendingTxs": pending,
    })
}

/// The senders whose payments are put aside.
fn hands(world: &mut World) -> Vec<Value> {
    let held: Vec<(Address, u64)> =
        world.relay.held().map(|payment| (payment.parcel.sender, payment.submitted_ms)).collect();
    let mut senders: Vec<Address> = held.iter().map(|(sender, _)| *sender).collect();
    senders.sort_unstable();
    senders.dedup();
    let World { relay, chain, faults, ids, now_ms, .. } = world;
    let desk = crate::model::relay::Desk { chain, faults, ids, now_ms: *now_ms };
    let hand = |sender: Address| {
        let of_sender = || held.iter().filter(|(held, _)| *held == sender);
        let oldest = of_sender().map(|(_, at_ms)| *at_ms).min().unwrap_or(desk.now_ms);
        json!({
            "address": sender.to_string(),
            "nextExpected": relay.expected(&desk, &sender),
            "handSize": of_sender().count(),
            "oldestEntryAge": desk.now_ms.saturating_sub(oldest),
        })
    };
    senders.into_iter().map(hand).collect()
}

fn waiting<'a>(world: &'a World, wallet: &'a Wallet) -> impl Iterator<Item = &'a Tx> {
    let pending = |tx: &&Tx| tx.sponsor == wallet.address && tx.state == TxState::Pending;
    world.chain.txs().filter(pending)
}

fn in_flight(world: &World, wallet: &Wallet) -> usize {
    waiting(world, wallet).count()
}

fn frontier(world: &World, address: &Address) -> u64 {
    world.chain.account(address).nonce
}
