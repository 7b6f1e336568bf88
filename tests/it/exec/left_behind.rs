//! A command and what it starts end with whoever answers for them.

use crate::harness::eventually;

use super::bench::{Bench, Kind, key, left};

/// A child that hears no SIGTERM, one in a session of its own, and one that has lost its
/// parent; all of them hold the pipes open.
const BROOD: &str = "\
(trap '' TERM; sleep 600 & wait) &
setsid sh -c 'trap \"\" TERM; sleep 600; sleep 600' &
(setsid sleep 600 &)
";

fn brood(then: &str) -> String {
    format!("{BROOD}: > begun\n{then}")
}

async fn begun(bench: &Bench) {
    let begun = bench.dir.join("begun");
    eventually("the command to run", || async { begun.exists().then_some(()) }).await;
}

/// M2, W1: what hangs is killed with all that it started, deaf or daemon; and the task waits for
/// a person, since nobody knows what it did.
#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_killed_whole() {
    let hangs = brood("trap '' TERM; while :; do sleep 1; done");
    let bench = Bench::start(&[Kind::of("hangs", &hangs).timeout("1s")], &[]).await;
    bench.queue("hangs", "{}").await;
    let state = bench.world.phase("hangs", &key("hangs"), "parked").await;
    let story = bench.story("hangs", &state).await;
    assert!(story.starts_with("parked exec.timeout 0: made to end after 1000 ms"), "{story}");
    bench.nobody_is_left("hangs").await;
}

/// One that is asked to end says what it came to.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_when_asked_is_heard() {
    let polite = "trap 'echo \"{\\\"outcome\\\":\\\"failed\\\",\\\"evidence\\\":\\\"rolled back\\\"}\"; exit 1' TERM\n\
                  while :; do sleep 0.1; done";
    let kind = Kind::of("polite", polite).timeout("1s").attempts(1);
    let bench = Bench::start(&[kind], &[]).await;
    bench.queue("polite", "{}").await;
    let state = bench.world.phase("polite", &key("polite"), "dead").await;
    assert_eq!(bench.story("polite", &state).await, "dead exec.failed 1: rolled back");
    bench.nobody_is_left("polite").await;
}

/// W1: children that a command leaves with its pipes in their hands hold up nothing, and go.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_leaves_behind_goes() {
    let leaves = brood("echo '{\"outcome\":\"completed\",\"effect\":\"done\"}'");
    let bench = Bench::start(&[Kind::of("leaves", &leaves).timeout("1h")], &[]).await;
    bench.queue("leaves", "{}").await;
    bench.world.phase("leaves", &key("leaves"), "completed").await;
    bench.nobody_is_left("leaves").await;
}

/// W4: a task that a person withdraws is given up in the middle, and its command killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_is_gone_ends_its_command() {
    let bench = Bench::start(&[Kind::of("gone", &brood("sleep 600"))], &[]).await;
    bench.queue("gone", "{}").await;
    begun(&bench).await;
    assert!(!left("gone").is_empty());
    let withdraw = ["task", "withdraw", &key("gone"), "--note", "not that", "--as", "ann"];
    assert!(bench.world.cli(&withdraw).await.status.success());
    bench.nobody_is_left("gone").await;
    let state = bench.world.phase("gone", &key("gone"), "withdrawn").await;
    assert_eq!((state.attempt, state.charged), (1, 0));
}

/// W4: a frozen dispatcher's command does not go on beside the one of whoever takes over.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_dispatchers_command_is_killed() {
    let bench = Bench::start(&[Kind::of("frozen", &brood("sleep 600"))], &[]).await;
    bench.queue("frozen", "{}").await;
    begun(&bench).await;
    bench.dispatcher.signal("STOP").await;
    bench.nobody_is_left("frozen").await;
    let _other = bench.world.spawn("dispatcher", &[]);
    let state = bench.world.phase("frozen", &key("frozen"), "parked").await;
    let story = bench.story("frozen", &state).await;
    assert!(story.starts_with("parked dispatcher.lost 0"), "{story}");
    bench.dispatcher.signal("CONT").await;
}
