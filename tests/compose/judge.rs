//! What must hold, read from the streams, the sandbox's ledger and the containers.

use std::{collections::BTreeMap, time::Duration};

use bus::{Bus, Stored};
use domain::{HolderId, Phase, TaskState};
use serde_json::Value;
use wire::Wire as _;

use crate::{
    docker,
    stack::{Stack, eventually},
};

/// Every service that is a container of ours.
const SERVICES: &[&str] =
    &["nats", "apply", "gatekeeper", "sensor", "dispatcher", "welcome-payer", "sandbox"];

/// What the streams hold at one moment.
pub(crate) struct Seen {
    /// Tasks in the queue.
    pub(crate) queued: Vec<Stored>,
    /// Where each task stands that was ever begun, by its source key.
    pub(crate) states: BTreeMap<String, TaskState>,
    /// The newest incident of each gate and number.
    pub(crate) incidents: usize,
}

impl Seen {
    pub(crate) async fn read(bus: &Bus) -> Seen {
        let all = async |stream: &'static str, subject: &'static str| {
            eventually(format!("{subject} to be read"), || bus_all(bus, stream, subject)).await
        };
        let states = all("STATE", "state.>").await.into_iter().map(|stored| {
            let state = TaskState::decode(&stored.body).unwrap();
            (state.source_key.to_string(), state)
        });
        let incidents = all("RECORD", "incident.>").await;
        let incidents: std::collections::BTreeSet<_> =
            incidents.into_iter().map(|stored| stored.subject).collect();
        Seen {
            queued: all("WORK", "task.>").await,
            states: states.collect(),
            incidents: incidents.len(),
        }
    }

    /// Who holds which task.
    pub(crate) fn held(&self) -> BTreeMap<String, HolderId> {
        let held = self.states.iter().filter_map(|(key, state)| match &state.phase {
            Phase::Claimed(claim) => Some((key.clone(), claim.holder.clone())),
            _ => None,
        });
        held.collect()
    }
}

async fn bus_all(bus: &Bus, stream: &str, subject: &str) -> Option<Vec<Stored>> {
    bus.all(stream, subject, 100_000).await.ok()
}

/// The server that leads a stream.
pub(crate) async fn leader(bus: &Bus, stream: &str) -> String {
    eventually(format!("a leader of {stream}"), || async {
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        let answer = bus.ask(&subject, Vec::new(), Duration::from_secs(2)).await.ok()?;
        let info: Value = serde_json::from_slice(&answer).ok()?;
        let leader = info["cluster"]["leader"].as_str()?;
        (!leader.is_empty()).then(|| leader.to_owned())
    })
    .await
}

/// Every container runs as nobody, on a root that it cannot write, without capabilities.
pub(crate) async fn containers(stack: &Stack) {
    for service in SERVICES {
        for container in stack.containers(service).await {
            let told = docker::run(&["inspect", &container]).await;
            let told: Value = serde_json::from_str(&told).unwrap();
            let (config, host) = (&told[0]["Config"], &told[0]["HostConfig"]);
            assert_eq!(config["User"], "65532:65532", "{service}");
            assert_eq!(host["ReadonlyRootfs"], true, "{service}");
            assert_eq!(host["CapDrop"][0], "ALL", "{service}");
            assert_eq!(host["Privileged"], false, "{service}");
            assert_eq!(host["SecurityOpt"][0], "no-new-privileges:true", "{service}");
            assert_eq!(host["LogConfig"]["Config"]["max-size"], "10m", "{service}");
            let loopback = |port: &Value| port[0]["HostIp"] == "127.0.0.1";
            let ports = host["PortBindings"].as_object().cloned().unwrap_or_default();
            assert!(ports.values().all(loopback), "{service}: {ports:?}");
        }
    }
}

/// M1, W1, W3: everyone was paid once and greeted, every task has ended as completed, and
/// nothing is left in the queue.
pub(crate) async fn record(stack: &Stack) {
    let ledger = stack.sandbox("ledger").await;
    let transfers = ledger["transfers"].as_array().unwrap();
    assert_eq!(transfers.len() as u64, stack.agents, "M1: {ledger:#}");
    assert_eq!(ledger["welcomed"], stack.agents, "M1: {ledger:#}");
    assert_eq!(ledger["paid_twice"], 0, "M1: {ledger:#}");
    assert_eq!(ledger["messages"], stack.agents, "W3: paid, but not greeted: {ledger:#}");
    let seen = Seen::read(&stack.bus).await;
    assert!(seen.queued.is_empty(), "W1: left in the queue: {:?}", seen.queued);
    for transfer in transfers {
        let key = format!("welcome/{}", transfer["recipient"].as_str().unwrap());
        let state = seen.states.get(&key).unwrap_or_else(|| panic!("W3: {key} has no state"));
        assert_eq!(state.word(), "completed", "W1: {key}");
    }
    assert_eq!(seen.states.len() as u64, stack.agents, "a task for nobody");
}

/// The wallet's key is in no setting and in no log.
pub(crate) async fn secrets(stack: &Stack) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/sandbox/wallet.key");
    let key = std::fs::read_to_string(path).unwrap();
    let key = key.trim();
    assert!(32 <= key.len());
    for container in stack.project.all().await {
        let told = docker::run(&["inspect", &container]).await + &docker::logs(&container).await;
        assert!(told.len() > 1_000 && !told.contains(key), "the key is shown by {container}");
    }
}
