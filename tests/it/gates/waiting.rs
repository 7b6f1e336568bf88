//! What waits holds up nothing else: neither a slot, nor a drain, nor an open gate.

use std::time::Duration;

use bus::{Expect, Put};
use domain::{Cost, GateState, Outcome};
use serde_json::json;
use wire::subject;

use super::{Relay, completed_all, create_all, open};
use crate::harness::{Echo, Says, World, eventually, world::ECHO_CONFIG};

/// Section 7: where only one task of a kind may run, one that is put back for ten minutes
/// leaves its place to the next; so three that fail alike are enough to close.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_put_back_leaves_its_place() {
    let config = ECHO_CONFIG.replace("attempts = 3", "attempts = 3\nconcurrency = 1");
    let world = World::start(&config).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| {
        Says::Outcome(Outcome::Failed {
            cause: "relay.unavailable".parse().unwrap(),
            evidence: "503".to_owned(),
            retry_after: Some(Duration::from_secs(600)),
            cost: Cost::ZERO,
        })
    })
    .await;
    create_all(&world, 3).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &[]);
    let closed = world.gate_is("relay", GateState::Closed).await;
    assert_eq!(closed.causes, ["relay.unavailable".parse().unwrap()]);
}

/// Section 7: a drain ends although tasks of another kind still wait behind a second gate.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_another_gate() {
    let other = ECHO_CONFIG.replace("[kinds.echo]", "[kinds.other]");
    let (other, _) = other.split_once("[gates.relay]").unwrap();
    let other = other.replace(r#"["relay"]"#, r#"["relay", "wallet"]"#);
    let config = format!("{ECHO_CONFIG}\n[gates.wallet]\nabout = \"the wallet\"\n{other}");
    let world = World::start(&config).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    for gate in ["relay", "wallet"] {
        let closed = world.cli(&["gate", "close", gate, "--note", "upkeep", "--as", "ann"]).await;
        assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    }
    create_all(&world, 4).await;
    world.queue("other", "other/0").await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    open(&world, "relay").await;
    completed_all(&world, 4).await;
    world.gate_is("relay", GateState::Open).await;
    assert!(world.state("other", "other/0").await.is_none(), "it still waits");

    open(&world, "wallet").await;
    world.phase("other", "other/0", "completed").await;
    world.gate_is("wallet", GateState::Open).await;
}

/// G5: a failure that has closed the gate is told once more long after, when the broker has
/// forgotten that it was told; and without the gates as they stood, as an older dispatcher
/// tells it. It is known, and the gate stays open.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_failure_closes_nothing_again() {
    let world = World::start(ECHO_CONFIG).await;
    let relay = Relay::stuck(&world).await;
    create_all(&world, 1).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.gate_is("relay", GateState::Closed).await;
    relay.heal();
    open(&world, "relay").await;
    completed_all(&world, 1).await;
    let before = world.gate_is("relay", GateState::Open).await;

    let mut told = world.events("event.failure.>").await.remove(0);
    told["data"]["admitted"] = json!([]);
    let put = Put {
        subject: "event.failure.echo.relay.nonce-conflict".to_owned(),
        body: told.to_string().into_bytes(),
        expect: Expect::Nothing,
        id: None,
    };
    let seq = world.bus.put(put).await.unwrap();
    eventually("the failure to be read", || async {
        let consumer = subject::GATEKEEPER_CONSUMER;
        let outcomes = world.bus.backlog(subject::EVENTS, consumer).await.unwrap();
        (seq <= outcomes.ack_floor).then_some(())
    })
    .await;
    assert_eq!(world.gate("relay").await, before);
}
