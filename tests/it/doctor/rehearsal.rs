//! The payment that is not made: by the payer's own code up to the signature.

use std::{fs, process::Output};

use domain::Payment;
use portcullis::up::stage::PLAY_KEY;
use serde_json::{Value, json};
use wire::Wire as _;

use super::{file, keeps_secrets, key_file, object, wallet, with_key};
use crate::{
    harness::{Job, program},
    payments::bench::{addresses, ledger, stat},
};

async fn try_out(job: &Job, agent: &str, more: &[&str]) -> Output {
    with_key(job, &[&["payment", "try", agent, "--json"], more].concat()).await
}

/// What was found of one matter, and what was said.
fn looked(report: &Value, what: &str) -> (String, String) {
    let all = report["looked"].as_array().unwrap();
    let found = all.iter().find(|it| it["what"] == what).unwrap_or_else(|| panic!("{report}"));
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("found"), text("said"))
}

/// Runs it and checks its number and, of one matter, what was found and said.
async fn refuses(job: &Job, agent: &str, more: &[&str], code: i32, expected: [&str; 3]) -> Value {
    let output = try_out(job, agent, more).await;
    let report = object(&output);
    assert_eq!(output.status.code(), Some(code), "{report}");
    let [what, found, part] = expected;
    let (is, said) = looked(&report, what);
    assert!(is == found && said.contains(part), "{what}: {found}, {part}: {report}");
    assert_eq!(report["would_be_paid"], false, "{report}");
    report
}

/// Writes to the record: none may come from a rehearsal.
async fn record(job: &Job) -> Option<u64> {
    job.world.last("RECORD", ">").await.map(|it| it.seq)
}

