//! Interaction history: whoever has heard from us is not greeted again.

use std::fs;

use serde_json::json;

use super::{RECONCILE, differences, json_and_code, said};
use crate::payments::bench::{
    addresses, broken, cycles, ledger, register, stat, states, told, wallet,
};

/// M1, W3: agents that a person imports, by CSV and by JSON, are never greeted; all others are.
/// A bad row is told with its line and keeps the file out; importing again changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn imported_contacts_are_not_greeted() {
    let mut job = broken("march", 5, json!({})).await;
    let agents = addresses(&job).await;
    let file = |name: &str, text: &str| {
        let path = job.world.dir().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let csv = format!("name,address,how\nAnn,{},by mail\nBob,{},\n", agents[0], agents[1]);
    let good = file("good.csv", &csv);
    let bad = file("bad.csv", &format!("{csv}Eve,SPEVE,\n"));
    let import = |path: &str, more: &[&str]| {
        let args = [&["contact", "import", path, "--as", "ann"], more].concat();
        args.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let run = async |args: Vec<String>, code| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        json_and_code(&job, &args, code).await
    };
    let refused = run(import(&bad, &[]), 2).await;
    assert_eq!((&refused["imported"], &refused["bad"][0]["line"]), (&false.into(), &4.into()));
    let strange = file("strange.csv", &format!("address,purpose\n{},welcom\n", agents[3]));
    let strange = run(import(&strange, &[]), 2).await;
    assert_eq!(strange["bad"][0]["line"], 2, "{strange}");
    assert!(strange.to_string().contains("did you mean `welcome`"), "{strange}");
    let dry = run(import(&good, &["--dry-run"]), 0).await;
    assert_eq!((&dry["new"], &dry["imported"]), (&2.into(), &false.into()), "{dry}");
    let list = json_and_code(&job, &["contact", "list"], 0).await;
    assert_eq!(list["count"], 0, "neither wrote anything: {list}");

    let skipped = run(import(&bad, &["--skip-bad"]), 0).await;
    assert_eq!((&skipped["new"], &skipped["refused"]), (&2.into(), &1.into()), "{skipped}");
    let again = run(import(&good, &[]), 0).await;
    assert_eq!((&again["new"], &again["known"]), (&0.into(), &2.into()), "{again}");
    let json = file("more.json", &format!("[{{\"stxAddress\":\"{}\"}}]", agents[2]));
    assert_eq!(run(import(&json, &[]), 0).await["new"], 1);
    let list = json_and_code(&job, &["contact", "list"], 0).await;
    assert_eq!(list["by_purpose"], json!({ "welcome": 3 }), "{list}");
    assert!(list.to_string().contains("imported from bad.csv by ann: by mail"), "{list}");

    job.settings.agents = 2;
    let _services = job.spawn_all(1).await;
    job.welcomed(2).await;
    cycles(&job, 3).await;
    let ledger = ledger(&job).await;
    for known in &agents[..3] {
        assert!(!ledger.to_string().contains(known), "{known} was paid: {ledger}");
    }
    assert_eq!((stat(&job, "paid_posts").await, &ledger["messages"]), (2, &2.into()));
}

/// M1, W3: an agent that a person puts on record by hand is never greeted; a purpose that nobody
/// greets for, and an address of no checksum or of another network, are bad usage.
#[tokio::test(flavor = "multi_thread")]
async fn one_is_added_by_hand() {
    let job = broken("march", 2, json!({})).await;
    let agents = addresses(&job).await;
    let add = |purpose: &'static str| {
        ["contact", "add", agents[0].as_str(), "--as", "ann", "--purpose", purpose]
    };
    let output = job.world.cli(&add("welcom")).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("did you mean `welcome`"), "{}", said(&output));
    assert_eq!(json_and_code(&job, &add("welcome"), 0).await["new"], true);
    assert_eq!(json_and_code(&job, &add("welcome"), 0).await["new"], false);
    let bad = job.world.cli(&["contact", "add", "SP1", "--as", "ann"]).await;
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
    let elsewhere = stacks::Address::new(26, [7; 20]).unwrap().to_string();
    let bad = job.world.cli(&["contact", "add", &elsewhere, "--as", "ann"]).await;
    assert!(said(&bad).contains("not of mainnet"), "{}", said(&bad));

    let _services = job.spawn_all(1).await;
    told(&job, "event.task.completed.welcome", 1).await;
    cycles(&job, 2).await;
    let ledger = ledger(&job).await;
    assert_eq!(ledger["transfers"].as_array().unwrap().len(), 1, "{ledger}");
    assert_eq!(ledger["transfers"][0]["recipient"], agents[1], "{ledger}");
}

/// M1: a fleet that has lost its record takes over from the inbox whom the wallet has greeted,
/// and greets only the others.
#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_knows_whom_we_greeted() {
    let mut job = broken("march", 2, json!({})).await;
    let services = job.spawn_all(1).await;
    crate::payments::bench::all_welcomed_once(&job).await;
    drop(services);
    // New servers with nothing on record, and the same outside.
    let fresh = crate::harness::World::bare().await;
    let before = std::mem::replace(&mut job.world, fresh);
    job.world.apply(&job.toml()).await;
    let wallet = wallet().to_string();
    let from_inbox = ["contact", "import", "--from-inbox", "--as", "ann"];
    let nobody = job.world.cli(&from_inbox).await;
    assert_eq!(nobody.status.code(), Some(2), "{}", said(&nobody));
    assert!(said(&nobody).contains("--wallet"), "{}", said(&nobody));
    let named = [&from_inbox[..], &["--wallet", &wallet]].concat();
    let told = json_and_code(&job, &named, 0).await;
    assert_eq!((&told["new"], &told["known"]), (&2.into(), &0.into()), "{told}");

    let _services = job.spawn_all(1).await;
    register(&mut job, 1).await;
    job.welcomed(3).await;
    cycles(&job, 3).await;
    assert_eq!(stat(&job, "paid_posts").await, 3);
    assert_eq!(states(&job).await.len(), 1, "no task was made of those who are known");
    let told = json_and_code(&job, &RECONCILE, 0).await;
    assert_eq!(differences(&told), []);
    drop(before);
}
