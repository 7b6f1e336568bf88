//! The payment settles, and the answer does not say so.

use std::time::Duration;

use serde_json::json;

use super::bench::{
    all_welcomed_once, broken, broken_with, failures, no_gate_moved, no_nonce_gap, stat, states,
    told,
};
use crate::harness::eventually;

/// Breaks the first two of four payments so; all must come out right without a person.
async fn paid_once_though(relay: &str, fault: &str) {
    let job = broken(relay, 4, json!({ fault: 2 })).await;
    let _services = job.spawn_all(2).await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    assert_eq!(stat(&job, "distinct_payments").await, 4, "a payment was signed again");
    let failures = failures(&job).await;
    assert!(failures.iter().all(|told| !told.charged), "{failures:?}");
}

/// M1, M2: the connection dies after the settlement; the inbox's list tells that it was paid.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_settlement_pays_once() {
    paid_once_though("march", "inbox_drop_after_settle").await;
}

/// M1, M2: the same with the relay that stages.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_lost_after_settlement_pays_once_today() {
    paid_once_though("today", "inbox_drop_after_settle").await;
}

/// M1, M2: 503 after the settlement and no message stored: the chain tells, and the transfer
/// buys the message without a second payment.
#[tokio::test(flavor = "multi_thread")]
async fn a_503_after_settlement_pays_once() {
    paid_once_though("march", "inbox_503_after_settle").await;
}

/// M1, M2: the same with the relay that stages.
#[tokio::test(flavor = "multi_thread")]
async fn a_503_after_settlement_pays_once_today() {
    paid_once_though("today", "inbox_503_after_settle").await;
}

/// M1, M3: accepted and staged, and then the payer is killed: the next one takes the record
/// up, asks, sends nothing again, and the message is delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_payer_killed_while_staged_pays_once() {
    let faults = json!({ "confirm_delay_ms": 4_000 });
    let change = |settings: &mut portcullis::up::settings::Settings| {
        settings.unconfirmed_after = Duration::from_secs(60);
    };
    let job = broken_with("today", 3, faults, change).await;
    let mut services = job.spawn_all(1).await;
    told(&job, "event.payment.staged", 1).await;
    let payer = services.iter_mut().find(|s| s.name().starts_with("welcome-payer")).unwrap();
    payer.kill().await;
    *payer = job.spawn("welcome-payer");
    // The first one was staged for its full time; the others need not be.
    told(&job, "event.payment.settled", 1).await;
    job.control("faults", json!({ "confirm_delay_ms": null })).await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    assert_eq!(stat(&job, "paid_posts").await, 3, "staged bytes were sent again");
}

/// M1, W3: an inbox that answers a first post as if it were a repeat has delivered.
#[tokio::test(flavor = "multi_thread")]
async fn already_redeemed_counts_as_delivered() {
    let job = broken("march", 3, json!({ "inbox_already_redeemed": 2 })).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    assert!(failures(&job).await.is_empty());
    assert_eq!(stat(&job, "paid_posts").await, 3);
    let proved =
        states(&job).await.iter().filter(|s| format!("{s:?}").contains("redeemed")).count();
    assert_eq!(proved, 2);
}

/// M2: the inbox answers later than the dispatcher waits. That is unknown and never failed;
/// nothing is charged and nothing is paid again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_unknown_and_not_failed() {
    let job = broken("march", 2, json!({ "inbox_stall_ms": 7_000 })).await;
    let _services = job.spawn_all(1).await;
    let first =
        eventually("the first time-out", || async { failures(&job).await.into_iter().next() })
            .await;
    assert_eq!((first.cause.as_str(), first.charged), ("service.timeout", false));
    job.control("faults", json!({ "inbox_stall_ms": null })).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    assert_eq!(stat(&job, "paid_posts").await, 2);
    assert!(states(&job).await.iter().all(|state| state.charged == 0));
    assert!(job.world.events("event.task.dead.>").await.is_empty());
}
