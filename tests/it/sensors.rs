//! Sensors beside the directory, as processes on a real broker: lists over HTTP, and schedules.

mod lists;
mod schedules;

use std::collections::BTreeSet;

use domain::{GateState, Task};
use serde_json::Value;
use wire::{Wire as _, subject};

use crate::harness::{World, eventually};

/// One kind behind the gate `relay`, on an echo service; then the sensors.
fn config(kind: &str, sensors: &str) -> String {
    format!(
        "[kinds.{kind}]\nhandler = {{ service = \"echo\" }}\nneeds = [\"relay\"]\n\
         [gates.relay]\nabout = \"what all of it goes through\"\n{sensors}"
    )
}

/// The tasks that wait, oldest first.
async fn queued(world: &World) -> Vec<Task> {
    let stored = world.stored(subject::WORK, "task.>").await;
    stored.iter().map(|task| Task::decode(&task.body).unwrap()).collect()
}

async fn keys(world: &World) -> Vec<String> {
    queued(world).await.iter().map(|task| task.source_key.to_string()).collect()
}

/// Waits until these wait, and nothing else does.
async fn waiting(world: &World, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|key| (*key).to_owned()).collect();
    eventually(format!("tasks {expected:?}"), || async {
        let found: BTreeSet<String> = keys(world).await.into_iter().collect();
        assert!(found.is_subset(&expected), "{found:?}");
        (found == expected).then_some(())
    })
    .await;
}

/// Waits for a cycle of `sensor` of which `what` is told.
async fn told(world: &World, sensor: &str, what: &str) -> Value {
    let subject = format!("event.sensor.cycle.{sensor}");
    eventually(format!("{sensor} to tell {what:?}"), || async {
        let events = world.events(&subject).await;
        events.into_iter().find(|event| event["data"].to_string().contains(what))
    })
    .await
}

async fn close(world: &World) {
    let close = ["gate", "close", "relay", "--note", "upkeep", "--as", "ann"];
    let done = world.cli(&close).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Opens it at once; a gatekeeper must run.
async fn open(world: &World) {
    let open = ["gate", "open", "relay", "--note", "done", "--as", "ann", "--without-canary"];
    let open = [&open[..], &["--accept", "person.closed", "--no-wait"]].concat();
    eventually("a gatekeeper to open", || async {
        world.cli(&open).await.status.success().then_some(())
    })
    .await;
    world.gate_is("relay", GateState::Open).await;
}
