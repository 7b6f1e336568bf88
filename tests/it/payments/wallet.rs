//! The wallet: its key, and more than one payer on it.

use std::{collections::BTreeSet, time::Duration};

use domain::{GateState, Payment};
use serde_json::json;
use wire::Wire as _;

use super::bench::{
    all_welcomed_once, at_once, broken, closed_for, cycles, ledger, no_gate_moved, no_nonce_gap,
    only_gate_moved, open, register, stat, wallet,
};
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

async fn two_payers_pay_once(relay: &str, faults: serde_json::Value) {
    let job = broken(relay, 10, faults).await;
    at_once(&job, 4, 4).await;
    let mut services = job.spawn_all(2).await;
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
    let job = broken("march", 10, json!({})).await;
    at_once(&job, 4, 4).await;
    let _services = job.spawn_all(2).await;
    let mut second = job.spawn("welcome-payer");
    job.welcomed(3).await;
    second.kill().await;
    tokio::time::timeout(PATIENCE, all_welcomed_once(&job)).await.expect("in time");
    no_nonce_gap(&job).await;
}

/// G2, M1, M3: two payers with four payments each under way meet a stuck nonce: no more posts
/// than payments may be under way, none while closed, and afterwards everybody once.
#[tokio::test(flavor = "multi_thread")]
async fn two_payers_meet_a_stuck_relay() {
    let job = broken("march", 10, json!({ "stuck_nonce": true })).await;
    at_once(&job, 4, 4).await;
    let _services = job.spawn_all(2).await;
    let _second = job.spawn("welcome-payer");
    closed_for(&job, "relay", "relay.nonce-conflict").await;
    cycles(&job, 2).await;
    let posts = stat(&job, "paid_posts").await;
    assert!(posts <= 4, "{posts} posts into a stuck relay");
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, posts, "sent through a closed gate");
    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    only_gate_moved(&job, "relay").await;
    assert_eq!(job.world.gate_is("relay", GateState::Open).await.incident, 1);
}

/// Section 8: the world knows nonces of ours that the record does not. A payer that starts so
/// signs nothing, closes `wallet` with `record.behind`, and asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_older_than_the_world_signs_nothing() {
    let mut job = broken("march", 2, json!({})).await;
    let mut services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    let payer = services.iter_mut().find(|s| s.name().starts_with("welcome-payer")).unwrap();
    payer.kill().await;
    job.control("accounts", json!({ "address": wallet().to_string(), "nonce": 5 })).await;
    *payer = job.spawn("welcome-payer");
    register(&mut job, 2).await;
    closed_for(&job, "wallet", "record.behind").await;
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 2);
    assert_eq!(ledger(&job).await["welcomed"], 2);
}

/// Neither the key nor signed bytes nor a payment header reach a log or an event, whatever
/// goes wrong: whoever has the bytes can make the payment happen.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told() {
    let faults = json!({ "inbox_drop_after_settle": 1, "inbox_503_after_settle": 1,
        "inbox_500": 1, "chain_abort": 1 });
    let job = broken("march", 4, faults).await;
    let _services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    let mut told: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(job.world.dir().join("log")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("sandbox.log") {
            told.push(std::fs::read_to_string(path).unwrap());
        }
    }
    assert!(told.len() >= 4, "the services keep logs");
    let events = job.world.events("event.>").await;
    told.extend(events.iter().map(ToString::to_string));
    let payments = job.world.stored("RECORD", "pay.>").await;
    let mut secrets: BTreeSet<String> = payments
        .iter()
        .filter_map(|stored| Payment::decode(&stored.body).unwrap().signed().cloned())
        .map(|signed| signed.header)
        .collect();
    assert!(4 < secrets.len(), "four payments are on record, one of them signed twice");
    secrets.insert(portcullis::up::stage::PLAY_KEY[..64].to_owned());
    // The first bytes of every sponsored transfer of ours, up to its key hash.
    secrets.insert(format!("00000000010500{}", stacks::hex::encode(wallet().hash160())));
    for secret in secrets {
        let start = &secret[..secret.len().min(80)];
        let shown = told.iter().flat_map(|text| text.lines()).find(|line| line.contains(start));
        assert!(shown.is_none(), "{start} is told in {shown:?}");
    }
}
