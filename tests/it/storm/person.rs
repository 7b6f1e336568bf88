//! A person at a terminal, who opens what closed by itself some seconds later, and closes by
//! hand what the plan says.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::Bus;
use domain::{Epoch, Gate, GateName, GateState};
use fleet::gate_log;
use tokio::{process::Command, task::JoinHandle};

use crate::harness::program;

/// Every gate of the storm's configuration.
pub(super) const GATES: [&str; 7] =
    ["relay", "inbox", "wallet", "chain", "tool", "kind-welcome", "kind-chore"];

#[derive(Clone)]
pub(crate) struct Person {
    bus: Bus,
    url: String,
    program: PathBuf,
    seed: u64,
    /// How long a closed gate is looked at before it is opened, in milliseconds.
    patience: Range<u64>,
    seen: Arc<Mutex<BTreeMap<GateName, GateState>>>,
    said: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    /// What the command line answered where it did not do what was typed, and how often.
    in_vain: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Person {
    pub(crate) fn new(bus: &Bus, url: String, seed: u64) -> Self {
        let program = program("portcullis");
        let (seen, said, in_vain) = (Arc::default(), Arc::default(), Arc::default());
        let patience = 1_000..6_000;
        Person { bus: bus.clone(), url, program, seed, patience, seen, said, in_vain }
    }

    /// The same with another patience.
    pub(crate) fn patient(self, patience: Range<u64>) -> Self {
        Person { patience, ..self }
    }

    /// The gates that were not open when last looked at.
    pub(super) fn standing(&self) -> BTreeSet<String> {
        let seen = self.seen.lock().unwrap();
        let shut = seen.iter().filter(|(_, state)| **state != GateState::Open);
        shut.map(|(name, state)| format!("{name} {}", state.word())).collect()
    }

    /// What was typed, and how often.
    pub(crate) fn said(&self) -> BTreeMap<&'static str, u64> {
        self.said.lock().unwrap().clone()
    }

    /// What was typed in vain: the command's last words, and how often.
    pub(crate) fn in_vain(&self) -> BTreeMap<String, u64> {
        self.in_vain.lock().unwrap().clone()
    }

    /// Watches the gates until dropped.
    pub(crate) fn watch(&self) -> JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move {
            let mut closed = BTreeMap::new();
            loop {
                for name in GATES {
                    this.look(&name.parse().unwrap(), &mut closed).await;
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
    }

    async fn look(
        &self,
        name: &GateName,
        closed: &mut BTreeMap<GateName, (Epoch, tokio::time::Instant)>,
    ) {
        let Ok(Some(found)) = gate_log::current(&self.bus, name).await else { return };
        let gate = found.value;
        self.seen.lock().unwrap().insert(name.clone(), gate.state);
        if gate.state != GateState::Closed {
            closed.remove(name);
            return;
        }
        let (epoch, since) =
            *closed.entry(name.clone()).or_insert((gate.epoch, tokio::time::Instant::now()));
        let tried = self.in_vain.lock().unwrap().values().sum::<u64>();
        let mut rng = fastrand::Rng::with_seed(self.seed ^ gate.epoch.get() ^ (tried << 32));
        let patience = Duration::from_millis(rng.u64(self.patience.clone()));
        if epoch == gate.epoch && since.elapsed() < patience {
            return;
        }
        closed.remove(name);
        self.open(&gate, rng.u8(..6) == 0).await;
    }

    async fn open(&self, gate: &Gate, boldly: bool) {
        let causes: Vec<String> = gate.causes.iter().map(ToString::to_string).collect();
        if causes.iter().any(|cause| cause == "record.behind") {
            let args = ["payment", "adopt", "--note", "storm: looked at it", "--as", "ann"];
            self.type_in("payments adopted", &args).await;
        }
        let name = gate.name.as_str();
        let mut args =
            vec!["gate", "open", name, "--note", "storm: mended", "--as", "ann", "--no-wait"];
        if boldly {
            args.push("--without-canary");
            args.extend(causes.iter().flat_map(|cause| ["--accept", cause]));
        }
        self.type_in(if boldly { "gates opened boldly" } else { "gates opened" }, &args).await;
    }

    pub(super) async fn close(self, gate: &'static str) {
        let args = ["gate", "close", gate, "--note", "storm: by hand", "--as", "bob"];
        self.type_in("gates closed", &args).await;
    }

    async fn type_in(&self, what: &'static str, args: &[&str]) {
        let Err(last_words) = self.cli(args).await else {
            *self.said.lock().unwrap().entry(what).or_default() += 1;
            return;
        };
        *self.in_vain.lock().unwrap().entry(format!("{what}: {last_words}")).or_default() += 1;
    }

    /// Types it in; what went wrong is the status and the last line of talk.
    async fn cli(&self, args: &[&str]) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args(args).env("NATS_URL", &self.url).stdin(std::process::Stdio::null());
        let output = command.kill_on_drop(true).output();
        let Ok(output) = tokio::time::timeout(Duration::from_secs(60), output).await else {
            return Err("no answer in 60 s".to_owned());
        };
        let output = output.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let talk = String::from_utf8_lossy(&output.stderr);
        let line = talk.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Err(format!("{}: {line}", output.status))
    }
}
