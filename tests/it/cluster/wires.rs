//! That the harness does to the nodes what the other tests rest on.

use bus::Bus;
use wire::subject;

use super::NODES;
use crate::harness::{
    World, eventually,
    world::{ECHO_CONFIG, connect},
};

/// A leader that is cut off is replaced; its clients get no answer from it, and once healed
/// it follows. The same for one that is frozen, and one that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_is_replaced() {
    let mut world = World::start_on(NODES, ECHO_CONFIG).await;
    assert_eq!(world.nats.count(), NODES);

    let cut = world.nats.leader(subject::WORK).await;
    let there = connect(&world.nats.url_of(cut)).await;
    world.nats.cut(cut);
    let next = world.nats.leader_other_than(subject::WORK, cut).await;
    let here = connect(&world.nats.url_of(next)).await;
    answers(&here, true).await;
    answers(&there, false).await;
    world.nats.heal(cut);
    world.nats.settled().await;
    answers(&there, true).await;

    let frozen = world.nats.leader(subject::WORK).await;
    world.nats.freeze(frozen).await;
    world.nats.leader_other_than(subject::WORK, frozen).await;
    world.nats.thaw(frozen).await;
    world.nats.settled().await;

    let killed = world.nats.leader(subject::WORK).await;
    world.nats.kill(killed).await;
    world.nats.leader_other_than(subject::WORK, killed).await;
    world.nats.start_again(killed).await;
    world.nats.settled().await;

    let before = world.nats.leader(subject::WORK).await;
    eventually("the leader to step down", || async {
        world.nats.step_down(&world.bus, subject::WORK).await.then_some(())
    })
    .await;
    world.nats.leader_other_than(subject::WORK, before).await;
}

/// Waits until the gate log can be read through this connection, or cannot.
async fn answers(bus: &Bus, wanted: bool) {
    eventually(format!("an answer or none: {wanted}"), || async {
        let read = bus.last(subject::WORK, subject::FENCE).await;
        (read.is_ok() == wanted).then_some(())
    })
    .await;
}
