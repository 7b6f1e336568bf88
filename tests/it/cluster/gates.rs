//! Gates move with two nodes of three.

use domain::GateState;
use wire::subject;

use super::{NODES, load::Load};
use crate::harness::{World, eventually};

/// G1, G3, G4: the relay sticks while a node is down: its gate closes, once. A person opens
/// it while another node is down: canary, drain, and everything is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_closes_and_opens_with_two_of_three() {
    let mut load = Load::start().await;
    let down = load.job.world.nats.leader(subject::WORK).await;
    load.job.world.nats.kill(down).await;
    load.job.sandbox.plant_stuck_nonce().await.unwrap();
    let closed = standing(&load.job.world, GateState::Closed).await;
    assert_eq!(closed, 1, "one incident");
    load.job.world.nats.start_again(down).await;
    load.job.world.nats.settled().await;

    let down = (load.job.world.nats.leader(subject::WORK).await + 1) % NODES;
    load.job.world.nats.kill(down).await;
    load.job.sandbox.heal().await.unwrap();
    eventually("a person to open the gate", || async {
        let args = ["gate", "open", "relay", "--note", "cleared", "--as", "ann", "--no-wait"];
        let output = load.job.world.cli(&args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Whoever asks while the leaders change may have to ask again.
        assert!(!said.contains("already"), "it was opened, and the person was told otherwise");
        output.status.success().then_some(())
    })
    .await;
    assert_eq!(standing(&load.job.world, GateState::Open).await, 1, "the same incident");
    load.flows().await;
    load.job.world.nats.start_again(down).await;
    load.job.world.nats.settled().await;
    load.end().await;
}

/// Waits until the gate `relay` stands so, and returns its incident.
async fn standing(world: &World, state: GateState) -> u64 {
    let relay = "relay".parse().unwrap();
    eventually(format!("the gate to be {}", state.word()), || async {
        let gate = fleet::gate_log::current(&world.bus, &relay).await.ok()??.value;
        (gate.state == state).then_some(gate.incident)
    })
    .await
}
