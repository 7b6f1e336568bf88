//! What lies in `deploy/examples` runs as its words say, and anybody can run such a file.

use std::{
    path::{Path, PathBuf},
    process::{Command as Program, Stdio},
};

use domain::Phase;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::harness::{PATIENCE, World, nats_server, program};

fn examples() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples"))
}

/// The worker in Python, listening.
async fn worker(url: &str) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/nats-py");
    let client = Program::new(script).output().unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    let mut command = Command::new("python3");
    command.arg(examples().join("worker.py")).kill_on_drop(true).stdout(Stdio::piped());
    command.env("PYTHONPATH", String::from_utf8(client.stdout).unwrap().trim());
    command.env("NATS_URL", url).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut worker = command.spawn().unwrap();
    let mut said = BufReader::new(worker.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(PATIENCE, said.next_line()).await.unwrap().unwrap();
    assert_eq!(line.as_deref(), Some("shout listens"));
    worker
}

async fn add(world: &World, kind: &str, source_key: &str, payload: &str) {
    let add = ["task", "add", "--kind", kind, source_key, "--payload", payload, "--as", "ann"];
    let output = world.cli(&add).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `portcullis up -f` with the examples, once everything runs.
async fn up(dir: &Path, port: u16) -> Child {
    let mut up = Command::new(program("portcullis"));
    up.arg("up").arg("-f").arg(examples().join("portcullis.toml"));
    up.arg("--dir").arg(dir).args(["--nats-port", &port.to_string(), "--dispatchers", "1"]);
    up.env_remove("NATS_URL").env("NATS_SERVER", nats_server());
    let mut up = up.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    // It is read no further: what `up` says must not stop it.
    let mut said = BufReader::new(up.stderr.take().unwrap()).lines();
    let heard = async {
        while let Some(line) = said.next_line().await.unwrap() {
            if line.starts_with("Ctrl-C stops everything") {
                return;
            }
        }
        panic!("it ended");
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("it starts");
    up
}

/// Somebody runs a file of their own with `up -f`, adds a task of each kind, and finds what was
/// done; after a stop and a start it is still on record, and is not done again.
#[tokio::test(flavor = "multi_thread")]
async fn up_runs_a_file_of_ones_own() {
    let dir = std::env::temp_dir().join(format!("portcullis-own-{}", std::process::id()));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("nats://127.0.0.1:{port}");
    let ways = [
        ("report", r#"{"numbers": [1, 2, 4]}"#, r#"{"of":3,"sum":7}"#),
        ("shout", r#"{"text": "hello"}"#, "HELLO"),
        ("tidy", "{}", "files looked at"),
    ];
    for start in 0..2 {
        let mut up = up(&dir, port).await;
        let worker = worker(&url).await;
        let cli = async |args: &[&str]| {
            let mut command = Command::new(program("portcullis"));
            command.args(args).env("NATS_URL", &url).stdin(Stdio::null());
            let output = command.kill_on_drop(true).output();
            tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap()
        };
        for (kind, payload, effect) in ways {
            let key = format!("{kind}/1");
            let add = ["task", "add", "--kind", kind, &key, "--payload", payload, "--as", "ann"];
            let added = cli(&add).await;
            let text = String::from_utf8_lossy(&added.stdout).into_owned();
            let word = if start == 0 { "is created" } else { "is completed already" };
            assert!(text.contains(word), "{text}{}", String::from_utf8_lossy(&added.stderr));
            crate::harness::eventually(format!("{key} to be done"), || async {
                let shown = cli(&["task", "show", &key]).await;
                let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
                (shown.contains("is completed") && shown.contains(effect)).then_some(())
            })
            .await;
        }
        drop(worker);
        let pid = up.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, up.wait()).await.expect("it stops").unwrap();
        assert_eq!(ended.code(), Some(0));
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// T1: the worker in Python, two of them: what is right is done, and a task that it cannot read
/// is that task's own fault, however it came to that.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_in_python() {
    let config = "[kinds.shout]\nhandler = { service = \"shout\", format = \"json\" }\n\
                  attempts = 2\nrest = \"1s\"\nrest_max = \"1s\"\n";
    let world = World::start(config).await;
    let _workers = [worker(&world.nats.url()).await, worker(&world.nats.url()).await];
    let _dispatcher = world.spawn("dispatcher", &[]);
    for number in 0..4 {
        add(&world, "shout", &format!("shout/{number}"), r#"{"text": "é"}"#).await;
    }
    add(&world, "shout", "shout/none", "[1]").await;
    add(&world, "shout", "shout/number", r#"{"text": 5}"#).await;
    for number in 0..4 {
        let state = world.phase("shout", &format!("shout/{number}"), "completed").await;
        assert_eq!(state.phase, Phase::Completed { effect: "É".to_owned() });
    }
    for (key, cause) in [("shout/number", "task.invalid"), ("shout/none", "worker.bug")] {
        let state = world.phase("shout", key, "dead").await;
        assert!(matches!(&state.phase, Phase::Dead { cause: told } if told.as_str() == cause));
        assert_eq!(state.charged, 2);
    }
}
