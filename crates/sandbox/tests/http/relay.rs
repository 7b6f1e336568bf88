//! The relay's own doors: repeats, names, receipts, what is put aside, and a node that refuses.

use sandbox::RelayVersion;
use serde_json::{Value, json};

use crate::harness::{Sandbox, options, settle, transaction, with_sandbox};

/// A request to `/relay`.
fn relay(sender: u8, nonce: u64, agent: &Value) -> Value {
    json!({
        "transaction": transaction(sender, nonce, agent),
        "settle": {
            "expectedRecipient": agent["stxAddress"],
            "minAmount": "100",
            "tokenType": "sBTC",
            "maxTimeoutSeconds": 10,
        },
    })
}

/// A request to `/settle` under a client's own name.
fn named(sender: u8, name: &str, agent: &Value) -> Value {
    let mut request = settle(sender, 0, agent);
    request["paymentPayload"]["extensions"] = json!({"payment-identifier": {"info": {"id": name}}});
    request
}

/// Time that is held passes only as it is told to, and where an answer waits: a payment that
/// takes an hour is told as pending at once, and stays so told when it has confirmed.
#[tokio::test]
async fn the_first_answer_stands() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        assert_eq!(sandbox.post("/sandbox/time", json!({"advance_ms": 1})).await.status, 400);
        let begun = sandbox.post("/sandbox/time", json!({"hold": true})).await.body;
        sandbox.set(json!({"confirm_delay_ms": 100_000})).await;
        let first = sandbox.post("/relay-host/relay", relay(1, 0, &agent)).await.body;
        assert_eq!(first["settlement"]["status"], "pending");
        let now = sandbox.post("/sandbox/time", json!({"advance_ms": 200_000})).await.body;
        let waited = now["now_ms"].as_u64().unwrap() - begun["now_ms"].as_u64().unwrap();
        assert!((204_000..=206_000).contains(&waited), "{waited}");

        assert_eq!(sandbox.ledger().await["welcomed"], 1);
        let again = sandbox.post("/relay-host/relay", relay(1, 0, &agent)).await.body;
        for field in ["txid", "receiptId", "settlement", "sponsoredTx"] {
            assert_eq!(again[field], first[field], "{field}");
        }
        let path = format!("/relay-host/verify/{}", first["receiptId"].as_str().unwrap());
        let receipt = sandbox.get(&path).await.body["receipt"].clone();
        assert_eq!((&receipt["txid"], &receipt["status"]), (&first["txid"], &json!("valid")));
        let sponsored = first["sponsoredTx"].as_str().unwrap();
        let sponsored = stacks::decode(&stacks::hex::decode(sponsored).unwrap()).unwrap();
        assert_eq!(json!(sponsored.txid().to_string()), first["txid"]);
        sponsored.verify_sponsor().unwrap();

        sandbox.post("/sandbox/time", json!({"advance_ms": 300_000})).await;
        let late = sandbox.post("/relay-host/relay", relay(1, 0, &agent)).await;
        assert_eq!((late.status, &late.body["code"]), (409, &json!("NONCE_CONFLICT")));
    })
    .await;
}

/// A client's name for a payment stands for one request: its repeat gets the same answer, and
/// another request under it is refused. What failed leaves the name free.
#[tokio::test]
async fn a_name_is_used_once() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        let post = async |body| sandbox.post("/relay-host/settle", body).await;
        sandbox.set(json!({"stuck_count": 30})).await;
        let name = "pay_0123456789abcdef";
        let refused = post(named(1, name, &agent)).await.body;
        assert_eq!(refused["errorReason"], "conflicting_nonce");
        sandbox.post("/sandbox/heal", json!({"how": "drop"})).await;
        let first = post(named(1, name, &agent)).await.body;
        assert_eq!(first["extensions"]["payment-identifier"]["info"]["id"], name);
        assert_eq!(post(named(1, name, &agent)).await.body, first);
        let other = post(named(2, name, &agent)).await;
        assert_eq!(other.body["errorReason"], "payment_identifier_conflict");
        assert_eq!(other.status, 409);
        let renamed = post(named(1, "pay_fedcba9876543210", &agent)).await.body;
        assert_eq!(
            (&renamed["transaction"], renamed.get("extensions")),
            (&first["transaction"], None)
        );
        assert_eq!(post(named(1, "too_short", &agent)).await.status, 400);
        let verify = async |body| sandbox.post("/relay-host/verify", body).await;
        assert_eq!(verify(named(1, name, &agent)).await.body["isValid"], true);
        assert_eq!(verify(named(2, name, &agent)).await.status, 409);
    })
    .await;
}

/// Today's relay believes for five minutes what it saw of a sender first, and each repeat begins
/// the five minutes anew: the second payment waits, and then goes through by itself.
#[tokio::test]
async fn a_second_payment_may_be_held() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        sandbox.post("/sandbox/time", json!({"hold": true})).await;
        sandbox.set(json!({"sender_state_stale": true})).await;
        let first = sandbox.post("/relay-host/relay", relay(1, 0, &agent)).await.body;
        assert_eq!(first["settlement"]["status"], "confirmed");
        for _ in 0..3 {
            let second = sandbox.post("/relay-host/relay", relay(1, 1, &agent)).await;
            assert_eq!((second.status, second.header("retry-after")), (202, "30"));
            assert_eq!(second.body["queue"]["missingNonces"], json!([0]));
            sandbox.post("/sandbox/time", json!({"advance_ms": 299_000})).await;
        }
        assert_eq!(sandbox.ledger().await["transfers"].as_array().unwrap().len(), 1);
        sandbox.post("/sandbox/time", json!({"advance_ms": 2_000})).await;
        sandbox.post("/sandbox/time", json!({"advance_ms": 2_000})).await;
        assert_eq!(sandbox.ledger().await["transfers"].as_array().unwrap().len(), 2);
    })
    .await;
}

/// What the node says to the relay reaches the client as recorded; an answer that is lost on the
/// way is a failure to today's relay, and money all the same.
#[tokio::test]
async fn a_node_can_refuse() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        for (fault, status, code) in [
            ("unavailable", 502, "SETTLEMENT_BROADCAST_FAILED"),
            ("busy", 422, "SETTLEMENT_FAILED"),
            ("not-enough-funds", 422, "CLIENT_INSUFFICIENT_FUNDS"),
            ("fee-too-low", 422, "BROADCAST_REJECTED"),
            ("bad-nonce", 409, "NONCE_CONFLICT"),
            ("too-much-chaining", 429, "TOO_MUCH_CHAINING"),
            ("signature-validation", 422, "SIGNATURE_VALIDATION_FAILED"),
        ] {
            sandbox.set(json!({"node": fault})).await;
            let refused = sandbox.post("/relay-host/relay", relay(1, 0, &agent)).await;
            assert_eq!((refused.status, &refused.body["code"]), (status, &json!(code)), "{fault}");
        }
        assert_eq!(sandbox.ledger().await["transfers"], json!([]));
        sandbox.post("/sandbox/reset", json!({})).await;
        sandbox.set(json!({"node": "answer-lost"})).await;
        let lost = sandbox.post("/relay-host/relay", relay(1, 0, &agent)).await;
        assert_eq!((lost.status, lost.header("retry-after")), (502, "5"));
        sandbox.transfer().await;
    })
    .await;
}
