//! Whose nonce is whose: another wallet's payments, settled ones that the chain never saw, and
//! nonces that nobody holds.

use std::time::Duration;

use domain::{GateState, Wallet};
use fleet::store::{self, Versioned};
use serde_json::json;
use wire::subject;

use crate::world::{World, word};

const OTHER_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000008";

async fn kept(world: &World) -> Versioned<Wallet> {
    let subject = subject::nonce(&world.wallet);
    store::read(&world.bus, subject::RECORD, &subject).await.unwrap().unwrap()
}

async fn reopen_wallet(world: &World) {
    world.move_gate("wallet", GateState::Closed).await;
    world.move_gate("wallet", GateState::Open).await;
}

/// A payment is in doubt and the payer comes back with another key: it neither sends the
/// payment, nor gives it up, nor makes a second one. With the
/// first key it is paid, once; and what is settled is settled for every key.
#[tokio::test]
async fn another_key_leaves_the_first_ones_payments_alone() {
    let world = World::start(json!({ "stuck_nonce": true })).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "failed relay.nonce-conflict");
    world.sandbox("POST", "heal", json!({})).await;
    world.restart_with(OTHER_KEY).await;
    for attempt in 2..5 {
        assert_eq!(word(&world.run(&agents[0], attempt).await), "failed wallet.other-key");
        reopen_wallet(&world).await;
    }
    assert_eq!(world.stats().await["paid_posts"], 1);
    world.restart_payer().await;
    assert_eq!(world.until(&agents[0], 5, "completed").await, "completed");
    world.restart_with(OTHER_KEY).await;
    assert_eq!(word(&world.run(&agents[0], 900).await), "completed");
    assert_eq!(world.until(&agents[1], 1, "completed").await, "completed");
    let ledger = world.ledger().await;
    assert_eq!((ledger["welcomed"].as_u64(), ledger["paid_twice"].as_u64()), (Some(2), Some(0)));
    assert_eq!(ledger["transfers"].as_array().unwrap().len(), 2, "{ledger}");
}

/// The inbox delivered and the chain forgot the transfer: its nonce stays with the payment,
/// nothing is signed behind it, and the gate says why. When the chain has it after all, the
/// next payment goes out.
#[tokio::test]
async fn a_settled_payment_that_the_chain_forgot_stops_the_wallet() {
    let world = World::today(json!({})).await;
    let agents = world.agents().await;
    assert_eq!(world.until(&agents[0], 1, "completed").await, "completed");
    let settled = kept(&world).await.value.unfinished[0].settled.unwrap();
    let chain_at = async |nonce: u64| {
        let account = json!({ "address": world.wallet, "nonce": nonce });
        world.sandbox("POST", "accounts", account).await;
    };
    chain_at(0).await;
    // Payments are unconfirmed after a second.
    world
        .eventually(async || {
            let age = kit::Clock.now().since(settled);
            (Duration::from_secs(1) <= age).then_some(())
        })
        .await;
    let posts = world.stats().await["paid_posts"].clone();
    assert_eq!(word(&world.run(&agents[1], 1).await), "failed wallet.sender-nonce");
    world.restart_payer().await;
    reopen_wallet(&world).await;
    assert_eq!(word(&world.run(&agents[1], 2).await), "failed wallet.sender-nonce");
    assert_eq!(world.stats().await["paid_posts"], posts);
    chain_at(1).await;
    reopen_wallet(&world).await;
    assert_eq!(world.until(&agents[1], 3, "completed").await, "completed");
    let nonces: Vec<u64> =
        kept(&world).await.value.unfinished.iter().map(|holder| holder.nonce).collect();
    assert_eq!(nonces, [1]);
}

/// A nonce that nobody holds and the chain waits for: found at the start, told once as the
/// wallet's, and filled by the next payment after a person has opened.
#[tokio::test]
async fn a_hole_is_told_and_then_filled() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "completed");
    let Versioned { value, seq } = kept(&world).await;
    let wallet = Wallet { next: value.next + 1, ..value };
    let subject = subject::nonce(&world.wallet);
    let cas = store::compare_and_set(&world.bus, subject::RECORD, &subject, &wallet, seq).await;
    assert!(matches!(cas.unwrap(), store::Cas::Stored(_)));
    world.restart_payer().await;
    assert_eq!(word(&world.run(&agents[1], 1).await), "failed wallet.sender-nonce");
    assert_eq!(word(&world.run(&agents[1], 2).await), "held");
    reopen_wallet(&world).await;
    assert_eq!(world.until(&agents[1], 3, "completed").await, "completed");
    assert_eq!(world.until(&agents[2], 1, "completed").await, "completed");
    let ledger = world.ledger().await;
    let nonces: Vec<_> = ledger["transfers"].as_array().unwrap().iter().collect();
    let nonces: Vec<_> = nonces.iter().map(|transfer| transfer["originNonce"].as_u64()).collect();
    assert_eq!(nonces, [Some(0), Some(1), Some(2)]);
}

/// The chain moves past the record while the payer runs: found before the next signature, not
/// only at the next start.
#[tokio::test]
async fn signs_nothing_once_the_chain_is_ahead() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "completed");
    world.sandbox("POST", "accounts", json!({ "address": world.wallet, "nonce": 9 })).await;
    assert_eq!(word(&world.run(&agents[1], 1).await), "failed record.behind");
    assert_eq!(world.stats().await["paid_posts"], 1);
}
