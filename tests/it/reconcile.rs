//! What people are told of the money: `payment list|show|reconcile` and `contact`, over real
//! services and the sandbox's chain, inbox and relay.

mod contacts;
mod found;
mod shown;

use std::process::Output;

use domain::Payment;
use serde_json::{Value, json};
use stacks::{Network, PrivateKey, Transfer, sign_transfer};
use wire::{Wire as _, subject};

use crate::{
    harness::{Job, eventually},
    payments::bench::{all_welcomed_once, broken, ledger, wallet},
};

const RECONCILE: [&str; 3] = ["payment", "reconcile", "--all"];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs it, checks its exit code, and answers with its JSON.
async fn json_and_code(job: &Job, args: &[&str], code: i32) -> Value {
    let output = job.world.cli(&[args, &["--json"]].concat()).await;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {told} {}", said(&output));
    told
}

/// The kinds of difference and whom they concern, sorted.
fn differences(told: &Value) -> Vec<(String, String)> {
    let differences = told["differences"].as_array().unwrap();
    let mut found: Vec<(String, String)> = differences
        .iter()
        .map(|line| {
            let agent = line["agent"].as_str().unwrap_or_default().to_owned();
            (line["kind"].as_str().unwrap().to_owned(), agent)
        })
        .collect();
    found.sort();
    found
}

/// Moves 100 sats with the wallet's key and without the payer, as whoever else has the key.
async fn pay_behind_our_back(job: &Job, to: &str, nonce: u64) {
    let key = PrivateKey::from_hex(portcullis::up::stage::PLAY_KEY).unwrap();
    let to_parsed = to.parse().unwrap();
    let signed =
        sign_transfer(&Transfer::new(Network::Mainnet, nonce, 100, to_parsed), &key).unwrap();
    let body = json!({
        "transaction": stacks::hex::encode(&signed.bytes),
        "settle": { "expectedRecipient": to, "minAmount": "100", "tokenType": "sBTC" },
    });
    let url = format!("{}/relay-host/relay", job.sandbox.url());
    let sent = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert!(sent.status().is_success(), "{:?}", sent.text().await);
    eventually("the transfer to settle", || async {
        let ledger = ledger(job).await;
        let transfers = ledger["transfers"].as_array().unwrap();
        transfers.iter().any(|transfer| transfer["originNonce"] == nonce).then_some(())
    })
    .await;
}

/// The newest record of every payment.
async fn payments(job: &Job) -> Vec<Payment> {
    let mut newest = std::collections::BTreeMap::new();
    for stored in job.world.stored(subject::RECORD, "pay.*").await {
        newest.insert(stored.subject.clone(), Payment::decode(&stored.body).unwrap());
    }
    newest.into_values().collect()
}

/// Puts another version of a payment on record.
async fn doctor(job: &Job, payment: &Payment) {
    let subject = subject::payment(payment.key());
    let last = job.world.last(subject::RECORD, &subject).await;
    let expect = bus::Expect::Last(last.map_or(0, |last| last.seq));
    let put = bus::Put { subject, body: payment.encode(), expect, id: None };
    job.world.bus.put(put).await.unwrap();
}

/// M1, M2: after a run with lost answers, a 503 after settlement and an aborted transfer,
/// everything was compared and nothing differs; so too while the run is under way.
async fn a_run_reconciles_clean(relay: &str) {
    let faults = json!({
        "inbox_drop_after_settle": 2, "inbox_503_after_settle": 1, "chain_abort": 1,
    });
    let job = broken(relay, 4, faults).await;
    let services = job.spawn_all(1).await;
    job.welcomed(1).await;
    let meanwhile = job.world.json(&RECONCILE).await;
    assert_eq!(differences(&meanwhile), [], "{meanwhile}");
    all_welcomed_once(&job).await;
    drop(services);

    let told = json_and_code(&job, &RECONCILE, 0).await;
    assert_eq!((&told["clean"], &told["not_compared"]), (&true.into(), &json!([])), "{told}");
    let compared = &told["compared"];
    assert_eq!(compared["payments_by_stage"], json!({ "settled": 4 }), "{told}");
    assert_eq!((&compared["transfers"], &compared["messages"]), (&4.into(), &4.into()), "{told}");
    assert_eq!(told["wallets"], json!([wallet().to_string()]));
    // In no time at all nothing moved.
    let none = json_and_code(&job, &["payment", "reconcile", "--since", "0s"], 0).await;
    let compared = &none["compared"];
    assert_eq!((&compared["transfers"], &compared["messages"]), (&0.into(), &0.into()), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_welcomes_reconciles_clean() {
    a_run_reconciles_clean("march").await;
}

/// The same with the relay that stages.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_welcomes_reconciles_clean_today() {
    a_run_reconciles_clean("today").await;
}
