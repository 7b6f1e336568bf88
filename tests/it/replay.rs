//! The incident, run again: what the comparison must show, for both relays.

use std::process::Stdio;

use serde_json::Value;
use tokio::{process::Command, time::timeout};

use crate::harness::{PATIENCE, nats_server, program};

const AGENTS: u64 = 12;

async fn replay(relay: &str) -> Value {
    let agents = AGENTS.to_string();
    let incident = ["nonce-conflict", "--agents", &agents, "--cycles", "2", "--relay", relay];
    run(&[&incident[..], &["--naive-watch-secs", "3"]].concat()).await
}

async fn run(incident: &[&str]) -> Value {
    let mut command = Command::new(program("portcullis"));
    command.arg("replay").args(incident).arg("--json");
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

/// W2, G3, section 9: the token expires in mid-run. With a key nothing fails; without one the
/// gate closes at a few uncharged attempts, and all is done once a person has refreshed the token
/// and opened it. The loop of that time fails, and follows each failure up.
#[tokio::test(flavor = "multi_thread")]
async fn the_expired_token() {
    const TASKS: u64 = 15;
    let tasks = TASKS.to_string();
    let wanted = ["token-expiry", "--tasks", &tasks, "--dispatchers", "2"];
    let all = run(&[&wanted[..], &["--refresh-after-secs", "2"]].concat()).await;
    let figure = |column: &str, name: &str| {
        all[column][name].as_u64().unwrap_or_else(|| panic!("{column}.{name}: {all}"))
    };
    for column in ["with_key", "without_key", "naive"] {
        assert_eq!((figure(column, "tasks"), figure(column, "tasks_completed")), (TASKS, TASKS));
    }
    // Two dispatchers of four slots each: so many may have been calling when it was news.
    let slots = 2 * 4;
    for column in ["with_key", "without_key"] {
        assert_eq!((figure(column, "charged_attempts"), figure(column, "follow_ups")), (0, 0));
        assert!((1..=slots).contains(&figure(column, "calls_with_dead_token")), "{all}");
    }
    let with_key = |name: &str| figure("with_key", name);
    assert_eq!((with_key("failed"), with_key("incidents")), (0, 0), "{all}");
    assert_eq!(with_key("fallbacks"), TASKS - TASKS / 3, "{all}");
    let without_key = |name: &str| figure("without_key", name);
    assert!((1..=slots).contains(&without_key("failed")), "{all}");
    assert_eq!((without_key("fallbacks"), without_key("incidents")), (0, 1), "{all}");
    let naive = |name: &str| figure("naive", name);
    assert!(3 <= naive("failed") && naive("failed") <= naive("calls_with_dead_token"), "{all}");
    assert_eq!(naive("follow_ups"), naive("failed"), "{all}");
}
