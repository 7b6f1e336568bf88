//! What is told: CloudEvents in EVENTS, and `portcullis watch` over them.

use std::process::Stdio;

use bus::{Expect, Put};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{queue, sick};
use crate::harness::{PATIENCE, World, eventually, program, world::ECHO_CONFIG};

/// A `watch` that a test reads.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watching {
    fn start(world: &World, more: &[&str]) -> Watching {
        let mut command = Command::new(program("portcullis"));
        command.args(["watch", "--since", "10m"]).args(more).env("NATS_URL", world.nats.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Watching { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("a line in time").unwrap().expect("it goes on")
    }

    /// Ended as a script ends it, it ends well.
    async fn stop(mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends in time");
        assert_eq!(ended.unwrap().code(), Some(0));
    }
}

/// CloudEvents 1.0: the attributes that every consumer may rely on.
fn is_cloud_event(event: &Value) {
    let text = |name: &str| event[name].as_str().unwrap_or_else(|| panic!("{name}: {event}"));
    assert_eq!(text("specversion"), "1.0");
    assert_eq!(text("datacontenttype"), "application/json");
    assert!(!text("id").is_empty() && !text("source").is_empty(), "{event}");
    assert!(text("type").starts_with("portcullis."), "{event}");
    assert!(text("subject").starts_with("event."), "{event}");
    let shape: String =
        text("time").chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "RFC 3339: {event}");
    assert!(event["data"].is_object(), "{event}");
}

/// T1: what failed is told as CloudEvents, stored once however often it is told, and `watch`
/// shows it: an object a line with `--json`, else a line that a person reads.
#[tokio::test(flavor = "multi_thread")]
async fn failures_are_cloud_events() {
    let world = World::start(ECHO_CONFIG).await;
    let (_echo, _) = sick(&world).await;
    queue(&world, 2).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    eventually("the failure to be told and joined", || async {
        let joined = world.events("event.gate.joined.relay").await;
        let closed = world.events("event.gate.closed.relay").await;
        (joined.len() == 1 && closed.len() == 1).then_some(())
    })
    .await;
    let failures = world.events("event.failure.echo.relay.nonce-conflict").await;
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!(failure["type"], "portcullis.attempt.failed");
    assert_eq!(failure["data"]["cause"], "relay.nonce-conflict");
    assert_eq!(
        (&failure["data"]["charged"], &failure["data"]["gate"]),
        (&false.into(), &"relay".into())
    );
    world.events("event.>").await.iter().for_each(is_cloud_event);

    // Whoever tells the same fact again adds nothing; another fact is stored.
    let subject = failure["subject"].as_str().unwrap();
    for (id, stored) in [(failure["id"].as_str().unwrap(), 1), ("another", 2)] {
        let body = failure.to_string().into_bytes();
        let id = Some(id.to_owned());
        let put = Put { subject: subject.to_owned(), body, expect: Expect::Nothing, id };
        world.bus.put(put).await.unwrap();
        assert_eq!(world.events(subject).await.len(), stored);
    }

    let count = world.events("event.>").await.len();
    let mut watch = Watching::start(&world, &["--json"]);
    for _ in 0..count {
        is_cloud_event(&serde_json::from_str(&watch.line().await).unwrap());
    }
    watch.stop().await;
    people_can_read(&world).await;
}

async fn people_can_read(world: &World) {
    let mut watch = Watching::start(world, &["gate"]);
    let closed = watch.line().await;
    assert!(closed.contains("gate closed") && closed.contains("CLOSED (blocking)"), "{closed}");
    let joined = watch.line().await;
    assert!(joined.contains("relay.nonce-conflict at echo/"), "{joined}");
    watch.stop().await;
    let mut watch = Watching::start(world, &["failure"]);
    let failed = watch.line().await;
    assert!(failed.contains("task failed") && failed.contains("not charged"), "{failed}");
    // Columns: what the gate's lines and the task's lines are about begins at one place.
    assert_eq!(closed.find("relay"), failed.find("echo/"), "{closed}\n{failed}");
    watch.stop().await;
}
