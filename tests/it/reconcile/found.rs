//! What is wrong is found, named, and can be put right by what it says to type.

use domain::{PaymentStage as Stage, Proof, Rejection, Sats};
use serde_json::json;

use super::{RECONCILE, differences, doctor, json_and_code, pay_behind_our_back, payments, said};
use crate::{
    harness::World,
    payments::bench::{addresses, all_welcomed_once, broken, wallet},
};

/// M1: whoever else signs with the wallet's key is found out: a transfer to a stranger, then a
/// second one to somebody who was welcomed. Each remedy does away with its line, except that
/// money paid twice stays told.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_behind_our_back_is_found_and_put_right() {
    let job = broken("march", 2, json!({})).await;
    let services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    let welcomed = addresses(&job).await[0].clone();
    let stranger = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA".to_owned();
    pay_behind_our_back(&job, &stranger, 2).await;
    let told = json_and_code(&job, &RECONCILE, 1).await;
    let behind = ("record-behind".to_owned(), String::new());
    let unknown = ("unknown-transfer".to_owned(), stranger.clone());
    assert_eq!(differences(&told), [behind, unknown.clone()], "{told}");

    let adopted = job.world.cli(&["payment", "adopt", "--note", "seen", "--as", "ann"]).await;
    assert!(adopted.status.success(), "{}", said(&adopted));
    assert_eq!(differences(&json_and_code(&job, &RECONCILE, 1).await), [unknown]);
    let add = ["contact", "add", &stranger, "--how", "paid by hand", "--as", "ann"];
    assert_eq!(json_and_code(&job, &add, 0).await["new"], true);
    json_and_code(&job, &RECONCILE, 0).await;

    pay_behind_our_back(&job, &welcomed, 3).await;
    let adopted = job.world.cli(&["payment", "adopt", "--note", "again", "--as", "ann"]).await;
    assert!(adopted.status.success(), "{}", said(&adopted));
    let told = json_and_code(&job, &RECONCILE, 1).await;
    assert_eq!(differences(&told), [("paid-twice".to_owned(), welcomed)], "{told}");
    drop(services);

    let output = job.world.cli(&RECONCILE).await;
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["paid-twice", "-> ", "gate close wallet", "1 difference = 1 paid-twice"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

/// Each way in which a record can be wrong about the money is one line.
#[tokio::test(flavor = "multi_thread")]
async fn a_doctored_record_is_found() {
    let job = broken("march", 4, json!({})).await;
    let services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    drop(services);
    let honest = payments(&job).await;
    let [rejected, dearer, stray, undelivered] = honest.as_slice() else { panic!("{honest:?}") };

    let mut payment = rejected.clone();
    let why = "never left".to_owned();
    payment.stage = Stage::Rejected(rejected.signed().cloned(), Rejection::Unsent { why });
    doctor(&job, &payment).await;
    doctor(&job, &domain::Payment { amount: Sats::new(90), ..dearer.clone() }).await;
    // Settled by a nonce that the chain has never seen.
    let mut payment = stray.clone();
    let Stage::Settled(Some(signed), _) = &mut payment.stage else { panic!("{stray:?}") };
    signed.nonce = 40;
    payment.at = domain::Timestamp::from_millis(payment.at.as_millis().saturating_sub(600_000));
    doctor(&job, &payment).await;
    // Paid, says the record, and never delivered; the inbox knows better.
    let mut payment = undelivered.clone();
    let Stage::Settled(_, settlement) = &mut payment.stage else { panic!("{undelivered:?}") };
    (settlement.message, settlement.proof) = (None, Proof::Chain);
    doctor(&job, &payment).await;

    let told = json_and_code(&job, &RECONCILE, 1).await;
    let of = |payment: &domain::Payment| payment.payee.address.clone();
    let mut expected = vec![
        ("paid-though-rejected".to_owned(), of(rejected)),
        ("amount-differs".to_owned(), of(dearer)),
        ("not-on-chain".to_owned(), of(stray)),
    ];
    expected.sort();
    assert_eq!(differences(&told), expected, "{told}");
}

/// A settled payment without its contact, its transfer and its message is three lines: the
/// record claims each of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_out_of_thin_air_is_found() {
    let job = broken("march", 2, json!({})).await;
    let services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    drop(services);
    let agent: stacks::Address = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA".parse().unwrap();
    let mut payment = payments(&job).await.remove(0);
    payment.payee.address = agent.to_string();
    (payment.payee.version, payment.payee.hash160) = (agent.version(), *agent.hash160());
    let Stage::Settled(Some(signed), _) = &mut payment.stage else { panic!("{payment:?}") };
    signed.nonce = 40;
    payment.at = domain::Timestamp::from_millis(payment.at.as_millis().saturating_sub(600_000));
    doctor(&job, &payment).await;
    let told = json_and_code(&job, &RECONCILE, 1).await;
    let kinds: Vec<String> = differences(&told).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["message-gone", "no-contact", "not-on-chain"], "{told}");
}

/// M2: what a source does not say is told as not compared, and ends with 4, never with 0.
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_not_fine() {
    let job = broken("march", 2, json!({})).await;
    let nothing = json_and_code(&job, &RECONCILE, 4).await;
    assert!(nothing["not_compared"][0].as_str().unwrap().contains("no wallet"), "{nothing}");
    let services = job.spawn_all(1).await;
    all_welcomed_once(&job).await;
    drop(services);
    job.control("faults", json!({ "api_down": true })).await;
    let told = json_and_code(&job, &RECONCILE, 4).await;
    assert_eq!((&told["clean"], &told["differences"]), (&false.into(), &json!([])), "{told}");
    assert_eq!(told["compared"]["transfers"], json!(null), "not known is not none: {told}");
    let silent = told["not_compared"].to_string();
    let wallet = wallet().to_string();
    for part in ["nonces of", "transfers of", "503", wallet.as_str()] {
        assert!(silent.contains(part), "{part:?} is not in {silent}");
    }
    job.control("faults", json!({ "api_down": false })).await;
    json_and_code(&job, &RECONCILE, 0).await;

    let inbox = format!("inbox_url = \"{}/api\"", job.sandbox.url());
    let gone = job.toml().replace(&inbox, "inbox_url = \"http://127.0.0.1:9/api\"");
    job.world.apply(&gone).await;
    let told = json_and_code(&job, &RECONCILE, 4).await;
    assert!(told["not_compared"][0].as_str().unwrap().contains("messages of"), "{told}");
}

/// Another fleet than the person means, or one that pays nobody, is bad usage.
#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_fleet_is_refused() {
    let world = World::start(crate::harness::world::ECHO_CONFIG).await;
    let output = world.cli(&["payment", "reconcile"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("[payer]"), "{}", said(&output));
    let job = crate::harness::Job::set(1).await;
    let output = job.world.cli(&["payment", "reconcile", "--network", "testnet"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("for mainnet, not for testnet"), "{}", said(&output));
    let output = job.world.cli(&["payment", "reconcile", "--since", "yesterday"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}
