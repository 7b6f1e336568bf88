use std::collections::BTreeSet;

use domain::{Gate, GateState, Phase, Spending, TaskState};
use portcullis::up::{settings::Settings, stage::PLAY_KEY};
use serde_json::{Value, json};
use stacks::{Address, Network, PrivateKey};
use wire::{Wire as _, subject};

use crate::harness::{Job, eventually};

pub(crate) const GATES: [&str; 4] = ["relay", "inbox", "wallet", "chain"];

/// A failure as it was told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) cause: String,
    pub(crate) charged: bool,
    pub(crate) task: String,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
}

/// A set stage on which the world is already broken in the given way.
pub(crate) async fn broken(relay: &str, agents: usize, faults: Value) -> Job {
    broken_with(relay, agents, faults, |_| ()).await
}

pub(crate) async fn broken_with(
    relay: &str,
    agents: usize,
    faults: Value,
    change: impl FnOnce(&mut Settings),
) -> Job {
    let relay = relay.to_owned();
    let job = Job::set_with(agents, |settings| {
        settings.relay = relay;
        change(settings);
    })
    .await;
    job.control("faults", faults).await;
    job
}

/// Sets a job whose kind runs, and whose wallet pays, so many at a time.
pub(crate) async fn at_once(job: &Job, tasks: usize, payments: usize) {
    let toml = job.settings.to_toml(job.sandbox.url());
    let toml = toml.replace("concurrency = 1", &format!("concurrency = {tasks}"));
    let toml = toml.replace("in_flight = 1", &format!("in_flight = {payments}"));
    job.world.apply(&toml.replace("timeout = \"15s\"", "timeout = \"5s\"")).await;
}

pub(crate) async fn ledger(job: &Job) -> Value {
    read(job, "ledger").await
}

/// One of the sandbox's counters.
pub(crate) async fn stat(job: &Job, name: &str) -> u64 {
    read(job, "stats").await[name].as_u64().unwrap()
}

async fn read(job: &Job, path: &str) -> Value {
    let url = format!("{}/sandbox/{path}", job.sandbox.url());
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

/// Registers more agents and expects them to be welcomed too.
pub(crate) async fn register(job: &mut Job, count: usize) {
    job.control("agents", json!({ "count": count })).await;
    job.settings.agents += count;
}

/// M1, W1: waits until all are welcomed, then judges: each was paid 100 sats by exactly one
/// transfer, which bought exactly one message; no two of one nonce; every task completed.
pub(crate) async fn all_welcomed_once(job: &Job) {
    job.done().await;
    let ledger = ledger(job).await;
    let transfers = ledger["transfers"].as_array().unwrap();
    let paid: BTreeSet<_> = transfers.iter().map(|t| t["recipient"].as_str().unwrap()).collect();
    let nonces: BTreeSet<_> = transfers.iter().map(|t| t["originNonce"].as_u64()).collect();
    let agents = job.settings.agents;
    assert_eq!((transfers.len(), paid.len(), nonces.len()), (agents, agents, agents), "{ledger}");
    assert!(transfers.iter().all(|transfer| transfer["amount"] == 100), "{ledger}");
    assert!(transfers.iter().all(|transfer| transfer["delivered"] == true), "{ledger}");
    let states = states(job).await;
    assert_eq!(states.len(), agents);
    for state in states {
        assert!(matches!(state.phase, Phase::Completed { .. }), "{state:?}");
    }
}

/// The origin nonces that the chain has seen of us run from 0 without a hole.
pub(crate) async fn no_nonce_gap(job: &Job) {
    let ledger = ledger(job).await;
    let transfers = ledger["transfers"].as_array().unwrap();
    let mut nonces: Vec<_> = transfers.iter().map(|t| t["originNonce"].as_u64().unwrap()).collect();
    nonces.sort_unstable();
    assert_eq!(nonces, (0..transfers.len() as u64).collect::<Vec<_>>(), "{ledger}");
}

/// No gate has ever moved: the work went on without a person.
pub(crate) async fn no_gate_moved(job: &Job) {
    for gate in GATES {
        let gate = job.world.gate(gate).await;
        assert_eq!((gate.state, gate.epoch.get()), (GateState::Open, 1), "{gate:?}");
    }
}

/// No gate but `moved` has ever moved.
pub(crate) async fn only_gate_moved(job: &Job, moved: &str) {
    for gate in GATES.into_iter().filter(|gate| *gate != moved) {
        let gate = job.world.gate(gate).await;
        assert_eq!((gate.state, gate.epoch.get()), (GateState::Open, 1), "{gate:?}");
    }
}

/// Every failure told so far, oldest first.
pub(crate) async fn failures(job: &Job) -> Vec<Told> {
    let told = job.world.events("event.failure.>").await;
    let read = |event: &Value| {
        let data = &event["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        Told {
            cause: text("cause"),
            charged: data["charged"] == true,
            task: text("source_key"),
            at: data["at_ms"].as_u64().unwrap(),
        }
    };
    told.iter().map(read).collect()
}

/// Every cause that was told.
pub(crate) async fn causes(job: &Job) -> BTreeSet<String> {
    failures(job).await.into_iter().map(|told| told.cause).collect()
}

/// What the kind has spent, as the payers keep it.
pub(crate) async fn spending(job: &Job) -> Spending {
    let subject = subject::spending(&"welcome".parse().unwrap());
    let found = job.world.last(subject::RECORD, &subject).await.expect("somebody was paid");
    Spending::decode(&found.body).unwrap()
}

/// Where every welcome task stands.
pub(crate) async fn states(job: &Job) -> Vec<TaskState> {
    let stored = job.world.stored("STATE", "state.welcome.>").await;
    stored.iter().map(|state| TaskState::decode(&state.body).unwrap()).collect()
}

/// Waits until the gate is closed and its failure is told, and checks what is told of it.
pub(crate) async fn closed_for(job: &Job, gate: &str, cause: &str) -> Gate {
    let closed = job.world.gate_is(gate, GateState::Closed).await;
    assert_eq!(closed.causes, [cause.parse().unwrap()], "{closed:?}");
    closed
}

/// Opens a gate as a person would.
pub(crate) async fn open(job: &Job, gate: &str) {
    let args = ["gate", "open", gate, "--note", "cleared", "--as", "ann", "--no-wait"];
    let output = job.world.cli(&args).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Lets so many cycles of the sensor pass: time in which whatever loops would loop.
pub(crate) async fn cycles(job: &Job, count: usize) {
    let cycles = || async { job.world.events("event.sensor.cycle.>").await.len() };
    let before = cycles().await;
    eventually("more cycles", || async { (before + count <= cycles().await).then_some(()) }).await;
}

/// Waits until this many events were told over `subject`.
pub(crate) async fn told(job: &Job, subject: &str, count: usize) -> Vec<Value> {
    eventually(format!("{count} events over {subject}"), || async {
        let told = job.world.events(subject).await;
        (count <= told.len()).then_some(told)
    })
    .await
}

/// The address that pays.
pub(crate) fn wallet() -> Address {
    PrivateKey::from_hex(PLAY_KEY).unwrap().address(Network::Mainnet)
}

/// The addresses in the directory, newest first.
pub(crate) async fn addresses(job: &Job) -> Vec<String> {
    let url = format!("{}/api/agents?limit=100", job.sandbox.url());
    let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let rows = page["agents"].as_array().unwrap();
    rows.iter().map(|row| row["stxAddress"].as_str().unwrap_or_default().to_owned()).collect()
}
