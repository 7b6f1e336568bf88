//! No recorded answer of the real inbox or the real relay takes the payer by surprise.
//!
//! What each means is stated here, in our own words, from what the services document and did; it
//! is not derived from the code under test. The recordings are in the folder that
//! `PORTCULLIS_TRANSCRIPTS` names, and are no part of the project.

#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test")]

use std::{fs, path::Path};

use logic::classify::{Answer, Phase, classify};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use x402::PaymentRequired;

use super::*;

/// What the payer has to make of an answer of the inbox: recording, exchange, meaning.
const OF_INBOX: &[(&str, &str, &str)] = &[
    ("lp-01", "unpaid POST -> 402", "terms"),
    ("lp-01", "unknown agent", "target.invalid"),
    ("lp-01", "not JSON", "task.invalid"),
    ("lp-01", "no content", "task.invalid"),
    ("lp-01", "content 501 chars", "task.invalid"),
    ("lp-01", "wrong toStxAddress", "target.invalid"),
    ("lp-01", "garbage payment-signature", "wallet.payment-refused"),
    ("lp-01", "empty payload object", "wallet.payment-refused"),
    ("lp-02", "paid POST", "staged"),
    ("lp-02", "same header again at once", "staged"),
    ("lp-02", "GET payment-status 0", "staged"),
    ("lp-02", "GET payment-status 1", "staged"),
    ("lp-02", "GET payment-status 2", "staged"),
    ("lp-02", "GET payment-status 3", "confirmed"),
    ("lp-02", "same header again after the outcome", "already redeemed"),
    ("lp-02", "payment-status unknown", "disowned: payment.unknown"),
    ("lp-02", "payment-status bad id", "payment.unknown"),
    // The relay looks neither at payee nor at amount; only the chain and the inbox do, later.
    ("lp-03", "wrong recipient in the tx", "staged"),
    ("lp-03", "amount 99", "staged"),
    // Its code says no more than that something was wrong.
    ("lp-03", "not sponsored", "wallet.payment-refused"),
    ("lp-03", "stale sender nonce", "wallet.sender-nonce"),
    // The relay has it and will send it once it can; the answer says nothing of that.
    ("lp-03", "sender nonce gap (3)", "relay.unavailable"),
    ("lp-03", "malformed tx", "wallet.payment-refused"),
];

/// What a word of the relay means when the inbox of March hands its answer on in a string.
const OF_RELAY: &[(&str, &str)] = &[
    ("NONCE_CONFLICT", "relay.nonce-conflict"),
    ("SETTLEMENT_VERIFICATION_FAILED", "wallet.payment-refused"),
    ("MALFORMED_PAYLOAD", "wallet.payment-refused"),
    ("INVALID_TRANSACTION", "wallet.payment-refused"),
    ("NOT_SPONSORED", "wallet.payment-refused"),
    ("MISSING_TRANSACTION", "wallet.payment-refused"),
    ("MISSING_SETTLE_OPTIONS", "wallet.payment-refused"),
    ("INVALID_SETTLE_OPTIONS", "wallet.payment-refused"),
    ("SIGNATURE_VALIDATION_FAILED", "wallet.payment-refused"),
    ("INTERNAL_ERROR", "relay.unavailable"),
    ("TOO_MUCH_CHAINING", "relay.unavailable"),
    ("SETTLEMENT_BROADCAST_FAILED", "relay.unavailable"),
    ("SPONSOR_FAILED", "relay.sponsor-failed"),
    ("BROADCAST_REJECTED", "relay.sponsor-failed"),
    ("RATE_LIMIT_EXCEEDED", "relay.rate-limited"),
    // Recorded for a sponsor without funds; the relay blames the sender, and we believe it.
    ("CLIENT_INSUFFICIENT_FUNDS", "wallet.insufficient-funds"),
    // An abort, or a node that was busy: only the chain can tell.
    ("SETTLEMENT_FAILED", "payment.unknown"),
    ("recipient_mismatch", "wallet.payment-refused"),
    ("amount_insufficient", "wallet.payment-refused"),
    ("invalid_transaction_state", "wallet.payment-refused"),
    ("invalid_payload", "wallet.payment-refused"),
    ("invalid_network", "wallet.payment-refused"),
    ("payment_identifier_conflict", "wallet.payment-refused"),
    ("conflicting_nonce", "relay.nonce-conflict"),
    ("transaction_held", "relay.pending"),
];

/// What the relay says of a payment that it is asked about.
const OF_STATUS: &[(&str, &str)] = &[
    ("queued", "staged"),
    ("mempool", "staged"),
    ("confirmed", "confirmed"),
    // Its reason was a conflict of the sponsor's nonce, said in the error beside it.
    ("failed", "disowned: relay.nonce-conflict"),
    ("not_found", "disowned: payment.unknown"),
];

