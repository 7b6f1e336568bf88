//! One running stack: what it is told, what is seen of it, and bounded waits.

use std::{future::Future, net::TcpListener, time::Duration};

use bus::{Bus, Options};
use domain::{Gate, GateName, GateState, HolderId};
use fleet::{gate_log, store::Versioned};
use kit::{Clock, Instant};
use serde_json::{Value, json};

use crate::{docker, project::Project};

pub(crate) struct Stack {
    pub(crate) project: Project,
    pub(crate) bus: Bus,
    http: reqwest::Client,
    sandbox: String,
    /// How many agents are to be welcomed in the end.
    pub(crate) agents: u64,
    begun: Instant,
}

/// Agents at the start.
const AGENTS: u64 = 10;
/// The longest that anything is waited for. Reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(150);

impl Stack {
    /// Starts the stack of `files`, which starts when what it depends on is well.
    pub(crate) async fn up(name: &str, files: &[&str], dispatchers: usize) -> Stack {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let prefix = std::env::var_os("COMPOSE_TEST_PROJECT").expect("run scripts/compose-test");
        let begun = Clock.instant();
        let [one, two, three, sandbox] = std::array::from_fn(|_| free_port());
        let env = [
            ("NATS_PORT", one.to_string()),
            ("NATS_2_PORT", two.to_string()),
            ("NATS_3_PORT", three.to_string()),
            ("SANDBOX_PORT", sandbox.to_string()),
            ("SANDBOX_AGENTS", AGENTS.to_string()),
        ];
        let project = Project {
            name: format!("{}-{name}", prefix.into_string().unwrap()),
            files: files.iter().map(ToString::to_string).collect(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        eprintln!("\n{}: {}", project.name, files.join(" + "));
        project.compose(&["up", "-d", "--scale", &format!("dispatcher={dispatchers}")]).await;
        let nodes = if files.contains(&"compose.cluster.yaml") { 3 } else { 1 };
        let servers = [one, two, three].into_iter().take(nodes);
        let servers: Vec<_> = servers.map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let options = Options {
            servers: servers.join(","),
            credentials: None,
            name: "compose test".to_owned(),
            patience: Duration::from_secs(20),
        };
        let bus = Bus::connect(&options).await.unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let sandbox = format!("http://127.0.0.1:{sandbox}/sandbox");
        let stack = Stack { project, bus, http, sandbox, agents: AGENTS, begun };
        stack.say("every container has started");
        stack
    }

    /// One line for whoever watches.
    pub(crate) fn say(&self, text: &str) {
        eprintln!("{:6.1} s  {text}", self.begun.elapsed().as_secs_f32());
    }

    pub(crate) async fn scale(&self, dispatchers: usize) {
        let scale = format!("dispatcher={dispatchers}");
        let up = ["up", "-d", "--no-deps", "--no-recreate", "--scale", &scale, "dispatcher"];
        self.project.compose(&up).await;
        assert_eq!(self.containers("dispatcher").await.len(), dispatchers);
    }

    pub(crate) async fn containers(&self, service: &str) -> Vec<String> {
        self.project.containers(service).await
    }

    /// The network that all containers are on.
    pub(crate) fn network(&self) -> String {
        format!("{}_default", self.project.name)
    }

    /// Runs the command line in a container of its own, as an operator would.
    pub(crate) async fn cli(&self, args: &[&str]) -> String {
        self.project.compose(&[&["run", "--rm", "cli"], args].concat()).await
    }

    /// Kills the first container's process behind Docker's back, and waits until Docker has
    /// started it again and it is well.
    pub(crate) async fn crash(&self, service: &str) {
        let container = self.containers(service).await.remove(0);
        let format = "{{.State.Pid}} {{.RestartCount}}";
        let before = docker::run(&["inspect", "-f", format, &container]).await;
        let (pid, restarts) = before.split_once(' ').unwrap();
        let killed = std::process::Command::new("kill").args(["-KILL", pid]).status().unwrap();
        assert!(killed.success(), "kill {service}");
        eventually(format!("docker to start {service} again"), || async {
            let count = docker::run(&["inspect", "-f", "{{.RestartCount}}", &container]).await;
            (count != restarts).then_some(())
        })
        .await;
        self.health_is(&container, "healthy").await;
    }

    pub(crate) async fn health_is(&self, container: &str, wanted: &str) {
        eventually(format!("{container} to be {wanted}"), || async {
            let format = "{{.State.Health.Status}}";
            let health = docker::run(&["inspect", "-f", format, container]).await;
            (health == wanted).then_some(())
        })
        .await;
    }

    /// The container of the dispatcher that calls itself so.
    pub(crate) async fn dispatcher_of(&self, holder: &HolderId) -> String {
        for container in self.containers("dispatcher").await {
            if docker::logs(&container).await.contains(&holder.to_string()) {
                return container;
            }
        }
        panic!("no dispatcher calls itself {holder}");
    }

    /// Tells the sandbox something.
    pub(crate) async fn post(&self, path: &str, body: Value) {
        let sent = self.http.post(format!("{}/{path}", self.sandbox)).json(&body).send().await;
        let answer = sent.unwrap();
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// What the sandbox knows: its `ledger`, or its `stats`.
    pub(crate) async fn sandbox(&self, what: &str) -> Value {
        let answer = self.http.get(format!("{}/{what}", self.sandbox)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// So many new agents come.
    pub(crate) async fn register(&mut self, count: u64) {
        self.post("agents", json!({ "count": count })).await;
        self.agents += count;
    }

    async fn welcomed(&self) -> u64 {
        let ledger = self.sandbox("ledger").await;
        assert_eq!(ledger["paid_twice"], 0, "M1: {ledger:#}");
        ledger["welcomed"].as_u64().unwrap()
    }

    /// Waits until so many more are welcomed than at this moment.
    pub(crate) async fn welcomed_more(&self, count: u64) {
        let wanted = (self.welcomed().await + count).min(self.agents);
        eventually(format!("{wanted} to be welcomed"), || async {
            (wanted <= self.welcomed().await).then_some(())
        })
        .await;
    }

    /// Waits until everyone is welcomed and no task is left in the queue.
    pub(crate) async fn all_welcomed(&self) {
        eventually(format!("all {} to be welcomed", self.agents), || async {
            (self.agents == self.welcomed().await).then_some(())
        })
        .await;
        eventually("the queue to be empty", || async {
            let left = self.bus.last("WORK", "task.>").await;
            left.is_ok_and(|left| left.is_none()).then_some(())
        })
        .await;
    }

    pub(crate) async fn gate(&self, gate: &str) -> Versioned<Gate> {
        let name: GateName = gate.parse().unwrap();
        eventually(format!("gate {gate} to be read"), || async {
            gate_log::current(&self.bus, &name).await.ok().flatten()
        })
        .await
    }

    pub(crate) async fn gate_is(&self, gate: &str, state: GateState) -> Versioned<Gate> {
        eventually(format!("gate {gate} to be {}", state.word()), || async {
            Some(self.gate(gate).await).filter(|gate| gate.value.state == state)
        })
        .await
    }

    /// Every event over `subject`, oldest first; waits while NATS is away.
    pub(crate) async fn events(&self, subject: &str) -> Vec<Value> {
        let stored = eventually(format!("{subject} to be read"), || async {
            self.bus.all("EVENTS", subject, 100_000).await.ok()
        })
        .await;
        stored.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
    }

    /// Asks every container to stop: each ends by itself, cleanly and in time.
    pub(crate) async fn stop(&self) {
        self.project.compose(&["stop"]).await;
        for container in self.project.all().await {
            let format = "{{.Name}} {{.State.ExitCode}}";
            let ended = docker::run(&["inspect", "-f", format, &container]).await;
            assert!(ended.ends_with(" 0"), "did not end cleanly: {ended}");
        }
    }
}

/// Polls until `probe` answers: level-triggered, and never for ever.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: impl Into<String>,
    probe: impl Fn() -> F,
) -> T {
    let found = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let what = what.into();
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// A port of the loopback that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
