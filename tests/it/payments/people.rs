//! Who must never reach a payment.

use domain::Task;
use serde_json::json;

use super::bench::{
    addresses, all_welcomed_once, broken, closed_for, cycles, failures, no_gate_moved,
    no_nonce_gap, only_gate_moved, open, stat, states, told,
};
use crate::harness::{Job, world::task};

/// M1: rows with an address of another network, or none, or one that no checksum fits, never
/// become a task, so the payer never hears of them.
#[tokio::test(flavor = "multi_thread")]
async fn bad_addresses_never_reach_the_payer() {
    let job = broken("march", 2, json!({})).await;
    let ways = ["missing_address", "bad_checksum", "lower_case", "testnet"];
    job.control("agents", json!({ "broken": ways })).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    cycles(&job, 3).await;
    assert_eq!(states(&job).await.len(), 2);
    assert_eq!((stat(&job, "unpaid_posts").await, stat(&job, "paid_posts").await), (2, 2));
    no_gate_moved(&job).await;
}

/// A task for the welcome-payer as somebody else's publisher might write it.
fn forged(name: &str, payload: &serde_json::Value) -> Task {
    Task { payload: payload.to_string(), ..task("welcome", &format!("welcome/{name}")) }
}

async fn queue(job: &Job, task: &Task) {
    let token = fleet::gate_log::token(&job.world.bus).await.unwrap();
    let created = fleet::create::create(&job.world.bus, task, token).await;
    assert!(matches!(created, fleet::create::Created::Created(_)), "{created:?}");
}

/// M1, T1: a task past the sensor with an address of another network, a bad checksum, another
/// network's name, a foreign contact key or no sense at all is the task's own fault: nothing
/// outside is asked, it dies loudly, and good tasks beside it are done.
#[tokio::test(flavor = "multi_thread")]
async fn forged_tasks_are_refused_by_the_payer() {
    let job = broken("march", 2, json!({})).await;
    let good = addresses(&job).await[0].clone();
    let order = |address: &str, network: &str| {
        json!({
            "address": address, "network": network, "purpose": "welcome", "message": "Welcome",
        })
    };
    let hash = *good.parse::<stacks::Address>().unwrap().hash160();
    let elsewhere = stacks::Address::new(26, hash).unwrap().to_string();
    let other = |c| if c == 'A' { 'B' } else { 'A' };
    let misspelt = format!("{}{}", &good[..good.len() - 1], other(good.chars().last().unwrap()));
    let foreign = Task {
        contact: Some("welcome/other".parse::<domain::SourceKey>().unwrap().key()),
        ..forged("contact", &order(&good, "mainnet"))
    };
    let forged = [
        forged("testnet", &order(&elsewhere, "mainnet")),
        forged("network", &order(&good, "testnet")),
        forged("misspelt", &order(&misspelt, "mainnet")),
        forged("nonsense", &json!("pay me")),
        foreign,
    ];
    for task in &forged {
        queue(&job, task).await;
    }
    let _services = job.spawn_all(1).await;
    job.welcomed(2).await;
    let dead = told(&job, "event.task.dead.welcome", forged.len()).await;
    assert!(dead.iter().all(|event| event["data"]["cause"] == "task.invalid"), "{dead:?}");
    let ledger = super::bench::ledger(&job).await;
    assert_eq!(ledger["transfers"].as_array().unwrap().len(), 2, "{ledger}");
    assert_eq!((stat(&job, "unpaid_posts").await, stat(&job, "paid_posts").await), (2, 2));
    no_gate_moved(&job).await;
}

/// M1: two tasks of different names for one payee and purpose: the payee is paid once.
#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_task_does_not_pay_again() {
    let job = broken("march", 2, json!({})).await;
    let services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    let address = addresses(&job).await[0].clone();
    let payload = json!({
        "address": address, "network": "mainnet", "purpose": "welcome", "message": "Hello again",
    });
    queue(&job, &forged("renamed", &payload)).await;
    job.done().await;
    let ledger = super::bench::ledger(&job).await;
    assert_eq!(ledger["transfers"].as_array().unwrap().len(), 2, "{ledger}");
    assert_eq!(stat(&job, "paid_posts").await, 2);
    drop(services);
}

/// M1, T1: somebody puts a payee on record whose bytes have left already. Keeping those back would
/// keep their nonce, and all after it, waiting for ever: they go out again, and everybody is paid
/// once.
#[tokio::test(flavor = "multi_thread")]
async fn contact_noted_on_the_way_jams_nothing() {
    let job = broken("march", 3, json!({ "stuck_nonce": true })).await;
    let _services = job.spawn_all(1).await;
    closed_for(&job, "relay", "relay.nonce-conflict").await;
    let payee = failures(&job).await[0].task.replace("welcome/", "");
    let add = ["contact", "add", &payee, "--how", "met at a fair", "--as", "ann"];
    let added = job.world.cli(&add).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    job.control("heal", json!({})).await;
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "relay").await;
}
