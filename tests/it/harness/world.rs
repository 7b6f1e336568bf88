use std::{
    fs,
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bus::{Bus, Options};
use domain::{Gate, GateName, GateState, Key, Kind, Task, TaskState};
use fleet::{create::Created, gate_log, store};
use portcullis::up::process::{Launch, Process};
use serde_json::Value;
use wire::subject;

use super::{Servers, eventually, program};

/// NATS servers, a configuration, and a folder; gone when dropped.
pub(crate) struct World {
    pub(crate) nats: Servers,
    pub(crate) bus: Bus,
    dir: PathBuf,
    started: AtomicU32,
}

/// One kind on an echo service behind the gate `relay`, with times that suit a test.
pub(crate) const ECHO_CONFIG: &str = r#"
[kinds.echo]
handler = { service = "echo" }
needs = ["relay"]
attempts = 3
rest = "1s"
rest_max = "2s"
lease = "2s"
timeout = "20s"

[gates.relay]
about = "what every echo goes through"
remedy = "look at the relay"
"#;

/// A service of the test's fleet.
pub(crate) type Fleetlet = Process;

impl World {
    /// As many servers as NODES says, with `config` applied.
    pub(crate) async fn start(config: &str) -> World {
        World::start_on(Servers::wanted(), config).await
    }

    /// So many servers, whatever NODES says, with `config` applied.
    pub(crate) async fn start_on(nodes: usize, config: &str) -> World {
        let world = World::bare_on(nodes).await;
        world.apply(config).await;
        world
    }

    /// Servers on which nothing was ever applied.
    pub(crate) async fn bare() -> World {
        World::bare_on(Servers::wanted()).await
    }

    pub(crate) async fn bare_on(nodes: usize) -> World {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("portcullis-{}-{number}", std::process::id()));
        let nats = Servers::start(&dir, nodes).await;
        let bus = connect(&nats.url()).await;
        World { nats, bus, dir, started: AtomicU32::new(0) }
    }

    /// Another connection, to whichever node.
    pub(crate) async fn connect(&self) -> Bus {
        connect(&self.nats.url()).await
    }

    pub(crate) fn dir(&self) -> &PathBuf {
        &self.dir
    }

    /// Applies a configuration by the command that a person would type.
    pub(crate) async fn apply(&self, config: &str) {
        let file = self.dir.join("portcullis.toml");
        fs::write(&file, config).unwrap();
        let replicas = self.nats.count().to_string();
        let file = file.to_str().unwrap();
        let apply = ["apply", "-f", file, "--as", "tester", "--replicas", &replicas];
        let output = self.cli(&apply).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs `portcullis` with the world's servers.
    pub(crate) async fn cli(&self, args: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(program("portcullis"));
        command.args(args).env("NATS_URL", self.nats.url()).stdin(std::process::Stdio::null());
        let output = tokio::time::timeout(super::PATIENCE, command.kill_on_drop(true).output());
        output.await.expect("portcullis ends in time").unwrap()
    }

    /// Runs `portcullis … --json` and reads what it prints, whatever its exit code.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat()).await;
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{args:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// Starts a service as the process that it is.
    pub(crate) fn spawn(&self, name: &str, args: &[&str]) -> Fleetlet {
        self.spawn_with(name, args, &[])
    }

    /// Starts a service with more in its environment.
    pub(crate) fn spawn_with(&self, name: &str, args: &[&str], more: &[(&str, &str)]) -> Fleetlet {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Process::start(Launch {
            name: &format!("{name}-{number}"),
            program: &program(name),
            args: args.iter().map(ToString::to_string).collect(),
            env: [
                ("NATS_URL", self.nats.url().as_str()),
                ("LOG", "debug,async_nats=info,hyper=info,hyper_util=info,reqwest=info"),
            ]
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
            log_dir: &self.dir.join("log"),
        })
        .unwrap()
    }

    /// Creates a task behind the fence, as a sensor would.
    pub(crate) async fn create(&self, kind: &str, source_key: &str) -> Created {
        let token = gate_log::token(&self.bus).await.unwrap();
        fleet::create::create(&self.bus, &task(kind, source_key), token).await
    }

    /// Creates a task that must be accepted.
    pub(crate) async fn queue(&self, kind: &str, source_key: &str) {
        let created = self.create(kind, source_key).await;
        assert!(matches!(created, Created::Created(_)), "{created:?}");
    }

    pub(crate) async fn state(&self, kind: &str, source_key: &str) -> Option<TaskState> {
        let (kind, key) = named(kind, source_key);
        let subject = subject::state(&kind, key);
        let read = || store::read::<TaskState>(&self.bus, subject::STATE, &subject);
        answered(&subject, read).await.map(|found| found.value)
    }

    /// Waits until the task stands in `phase` and returns where it stands.
    #[track_caller]
    pub(crate) fn phase(
        &self,
        kind: &str,
        source_key: &str,
        phase: &str,
    ) -> impl Future<Output = TaskState> {
        eventually(format!("{source_key} to be {phase}"), move || async move {
            self.state(kind, source_key).await.filter(|state| state.word() == phase)
        })
    }

    pub(crate) async fn gate(&self, gate: &str) -> Gate {
        let name: GateName = gate.parse().unwrap();
        answered(gate, || gate_log::current(&self.bus, &name)).await.unwrap().value
    }

    /// Waits until the gate stands so.
    #[track_caller]
    pub(crate) fn gate_is(&self, gate: &str, state: GateState) -> impl Future<Output = Gate> {
        eventually(format!("gate {gate} to be {}", state.word()), move || async move {
            Some(self.gate(gate).await).filter(|gate| gate.state == state)
        })
    }

    /// The newest message over a subject.
    pub(crate) async fn last(&self, stream: &str, subject: &str) -> Option<bus::Stored> {
        answered(subject, || self.bus.last(stream, subject)).await
    }

    /// Every message over a subject, oldest first.
    pub(crate) async fn stored(&self, stream: &str, subject: &str) -> Vec<bus::Stored> {
        answered(subject, || self.bus.all(stream, subject, 100_000)).await
    }

    /// Every event over `subjects`, oldest first.
    pub(crate) async fn events(&self, subject: &str) -> Vec<Value> {
        let stored = self.stored(subject::EVENTS, subject).await;
        stored.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
    }

    /// What a person at the terminal would look at when a test fails.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.dir.join("log")).into_iter().flatten().flatten() {
            let log = fs::read_to_string(entry.path()).unwrap_or_default();
            text.push_str(&format!("==> {}\n{log}\n", entry.path().display()));
        }
        text + &self.nats.logs()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Reads until the servers answer: after a restart some seconds pass before anybody leads.
async fn answered<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    read: impl Fn() -> F,
) -> T {
    eventually(format!("an answer about {what}"), || async { read().await.ok() }).await
}

/// A connection to these servers.
pub(crate) async fn connect(url: &str) -> Bus {
    let options = Options {
        servers: url.to_owned(),
        credentials: None,
        name: "test".to_owned(),
        patience: Duration::from_secs(20),
    };
    Bus::connect(&options).await.unwrap()
}

pub(crate) fn task(kind: &str, source_key: &str) -> Task {
    Task {
        kind: kind.parse().unwrap(),
        source_key: source_key.parse().unwrap(),
        created_by: "test".to_owned(),
        created_at: kit::Clock.now(),
        contact: None,
        payload: "{}".to_owned(),
        not_before: None,
        expires_at: None,
        follows: None,
    }
}

fn named(kind: &str, source_key: &str) -> (Kind, Key) {
    let task = task(kind, source_key);
    (task.kind.clone(), task.key())
}
