//! The sandbox as the process that it is, with its time held.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use portcullis::up::process::{Launch, Process};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::harness::program;

use super::{
    compare::Compare,
    recording::{Answer, Exchange},
    situations::Situation,
};

/// Where the sandbox keeps what was recorded at the relay's own address.
const RELAY: &str = "/relay-host";

pub(crate) struct StandIn {
    _process: Process,
    base: String,
    client: Client,
    /// The world's time when it was held.
    begun_ms: u64,
}

impl StandIn {
    /// A fresh sandbox in the given situation, its time held.
    pub(crate) async fn start(situation: &Situation) -> StandIn {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("portcullis-conform-{}", std::process::id()));
        let mut args = vec!["--listen", "127.0.0.1:0", "--agents", "0", "--block-ms", "1000"];
        args.extend(["--sender-sats", "1000000000000"]);
        args.extend(["--relay", situation.relay, "--network", situation.network]);
        let mut process = Process::start(Launch {
            name: &format!("sandbox-{number}"),
            program: &program("sandbox"),
            args: args.into_iter().map(str::to_owned).collect(),
            env: Vec::new(),
            log_dir: &dir,
        })
        .unwrap();
        let said = process.says("listening on http://", Duration::from_secs(60)).await.unwrap();
        let base = said.rsplit(' ').next().unwrap().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let mut stand_in = StandIn { _process: process, base, client, begun_ms: 0 };
        stand_in.begun_ms = stand_in.time(json!({"hold": true})).await;
        // The real relay waits for as long as it is asked to.
        stand_in.control("/sandbox/faults", r#"{"settle_wait_ms": 600000}"#, None).await;
        stand_in
    }

    /// Lets so much time have passed since the beginning, if it has not.
    pub(crate) async fn until(&self, at_ms: u64) {
        let now_ms = self.time(json!({})).await;
        let missing_ms = (self.begun_ms + at_ms).saturating_sub(now_ms);
        if missing_ms > 0 {
            self.time(json!({"advance_ms": missing_ms})).await;
        }
    }

    /// Turns a knob of the world; `$sender` stands for whoever signed the next request.
    pub(crate) async fn control(&self, path: &str, body: &str, sender: Option<&str>) {
        let body = body.replace("$sender", sender.unwrap_or_default());
        let sent = self.client.post(format!("{}{path}", self.base)).body(body.clone()).send();
        let answer = sent.await.unwrap();
        let ok = answer.status().is_success();
        assert!(ok, "{path} {body}: {}", answer.text().await.unwrap());
    }

    /// Sends a recorded request, with our ids in place of the recorded ones.
    pub(crate) async fn replay(&self, exchange: &Exchange, ids: &Compare) -> Answer {
        let relay = if exchange.path.starts_with("/api/") { "" } else { RELAY };
        let url = format!("{}{relay}{}", self.base, ids.ours(&exchange.path));
        let method: Method = exchange.method.parse().unwrap();
        let mut request = self.client.request(method, url);
        for (name, value) in &exchange.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &exchange.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.unwrap();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        let (status, headers) = (u64::from(response.status().as_u16()), headers.collect());
        let text = response.text().await.unwrap();
        let text = text.replace(&format!("{}{RELAY}", self.base), &self.base);
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    async fn time(&self, asked: Value) -> u64 {
        let sent = self.client.post(format!("{}/sandbox/time", self.base)).json(&asked).send();
        let answer: Value = sent.await.unwrap().json().await.unwrap();
        answer["now_ms"].as_u64().unwrap_or_else(|| panic!("{asked}: {answer}"))
    }
}
