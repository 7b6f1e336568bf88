//! A sandbox to run against, and what a client says to it.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Client, Response};
use sandbox::{Options, RelayVersion, serve};
use serde_json::{Value, json};
use stacks::{Network, PrivateKey, Transfer, sign_transfer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A running sandbox and a client for it.
pub(crate) struct Sandbox {
    pub(crate) base: String,
    pub(crate) client: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn in_header(&self, name: &str) -> Value {
        serde_json::from_slice(&BASE64_STANDARD.decode(self.header(name)).unwrap()).unwrap()
    }
}

impl Sandbox {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::read(self.client.post(self.url(path)).json(&body).send().await.unwrap()).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn set(&self, knobs: Value) {
        let answer = self.post("/sandbox/faults", knobs).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) async fn agent(&self, index: usize) -> Value {
        self.get("/api/agents").await.body["agents"][index].clone()
    }

    /// A paid post to an agent, whatever comes of it.
    pub(crate) async fn try_pay(
        &self,
        agent: &Value,
        signature: &str,
    ) -> reqwest::Result<Response> {
        let url = self.url(&format!("/api/inbox/{}", agent["btcAddress"].as_str().unwrap()));
        let body = letter(agent);
        self.client.post(url).header("payment-signature", signature).json(&body).send().await
    }

    pub(crate) async fn pay(&self, agent: &Value, signature: &str) -> Answer {
        Answer::read(self.try_pay(agent, signature).await.unwrap()).await
    }

    pub(crate) async fn ledger(&self) -> Value {
        self.get("/sandbox/ledger").await.body
    }

    pub(crate) async fn stats(&self) -> Value {
        self.get("/sandbox/stats").await.body
    }

    /// The first transfer on the ledger, once there is one.
    pub(crate) async fn transfer(&self) -> Value {
        let moved = async {
            loop {
                if let Some(transfer) = self.ledger().await["transfers"].get(0) {
                    return transfer.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), moved).await.expect("within 5 seconds")
    }

    /// Polls until the payment is confirmed. Level-triggered, and never for ever.
    pub(crate) async fn confirmed(&self, id: &str) -> Value {
        let confirmed = async {
            loop {
                let status = self.get(&format!("/api/payment-status/{id}")).await.body;
                if status["status"] == "confirmed" {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), confirmed).await.expect("within 5 seconds")
    }
}

/// Runs a sandbox for as long as the story takes.
pub(crate) async fn with_sandbox(options: Options, story: impl AsyncFnOnce(Sandbox)) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    // Without a pool of idle connections a stopped sandbox has none to wait for.
    let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let shutdown = CancellationToken::new();
    let told = async {
        story(Sandbox { base, client }).await;
        shutdown.cancel();
    };
    let (served, ()) = tokio::join!(serve(listener, options, shutdown.clone()), told);
    served.unwrap();
}

pub(crate) fn options(relay: RelayVersion) -> Options {
    Options { relay, block_ms: 20, ..Options::default() }
}

pub(crate) fn letter(agent: &Value) -> Value {
    json!({
        "content": "welcome",
        "toBtcAddress": agent["btcAddress"],
        "toStxAddress": agent["stxAddress"],
    })
}

pub(crate) fn key(sender: u8) -> PrivateKey {
    PrivateKey::from_hex(&format!("{sender:064x}")).unwrap()
}

pub(crate) fn transaction(sender: u8, nonce: u64, agent: &Value) -> String {
    let recipient = agent["stxAddress"].as_str().unwrap().parse().unwrap();
    let transfer = Transfer::new(Network::Mainnet, nonce, 100, recipient);
    let signed = sign_transfer(&transfer, &key(sender)).unwrap();
    format!("0x{}", stacks::hex::encode(&signed.bytes))
}

/// A payment header for an agent.
pub(crate) fn signature(sender: u8, nonce: u64, agent: &Value) -> String {
    let payload = json!({
        "x402Version": 2,
        "accepted": {"asset": "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token"},
        "payload": {"transaction": transaction(sender, nonce, agent)},
    });
    BASE64_STANDARD.encode(payload.to_string())
}

/// A request to `/settle` or `/verify`.
pub(crate) fn settle(sender: u8, nonce: u64, agent: &Value) -> Value {
    json!({
        "x402Version": 2,
        "paymentPayload": {"payload": {"transaction": transaction(sender, nonce, agent)}},
        "paymentRequirements": {
            "payTo": agent["stxAddress"],
            "amount": "100",
            "asset": "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token",
        },
    })
}
