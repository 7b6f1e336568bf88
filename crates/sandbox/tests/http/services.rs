//! The directory, the Stacks API and the relay's own doors.

use sandbox::RelayVersion;
use serde_json::json;
use stacks::{Address, Network};

use crate::harness::{Sandbox, key, options, settle, signature, transaction, with_sandbox};

/// A sandbox that runs passes its own health check; once it is gone, nobody does.
#[tokio::test]
async fn it_answers_while_it_runs() {
    let mut listen = None;
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let address = sandbox.base.trim_start_matches("http://").parse().unwrap();
        sandbox::answers(address).await.unwrap();
        listen = Some(address);
    })
    .await;
    assert!(sandbox::answers(listen.unwrap()).await.is_err());
}

/// The directory pages newest first, clamps its limits, and ends with an empty page; a stale list
/// and spoilt reads come as told.
#[tokio::test]
async fn the_directory_pages() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let page = sandbox.get("/api/agents?limit=25&offset=50").await.body;
        let paging = json!({"total": 60, "limit": 25, "offset": 50, "hasMore": false});
        assert_eq!(page["pagination"], paging);
        assert_eq!(page["agents"].as_array().unwrap().len(), 10);
        let all = sandbox.get("/api/agents?limit=900&offset=-3").await.body;
        assert_eq!(all["pagination"]["limit"], 100);
        let agents = all["agents"].as_array().unwrap();
        let dates = agents.iter().map(|agent| agent["verifiedAt"].as_str().unwrap());
        assert!(dates.is_sorted_by(|newer, older| newer > older));
        for agent in agents {
            agent["stxAddress"].as_str().unwrap().parse::<Address>().unwrap();
            assert_eq!(agent["btcAddress"].as_str().unwrap().len(), 42);
        }
        assert_eq!(sandbox.get("/api/agents?offset=60").await.body["agents"], json!([]));

        let made = json!({"count": 1, "broken": ["missing_address", "duplicate"]});
        let registered = sandbox.post("/sandbox/agents", made).await.body;
        assert_eq!(registered["total"], 63);
        let rows = sandbox.get("/api/agents?limit=3").await.body["agents"].clone();
        assert_eq!(rows[2]["stxAddress"], registered["registered"][0]["stxAddress"]);
        assert!(rows[1].get("stxAddress").is_none());

        sandbox.set(json!({"directory_500": 1, "directory_429": 1})).await;
        assert_eq!(sandbox.get("/api/agents").await.status, 500);
        assert_eq!(sandbox.get("/api/agents").await.status, 429);
        assert_eq!(sandbox.get("/api/agents").await.status, 200);
        assert_eq!(sandbox.stats().await["directory_gets"], 7);
    })
    .await;
}

/// A payer can find out at the Stacks API which transfer spent an origin nonce; an API that is
/// down says so; a reset begins again.
#[tokio::test]
async fn the_chain_tells() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        let payer = key(1).address(Network::Mainnet);
        assert_eq!(sandbox.pay(&agent, &signature(1, 0, &agent)).await.status, 201);
        let account = sandbox.get(&format!("/v2/accounts/{payer}?proof=0")).await.body;
        assert_eq!(account["nonce"], 1);
        let path = format!("/extended/v1/address/{payer}/transactions");
        let found = sandbox.get(&path).await.body["results"][0].clone();
        assert_eq!((&found["nonce"], &found["tx_status"]), (&json!(0), &json!("success")));
        let recipient = format!("'{}", agent["stxAddress"].as_str().unwrap());
        assert_eq!(found["contract_call"]["function_args"][2]["repr"], json!(recipient));
        assert_eq!(found["events"][0]["asset"]["amount"], "100");
        let txid = found["tx_id"].as_str().unwrap();
        let same = sandbox.get(&format!("/extended/v1/tx/{}", &txid[2..])).await.body;
        assert_eq!(same, found);
        let balances = sandbox.get(&format!("/extended/v1/address/{payer}/balances")).await.body;
        let token = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token::sbtc-token";
        assert_eq!(balances["fungible_tokens"][token]["balance"], "999900");
        let tip = sandbox.get("/extended/v2/blocks?limit=1").await.body;
        assert!(tip["results"][0]["height"].as_u64() >= found["block_height"].as_u64());

        sandbox.set(json!({"api_down": true})).await;
        assert_eq!(sandbox.get(&path).await.status, 503);
        sandbox.post("/sandbox/reset", json!({})).await;
        assert_eq!(sandbox.get(&path).await.body["total"], 0);
        assert_eq!(sandbox.ledger().await["transfers"], json!([]));
        assert_eq!(sandbox.agent(0).await, agent);
    })
    .await;
}

/// The relay's own doors: ten posts a minute and sender, and `/verify` content while it is stuck.
#[tokio::test]
async fn the_relay_limits_and_verifies() {
    with_sandbox(options(RelayVersion::Today), async |sandbox: Sandbox| {
        let agent = sandbox.agent(0).await;
        let transaction = transaction(1, 0, &agent);
        let relay = json!({
            "transaction": transaction,
            "settle": {
                "expectedRecipient": agent["stxAddress"],
                "minAmount": "100",
                "tokenType": "sBTC",
            },
        });
        for _ in 0..10 {
            let answer = sandbox.post("/relay-host/relay", relay.clone()).await;
            assert_eq!(answer.body["settlement"]["status"], "confirmed", "{answer:?}");
        }
        let limited = sandbox.post("/relay-host/relay", relay).await;
        assert_eq!((limited.status, limited.header("retry-after")), (429, "60"));

        sandbox.set(json!({"stuck_count": 30})).await;
        let verified = sandbox.post("/relay-host/verify", settle(1, 0, &agent)).await.body;
        assert_eq!(verified["isValid"], true);
        assert_eq!(sandbox.post("/sandbox/faults", json!({"inbox_501": 1})).await.status, 400);
    })
    .await;
}

/// `/settle` waits for the block in March and answers at once today; a conflict is HTTP 200 too.
#[tokio::test]
async fn settle_answers_200() {
    for relay in [RelayVersion::March, RelayVersion::Today] {
        with_sandbox(options(relay), async |sandbox: Sandbox| {
            let agent = sandbox.agent(0).await;
            let settled = sandbox.post("/relay-host/settle", settle(1, 0, &agent)).await;
            assert_eq!((settled.status, &settled.body["success"]), (200, &json!(true)));
            let txid = settled.body["transaction"].as_str().unwrap();
            let found = sandbox.get(&format!("/extended/v1/tx/0x{txid}")).await;
            if relay == RelayVersion::March {
                assert_eq!(found.body["tx_status"], "success");
            }
            sandbox.set(json!({"stuck_count": 30})).await;
            let refused = sandbox.post("/relay-host/settle", settle(2, 0, &agent)).await;
            assert_eq!(refused.status, 200);
            assert_eq!(refused.body["errorReason"], "conflicting_nonce");
        })
        .await;
    }
}
