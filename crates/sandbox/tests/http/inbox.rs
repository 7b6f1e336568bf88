//! The inbox, unpaid and paid, in both versions and with its faults.

use std::time::Duration;

use reqwest::StatusCode;
use sandbox::RelayVersion;
use serde_json::{Value, json};
use stacks::Network;

use crate::harness::{Sandbox, key, letter, options, signature, transaction, with_sandbox};

/// Unpaid, the inbox asks for 100 sats for the agent itself, in the body and in the header alike.
#[tokio::test]
async fn an_unpaid_post_is_told_the_price() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        let path = format!("/api/inbox/{}", agent["btcAddress"].as_str().unwrap());
        let asked = sandbox.post(&path, json!({"content": "hello"})).await;
        assert_eq!(asked.status, 402);
        assert_eq!(asked.in_header("payment-required"), asked.body);
        let terms = &asked.body["accepts"][0];
        assert_eq!(terms["payTo"], agent["stxAddress"]);
        assert_eq!((&terms["amount"], &terms["network"]), (&json!("100"), &json!("stacks:1")));

        let long = "é".repeat(501);
        assert_eq!(sandbox.post(&path, json!({"content": long})).await.status, 400);
        let elsewhere = json!({"content": "hello", "toStxAddress": "SP000"});
        assert_eq!(sandbox.post(&path, elsewhere).await.status, 400);
        let nobody = sandbox.post("/api/inbox/bc1qnobody", json!({"content": "x"})).await;
        assert_eq!(nobody.status, 404);
        let given = sandbox.client.post(sandbox.url(&path)).header("payment-signature", "!!!");
        let garbled = given.json(&json!({"content": "x"})).send().await.unwrap();
        assert_eq!(garbled.status(), StatusCode::BAD_REQUEST);

        sandbox.set(json!({"pay_to_override": "SP000000000000000000002Q6VF78"})).await;
        let asked = sandbox.post(&path, json!({"content": "hello"})).await.body;
        assert_eq!(asked["accepts"][0]["payTo"], "SP000000000000000000002Q6VF78");
    })
    .await;
}

/// March, paid: the answer waits for the block, carries the proof, and the message can be read by
/// both sides. A second post with the same payment buys nothing more.
#[tokio::test]
async fn march_delivers() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let agent = sandbox.agent(3).await;
        let paid = sandbox.pay(&agent, &signature(1, 0, &agent)).await;
        assert_eq!(paid.status, 201, "{paid:?}");
        let proof = paid.in_header("payment-response");
        let message = &paid.body["inbox"]["messageId"];
        assert!(paid.body["inbox"].get("paymentId").is_none());

        let again = sandbox.pay(&agent, &signature(1, 0, &agent)).await;
        assert_eq!((again.status, &again.body["existingMessageId"]), (409, message));

        let payer = key(1).address(Network::Mainnet);
        let sent = sandbox.get(&format!("/api/inbox/{payer}?view=sent")).await.body;
        let btc = agent["btcAddress"].as_str().unwrap();
        let received = sandbox.get(&format!("/api/inbox/{btc}")).await.body;
        for view in [&sent, &received] {
            let listed = &view["inbox"]["messages"][0];
            assert_eq!(&listed["messageId"], message);
            assert_eq!(listed["paymentTxid"], proof["transaction"]);
        }

        let ledger = sandbox.ledger().await;
        assert_eq!(ledger["transfers"].as_array().unwrap().len(), 1);
        assert_eq!(ledger["transfers"][0]["recipient"], agent["stxAddress"]);
        assert_eq!(ledger["transfers"][0]["delivered"], true);
        assert_eq!((&ledger["welcomed"], &ledger["paid_twice"]), (&json!(1), &json!(0)));
    })
    .await;
}

