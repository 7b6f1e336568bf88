use std::{fs, path::PathBuf, time::Duration};

use portcullis::up::{settings::Settings, world::World as Sandbox};
use serde_json::{Value, json};

use wire::{Wire as _, message::Beat};

use crate::harness::{PATIENCE, World, eventually, program, world::Fleetlet};

/// The kind `prompt` on the sandbox's Anthropic, its token in a file, and maybe a key beside it.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) sandbox: Sandbox,
    /// What stands in the environment: a key, where there is one.
    key: Option<String>,
    token: PathBuf,
    rest: &'static str,
}

impl Bench {
    /// A fresh token on disk; no service runs yet.
    pub(crate) async fn set(with_key: bool) -> Bench {
        Bench::resting(with_key, "300ms").await
    }

    /// The same with tasks that rest so long after a failure, and twice as long later.
    pub(crate) async fn resting(with_key: bool, rest: &'static str) -> Bench {
        let settings = Settings {
            agents: 1,
            relay: "march".to_owned(),
            network: stacks::Network::Mainnet,
            block: Duration::from_millis(500),
            every: Duration::from_secs(60),
            unconfirmed_after: Duration::from_secs(60),
        };
        let world = World::bare().await;
        let log_dir = world.dir().join("log");
        let sandbox = Sandbox::start(&program("sandbox"), &log_dir, None, &settings).await.unwrap();
        let token = world.dir().join("claude.json");
        let mut bench = Bench { world, sandbox, key: None, token, rest };
        if with_key {
            let issued = bench.issue("api-key", "api-key").await;
            bench.key = Some(issued["secret"].as_str().unwrap().to_owned());
        }
        bench.renew().await;
        let url = bench.sandbox.url().to_owned();
        bench.apply(&url).await;
        bench
    }

    pub(crate) async fn apply(&self, url: &str) {
        self.world.apply(&self.toml(url)).await;
    }

    pub(crate) fn toml(&self, url: &str) -> String {
        let key = match self.key {
            Some(_) => "{ name = \"api-key\", env = \"THE_KEY\", scheme = \"api-key\" },",
            None => "",
        };
        let (token, rest) = (self.token.display(), self.rest);
        format!(
            r#"
[kinds.prompt]
handler = {{ anthropic = {{ provider = "anthropic", model = "claude-sonnet-4-5", prompt = "About {{payload.about}}", max_tokens = 100 }} }}
needs = ["anthropic"]
attempts = 2
rest = "{rest}"
rest_max = "5s"
lease = "5s"
timeout = "10s"

[kinds.free]
handler = {{ anthropic = {{ provider = "anthropic", model = "claude-sonnet-4-5", max_tokens = 100 }} }}
needs = ["anthropic"]
attempts = 2
rest = "300ms"
rest_max = "1s"

[gates.anthropic]

[providers.anthropic]
gate = "anthropic"
url = "{url}"
credentials = [
    {{ name = "oauth", file = "{token}", pointer = "/claudeAiOauth/accessToken", scheme = "bearer" }},
    {key}
]

[prices.claude-sonnet-4-5]
input = "3.00"
output = "15.00"
"#
        )
    }

    async fn issue(&self, name: &str, scheme: &str) -> Value {
        let issue = json!({"name": name, "scheme": scheme});
        self.control("credentials", issue).await
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        self.sandbox.control(&format!("anthropic/{path}"), &body).await.unwrap()
    }

    /// Waits until every dispatcher that runs goes by what was applied last.
    pub(crate) async fn followed(&self) {
        let version = self.world.gate("_config").await.epoch.get();
        let mut beats = self.world.bus.subscribe("beat.dispatcher.*").await.unwrap();
        let followed = async {
            while Beat::decode(&beats.next().await.unwrap().body).unwrap().config_version < version
            {
            }
        };
        tokio::time::timeout(PATIENCE, followed).await.expect("a dispatcher beats in time");
    }

