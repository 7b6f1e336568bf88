//! The wallet: its key, and more than one payer on it.

use std::time::Duration;

use serde_json::json;

use super::bench::{all_welcomed_once, broken, no_gate_moved, no_nonce_gap, stat};
use crate::harness::{Job, PATIENCE};

/// Starts a payer with the given environment and returns what it printed when it ended.
async fn refused(job: &Job, env: &[(&str, &str)]) -> String {
    let mut payer = job.world.spawn_with("welcome-payer", &[], env);
    let ended = tokio::time::timeout(Duration::from_secs(20), payer.ended()).await;
    assert_ne!(ended.expect("it ends at once"), "exit status: 0");
    std::fs::read_to_string(payer.log()).unwrap()
}

/// Without a usable key the payer ends at once and says what to do; it repeats no part of
/// what it was given.
#[tokio::test(flavor = "multi_thread")]
async fn a_payer_without_a_key_ends_and_tells_no_secret() {
    let job = Job::set(1).await;
    let said = refused(&job, &[("WALLET_KEY", "")]).await;
    assert!(said.contains("WALLET_KEY_FILE") && said.contains("wallet key"), "{said}");
    let missing = job.world.dir().join("nowhere/key");
    let said = refused(&job, &[("WALLET_KEY_FILE", missing.to_str().unwrap())]).await;
    assert!(said.contains("nowhere/key"), "{said}");

    let hex = "70c1a9d3e5b7f2046c8e1a3b5d7f9024681357acbdf0e2c4a6987b5d3f1e0c2a";
    let words = "legal winner thank year wave sausage worth useful legal winner thank thank";
    let broken = [
        "not-a-key-but-a-secret".to_owned(),
        hex[..63].to_owned(),
        format!("{hex}02"),
        format!("{hex}zz"),
        "0".repeat(64),
        words.to_owned(),
        words.replace("sausage", "sausagge"),
    ];
    let file = job.world.dir().join("key");
    for key in &broken {
        std::fs::write(&file, key).unwrap();
        for env in [("WALLET_KEY", key.as_str()), ("WALLET_KEY_FILE", file.to_str().unwrap())] {
            let said = refused(&job, &[env]).await;
            assert!(said.contains("wallet key"), "{key}: {said}");
            let shown = key.split(' ').find(|part| said.contains(*part));
            assert_eq!(shown, None, "{said}");
        }
    }
    assert_eq!(stat(&job, "unpaid_posts").await, 0);
}

/// A job whose kind runs, and whose wallet pays, four at a time.
async fn four_at_a_time(relay: &str, agents: usize, faults: serde_json::Value) -> Job {
    let job = broken(relay, agents, faults).await;
    let toml = job.settings.to_toml(job.sandbox.url());
    let toml = toml.replace("concurrency = 1", "concurrency = 4");
    job.world.apply(&toml.replace("in_flight = 1", "in_flight = 4")).await;
    job
}

async fn two_payers_pay_once(relay: &str, faults: serde_json::Value) {
    let job = four_at_a_time(relay, 10, faults).await;
    let mut services = job.spawn_all(2);
    services.push(job.spawn("welcome-payer"));
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    for service in &mut services {
        assert!(service.runs(), "{} ended", service.name());
    }
}

/// M1, M3: two payers on one wallet: nobody is paid twice and no nonce is left out.
#[tokio::test(flavor = "multi_thread")]
async fn two_payers_share_a_wallet() {
    two_payers_pay_once("march", json!({})).await;
}

/// M1, M3: the same with the relay of today, which holds what comes out of order.
#[tokio::test(flavor = "multi_thread")]
async fn two_payers_share_a_wallet_today() {
    two_payers_pay_once("today", json!({})).await;
}

/// M1, M2, M3: the same while answers are lost.
#[tokio::test(flavor = "multi_thread")]
async fn two_payers_share_a_wallet_while_answers_are_lost() {
    let faults = json!({ "inbox_drop_after_settle": 3, "inbox_503_after_settle": 3 });
    two_payers_pay_once("march", faults).await;
}

/// M1, M3: one of the two is killed in the middle; the other carries on, with its nonces too.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_payers_may_be_killed() {
    let job = four_at_a_time("march", 10, json!({})).await;
    let _services = job.spawn_all(2);
    let mut second = job.spawn("welcome-payer");
    job.welcomed(3).await;
    second.kill().await;
    tokio::time::timeout(PATIENCE, all_welcomed_once(&job)).await.expect("in time");
    no_nonce_gap(&job).await;
}
