//! What a kind may spend, and what its wallet has: reached, nothing more is signed, the gate
//! closes, and a person is asked.

use domain::{GateState, Sats, Spending};
use fleet::store;
use serde_json::{Value, json};
use wire::subject;

use super::bench::{
    Told, all_welcomed_once, broken, closed_for, cycles, failures, ledger, no_nonce_gap,
    only_gate_moved, open, register, spending, stat, wallet,
};
use crate::harness::Job;

/// Applies the job with such limits, and with as many tasks and payments at once.
async fn limit(job: &Job, limits: &str, at_once: usize) {
    let toml = job.toml().replace("\"chain\"]", "\"chain\", \"budget\"]");
    let toml = toml.replace("concurrency = 1", &format!("concurrency = {at_once}"));
    let toml = toml.replace("in_flight = 1", &format!("in_flight = {at_once}"));
    let budget = format!("\n[gates.budget]\n[budgets.welcome]\n{limits}\n");
    job.world.apply(&(toml + &budget)).await;
}

/// What was spent before the job begins.
async fn spent_before(job: &Job, spending: &Spending) {
    let (bus, subject) = (&job.world.bus, subject::spending(&spending.kind));
    let kept = store::compare_and_set(bus, subject::RECORD, &subject, spending, 0).await;
    assert!(matches!(kept, Ok(store::Cas::Stored(_))), "{kept:?}");
}

fn nothing_spent() -> Spending {
    Spending::new("welcome".parse().unwrap())
}

/// A day that has begun stays begun: as if it were tomorrow already, so that no midnight comes
/// in the middle of a test.
async fn without_midnight(job: &Job) {
    let day = kit::Clock.now().day() + 1;
    spent_before(job, &Spending { day, ..nothing_spent() }).await;
}

/// M4: exactly so many were paid, the gate is closed for that cause in its first incident,
/// nobody was charged, and nothing is reserved for anyone. That another payer is at it just now
/// may be told, and is nobody's failure.
async fn paid_and_asked(job: &Job, payments: u64) {
    let closed = closed_for(job, "budget", "budget.reached").await;
    assert_eq!(closed.incident, 1, "{closed:?}");
    cycles(job, 3).await;
    let transfers = ledger(job).await["transfers"].as_array().unwrap().len() as u64;
    assert_eq!((transfers, stat(job, "distinct_payments").await), (payments, payments));
    let told = failures(job).await;
    let known = ["budget.reached", "payment.unknown"];
    let fair = |told: &Told| !told.charged && known.contains(&told.cause.as_str());
    assert!(told.iter().all(fair), "{told:?}");
    let found = spending(job).await;
    assert_eq!((found.spent, found.reserved), (Sats::new(payments * 100), Sats::ZERO));
    only_gate_moved(job, "budget").await;
}

/// What `gate show budget` says of the one budget there is.
async fn shown(job: &Job) -> Value {
    job.world.json(&["gate", "show", "budget"]).await["budgets"][0].clone()
}

/// G3, M1, M4: a day of three payments and ten agents. Three are paid, the fourth closes the
/// gate, and whoever looks is told what is left for what waits. A higher budget opens nothing; a
/// person does, and then everybody is paid once.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_pays_what_it_may() {
    let job = broken("march", 10, json!({})).await;
    without_midnight(&job).await;
    limit(&job, "sats_day = 300", 1).await;
    let _services = job.spawn_all(2).await;
    paid_and_asked(&job, 3).await;
    assert_eq!(failures(&job).await.len(), 1, "the first one closes it");
    let evidence = job.world.gate("budget").await.trigger.unwrap().evidence;
    let words = "300 sats a day, 300 sats spent, 0 sats reserved, 0 sats left; this payment needs \
                 100 sats";
    assert!(evidence.contains(words), "{evidence}");
    let told = shown(&job).await;
    assert_eq!((&told["left_today"], &told["left"]), (&json!(0), &Value::Null), "{told}");
    assert_eq!((&told["waiting"], &told["wanted_sats"]), (&json!(7), &json!(700)), "{told}");
    let listed = job.world.cli(&["gate", "list"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    let line = "welcome: 0 sats left today; 7 tasks wait × 100 sats = 700 sats at most";
    assert!(listed.contains(line), "{listed}");

    limit(&job, "sats_day = 1000", 1).await;
    cycles(&job, 2).await;
    assert_eq!(job.world.gate("budget").await.state, GateState::Closed, "G3: only a person opens");
    assert_eq!(stat(&job, "paid_posts").await, 3);
    open(&job, "budget").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    assert_eq!(job.world.gate_is("budget", GateState::Open).await.incident, 1);
    let found = spending(&job).await;
    assert_eq!((found.today, found.spent), (Sats::new(1_000), Sats::new(1_000)));
}

/// M1, M4: opened again with nothing left, the canary closes it in the same incident, and
/// nothing is sent; nor does the next day matter to what is spent in all.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_in_all_is_spent() {
    let job = broken("march", 4, json!({})).await;
    spent_before(&job, &Spending { spent: Sats::new(850), ..nothing_spent() }).await;
    limit(&job, "sats_day = 400\nsats_total = 1000", 1).await;
    let _services = job.spawn_all(1).await;
    let closed = closed_for(&job, "budget", "budget.reached").await;
    let evidence = &closed.trigger.as_ref().unwrap().evidence;
    assert!(evidence.contains("in all: 1000 sats, 950 sats spent"), "{evidence}");
    let told = job.world.events("event.failure.welcome.budget.reached").await;
    let named = told.iter().find_map(|event| event["data"].get("resets_at"));
    assert_eq!(named, None, "no day gives it back: {told:?}");
    open(&job, "budget").await;
    super::bench::told(&job, "event.gate.closed.budget", 2).await;
    let again = job.world.gate_is("budget", GateState::Closed).await;
    assert_eq!((again.incident, stat(&job, "paid_posts").await), (1, 1));
    limit(&job, "sats_total = 1250", 1).await;
    open(&job, "budget").await;
    all_welcomed_once(&job).await;
    assert_eq!(spending(&job).await.spent, Sats::new(1_250));
}

