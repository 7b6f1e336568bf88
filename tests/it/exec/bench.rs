//! Kinds whose commands are scripts of a test, and whether anything of them still runs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use domain::{Phase, TaskState};
use fleet::{create::Created, gate_log};

use crate::harness::{World, eventually, world::Fleetlet, world::task};

/// One kind and the script that does its work.
pub(crate) struct Kind {
    pub(crate) name: String,
    script: Option<String>,
    attempts: u32,
    timeout: &'static str,
    on_unknown: &'static str,
    more: String,
}

impl Kind {
    pub(crate) fn of(name: &str, script: &str) -> Kind {
        Kind { script: Some(script.to_owned()), ..Kind::missing(name) }
    }

    /// One whose program is not there.
    pub(crate) fn missing(name: &str) -> Kind {
        Kind {
            name: name.to_owned(),
            script: None,
            attempts: 3,
            timeout: "20s",
            on_unknown: "ask",
            more: String::new(),
        }
    }

    pub(crate) fn attempts(self, attempts: u32) -> Kind {
        Kind { attempts, ..self }
    }

    pub(crate) fn timeout(self, timeout: &'static str) -> Kind {
        Kind { timeout, ..self }
    }

    pub(crate) fn reruns(self) -> Kind {
        Kind { on_unknown: "rerun", ..self }
    }

    /// More settings of its command.
    pub(crate) fn more(self, more: &str) -> Kind {
        Kind { more: format!(", {more}"), ..self }
    }

    fn to_toml(&self, dir: &Path) -> String {
        let Kind { name, attempts, timeout, on_unknown, more, .. } = self;
        format!(
            "[kinds.{name}]\nhandler = {{ exec = {{ command = [\"./{name}.sh\"], dir = {dir:?}{more} }} }}\n\
             attempts = {attempts}\nrest = \"1s\"\nrest_max = \"2s\"\nlease = \"15s\"\n\
             timeout = \"{timeout}\"\non_unknown = \"{on_unknown}\"\n\n"
        )
    }
}

/// A world with such kinds and a dispatcher.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) dispatcher: Fleetlet,
    /// Where the scripts lie and run.
    pub(crate) dir: PathBuf,
}

impl Bench {
    /// `env`: what else the dispatcher has in its environment.
    pub(crate) async fn start(kinds: &[Kind], env: &[(&str, &str)]) -> Bench {
        let world = World::bare().await;
        let dir = world.dir().join("scripts");
        fs::create_dir_all(&dir).unwrap();
        let mut config = String::new();
        for kind in kinds {
            config.push_str(&kind.to_toml(&dir));
            if let Some(script) = &kind.script {
                write_script(&dir.join(format!("{}.sh", kind.name)), script);
            }
        }
        world.apply(&config).await;
        let dispatcher = world.spawn_with("dispatcher", &["--slots", "4"], env);
        Bench { world, dispatcher, dir }
    }

    pub(crate) async fn queue(&self, kind: &str, payload: &str) {
        self.queue_as(kind, &key(kind), payload).await;
    }

    pub(crate) async fn queue_as(&self, kind: &str, source_key: &str, payload: &str) {
        let task = domain::Task { payload: payload.to_owned(), ..task(kind, source_key) };
        let token = gate_log::token(&self.world.bus).await.unwrap();
        let created = fleet::create::create(&self.world.bus, &task, token).await;
        assert!(matches!(created, Created::Created(_)), "{created:?}");
    }

    /// Where a task stands, and what was told last: `dead exec.failed 1: exit code 3`.
    pub(crate) async fn story(&self, kind: &str, state: &TaskState) -> String {
        let verb = match &state.phase {
            Phase::Returned { .. } => return "returned".to_owned(),
            Phase::Withdrawn { why, .. } => return format!("withdrawn {why}"),
            Phase::Parked { .. } => "parked",
            _ => "failed",
        };
        let told = eventually(format!("{kind} to be told"), || async {
            let told = self.world.events("event.>").await;
            let ours = |told: &&serde_json::Value| {
                told["data"]["kind"] == kind && told["type"].as_str().unwrap().ends_with(verb)
            };
            told.iter().rfind(ours).cloned()
        })
        .await;
        let data = &told["data"];
        let word = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let charged = u32::from(data["charged"] == true);
        assert_eq!(charged, state.charged, "{data}");
        format!("{} {} {charged}: {}", state.word(), word("cause"), word("evidence"))
    }

    /// Waits until no process has the task's name in its environment, as all of its command
    /// have, wherever they went.
    pub(crate) async fn nobody_is_left(&self, kind: &str) {
        eventually(format!("everything of {kind} to be gone: {:?}", left(kind)), || async {
            left(kind).is_empty().then_some(())
        })
        .await;
    }
}

/// The processes of a kind's only task.
pub(crate) fn left(kind: &str) -> Vec<String> {
    let mark = format!("PORTCULLIS_TASK={}", task_key(kind));
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let is_it = read("environ").split(|byte| *byte == 0).any(|it| it == mark.as_bytes());
        if is_it {
            left.push(String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
        }
    }
    left
}

/// What the only task of a kind is about; no two tests have the same, as they run together.
pub(crate) fn key(kind: &str) -> String {
    format!("{kind}/{}", std::process::id())
}

pub(crate) fn task_key(kind: &str) -> String {
    task(kind, &key(kind)).key().to_string()
}

/// Put in place whole: a script that is still open for writing cannot be run.
pub(crate) fn write_script(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&fresh, path).unwrap();
}