    /// A person logs in again: a fresh token on disk, and what it is. The one before is dead.
    pub(crate) async fn renew(&self) -> String {
        let issued = self.issue("oauth", "bearer").await;
        let held = json!({"claudeAiOauth": {"accessToken": issued["secret"]}});
        let new = self.token.with_extension("new");
        fs::write(&new, held.to_string()).unwrap();
        fs::rename(new, &self.token).unwrap();
        issued["secret"].as_str().unwrap().to_owned()
    }

    /// The token dies, once it has served so many more calls.
    pub(crate) async fn kill(&self, how: &str, after: u64) {
        self.control("kill", json!({"name": "oauth", "how": how, "after": after})).await;
    }

    pub(crate) fn dispatchers(&self, count: usize, slots: &str) -> Vec<Fleetlet> {
        let key = self.key.as_deref().unwrap_or_default();
        let spawn =
            |_| self.world.spawn_with("dispatcher", &["--slots", slots], &[("THE_KEY", key)]);
        (0..count).map(spawn).collect()
    }

    pub(crate) async fn gatekeeper(&self) -> Fleetlet {
        let keeper = self.world.spawn("gatekeeper", &[]);
        let mut beats = self.world.bus.subscribe("beat.gatekeeper.*").await.unwrap();
        beats.next().await.unwrap();
        keeper
    }

    /// Queues a task for each of `names`, as a person would.
    pub(crate) async fn add(&self, kind: &str, name: &str, payload: Value) -> Option<i32> {
        let payload = payload.to_string();
        let args = ["task", "add", name, "--kind", kind, "--payload", &payload, "--as", "ann"];
        self.world.cli(&args).await.status.code()
    }

    pub(crate) async fn queue(&self, names: impl IntoIterator<Item = String>) {
        for name in names {
            let token = fleet::gate_log::token(&self.world.bus).await.unwrap();
            let task = domain::Task {
                payload: json!({"about": name}).to_string(),
                ..crate::harness::world::task("prompt", &name)
            };
            let created = fleet::create::create(&self.world.bus, &task, token).await;
            assert!(matches!(created, fleet::create::Created::Created(_)), "{created:?}");
        }
    }

    pub(crate) async fn completed(&self, names: impl IntoIterator<Item = String>) {
        for name in names {
            let state = self.world.phase("prompt", &name, "completed").await;
            assert_eq!(state.charged, 0, "{state:?}");
        }
    }

    /// The double's counts, and those of the newest credential of a name.
    pub(crate) async fn counts(&self) -> Value {
        self.sandbox.get("anthropic").await.unwrap()
    }

    pub(crate) async fn of(&self, name: &str) -> Value {
        let counts = self.counts().await;
        let all = counts["credentials"].as_array().unwrap();
        all.iter().rev().find(|it| it["name"] == name).cloned().unwrap_or(Value::Null)
    }

    /// Opens the gate as a person would, and waits until it is open.
    pub(crate) async fn open(&self, gate: &str) {
        let args = ["gate", "open", gate, "--note", "cleared", "--as", "ann", "--no-wait"];
        let output = self.world.cli(&args).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Every failure told so far: its cause and whether it was charged.
    pub(crate) async fn failures(&self) -> Vec<(String, bool)> {
        let told = self.world.events("event.failure.>").await;
        let read = |event: &Value| {
            let data = &event["data"];
            (data["cause"].as_str().unwrap().to_owned(), data["charged"] == true)
        };
        told.iter().map(read).collect()
    }

    /// Waits until at least so many failures are told.
    pub(crate) async fn failed(&self, count: usize) -> Vec<(String, bool)> {
        eventually(format!("{count} failures"), || async {
            let told = self.failures().await;
            (count <= told.len()).then_some(told)
        })
        .await
    }
}

pub(crate) fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> + use<'_> {
    (0..count).map(move |number| format!("{prefix}/{number}"))
}
