//! The inbox asks for what we do not pay.

use serde_json::json;

use super::bench::{
    addresses, all_welcomed_once, broken, cycles, failures, ledger, no_gate_moved, register, stat,
    states,
};
use crate::harness::Job;

/// All tasks but `alive` die loudly, for the terms, after the budget of five attempts.
async fn dies_loudly(job: &Job, dead: usize) {
    let told = super::bench::told(job, "event.task.dead.welcome", dead).await;
    assert_eq!(told.len(), dead, "{told:?}");
    for state in states(job).await.iter().filter(|state| state.word() == "dead") {
        assert_eq!((state.attempt, state.charged), (5, 5), "{state:?}");
        assert!(format!("{state:?}").contains("target.payment-terms"), "{state:?}");
    }
    let failures = failures(job).await;
    assert_eq!(failures.len(), dead * 5, "{failures:?}");
    assert!(failures.iter().all(|t| t.charged && t.cause == "target.payment-terms"));
    no_gate_moved(job).await;
}

/// M1, T1: the inbox names another payee, who is one of the agents. Nothing is paid on those
/// terms; the task dies after its budget, and the agent with honest terms is welcomed.
#[tokio::test(flavor = "multi_thread")]
async fn another_payee_is_never_paid() {
    let mut job = broken("march", 3, json!({})).await;
    let honest = addresses(&job).await[1].clone();
    job.control("faults", json!({ "pay_to_override": honest })).await;
    let _services = job.spawn_all(1).await;
    dies_loudly(&job, 2).await;
    let ledger = ledger(&job).await;
    let transfers = ledger["transfers"].as_array().unwrap();
    assert_eq!(transfers.len(), 1, "{ledger}");
    assert_eq!(transfers[0]["recipient"], json!(honest));
    assert_eq!(stat(&job, "paid_posts").await, 1);

    // Whoever comes later with honest terms is not affected, and the dead stay dead.
    job.control("faults", json!({ "pay_to_override": null })).await;
    job.control("agents", json!({ "count": 2 })).await;
    job.settings.agents += 2;
    job.welcomed(3).await;
    cycles(&job, 3).await;
    let ended: Vec<_> = states(&job).await.iter().map(domain::TaskState::word).collect();
    assert_eq!(ended.iter().filter(|word| **word == "dead").count(), 2, "{ended:?}");
    assert_eq!(ended.iter().filter(|word| **word == "completed").count(), 3, "{ended:?}");
}

/// M4, T1: the inbox wants one sat more than is allowed: nothing is paid, the tasks die after
/// their budget, and agents of later are welcomed.
#[tokio::test(flavor = "multi_thread")]
async fn a_higher_price_is_never_paid() {
    let mut job = broken("march", 2, json!({ "amount_override": "101" })).await;
    let _services = job.spawn_all(1).await;
    dies_loudly(&job, 2).await;
    assert_eq!(ledger(&job).await["transfers"], json!([]));
    assert_eq!(stat(&job, "paid_posts").await, 0);

    job.control("faults", json!({ "amount_override": null })).await;
    job.settings.agents = 0;
    register(&mut job, 2).await;
    job.done().await;
    let words: Vec<_> = states(&job).await.iter().map(domain::TaskState::word).collect();
    assert_eq!(words.iter().filter(|word| **word == "completed").count(), 2, "{words:?}");
}

/// The honest price still is paid while another one is refused: once the terms are right
/// again before the budget is spent, the very same tasks complete.
#[tokio::test(flavor = "multi_thread")]
async fn terms_that_come_right_in_time_are_paid() {
    let job = broken("march", 2, json!({ "amount_override": "101" })).await;
    let _services = job.spawn_all(1).await;
    super::bench::told(&job, "event.failure.welcome.target.payment-terms", 1).await;
    job.control("faults", json!({ "amount_override": null })).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
}
