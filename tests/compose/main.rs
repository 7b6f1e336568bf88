//! The stack as docker compose runs it, broken in every way a container can be broken.
//!
//! Judged from outside: by the streams, read through the published port, and by the sandbox's
//! ledger. `scripts/compose-test` builds the images, provides an engine and runs this.
#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(clippy::print_stderr, reason = "a person watches")]

mod docker;
mod judge;
mod project;
mod stack;

use std::time::Duration;

use domain::GateState;
use judge::Seen;
use serde_json::{Value, json};
use stack::{Stack, eventually};

/// The incident and every fault of a container, on one NATS node: the gate closes after at most
/// one attempt of each dispatcher (W2), nothing is created while it is closed (G1), only a
/// person opens it (G3), and through kills, freezes, cuts and restarts everyone is welcomed
/// once (M1) and every task ends (W1).
#[tokio::test(flavor = "multi_thread")]
async fn one_node() {
    let mut stack = Stack::up("one", &["compose.yaml", "compose.sandbox.yaml"], 3).await;
    judge::containers(&stack).await;
    incident(&mut stack, 3).await;
    crash(&mut stack).await;
    freeze_and_cut(&mut stack).await;
    pause_past_the_lease(&mut stack).await;
    stack.say("scale back to 3, and crash NATS, in mid-run");
    for step in ["scale", "crash"] {
        stack.register(6).await;
        stack.welcomed_more(1).await;
        match step {
            "scale" => stack.scale(3).await,
            _ => stack.crash("nats").await,
        }
    }
    finish(stack).await;
}

/// The same incident on three NATS nodes with two gatekeepers, and then the loss of the node
/// that leads WORK: what was acknowledged is not lost, the gates keep their state, and the
/// work goes on with two nodes.
#[tokio::test(flavor = "multi_thread")]
async fn three_nodes() {
    let files = ["compose.yaml", "compose.sandbox.yaml", "compose.cluster.yaml"];
    let mut stack = Stack::up("three", &files, 3).await;
    incident(&mut stack, 3).await;
    stack.register(10).await;
    stack.welcomed_more(2).await;
    let leader = judge::leader(&stack.bus, "WORK").await;
    stack.say(&format!("kill {leader}, which leads WORK"));
    docker::run(&["kill", &stack.containers(&leader).await[0]]).await;
    stack.all_welcomed().await;
    stack.say("and start it again");
    docker::run(&["start", &stack.containers(&leader).await[0]]).await;
    eventually("its copies to catch up", || async {
        let ping = stack.cli(&["ping", "--json"]).await;
        let told: Value = serde_json::from_str(&ping).ok()?;
        let streams = told["streams"].as_array()?;
        let whole = |it: &Value| it["copies"] == 3 && it["behind"] == json!([]);
        (streams.len() == 4 && streams.iter().all(whole)).then_some(())
    })
    .await;
    finish(stack).await;
}

/// The stuck nonce, from the closing to the opening by a person.
async fn incident(stack: &mut Stack, dispatchers: usize) {
    stack.say("a stuck nonce: the gate closes");
    let closed = stack.gate_is("relay", GateState::Closed).await;
    stack.say("closed: new agents come, NATS restarts, and nothing is created");
    stack.register(4).await;
    let before = stack.events("event.sensor.cycle.>").await.len();
    docker::run(&["restart", "-t", "10", &stack.containers("nats").await[0]]).await;
    eventually("two more readings of the directory", || async {
        (before + 2 <= stack.events("event.sensor.cycle.>").await.len()).then_some(())
    })
    .await;
    let seen = Seen::read(&stack.bus).await;
    let slipped: Vec<_> = seen.queued.iter().filter(|task| closed.seq < task.seq).collect();
    assert!(slipped.is_empty(), "G1: created after the closing: {slipped:?}");
    assert_eq!(stack.gate("relay").await.value, closed.value, "G3: it stands as it stood");
    let failures = stack.events("event.failure.>").await;
    assert!((1..=dispatchers).contains(&failures.len()), "W2: {failures:#?}");
    let stats = stack.sandbox("stats").await;
    let sent = stats["paid_posts_while_stuck"].as_u64().unwrap();
    assert!((1..=dispatchers as u64).contains(&sent), "W2: {stats:#}");

    stack.say("the nonce is cleared, and a person opens the gate");
    stack.post("heal", json!({})).await;
    stack.cli(&["gate", "open", "relay", "--as", "tester", "--note", "nonce cleared"]).await;
    let opened = stack.gate_is("relay", GateState::Open).await;
    stack.all_welcomed().await;
    let incidents = Seen::read(&stack.bus).await.incidents;
    assert_eq!(incidents, 1, "G5: one closing is one incident; {opened:?}");
}