/// M4: two payers, each with four payments under way, share one budget to the sat; and opened,
/// everybody is paid once.
#[tokio::test(flavor = "multi_thread")]
async fn two_payers_share_a_budget() {
    let job = broken("march", 10, json!({})).await;
    without_midnight(&job).await;
    limit(&job, "sats_day = 500", 4).await;
    let _services = job.spawn_all(2).await;
    let _second = job.spawn("welcome-payer");
    paid_and_asked(&job, 5).await;
    limit(&job, "sats_day = 1000", 4).await;
    open(&job, "budget").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    assert_eq!(spending(&job).await.reserved, Sats::ZERO);
}

/// M2, M4: a payment in doubt keeps its sats, for as long as the relay is stuck. It is seen
/// through although nothing is left, since its own were reserved; the next one is not begun.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_is_not_spent_on_others() {
    let job = broken("march", 3, json!({ "stuck_nonce": true })).await;
    limit(&job, "sats_total = 100", 1).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "relay", "relay.nonce-conflict").await;
    cycles(&job, 2).await;
    let found = spending(&job).await;
    assert_eq!((found.spent, found.reserved), (Sats::ZERO, Sats::new(100)));
    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    closed_for(&job, "budget", "budget.reached").await;
    let found = spending(&job).await;
    assert_eq!((found.spent, found.reserved), (Sats::new(100), Sats::ZERO));
    assert_eq!(ledger(&job).await["welcomed"], 1);
    limit(&job, "sats_total = 300", 1).await;
    open(&job, "budget").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
}

/// M4: a new day has all of its budget but for what is still reserved from the day before.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_day_begins_with_what_is_still_reserved() {
    let job = broken("march", 4, json!({})).await;
    let today = kit::Clock.now().day();
    let (full, held) = (Sats::new(300), Sats::new(100));
    let yesterday = Spending { day: today - 1, today: full, reserved: held, ..nothing_spent() };
    spent_before(&job, &yesterday).await;
    limit(&job, "sats_day = 300", 1).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "budget", "budget.reached").await;
    let found = spending(&job).await;
    if found.day == today {
        assert_eq!((found.today, found.reserved), (Sats::new(200), held), "{found:?}");
        assert_eq!(stat(&job, "paid_posts").await, 2);
    }
}

/// A wallet that cannot pay what it owes and what is asked closes the gate `wallet` before
/// anything is signed, and says what is missing. Filled and opened, everybody is paid once.
#[tokio::test(flavor = "multi_thread")]
async fn a_low_balance_closes_the_wallet() {
    let mut job = broken("march", 4, json!({})).await;
    let fill = |sats: u64| json!({ "address": wallet().to_string(), "sats": sats });
    job.control("accounts", fill(250)).await;
    let _services = job.spawn_all(1).await;
    let closed = closed_for(&job, "wallet", "wallet.insufficient-funds").await;
    let evidence = &closed.trigger.as_ref().unwrap().evidence;
    let words = "has 50 sats of sBTC; 0 unfinished payments need 0 sats, this one 100 sats: 50 \
                 sats are missing";
    assert!(evidence.contains(words), "{evidence}");
    assert_eq!(spending(&job).await.reserved, Sats::ZERO);
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 2);
    assert!(failures(&job).await.iter().all(|told| !told.charged));
    job.control("accounts", fill(1_000)).await;
    open(&job, "wallet").await;
    register(&mut job, 1).await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "wallet").await;
}