/// March, one stuck nonce: 402 with the relay's JSON inside a string, while every probe is clean;
/// healed, the same bytes are taken.
#[tokio::test]
async fn march_hides_a_conflict_in_a_string() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        sandbox.set(json!({"stuck_nonce": true})).await;
        let refused = sandbox.pay(&agent, &signature(1, 0, &agent)).await;
        assert_eq!(refused.status, 402);
        assert_eq!(refused.body["errorCode"], "unexpected_settle_error");
        let text = refused.body["error"].as_str().unwrap();
        let inner = text.strip_prefix("Sponsor relay failed: ").unwrap();
        let inner: Value = serde_json::from_str(inner).unwrap();
        assert_eq!((&inner["code"], &inner["retryAfter"]), (&json!("NONCE_CONFLICT"), &json!(1)));
        assert_eq!(inner["details"], "transaction rejected: ConflictingNonceInMempool");

        let relay = json!({
            "transaction": transaction(2, 0, &agent),
            "settle": {
                "expectedRecipient": agent["stxAddress"],
                "minAmount": "100",
                "tokenType": "sBTC",
            },
        });
        let direct = sandbox.post("/relay-host/relay", relay).await;
        assert_eq!((direct.status, direct.header("retry-after")), (409, "1"));
        assert_eq!(sandbox.get("/relay-host/health").await.body["status"], "ok");
        let stats = sandbox.get("/relay-host/nonce/stats").await.body;
        assert_eq!(stats["stats"]["conflictsDetected"], 0);
        assert_eq!(sandbox.get("/relay-host/supported").await.status, 200);
        let sponsor = stats["stats"]["wallets"][0]["sponsorAddress"].as_str().unwrap();
        let nonces = sandbox.get(&format!("/extended/v1/address/{sponsor}/nonces")).await.body;
        assert_eq!(nonces["detected_mempool_nonces"], json!([]));

        let stats = sandbox.stats().await;
        assert_eq!(
            (&stats["stuck"], &stats["relay_conflicts"], &stats["paid_posts_while_stuck"]),
            (&json!(true), &json!(2), &json!(1))
        );
        sandbox.post("/sandbox/heal", json!({})).await;
        assert_eq!(sandbox.pay(&agent, &signature(1, 0, &agent)).await.status, 201);
        assert_eq!(sandbox.stats().await["stuck"], false);
    })
    .await;
}

/// Today: 202, the message follows once somebody polls; behind a stuck nonce it stays pending
/// while the relay calls itself healthy; behind many it is a typed conflict.
#[tokio::test]
async fn today_stages() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        let paid = sandbox.pay(&agent, &signature(1, 0, &agent)).await;
        assert_eq!((paid.status, paid.header("x-payment-status")), (202, "pending"));
        let id = paid.header("x-payment-id").to_owned();
        assert_eq!(paid.body["inbox"]["paymentId"], json!(id));
        let status = sandbox.confirmed(&id).await;
        assert_eq!(sandbox.ledger().await["messages"], 1);
        let relay = sandbox.get(&format!("/relay-host/payment/{id}")).await.body;
        assert_eq!(relay["txid"], status["txid"]);

        sandbox.set(json!({"stuck_nonce": true})).await;
        let paid = sandbox.pay(&agent, &signature(2, 0, &agent)).await;
        let id = paid.header("x-payment-id").to_owned();
        let until = sandbox.stats().await["height"].as_u64().unwrap() + 5;
        while sandbox.stats().await["height"].as_u64().unwrap() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let status = sandbox.get(&format!("/api/payment-status/{id}")).await.body;
        assert_eq!(status["status"], "mempool");
        let health = sandbox.get("/relay-host/status/sponsor").await.body;
        assert_eq!((&health["status"], &health["canSponsor"]), (&json!("healthy"), &json!(true)));

        sandbox.set(json!({"stuck_nonce": 0})).await;
        sandbox.confirmed(&id).await;
        sandbox.set(json!({"stuck_count": 30})).await;
        let refused = sandbox.pay(&agent, &signature(2, 1, &agent)).await;
        assert_eq!((refused.status, &refused.body["code"]), (409, &json!("NONCE_CONFLICT")));
        assert_eq!(refused.header("retry-after"), "10");
    })
    .await;
}

/// The answer is lost after the money moved; the same bytes then prove the delivery. After a 503
/// the message is not stored, and the same bytes store it. Neither pays twice.
#[tokio::test]
async fn answers_can_be_lost() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let (one, two) = (sandbox.agent(0).await, sandbox.agent(1).await);
        let knobs = json!({"inbox_drop_after_settle": 1, "inbox_503_after_settle": 1});
        sandbox.set(knobs).await;
        let dropped = sandbox.try_pay(&one, &signature(1, 0, &one)).await;
        assert!(dropped.is_err(), "{dropped:?}");
        assert_eq!(sandbox.ledger().await["welcomed"], 1);
        let unavailable = sandbox.pay(&two, &signature(1, 1, &two)).await;
        assert_eq!((unavailable.status, unavailable.header("retry-after")), (503, "5"));
        let ledger = sandbox.ledger().await;
        assert_eq!((&ledger["welcomed"], &ledger["messages"]), (&json!(2), &json!(1)));

        assert_eq!(sandbox.pay(&one, &signature(1, 0, &one)).await.status, 409);
        assert_eq!(sandbox.pay(&two, &signature(1, 1, &two)).await.status, 201);
        let ledger = sandbox.ledger().await;
        assert_eq!((&ledger["messages"], &ledger["paid_twice"]), (&json!(2), &json!(0)));
        assert_eq!(ledger["transfers"].as_array().unwrap().len(), 2);
    })
    .await;
}