/// M1, M3: a rehearsal shows the transaction that the payer signs later, to the last byte (its
/// id is a hash of them), and has until then moved, written and taken nothing.
#[tokio::test(flavor = "multi_thread")]
async fn shows_what_the_payer_will_sign() {
    let job = Job::set(1).await;
    let agent = addresses(&job).await.remove(0);
    let before = record(&job).await;
    let output = try_out(&job, &agent, &[]).await;
    let report = object(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!((&report["would_be_paid"], stat(&job, "paid_posts").await), (&json!(true), 0));
    assert_eq!((record(&job).await, ledger(&job).await["messages"].clone()), (before, json!(0)));
    let transfer = &report["transfer"];
    for (field, value) in [
        ("sender", json!(wallet(&job).to_string())),
        ("recipient", json!(agent)),
        ("amount", json!("100")),
        ("nonce", json!(0)),
        ("fee", json!(0)),
        ("chain_id", json!(1)),
        ("asset", json!("SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token::sbtc-token")),
    ] {
        assert_eq!(transfer[field], value, "{field}: {report}");
    }
    let conditions = transfer["post_conditions"].to_string();
    assert!(conditions.contains("sends exactly 100 of") && conditions.contains("deny"), "{report}");

    let _services = job.spawn_all(1).await;
    job.done().await;
    let paid = job.world.last("RECORD", "pay.>").await.unwrap();
    let paid = Payment::decode(&paid.body).unwrap();
    let signed = paid.signed().unwrap();
    assert_eq!(transfer["txid_before_sponsoring"], json!(signed.txid));
    assert_eq!(transfer["payment_id"], json!(signed.payment_id));
    assert_eq!(transfer["header_bytes"], json!(signed.header.len()));
    refuses(&job, &agent, &[], 3, ["record", "refused", "contact"]).await;
}

/// M4, T1: terms that are not ours are refused loudly and by their cause, and nothing is signed
/// for them: a sat too much, another payee, another network.
#[tokio::test(flavor = "multi_thread")]
async fn refuses_other_terms() {
    let job = Job::set(2).await;
    let agents = addresses(&job).await;
    let wrong = ["terms", "refused", "target.payment-terms"];
    for faults in [json!({ "amount_override": "101" }), json!({ "pay_to_override": agents[1] })] {
        job.control("faults", faults).await;
        let report = refuses(&job, &agents[0], &[], 3, wrong).await;
        assert_eq!(report["transfer"], Value::Null, "{report}");
        job.control("faults", json!({ "amount_override": null, "pay_to_override": null })).await;
    }
    // An agent of testnet, whose inbox is on mainnet.
    job.control("agents", json!({ "broken": ["testnet"] })).await;
    let foreign = addresses(&job).await.remove(0);
    assert!(foreign.starts_with("ST"), "{foreign}");
    let testnet = file(&job, "testnet.toml", |toml| {
        let toml = toml.replace("\"mainnet\"", "\"testnet\"");
        toml.replace(&format!("exclude = [\"{}\"]", wallet(&job)), "")
    });
    let report = refuses(&job, &foreign, &["-f", &testnet], 3, wrong).await;
    assert!(looked(&report, "terms").1.contains("testnet"), "{report}");
    refuses(&job, &foreign, &[], 3, ["payee", "refused", "not of mainnet"]).await;
    assert_eq!(stat(&job, "paid_posts").await, 0);
}

/// Each rule that would hold the payment back is named, with the number for its kind; what
/// could be signed all the same is shown.
#[tokio::test(flavor = "multi_thread")]
async fn names_what_speaks_against_it() {
    let job = Job::set(2).await;
    let agent = addresses(&job).await.remove(0);
    let us = wallet(&job).to_string();
    job.control("accounts", json!({ "address": us, "sats": 40 })).await;
    let poor = ["balance", "refused", "60 are missing"];
    let report = refuses(&job, &agent, &[], 3, poor).await;
    assert_eq!(report["transfer"]["amount"], "100", "{report}");
    job.control("accounts", json!({ "address": us, "sats": 1_000 })).await;

    let close = ["gate", "close", "relay", "--note", "upkeep", "--as", "ann"];
    assert!(job.world.cli(&close).await.status.success());
    refuses(&job, &agent, &[], 3, ["gates", "refused", "relay is CLOSED"]).await;
    refuses(&job, &us, &[], 3, ["payee", "refused", "our own wallet"]).await;
    let unknown = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
    refuses(&job, unknown, &[], 5, ["directory", "not-found", "not among the 2 agents"]).await;
    let named = file(&job, "first.toml", |toml| toml);
    job.control("faults", json!({ "api_down": true })).await;
    refuses(&job, &agent, &["-f", &named], 4, ["nonce", "no-answer", "503"]).await;
    job.control("faults", json!({ "api_down": null })).await;
    let output = try_out(&job, "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ8", &[]).await;
    assert_eq!(output.status.code(), Some(2), "a slip in the address");
    let output = job.world.cli(&["payment", "try", &agent]).await;
    assert_eq!(output.status.code(), Some(2), "no key");
}

/// The payer's own flag does the same where only the payer has the key: in its container.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_rehearses_too() {
    let job = Job::set(1).await;
    let agent = addresses(&job).await.remove(0);
    let key = key_file(&job, "wallet.key", PLAY_KEY);
    let run = async |agent: &str| {
        let mut payer = tokio::process::Command::new(program("welcome-payer"));
        payer.args(["--dry-run", agent]).env("NATS_URL", job.world.nats.url());
        let output = payer.env("WALLET_KEY_FILE", &key).kill_on_drop(true).output();
        let output = tokio::time::timeout(crate::harness::PATIENCE, output).await.unwrap().unwrap();
        keeps_secrets(&output);
        output
    };
    let output = run(&agent).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in ["it would be paid", "sends exactly 100 of", "100 sats", "sponsored"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    job.control("faults", json!({ "amount_override": "101" })).await;
    let output = run(&agent).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("NOT be paid") && text.contains("target.payment-terms"), "{text}");
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert_eq!(stat(&job, "paid_posts").await, 0);
    let read = fs::read_to_string(&key).unwrap();
    assert!(!text.contains(read.trim()), "{text}");
}