/// Every recorded answer that the payer could meet means to it what it meant (T1); and no answer
/// to a payment is taken for proof that nothing was paid (M2).
#[test]
fn no_recorded_answer_is_a_surprise() {
    let Ok(folder) = std::env::var("PORTCULLIS_TRANSCRIPTS") else {
        eprintln!("PORTCULLIS_TRANSCRIPTS is not set: there are no recordings to read");
        return;
    };
    let (mut read, mut complaints) = (0, Vec::new());
    for (recording, exchange) in exchanges(&folder) {
        let name = exchange["name"].as_str().unwrap();
        let Some((meant, met)) = meet(&recording, &exchange) else { continue };
        read += 1;
        if meant.as_deref() != Some(&*met) {
            complaints.push(format!("{recording} > {name}: {met}, not {meant:?}"));
        }
    }
    eprintln!("{read} recorded answers read");
    assert!(read > 100, "{folder}: only {read} answers that a payer could meet");
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// What the table says, and what the payer says; `None` for what it never meets.
fn meet(recording: &str, exchange: &Value) -> Option<(Option<String>, String)> {
    let (request, response) = (&exchange["request"], &exchange["response"]);
    let path = request["path"].as_str()?;
    let name = exchange["name"].as_str()?;
    if path.starts_with("/api/inbox/") && request["method"] == "POST" {
        let paid = request["headers"].get("payment-signature").is_some();
        let phase = if paid { Phase::Paid } else { Phase::Probe };
        return Some((of_inbox(recording, name), understood(phase, &answer(response))));
    }
    if path.starts_with("/api/payment-status/") {
        return Some((of_inbox(recording, name), understood(Phase::Poll, &answer(response))));
    }
    let of_relay = recording.starts_with("m12-");
    let asked = path.starts_with("/payment/") && !of_relay || path == "/_rpc/checkPayment";
    if asked {
        let meant = word(OF_STATUS, response["body"]["status"].as_str()?);
        return Some((meant, understood(Phase::Poll, &answer(response))));
    }
    let failure = |name: &str| response["body"][name].as_str();
    if path == "/relay" {
        let meant = word(OF_RELAY, failure("code")?);
        let inner = response["body"].to_string();
        let body = json!({
            "x402Version": 2, "accepts": [], "errorCode": "unexpected_settle_error",
            "error": format!("Sponsor relay failed: {inner}"),
        });
        return Some((meant, understood(Phase::Paid, &wrapped(402, body))));
    }
    if path == "/settle" {
        let reason = failure("errorReason")?;
        let body = json!({"error": "Payment was refused.", "code": reason});
        return Some((word(OF_RELAY, reason), understood(Phase::Paid, &wrapped(402, body))));
    }
    None
}

fn of_inbox(recording: &str, name: &str) -> Option<String> {
    let of = |entry: &&(&str, &str, &str)| recording.starts_with(entry.0) && name == entry.1;
    OF_INBOX.iter().find(of).map(|entry| entry.2.to_owned())
}

fn word(table: &[(&str, &str)], word: &str) -> Option<String> {
    table.iter().find(|entry| entry.0 == word).map(|entry| entry.1.to_owned())
}

/// What the payer makes of an answer, in the words of the tables.
fn understood(phase: Phase, response: &Response) -> String {
    let required = PaymentRequired::read(response.header("payment-required"), &response.text);
    let mut reply = reply(response);
    reply.has_terms = phase == Phase::Probe && required.is_ok();
    match classify(phase, &reply) {
        Answer::PaymentRequired => "terms".into(),
        Answer::Delivered { .. } => "delivered".into(),
        Answer::Staged { payment_id, .. } if payment_id.starts_with("pay_") => "staged".into(),
        Answer::Staged { payment_id, .. } => format!("staged as {payment_id:?}"),
        Answer::Confirmed { txid: Some(_) } => "confirmed".into(),
        Answer::Confirmed { txid: None } => "confirmed nowhere".into(),
        Answer::AlreadyRedeemed { message: Some(_) } => "already redeemed".into(),
        Answer::AlreadyRedeemed { message: None } => "redeemed by nobody knows what".into(),
        Answer::Disowned(failure) => format!("disowned: {}", failure.cause),
        Answer::Failure(failure) if phase == Phase::Paid && !failure.in_doubt => {
            format!("{} as proof", failure.cause)
        }
        Answer::Failure(failure) => failure.cause.to_string(),
    }
}

/// A recorded answer as it would have come in.
fn answer(response: &Value) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().unwrap() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let (body, text) = (response["body"].clone(), response["body"].to_string());
    Response { status, headers, body, text, trouble: String::new() }
}

fn wrapped(status: u16, body: Value) -> Response {
    Response { status: Some(status), text: body.to_string(), body, ..Response::default() }
}

fn exchanges(folder: &str) -> Vec<(String, Value)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let folder = if Path::new(folder).is_dir() { Path::new(folder) } else { &top };
    let files = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("read the recordings in {}: {error}", folder.display()));
    let mut exchanges = Vec::new();
    for path in files.map(|file| file.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let of_file = file["exchanges"].as_array().unwrap().clone();
        exchanges.extend(of_file.into_iter().map(|exchange| (name.clone(), exchange)));
    }
    exchanges
}
