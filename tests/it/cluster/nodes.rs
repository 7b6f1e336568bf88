//! A node killed, frozen, cut off, or all of them, under load: nothing acknowledged is lost,
//! nobody is paid twice, services hold while blind and resume by themselves, and the gates
//! keep what they were.

use wire::subject;

use super::{
    NODES,
    load::{Load, now},
};
use crate::harness::{eventually, world::connect};

/// Kills the node that `victim` names, twice; in between and after that work flows.
async fn survives_the_kill_of(who: &str, stream: &str, leader: bool) {
    let mut load = Load::start().await;
    for _ in 0..2 {
        let nats = &mut load.job.world.nats;
        let leads = nats.leader(stream).await;
        let victim = if leader { leads } else { (leads + 1) % NODES };
        let since = now();
        nats.kill(victim).await;
        load.flows().await;
        load.note(&format!("{who} of {stream} killed"), since);
        let nats = &mut load.job.world.nats;
        nats.start_again(victim).await;
        nats.settled().await;
        load.flows().await;
    }
    load.end().await;
}

/// W1, W4, M1, G1: the node that leads the tasks and the gate log may be killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_of_work_may_be_killed() {
    survives_the_kill_of("leader", subject::WORK, true).await;
}

/// W1, W4, M1: the node that leads the tasks' chains may be killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_of_state_may_be_killed() {
    survives_the_kill_of("leader", subject::STATE, true).await;
}

/// M1, M3: the node that leads the record of payments may be killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_of_record_may_be_killed() {
    survives_the_kill_of("leader", subject::RECORD, true).await;
}

/// W1, M1: a node that leads nothing of WORK may be killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_may_be_killed() {
    survives_the_kill_of("follower", subject::WORK, false).await;
}

/// W1, M1, G2: the leader is frozen for so long that it loses its office. Whoever was
/// connected to it notices and leaves; awake again it follows.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_may_be_frozen() {
    let load = Load::start().await;
    let nats = &load.job.world.nats;
    let frozen = nats.leader(subject::WORK).await;
    let since = now();
    nats.freeze(frozen).await;
    nats.leader_other_than(subject::WORK, frozen).await;
    load.flows().await;
    load.note("leader frozen", since);
    nats.thaw(frozen).await;
    nats.settled().await;
    load.flows().await;
    load.end().await;
}

/// W1, M1, G2: the leader is cut off from the other nodes, with clients on its side. They are
/// blind and hold, then leave it for the majority, and work flows before the cut is healed.
#[tokio::test(flavor = "multi_thread")]
async fn the_leader_may_be_cut_off() {
    let mut load = Load::start().await;
    let cut = load.job.world.nats.leader(subject::WORK).await;
    while load.job.world.nats.clients(cut, "dispatcher/").await == 0 {
        load.services.push(load.job.spawn("dispatcher"));
        load.flows().await;
    }
    let nats = &load.job.world.nats;
    let since = now();
    nats.cut(cut);
    nats.leader_other_than(subject::WORK, cut).await;
    load.flows().await;
    load.note("leader cut off", since);
    // A person is not kept by the node that answers nothing, whichever is met first. Until it
    // notices that it leads nobody, it answers what it knew.
    let there = connect(&nats.url_of(cut)).await;
    eventually("the old leader to notice", || async {
        there.last(subject::WORK, subject::FENCE).await.is_err().then_some(())
    })
    .await;
    for _ in 0..6 {
        let listed = load.job.world.cli(&["gate", "list"]).await;
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    }
    nats.heal(cut);
    nats.settled().await;
    load.flows().await;
    load.end().await;
}

/// W1, M1, G3: all nodes are killed at once and started again.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_cluster_may_be_restarted() {
    let mut load = Load::start().await;
    let since = now();
    load.job.world.nats.kill_all().await;
    load.job.world.nats.start_all_again().await;
    load.flows().await;
    load.note("all nodes killed and started", since);
    load.end().await;
}

/// G2, W1: with one node of three left there is no quorum. Every service says that it is
/// blind; from then on no attempt begins and nothing is sent; two nodes later all goes on.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_begins() {
    let mut load = Load::start().await;
    let leader = load.job.world.nats.leader(subject::WORK).await;
    let others = [leader, (leader + 1) % NODES];
    let since = now();
    for node in others {
        load.job.world.nats.kill(node).await;
    }
    load.all_blind().await;
    let begun = load.begun().await;
    for _ in 0..3 {
        load.all_blind().await;
        assert_eq!(load.begun().await, begun, "something began while all were blind");
    }
    let again = now();
    for node in others {
        load.job.world.nats.start_again(node).await;
    }
    load.job.world.nats.settled().await;
    load.flows().await;
    load.note("one node left", since);
    eprintln!("without a quorum: flows {} ms after the start of the others", now() - again);
    load.end().await;
}
