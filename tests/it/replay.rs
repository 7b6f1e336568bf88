//! The incident, run again: what the comparison must show, for both relays.

use std::process::Stdio;

use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::harness::{PATIENCE, nats_server, program};

const AGENTS: u64 = 12;

async fn replay(relay: &str) -> Value {
    let agents = AGENTS.to_string();
    let mut command = Command::new(program("portcullis"));
    command.args(["replay", "nonce-conflict", "--agents", &agents, "--cycles", "2"]);
    command.args(["--naive-watch-secs", "3", "--json", "--relay", relay]);
    command.env("NATS_SERVER", nats_server()).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Ours costs one attempt and welcomes everybody once; the loop of that time, against the same
/// world, costs many times as much. So the comparison can fail.
async fn compares(relay: &str) {
    let both = replay(relay).await;
    let figure = |column: &str, name: &str| {
        both[column][name].as_u64().unwrap_or_else(|| panic!("{column}.{name}: {both}"))
    };
    let ours = |name: &str| figure("portcullis", name);
    assert_eq!(ours("agents"), AGENTS);
    assert_eq!(ours("attempts_while_stuck"), 1, "{both}");
    assert_eq!(ours("attempts_after_close"), 0, "{both}");
    assert_eq!(ours("tasks_created_while_closed"), 0, "{both}");
    assert_eq!(ours("follow_ups"), 0, "{both}");
    assert_eq!(ours("attempts_total"), AGENTS + 1, "{both}");
    assert_eq!((ours("welcomed"), ours("paid_twice")), (AGENTS, 0), "{both}");
    assert_eq!(ours("incidents"), 1, "{both}");
    assert!(both["portcullis"]["seconds_to_close"].as_f64().is_some(), "{both}");

    assert!(10 <= figure("naive", "attempts_while_stuck"), "{both}");
    assert!(10 <= figure("naive", "attempts_after_close"), "{both}");
    assert!(0 < figure("naive", "follow_ups"), "{both}");
}

/// M1, W2, G1: the relay of March 2026, which refuses every send.
#[tokio::test(flavor = "multi_thread")]
async fn the_relay_of_march() {
    compares("march").await;
}

/// M1, W2, G1: the relay of today, which says pending and never confirms.
#[tokio::test(flavor = "multi_thread")]
async fn the_relay_of_today() {
    compares("today").await;
}
