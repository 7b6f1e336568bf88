//! Dispatchers' keyrings on a real bus, a provider in memory, and an HTTP endpoint by script.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use domain::Refusal;
use fleet::Fleet;
use keyring::{Called, Keyring, Lent, Tried};
use kit::NatsArgs;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Barrier,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::harness::{World, eventually};

/// One dispatcher, as far as credentials go. Gone when dropped.
pub(super) struct Desk {
    pub(super) keyring: Arc<Keyring>,
    _background: JoinSet<()>,
}

impl Desk {
    /// Joins the fleet, and returns once it sees the gates. `keeps`: it also looks each second.
    pub(super) async fn join(world: &World, keeps: bool) -> Desk {
        let nats = NatsArgs { nats_url: world.nats.url(), nats_creds: None };
        let fleet = Fleet::join(&nats, "dispatcher").await.unwrap();
        let keyring = Arc::new(Keyring::new(fleet.clone()));
        let mut background = JoinSet::new();
        let until = CancellationToken::new();
        background.spawn(fleet.gates.clone().keep(fleet.bus.clone(), until.clone()));
        if keeps {
            background.spawn(keyring.clone().keep(until));
        }
        eventually("the gates to be seen", || async {
            fleet.gates.doubt().is_none().then_some(())
        })
        .await;
        Desk { keyring, _background: background }
    }

    pub(super) async fn fleet(world: &World, count: usize, keeps: bool) -> Vec<Desk> {
        let mut desks = Vec::new();
        for _ in 0..count {
            desks.push(Desk::join(world, keeps).await);
        }
        desks
    }

    /// Which secret served, or the cause for which none did.
    pub(super) async fn call(&self, provider: &Provider) -> String {
        let name = "anthropic".parse().unwrap();
        match self.keyring.call(&name, |lent| provider.answer(lent)).await {
            Called::Answered { answer, used } => {
                assert_eq!(used.provider, name);
                answer
            }
            Called::Exhausted { cause, evidence } | Called::Unreadable { cause, evidence } => {
                assert!(!evidence.is_empty());
                cause.to_string()
            }
        }
    }
}

/// Takes every secret that was not taken back.
#[derive(Default)]
pub(super) struct Provider {
    dead: Mutex<BTreeMap<String, Refusal>>,
    calls: Mutex<Vec<String>>,
    /// Calls with a dead secret wait for each other here, so that none is refused before all
    /// are under way.
    together: Mutex<Option<Arc<Barrier>>>,
}

impl Provider {
    pub(super) fn refuse(&self, secret: &str, why: Refusal) {
        self.dead.lock().unwrap().insert(secret.to_owned(), why);
    }

    pub(super) fn take(&self, secret: &str) {
        self.dead.lock().unwrap().remove(secret);
    }

    pub(super) fn hold(&self, until: usize) {
        *self.together.lock().unwrap() = Some(Arc::new(Barrier::new(until)));
    }

    pub(super) fn let_go(&self) {
        *self.together.lock().unwrap() = None;
    }

    pub(super) fn calls_with(&self, secret: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| *call == secret).count()
    }

    async fn answer(&self, lent: Lent) -> Tried<String> {
        let secret = lent.secret.expose().to_owned();
        self.calls.lock().unwrap().push(secret.clone());
        let why = self.dead.lock().unwrap().get(&secret).copied();
        let Some(why) = why else { return Tried::Answered(secret) };
        let together = self.together.lock().unwrap().clone();
        if let Some(together) = together {
            together.wait().await;
        }
        Tried::Refused { why, evidence: format!("401 {why}") }
    }
}

/// An HTTP server that answers as a script says: status and body, or nothing at all.
pub(super) struct Http {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Http {
    /// `script` sees the whole request: head and body.
    pub(super) async fn start(
        script: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, mut serving) = (asked.clone(), JoinSet::new());
        serving.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = request(&mut stream).await;
                log.lock().unwrap().push(request.clone());
                if let Some((status, body)) = script(&request) {
                    let head = format!(
                        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\n\
                         content-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                }
            }
        });
        Http { url, asked, _serving: serving }
    }

    /// How many requests contained this.
    pub(super) fn asked_with(&self, text: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.contains(text)).count()
    }
}

async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok()
            });
            if length.unwrap_or(0) <= body.len() {
                return text;
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(read) if 0 < read => bytes.extend_from_slice(&more[..read]),
            _ => return text,
        }
    }
}

/// Writes a secret as whoever renews it would: a new file, renamed over the old one.
pub(super) fn put(world: &World, name: &str, text: &str) {
    let (path, fresh) = (world.dir().join(name), world.dir().join(format!("{name}.put")));
    fs::write(&fresh, text).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(fresh, path).unwrap();
}

/// A kind behind the provider's gate, and the provider with these credentials.
pub(super) fn config(world: &World, url: &str, credentials: &str) -> String {
    let credentials = credentials.replace("DIR", world.dir().to_str().unwrap());
    format!(
        "[kinds.echo]\nhandler = {{ service = \"echo\" }}\nneeds = [\"anthropic\"]\n\
         [gates.anthropic]\n[providers.anthropic]\ngate = \"anthropic\"\nurl = \"{url}\"\n\
         credentials = [{credentials}]\n"
    )
}

/// No stream of the bus holds any of these secrets.
pub(super) async fn nowhere_on_the_bus(world: &World, secrets: &[&str]) {
    for stream in ["WORK", "STATE", "RECORD", "EVENTS"] {
        for stored in world.stored(stream, ">").await {
            let text = String::from_utf8_lossy(&stored.body).into_owned();
            for secret in secrets {
                assert!(!text.contains(secret), "{} holds {secret}", stored.subject);
                assert!(!stored.subject.contains(secret), "{}", stored.subject);
            }
        }
    }
}
