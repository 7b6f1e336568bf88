//! A server, a sandbox and a payer; the test itself plays the dispatcher.

use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bus::{Bus, Options};
use clap::Parser as _;
use domain::{
    Actor, Admission, Claim, Cost, Gate, GateName, GateState, HolderId, Key, Kind, Outcome, Phase,
    Task, TaskState,
};
use fleet::{gate_log, store};
use portcullis::{
    apply::{Wish, bring_about},
    up::nats::Nats,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use welcome_payer::Secret;
use wire::{
    Wire as _,
    message::{Contact, RunReply, RunRequest},
    subject,
};

const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000007";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) bus: Bus,
    pub(crate) wallet: String,
    pub(crate) url: String,
    http: reqwest::Client,
    pub(crate) nats_url: String,
    payer: Mutex<Option<Payer>>,
    stop: CancellationToken,
    _nats: Nats,
    dir: PathBuf,
}

/// Stops its payer when dropped.
pub(crate) struct Payer(CancellationToken, JoinHandle<anyhow::Result<()>>);

impl Drop for Payer {
    fn drop(&mut self) {
        self.0.cancel();
        self.1.abort();
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Agent {
    address: stacks::Address,
    btc: Option<String>,
}

impl World {
    /// The relay of March.
    pub(crate) async fn start(faults: Value) -> World {
        World::with(sandbox::RelayVersion::March, faults, "900s").await
    }

    /// Today's relay, which hides one stuck nonce; payments are unconfirmed after a second.
    pub(crate) async fn today(faults: Value) -> World {
        World::with(sandbox::RelayVersion::Today, faults, "1s").await
    }

    async fn with(relay: sandbox::RelayVersion, faults: Value, unconfirmed: &str) -> World {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("payer-{}-{number}", std::process::id()));
        let server = std::env::var_os("NATS_SERVER").unwrap_or("nats-server".into());
        let nats = Nats::start(server.as_ref(), &dir, None).await.unwrap();
        let stop = CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options =
            sandbox::Options { relay, block_ms: 50, agents: 20, ..sandbox::Options::default() };
        tokio::spawn(sandbox::serve(listener, options, stop.clone()));
        let bus = connect(&nats.url()).await;
        apply(&bus, &url, unconfirmed).await;
        let key = stacks::PrivateKey::from_hex(KEY).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world = World {
            bus,
            wallet: key.address(stacks::Network::Mainnet).to_string(),
            url,
            http: reqwest::Client::builder().tls_certs_only([]).build().unwrap(),
            nats_url: nats.url(),
            payer: Mutex::new(None),
            stop,
            _nats: nats,
            dir,
        };
        world.sandbox("POST", "faults", faults).await;
        world.restart_payer().await;
        world
    }

    pub(crate) async fn restart_payer(&self) {
        self.restart_with(KEY).await;
    }

    /// A payer with `key` in place of the one that runs.
    pub(crate) async fn restart_with(&self, key: &str) {
        let old = self.payer.lock().unwrap().take();
        drop(old);
        *self.payer.lock().unwrap() = Some(self.payer_with(key));
        let name = "welcome-payer".parse().unwrap();
        self.eventually(async || {
            let asked = self.bus.ask(&subject::service_run(&name), vec![255], PATIENCE / 600).await;
            (!matches!(asked, Err(bus::BusError::NobodyAnswers { .. }))).then_some(())
        })
        .await;
    }

    pub(crate) fn another_payer(&self) -> Payer {
        self.payer_with(KEY)
    }

    fn payer_with(&self, key: &str) -> Payer {
        let stop = self.stop.child_token();
        let args = ["welcome-payer", "--nats-url", &self.nats_url];
        let args = welcome_payer::Args::parse_from(args);
        let wallet =
            welcome_payer::WalletArgs { wallet_key: Secret::new(key), ..args.wallet.clone() };
        let args = welcome_payer::Args { wallet, ..args };
        let token = stop.clone();
        kit::init_logs(&args.logs);
        Payer(stop, tokio::spawn(async move { welcome_payer::run(args, token).await }))
    }

    /// Plays a dispatcher: claims the task for `attempt` and asks the payer.
    pub(crate) async fn run(&self, agent: &Agent, attempt: u32) -> Outcome {
        self.run_task(task(agent), attempt).await
    }

    /// As [`World::run`], for a task of another name or payload.
    pub(crate) async fn run_task(&self, task: Task, attempt: u32) -> Outcome {
        let (holder, admitted) = (holder(), self.admitted().await);
        let subject = subject::state(&task.kind, task.key());
        let last = self.bus.last(subject::STATE, &subject).await.unwrap();
        let now = kit::Clock.now();
        let claim = Claim {
            holder: holder.clone(),
            begun: now,
            lease: Duration::from_secs(60),
            renewals: 0,
        };
        let state = TaskState {
            kind: task.kind.clone(),
            source_key: task.source_key.clone(),
            at: now,
            attempt,
            charged: 0,
            cost: Cost::ZERO,
            admitted: admitted.clone(),
            canary: Vec::new(),
            task: None,
            phase: Phase::Claimed(claim),
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
        };
        let seq = last.map_or(0, |last| last.seq);
        let cas = store::compare_and_set(&self.bus, subject::STATE, &subject, &state, seq).await;
        assert!(matches!(cas.unwrap(), store::Cas::Stored(_)));
        self.ask(&RunRequest { task, attempt, holder, admitted }).await
    }

    /// Writes where a task stands, on top of the link at `seq`.
    pub(crate) async fn stand(&self, task: &Task, attempt: u32, phase: Phase, seq: u64) {
        let state = TaskState {
            kind: task.kind.clone(),
            source_key: task.source_key.clone(),
            at: kit::Clock.now(),
            attempt,
            charged: 0,
            cost: Cost::ZERO,
            admitted: Vec::new(),
            canary: Vec::new(),
            task: None,
            phase,
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
        };
        let subject = subject::state(&task.kind, task.key());
        let cas = store::compare_and_set(&self.bus, subject::STATE, &subject, &state, seq).await;
        assert!(matches!(cas.unwrap(), store::Cas::Stored(_)));
    }

    /// A request whose dispatcher has lost its claim.
    pub(crate) async fn ask_without_claim(&self, agent: &Agent) -> Outcome {
        let (task, holder, admitted) = (task(agent), holder(), self.admitted().await);
        self.ask(&RunRequest { task, attempt: 77, holder, admitted }).await
    }

    async fn ask(&self, request: &RunRequest) -> Outcome {
        let subject = subject::service_run(&"welcome-payer".parse().unwrap());
        let answer = self.bus.ask(&subject, request.encode(), PATIENCE).await.unwrap();
        RunReply::decode(&answer).unwrap().outcome
    }

    /// Asks again and again until the outcome is `wanted`; tells the last one.
    pub(crate) async fn until(&self, agent: &Agent, from: u32, wanted: &str) -> String {
        let mut told = String::new();
        for attempt in from..from + 300 {
            let outcome = self.run(agent, attempt).await;
            told = word(&outcome);
            if told == wanted {
                break;
            }
            told = format!("{told} {outcome:?}");
            if matches!(outcome, Outcome::Failed { .. }) {
                for gate in ["relay", "wallet", "inbox", "chain"] {
                    self.move_gate(gate, GateState::Open).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        told
    }

    async fn admitted(&self) -> Vec<Admission> {
        let mut admitted = Vec::new();
        for gate in ["kind-welcome", "relay", "wallet", "inbox", "chain"] {
            let gate: GateName = gate.parse().unwrap();
            let found = gate_log::current(&self.bus, &gate).await.unwrap().unwrap();
            admitted.push(Admission { gate, epoch: found.value.epoch, seq: found.seq });
        }
        admitted
    }

    pub(crate) async fn move_gate(&self, gate: &str, state: GateState) {
        let name: GateName = gate.parse().unwrap();
        let before = gate_log::current(&self.bus, &name).await.unwrap().unwrap().value;
        let epoch = before.epoch.next();
        let opening = if state == GateState::Closed { before.opening } else { epoch };
        let (prev, by) = (gate_log::token(&self.bus).await.unwrap(), Actor::Gatekeeper);
        let gate = Gate { epoch, prev, state, opening, by, ..before };
        gate_log::append(&self.bus, &gate).await.unwrap();
    }

    pub(crate) async fn contact(&self, agent: &Agent) -> bool {
        let subject = subject::contact(agent.key());
        self.bus.last(subject::RECORD, &subject).await.unwrap().is_some()
    }

    pub(crate) async fn write_contact(&self, agent: &Agent) {
        let contact = Contact {
            address: agent.address.to_string(),
            purpose: "welcome".to_owned(),
            how: "imported".to_owned(),
            at: kit::Clock.now(),
        };
        let subject = subject::contact(agent.key());
        let cas = store::compare_and_set(&self.bus, subject::RECORD, &subject, &contact, 0).await;
        assert!(matches!(cas.unwrap(), store::Cas::Stored(_)));
    }

    /// The stored payment's readable parts: stage and cause are texts in it.
    pub(crate) async fn payment(&self, agent: &Agent) -> String {
        let subject = subject::payment(agent.key());
        let stored = self.bus.last(subject::RECORD, &subject).await.unwrap().unwrap();
        String::from_utf8_lossy(&stored.body).into_owned()
    }

    pub(crate) async fn sandbox(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/sandbox/{path}", self.url);
        let request =
            if method == "GET" { self.http.get(url) } else { self.http.post(url).json(&body) };
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    pub(crate) async fn ledger(&self) -> Value {
        self.sandbox("GET", "ledger", json!({})).await
    }

    pub(crate) async fn stats(&self) -> Value {
        self.sandbox("GET", "stats", json!({})).await
    }

    pub(crate) async fn agents(&self) -> Vec<Agent> {
        let url = format!("{}/api/agents?limit=100", self.url);
        let answer: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let agent = |row: &Value| Agent {
            address: row["stxAddress"].as_str().unwrap().parse().unwrap(),
            btc: row["btcAddress"].as_str().map(str::to_owned),
        };
        answer["agents"].as_array().unwrap().iter().map(agent).collect()
    }

    pub(crate) async fn eventually<T>(&self, probe: impl AsyncFn() -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = probe().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("in time")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Agent {
    pub(crate) fn key(&self) -> Key {
        Key::of_payee("mainnet", self.address.version(), self.address.hash160(), "welcome")
    }
}

async fn connect(url: &str) -> Bus {
    let options = Options {
        servers: url.to_owned(),
        credentials: None,
        name: "test".to_owned(),
        patience: Duration::from_secs(20),
    };
    Bus::connect(&options).await.unwrap()
}

async fn apply(bus: &Bus, url: &str, unconfirmed: &str) {
    let (by, note) = ("tester".to_owned(), String::new());
    let config = read(&config_text(url, unconfirmed));
    let wish = Wish { config, by, note, replicas: None, dry_run: false };
    bring_about(bus, &wish).await.unwrap();
}

pub(crate) fn config_text(url: &str, unconfirmed: &str) -> String {
    format!(
        "[kinds.welcome]\nhandler = {{ service = \"welcome-payer\" }}\n\
         needs = [\"relay\", \"wallet\", \"inbox\", \"chain\"]\n\
         [gates.relay]\n[gates.wallet]\n[gates.inbox]\n[gates.chain]\n\
         [payer]\nnetwork = \"mainnet\"\ninbox_url = \"{url}/api\"\n\
         relay_url = \"{url}/relay-host\"\nstacks_url = \"{url}\"\n\
         unconfirmed_after = \"{unconfirmed}\"\nask_every = \"1s\"\ndepth = 1\n"
    )
}

pub(crate) fn read(text: &str) -> domain::Config {
    portcullis::file::load("test.toml", text).unwrap().0
}

fn holder() -> HolderId {
    "tester".parse().unwrap()
}

pub(crate) fn task(agent: &Agent) -> Task {
    let payload = json!({
        "address": agent.address.to_string(),
        "btc_address": agent.btc,
        "name": "Someone",
        "message": "Welcome, Someone.",
        "purpose": "welcome",
        "network": "mainnet",
    });
    Task {
        kind: "welcome".parse::<Kind>().unwrap(),
        source_key: format!("welcome/{}", agent.address).parse().unwrap(),
        created_by: "test".to_owned(),
        created_at: kit::Clock.now(),
        contact: Some(agent.key()),
        payload: payload.to_string(),
        not_before: None,
        expires_at: None,
        follows: None,
    }
}

pub(crate) fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Completed { .. } => "completed".to_owned(),
        Outcome::Failed { cause, .. } => format!("failed {cause}"),
        Outcome::Unknown { cause, .. } => format!("unknown {cause}"),
        Outcome::Held { .. } => "held".to_owned(),
        Outcome::Moot { .. } => "moot".to_owned(),
    }
}
