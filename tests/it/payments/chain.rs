//! The Stacks API is away, or the chain aborts.

use std::time::Duration;

use domain::GateState;
use serde_json::json;

use super::bench::{
    all_welcomed_once, at_once, broken, broken_with, closed_for, cycles, failures, ledger,
    no_gate_moved, no_nonce_gap, only_gate_moved, open, register, stat, states,
};
use crate::harness::eventually;

/// G2, M2: with the Stacks API away from the start nobody can tell our nonces, so nothing is
/// sent; by its rule the gate `chain` closes, and opened again everybody is welcomed once.
async fn nothing_is_begun_without_the_chain(tasks: usize) {
    let job = broken("march", 4, json!({ "api_down": true })).await;
    at_once(&job, tasks, 1).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "chain", "chain.unavailable").await;
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 0);
    assert!(failures(&job).await.iter().all(|told| !told.charged));

    job.control("faults", json!({ "api_down": false })).await;
    cycles(&job, 2).await;
    assert_eq!(job.world.gate("chain").await.state, GateState::Closed, "G3: only a person opens");
    open(&job, "chain").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "chain").await;
}

/// G2, M2: one task at a time.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_chain_nothing_is_begun() {
    nothing_is_begun_without_the_chain(1).await;
}

/// The same with room for several tasks at once.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_chain_nothing_is_begun_with_slots_to_spare() {
    nothing_is_begun_without_the_chain(4).await;
}

/// M1, M2: a payment is in doubt and the Stacks API is away, so nobody can tell: nothing is
/// sent a second time until somebody can.
async fn nothing_is_sent_again_without_the_chain(tasks: usize) {
    let mut job = broken("march", 1, json!({})).await;
    at_once(&job, tasks, 1).await;
    let _services = job.spawn_all(1).await;
    job.done().await;
    // The API goes while the post is under way: without it nothing would be signed.
    job.control("faults", json!({ "inbox_stall_ms": 1_000, "inbox_503_after_settle": 1 })).await;
    register(&mut job, 4).await;
    eventually("the second post", || async { (stat(&job, "paid_posts").await == 2).then_some(()) })
        .await;
    job.control("faults", json!({ "api_down": true, "inbox_stall_ms": 0 })).await;
    closed_for(&job, "chain", "chain.unavailable").await;
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 2, "one before, one in doubt");
    assert_eq!(ledger(&job).await["paid_twice"], 0);

    job.control("faults", json!({ "api_down": false })).await;
    open(&job, "chain").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "chain").await;
    assert_eq!(stat(&job, "distinct_payments").await, 5);
    assert!(failures(&job).await.iter().all(|told| !told.charged));
}

/// M1, M2: one task at a time.
#[tokio::test(flavor = "multi_thread")]
async fn in_doubt_without_the_chain_nothing_is_sent_again() {
    nothing_is_sent_again_without_the_chain(1).await;
}

/// The same with room for several tasks at once.
#[tokio::test(flavor = "multi_thread")]
async fn in_doubt_without_the_chain_nothing_is_sent_again_with_slots_to_spare() {
    nothing_is_sent_again_without_the_chain(4).await;
}

/// M1, M2, T1: the chain aborts the transfer: its nonce is spent and nothing moved. That is
/// told with its cause, uncharged; the agent is paid by a new payment, once, and nobody waits.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_transfer_is_told_and_paid_anew() {
    let job = broken("march", 3, json!({ "chain_abort": 1 })).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    assert_eq!(stat(&job, "aborted").await, 1);
    assert_eq!(stat(&job, "distinct_payments").await, 4);
    let told = failures(&job).await;
    assert!(told.iter().any(|told| told.cause == "wallet.transfer-aborted"), "{told:?}");
    assert!(told.iter().all(|told| !told.charged), "{told:?}");
    let nonces: Vec<_> = ledger(&job).await["transfers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transfer| transfer["originNonce"].as_u64().unwrap())
        .collect();
    assert_eq!(nonces, [1, 2, 3], "nonce 0 went to the aborted one");
}

/// The same with the relay that stages: it is a poll that tells.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_transfer_is_told_and_paid_anew_today() {
    let job = broken("today", 3, json!({ "chain_abort": 1 })).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    assert_eq!(stat(&job, "aborted").await, 1);
    let told = failures(&job).await;
    assert!(told.iter().any(|told| told.cause == "wallet.transfer-aborted"), "{told:?}");
    assert!(told.iter().all(|told| !told.charged), "{told:?}");
}

/// T1: the abort is found while nobody asks for the payment, because the payer asks by itself
/// more often than the task comes again. It is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_abort_that_the_payer_finds_by_itself_is_told() {
    let job = broken_with("march", 3, json!({ "chain_abort": 1 }), |settings| {
        // The first look finds the abort too fresh to believe.
        settings.block = Duration::from_millis(300);
    })
    .await;
    let toml = job.settings.to_toml(job.sandbox.url());
    job.world.apply(&toml.replace("ask_every = \"1s\"", "ask_every = \"100ms\"")).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    assert_eq!(stat(&job, "aborted").await, 1);
    let told = failures(&job).await;
    assert!(told.iter().any(|told| told.cause == "wallet.transfer-aborted"), "{told:?}");
}

/// T1, G2: aborts without end are the wallet's trouble, not each task's: two distinct tasks
/// close the gate `wallet`, instead of one nonce after the other being burnt. What had left before
/// they were told of may abort too, but most of the agents never get that far.
#[tokio::test(flavor = "multi_thread")]
async fn aborts_without_end_close_the_wallet() {
    let job = broken("march", 8, json!({ "chain_abort": 1_000 })).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "wallet", "wallet.transfer-aborted").await;
    cycles(&job, 3).await;
    let burnt = stat(&job, "aborted").await;
    assert!((2..=4).contains(&burnt), "{burnt} nonces burnt");
    assert_eq!(ledger(&job).await["transfers"], json!([]));
    job.control("faults", json!({ "chain_abort": null })).await;
    open(&job, "wallet").await;
    all_welcomed_once(&job).await;
    eventually("the gate to be open", || async {
        (job.world.gate("wallet").await.state == GateState::Open).then_some(())
    })
    .await;
    assert!(states(&job).await.iter().all(|state| state.charged == 0));
}