/// Each refusal of a paid post comes as often as told, and moves nothing.
#[tokio::test]
async fn refusals_move_nothing() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        let signature = signature(1, 0, &agent);
        sandbox
            .set(json!({
                "inbox_429": 1, "inbox_500": 1, "insufficient_funds": 1, "relay_5xx": 1,
                // Confirmed before it is answered, the last one would be a 201.
                "confirm_delay_ms": 60_000,
            }))
            .await;
        let mut statuses = Vec::new();
        for _ in 0..5 {
            statuses.push(sandbox.pay(&agent, &signature).await.status);
        }
        assert_eq!(statuses, [429, 500, 402, 502, 202]);
        let stats = sandbox.stats().await;
        assert_eq!((&stats["paid_posts"], &stats["distinct_payments"]), (&json!(5), &json!(1)));
    })
    .await;
}

/// March, a payment that does not confirm while the inbox waits: the answer is a failure, the
/// money moves later, and the transaction redeems the message, once.
#[tokio::test]
async fn a_late_payment_is_redeemed() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        sandbox.set(json!({"settle_wait_ms": 10, "confirm_delay_ms": 100})).await;
        let late = sandbox.pay(&agent, &signature(1, 0, &agent)).await;
        assert_eq!(late.status, 402);
        assert!(late.body["error"].as_str().unwrap().contains("SETTLEMENT_TIMEOUT"));
        let transfer = sandbox.transfer().await;
        assert_eq!(transfer["delivered"], false);

        let path = format!("/api/inbox/{}", agent["btcAddress"].as_str().unwrap());
        let mut shown = letter(&agent);
        shown["paymentTxid"] = transfer["txid"].clone();
        let redeemed = sandbox.post(&path, shown.clone()).await;
        assert_eq!(
            (redeemed.status, &redeemed.body["inbox"]["recoveredViaTxid"]),
            (201, &json!(true))
        );
        let again = sandbox.post(&path, shown.clone()).await;
        assert_eq!(again.body["existingMessageId"], redeemed.body["inbox"]["messageId"]);
        shown["paymentTxid"] = json!("ab".repeat(32));
        assert_eq!(sandbox.post(&path, shown).await.body["code"], "TXID_NOT_FOUND");
        assert_eq!(sandbox.ledger().await["messages"], 1);
    })
    .await;
}

/// Knobs for the rest: funds and nonces of an account, the other wire form, a slow answer, a
/// repeat that was none, and too many posts of one payment.
#[tokio::test]
async fn accounts_and_wording_can_be_set() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        sandbox.set(json!({"generation": "typed", "stuck_nonce": 1})).await;
        let refused = sandbox.pay(&agent, &signature(1, 0, &agent)).await;
        assert_eq!((refused.status, &refused.body["relayCode"]), (409, &json!("NONCE_CONFLICT")));
        sandbox.post("/sandbox/heal", json!({"how": "drop"})).await;

        let payer = key(1).address(Network::Mainnet).to_string();
        let poor = json!({"address": payer, "sats": 99, "nonce": 7});
        assert_eq!(sandbox.post("/sandbox/accounts", poor).await.status, 200);
        let refused = sandbox.pay(&agent, &signature(1, 7, &agent)).await;
        assert_eq!((refused.status, &refused.body["code"]), (402, &json!("INSUFFICIENT_FUNDS")));
        assert_eq!(refused.in_header("payment-required")["x402Version"], 2);

        sandbox.set(json!({"inbox_already_redeemed": 1, "inbox_stall_ms": 50})).await;
        let begun = kit::Clock.instant();
        let said = sandbox.pay(&agent, &signature(2, 0, &agent)).await;
        assert_eq!((said.status, &said.body["error"]), (409, &json!("already_redeemed")));
        assert!(begun.elapsed() >= Duration::from_millis(50));
        assert_eq!(sandbox.ledger().await["messages"], 1);

        sandbox.set(json!({"inbox_rate_limit": 1, "inbox_stall_ms": 0})).await;
        assert_eq!(sandbox.pay(&agent, &signature(2, 0, &agent)).await.status, 429);
        assert_eq!(sandbox.pay(&agent, &signature(3, 0, &agent)).await.status, 201);
    })
    .await;
}

/// Two posts at once are counted as two in flight, and none once they are answered.
#[tokio::test]
async fn posts_in_flight_are_counted() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        sandbox.set(json!({"inbox_stall_ms": 300})).await;
        let (one, two) = (signature(1, 0, &agent), signature(2, 0, &agent));
        let both = tokio::join!(sandbox.pay(&agent, &one), sandbox.pay(&agent, &two));
        assert_eq!((both.0.status, both.1.status), (201, 201));
        let stats = sandbox.stats().await;
        assert_eq!(
            (&stats["max_in_flight_paid_posts"], &stats["in_flight_paid_posts"]),
            (&json!(2), &json!(0))
        );
    })
    .await;
}
