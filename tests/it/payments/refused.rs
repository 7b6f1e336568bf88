//! The inbox or the relay refuses for a while.

use std::collections::{BTreeMap, BTreeSet};

use domain::GateState;
use serde_json::{Value, json};

use super::bench::{
    self, all_welcomed_once, broken, causes, closed_for, cycles, failures, ledger, no_gate_moved,
    no_nonce_gap, only_gate_moved, open, stat, states,
};
use crate::harness::eventually;

/// M1, G2: the inbox answers for want of funds with a new 402, though by the chain's word they
/// are there: somebody else's claim on them is under way. Nobody pays at that 402: one post, and
/// the gate `wallet` is closed; with funds again and a person's word the same bytes go out and
/// everybody is welcomed once.
async fn an_empty_wallet_closes_its_gate(generation: &str) {
    let faults = json!({ "generation": generation, "insufficient_funds": 1_000 });
    let job = broken("march", 4, faults).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "wallet", "wallet.insufficient-funds").await;
    let told = failures(&job).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!told[0].charged);
    cycles(&job, 4).await;
    assert_eq!(stat(&job, "paid_posts").await, 1);

    job.control("faults", json!({ "insufficient_funds": 0 })).await;
    cycles(&job, 2).await;
    assert_eq!(job.world.gate("wallet").await.state, GateState::Closed, "G3: only a person opens");
    assert_eq!(stat(&job, "paid_posts").await, 1);
    open(&job, "wallet").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "wallet").await;
    assert_eq!(job.world.gate_is("wallet", GateState::Open).await.incident, 1);
    assert_eq!(stat(&job, "distinct_payments").await, 4);
}

/// The form of March: a 402 with the relay's words in a string.
#[tokio::test(flavor = "multi_thread")]
async fn insufficient_funds_do_not_loop() {
    an_empty_wallet_closes_its_gate("march").await;
}

/// The typed form: a 402 with a code, and the terms once more.
#[tokio::test(flavor = "multi_thread")]
async fn insufficient_funds_do_not_loop_typed() {
    an_empty_wallet_closes_its_gate("typed").await;
}

/// M1, M3, T1: "slow down" is nobody's fault: uncharged, no gate moves, and the bytes are not
/// posted again before the time that the inbox named, by no task.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_out() {
    let job = broken("march", 3, json!({ "inbox_429": 1 })).await;
    let _services = job.spawn_all(2).await;
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    let limited: Vec<_> = failures(&job).await;
    assert!(limited.iter().all(|t| !t.charged && t.cause == "inbox.rate-limited"), "{limited:?}");
    let refused = limited.first().expect("the rate limit is told").at;
    let again = posts(&job).await.into_values().find(|posts| 1 < posts.len());
    let again = again.expect("the refused payment is posted again")[1];
    assert!(refused + 59_000 <= again, "posted again after {} ms of 60000", again - refused);
}

/// When each payment was posted, by payment, in milliseconds since 1970.
async fn posts(job: &crate::harness::Job) -> BTreeMap<String, Vec<u64>> {
    let mut posts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let told = job.world.stored("EVENTS", "event.payment.sent").await;
    for stored in told {
        let event: Value = serde_json::from_slice(&stored.body).unwrap();
        let payment = event["data"]["payment"].as_str().unwrap().to_owned();
        posts.entry(payment).or_default().push(stored.at_ms);
    }
    posts
}

/// T1, M1: fewer distinct tasks than the threshold close nothing, are not charged, and are
/// tried again.
async fn two_refusals_close_nothing(fault: &str, cause: &str) {
    let job = broken("march", 4, json!({ fault: 2 })).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    let failures = failures(&job).await;
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures.iter().all(|told| told.cause == cause && !told.charged), "{failures:?}");
}

/// T1, M1: the inbox fails two paid posts.
#[tokio::test(flavor = "multi_thread")]
async fn two_errors_of_the_inbox_close_nothing() {
    two_refusals_close_nothing("inbox_500", "inbox.unavailable").await;
}

