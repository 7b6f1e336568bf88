//! The relay's own nonce is stuck, in each of the forms in which that shows.

use std::time::Duration;

use domain::GateState;
use serde_json::json;

use super::bench::{
    all_welcomed_once, broken, broken_with, causes, closed_for, cycles, failures, no_nonce_gap,
    only_gate_moved, open, register, stat, states,
};
use crate::harness::{Job, eventually};

/// G2, M2: the first conflict closes the gate: one attempt, one post, uncharged, and healing
/// alone opens nothing.
async fn closes_at_the_first_conflict(generation: &str) {
    let job = broken("march", 5, json!({ "stuck_nonce": true, "generation": generation })).await;
    let _services = job.spawn_all(1).await;
    let closed = closed_for(&job, "relay", "relay.nonce-conflict").await;
    assert_eq!(closed.incident, 1);
    let trigger = closed.trigger.expect("what closed it is on record");
    assert!(trigger.evidence.contains("NONCE_CONFLICT"), "{trigger:?}");
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 1);
    let told = failures(&job).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!told[0].charged);

    job.sandbox.heal().await.unwrap();
    cycles(&job, 2).await;
    assert_eq!(job.world.gate("relay").await.state, GateState::Closed, "G3: only a person opens");
    assert_eq!(stat(&job, "paid_posts").await, 1);
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "relay").await;
    assert_eq!(stat(&job, "distinct_payments").await, 5, "the refused bytes are the ones that pay");
    assert_eq!(job.world.gate_is("relay", GateState::Open).await.incident, 1);
}

/// The form of March: 402 with the relay's JSON inside a string.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_inside_a_402_closes_at_once() {
    closes_at_the_first_conflict("march").await;
}

/// The typed form: 409 with a code.
#[tokio::test(flavor = "multi_thread")]
async fn a_typed_conflict_closes_at_once() {
    closes_at_the_first_conflict("typed").await;
}

/// M1, M2, G4: the relay of today steps over one stuck nonce and accepts what never confirms.
/// That closes by its age; healed and opened, everybody is paid once, with what was sent.
#[tokio::test(flavor = "multi_thread")]
async fn payments_that_never_confirm_close_the_relay() {
    let job = broken("today", 4, json!({ "stuck_nonce": true })).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "relay", "relay.unconfirmed").await;
    let sent = stat(&job, "distinct_payments").await;
    assert!(sent <= 2, "{sent} payments into the hole");
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "distinct_payments").await, sent);

    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "relay").await;
    assert_eq!(stat(&job, "distinct_payments").await, 4);
    assert!(states(&job).await.iter().all(|state| state.charged == 0));
}

/// M1, G2: many stuck nonces on the relay of today are a conflict again, and close at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_stuck_nonces_close_at_once_today() {
    let job = broken("today", 4, json!({ "stuck_count": 30 })).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "relay", "relay.nonce-conflict").await;
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 1);
    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
}

/// M2: slow is not stuck: confirmations that take seconds close nothing while they come
/// within the time allowed.
#[tokio::test(flavor = "multi_thread")]
async fn slow_confirmations_close_nothing() {
    let job = broken_with("today", 3, json!({ "confirm_delay_ms": 2_500 }), |settings| {
        settings.unconfirmed_after = Duration::from_secs(30);
    })
    .await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    super::bench::no_gate_moved(&job).await;
    assert_eq!(stat(&job, "paid_posts").await, 3);
}

async fn closed_again(job: &Job, after: u64) -> domain::Gate {
    eventually("the gate to close again", || async {
        let gate = job.world.gate("relay").await;
        (gate.state == GateState::Closed && after < gate.epoch.get()).then_some(gate)
    })
    .await
}

/// G4, G5: opened without a cure the canary hits the wall; healed, the drain hits the next
/// sticking. Each closes again in the same incident; what sticks after the end of the
/// incident is a new one. Everybody is paid once all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_relay_is_one_incident_a_closing() {
    let faults = json!({ "stuck_nonce": true, "flap": 1, "flap_after": 3 });
    let mut job = broken("march", 6, faults).await;
    let _services = job.spawn_all(1).await;
    let first = closed_for(&job, "relay", "relay.nonce-conflict").await;
    assert_eq!((first.incident, stat(&job, "paid_posts").await), (1, 1));

    open(&job, "relay").await;
    let second = closed_again(&job, first.epoch.get()).await;
    assert_eq!(second.incident, 1, "a failed canary is the same incident");
    assert_eq!(stat(&job, "paid_posts").await, 2, "one canary");

    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    let third = closed_again(&job, second.epoch.get()).await;
    assert_eq!(third.incident, 1, "the drain had not ended");
    assert!(stat(&job, "settled").await >= 3, "three went through in between");

    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    job.world.gate_is("relay", GateState::Open).await;
    assert_eq!(job.world.gate("relay").await.incident, 1);

    job.control("faults", json!({ "stuck_nonce": true })).await;
    register(&mut job, 2).await;
    let fourth = closed_for(&job, "relay", "relay.nonce-conflict").await;
    assert_eq!(fourth.incident, 2, "the next closing is the next incident");
    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "relay").await;
    assert_eq!(causes(&job).await, ["relay.nonce-conflict".to_owned()].into());
}
