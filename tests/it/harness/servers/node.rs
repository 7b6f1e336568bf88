//! One `nats-server` process of a test, on ports that it keeps for as long as the test runs.

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use portcullis::up::process::{Launch, Process};
use serde_json::Value;

use crate::harness::{eventually, nats_server};

pub(super) struct Node {
    process: Process,
    dir: PathBuf,
    name: String,
    ports: Ports,
    http: reqwest::Client,
    /// Whether it was killed and not started again.
    down: bool,
}

/// Where a node listens, always the same.
pub(super) struct Ports {
    client: Port,
    route: Port,
    watch: Port,
}

/// A port that is ours, also while the node that listens on it is down: no other test takes it
/// meanwhile.
struct Port {
    number: u16,
    _reserved: File,
}

/// How long a node may take to answer a question about itself. A frozen one never does.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

impl Ports {
    pub(super) fn free() -> Ports {
        Ports { client: Port::free(), route: Port::free(), watch: Port::free() }
    }

    /// Where the other nodes of a cluster come in.
    pub(super) const fn route(&self) -> u16 {
        self.route.number
    }
}

impl Node {
    /// Starts a node that finds the others behind `doors`; without any it is alone.
    pub(super) fn start(dir: &Path, name: &str, ports: Ports, doors: &[SocketAddr]) -> Node {
        let dir = dir.join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("nats.conf"), config(&dir, name, &ports, doors)).unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(ANSWERS_WITHIN).build().unwrap();
        let process = launch(&dir);
        Node { process, dir, name: name.to_owned(), ports, http, down: false }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client.number)
    }

    /// Where it tells of itself.
    pub(super) fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.watch.number)
    }

    pub(super) const fn is_down(&self) -> bool {
        self.down
    }

    pub(super) async fn kill(&mut self) {
        self.process.kill().await;
        self.down = true;
    }

    /// Starts it again with the same data; returns once it listens.
    pub(super) async fn start_again(&mut self) {
        self.kill().await;
        self.process = launch(&self.dir);
        self.down = false;
        self.listens().await;
    }

    pub(super) async fn signal(&self, signal: &str) {
        self.process.signal(signal).await;
    }

    /// Waits until clients can connect.
    pub(super) async fn listens(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.ports.client.number));
        eventually(format!("{} to listen", self.name), || async {
            tokio::net::TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
        assert!(self.process.runs(), "{} ended:\n{}", self.name, self.log());
    }

    /// Whether it says that it and all it holds are current.
    pub(super) async fn healthy(&self) -> bool {
        let asked = self.http.get(self.watched("healthz")).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// What it knows of streams and their leaders; `None` while it does not answer.
    pub(super) async fn knows(&self) -> Option<Value> {
        let asked = self.http.get(self.watched("jsz?streams=true&config=true")).send().await;
        asked.ok()?.json().await.ok()
    }

    /// How many clients are connected whose name begins so.
    pub(super) async fn clients(&self, name: &str) -> Option<usize> {
        let asked = self.http.get(self.watched("connz")).send().await.ok()?;
        let known: Value = asked.json().await.ok()?;
        let named =
            |client: &&Value| client["name"].as_str().is_some_and(|it| it.starts_with(name));
        Some(known["connections"].as_array()?.iter().filter(named).count())
    }

    fn watched(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.ports.watch.number)
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.process.log()).unwrap_or_default()
    }
}

fn launch(dir: &Path) -> Process {
    Process::start(Launch {
        name: "nats-server",
        program: &nats_server(),
        args: vec!["-c".to_owned(), dir.join("nats.conf").display().to_string()],
        env: Vec::new(),
        log_dir: dir,
    })
    .unwrap()
}

fn config(dir: &Path, name: &str, ports: &Ports, doors: &[SocketAddr]) -> String {
    let [client, route, watch] = [&ports.client, &ports.route, &ports.watch].map(|it| it.number);
    let mut text = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{watch}\"\n\
         jetstream {{ store_dir: {store:?}, sync_interval: always }}\n",
        store = dir.join("data"),
    );
    if doors.is_empty() {
        return text;
    }
    let doors: Vec<_> = doors.iter().map(|door| format!("\"nats-route://{door}\"")).collect();
    // What is advertised leads nowhere: the nodes know each other by the doors alone, or they
    // would go around a wire that is cut. One connection to each is enough.
    let _ = write!(
        text,
        "cluster {{\n  name: tests\n  listen: \"127.0.0.1:{route}\"\n  advertise: \
         \"127.0.0.1:1\"\n  no_advertise: true\n  pool_size: -1\n  compression: off\n  \
         ping_interval: \"2s\"\n  routes: [{}]\n}}\n",
        doors.join(", ")
    );
    text
}

impl Port {
    /// One that nobody listens on, below those that the system gives to outgoing connections:
    /// else a client that tries to come back to a killed server could take the server's port.
    fn free() -> Port {
        let folder = std::env::temp_dir().join("portcullis-ports");
        fs::create_dir_all(&folder).unwrap();
        loop {
            let number = 12_000 + (kit::fresh_number() % 20_000) as u16;
            let reserved = File::create(folder.join(number.to_string())).unwrap();
            if reserved.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", number)).is_ok() {
                return Port { number, _reserved: reserved };
            }
        }
    }
}