/// T1, M1: the inbox fails two posts before anything is signed.
#[tokio::test(flavor = "multi_thread")]
async fn two_errors_before_payment_close_nothing() {
    two_refusals_close_nothing("inbox_unpaid_500", "inbox.unavailable").await;
}

/// T1, M1: the relay fails two payments.
#[tokio::test(flavor = "multi_thread")]
async fn two_errors_of_the_relay_close_nothing() {
    two_refusals_close_nothing("relay_5xx", "relay.unavailable").await;
}

/// T1, G2, G4, M1: so many distinct tasks as the rule says close the gate; nothing is sent
/// while it is closed; opened by a person, everybody is welcomed once.
async fn lasting_refusals_close(fault: &str, gate: &str, cause: &str, at_once: usize) {
    let job = broken("march", 5, json!({ fault: 1_000 })).await;
    bench::at_once(&job, at_once, 1).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, gate, cause).await;
    // Whoever was under way when it closed ends first.
    cycles(&job, 2).await;
    let (paid, unpaid) = (stat(&job, "paid_posts").await, stat(&job, "unpaid_posts").await);
    cycles(&job, 4).await;
    assert_eq!(stat(&job, "paid_posts").await, paid, "sent through a closed gate");
    assert_eq!(stat(&job, "unpaid_posts").await, unpaid, "asked through a closed gate");
    // Three close it; what was under way then may join.
    let told = failures(&job).await;
    let tasks: BTreeSet<_> = told.iter().map(|told| &told.task).collect();
    assert!((3..=2 + at_once).contains(&tasks.len()), "{told:?}");
    // Each may have come again meanwhile; what must not be is a loop.
    assert!(told.len() <= 10, "{} attempts: {told:?}", told.len());
    assert!(told.iter().all(|told| !told.charged));
    assert_eq!(ledger(&job).await["welcomed"], 0);

    job.control("faults", json!({ fault: null })).await;
    open(&job, gate).await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, gate).await;
    assert_eq!(job.world.gate_is(gate, GateState::Open).await.incident, 1);
    assert_eq!(causes(&job).await, [cause.to_owned()].into());
    assert!(states(&job).await.iter().all(|state| state.charged == 0));
}

/// T1, G2, G4: the inbox fails every paid post, and one task runs at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_inbox_closes_its_gate() {
    lasting_refusals_close("inbox_500", "inbox", "inbox.unavailable", 1).await;
}

/// T1, G2, G4: the inbox does not even name its terms.
#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_broken_before_payment_closes_its_gate() {
    lasting_refusals_close("inbox_unpaid_500", "inbox", "inbox.unavailable", 1).await;
}

/// T1, G2, G4: the relay fails every payment.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_relay_closes_its_gate() {
    lasting_refusals_close("relay_5xx", "relay", "relay.unavailable", 1).await;
}

/// The same with room for several tasks at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_inbox_closes_its_gate_with_slots_to_spare() {
    lasting_refusals_close("inbox_500", "inbox", "inbox.unavailable", 5).await;
}

/// The same with room for several tasks at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_broken_before_payment_closes_its_gate_with_slots_to_spare() {
    lasting_refusals_close("inbox_unpaid_500", "inbox", "inbox.unavailable", 5).await;
}

/// The same with room for several tasks at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_relay_closes_its_gate_with_slots_to_spare() {
    lasting_refusals_close("relay_5xx", "relay", "relay.unavailable", 5).await;
}

/// A refusal of funds that passes by itself (the inbox remembers it for a while): a person
/// opens, and the bytes that were refused are the ones that pay.
#[tokio::test(flavor = "multi_thread")]
async fn a_passing_refusal_of_funds_pays_with_the_same_bytes() {
    let faults = json!({ "insufficient_funds": 1, "generation": "typed" });
    let job = broken("march", 3, faults).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "wallet", "wallet.insufficient-funds").await;
    open(&job, "wallet").await;
    eventually("all to be welcomed", || async { (stat(&job, "settled").await == 3).then_some(()) })
        .await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
}