/// Scales up, and kills one of each service as a crash would: docker starts them again.
async fn crash(stack: &mut Stack) {
    stack.say("scale to 6; a dispatcher, the payer and the gatekeeper crash");
    stack.post("faults", json!({ "inbox_stall_ms": 300 })).await;
    stack.register(4).await;
    stack.welcomed_more(1).await;
    stack.scale(6).await;
    for service in ["dispatcher", "welcome-payer", "gatekeeper"] {
        stack.register(4).await;
        stack.welcomed_more(1).await;
        stack.crash(service).await;
    }
    stack.all_welcomed().await;
}

/// One service frozen and one cut off the network are unhealthy after some seconds, the work
/// goes on without them, and both come back by themselves.
async fn freeze_and_cut(stack: &mut Stack) {
    stack.say("a gatekeeper frozen, a dispatcher cut off: both unhealthy, the work goes on");
    let frozen = stack.containers("gatekeeper").await.remove(0);
    let cut = stack.containers("dispatcher").await.remove(0);
    let network = stack.network();
    docker::run(&["kill", "--signal", "STOP", &frozen]).await;
    docker::run(&["network", "disconnect", &network, &cut]).await;
    stack.register(6).await;
    stack.health_is(&frozen, "unhealthy").await;
    stack.health_is(&cut, "unhealthy").await;
    stack.all_welcomed().await;
    docker::run(&["kill", "--signal", "CONT", &frozen]).await;
    docker::run(&["network", "connect", &network, &cut]).await;
    stack.health_is(&frozen, "healthy").await;
    stack.health_is(&cut, "healthy").await;

    stack.say("the payer cut off in the middle of payments");
    let payer = stack.containers("welcome-payer").await.remove(0);
    stack.register(8).await;
    stack.welcomed_more(1).await;
    docker::run(&["network", "disconnect", &network, &payer]).await;
    // So long the cut lasts.
    tokio::time::sleep(Duration::from_secs(4)).await;
    docker::run(&["network", "connect", &network, &payer]).await;
    stack.all_welcomed().await;
}

/// W4: the dispatcher that holds a task is paused past its lease; another takes the task over,
/// and nothing that the first does on waking counts.
async fn pause_past_the_lease(stack: &mut Stack) {
    stack.say("a dispatcher paused past its lease");
    stack.post("faults", json!({ "inbox_stall_ms": 4000 })).await;
    stack.register(4).await;
    let (task, holder) = eventually("a task to be held", || async {
        Seen::read(&stack.bus).await.held().into_iter().next()
    })
    .await;
    let held_by = stack.dispatcher_of(&holder).await;
    docker::run(&["pause", &held_by]).await;
    eventually("another to take it over, or to end it", || async {
        let held = Seen::read(&stack.bus).await.held();
        held.get(&task).is_none_or(|now| *now != holder).then_some(())
    })
    .await;
    stack.post("faults", json!({ "inbox_stall_ms": 300 })).await;
    docker::run(&["unpause", &held_by]).await;
    stack.health_is(&held_by, "healthy").await;
    stack.all_welcomed().await;
}

/// Everyone is welcomed; then the record, the streams, the ledger and the containers are judged,
/// and everything stops cleanly when asked.
async fn finish(stack: Stack) {
    stack.all_welcomed().await;
    stack.say("judge the record, the ledger and the containers");
    judge::record(&stack).await;
    judge::secrets(&stack).await;
    stack.say("stop everything");
    stack.stop().await;
    stack.say("done");
}
