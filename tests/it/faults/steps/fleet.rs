//! The same for a dispatcher, at each step of a task, and for the gatekeeper, at each step of a
//! closing, an opening with its canary, and a drain.

use std::collections::BTreeSet;

use domain::GateState;
use tokio::task::JoinSet;

use super::LANES;
use crate::harness::{
    Echo, PATIENCE, Says, World, eventually,
    tap::{Steps, When, WireTap},
    world::ECHO_CONFIG,
};

/// How many different events were told over `subject`.
async fn told(world: &World, subject: &str) -> usize {
    let told = world.events(subject).await;
    told.iter().map(|event| event["id"].to_string()).collect::<BTreeSet<_>>().len()
}

/// Nothing is queued any more.
async fn queue_is_empty(world: &World) {
    eventually("the queue to be empty", || async {
        world.last(wire::subject::WORK, "task.>").await.is_none().then_some(())
    })
    .await;
}

/// Runs the steps of `lane` spread over several worlds at once, until a lane has no more.
async fn spread<L>(lane: impl Fn(usize) -> L) -> Vec<String>
where
    L: Future<Output = Vec<String>> + Send + 'static,
{
    let lanes: JoinSet<_> = (1..=LANES).map(lane).collect();
    lanes.join_all().await.into_iter().flatten().collect()
}

/// A task whose first attempt comes to `first`; its dispatcher is killed at each step.
async fn tasks(first_step: usize, when: When, first: fn() -> Says) -> Vec<String> {
    let config = ECHO_CONFIG.replace("lease = \"2s\"", "lease = \"1s\"");
    let world = World::start(&config.replace("attempts = 3", "attempts = 4")).await;
    let echo = Echo::start(&world.bus, "echo", move |request, _| match request.attempt {
        1 => first(),
        _ => Says::done(),
    })
    .await;
    let mut stopped = Vec::new();
    for at in (first_step..).step_by(LANES) {
        let (asked, key) = (echo.asked().len(), format!("echo/{at}"));
        let steps = Steps::until(at, when);
        let tap = WireTap::start(&world.nats.url(), steps.clone()).await;
        let mut dispatcher = world.spawn_with("dispatcher", &[], &[("NATS_URL", &tap.url())]);
        world.queue("echo", &key).await;
        let killed = tokio::select! {
            () = steps.reached() => true,
            () = async {
                world.phase("echo", &key, "completed").await;
                queue_is_empty(&world).await;
            } => false,
        };
        dispatcher.kill().await;
        drop(tap);
        if !killed {
            break;
        }
        let step = steps.taken()[at - 1].clone();
        let _next = world.spawn("dispatcher", &[]);
        let end = world.phase("echo", &key, "completed").await;
        queue_is_empty(&world).await;
        let context = format!("killed {when:?} step {at}, {step}: {end:?}");
        assert!(echo.asked().len() - asked <= 3, "{context}");
        assert!(end.charged <= 2 && end.attempt <= 3, "{context}");
        stopped.push(step);
        assert_eq!(told(&world, "event.task.completed.echo").await, stopped.len(), "{context}");
        assert_eq!(told(&world, "event.task.dead.>").await, 0, "{context}");
    }
    stopped
}

/// W1, W2: the dispatcher is killed before and after each step of a task that is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_may_be_killed_at_every_step() {
    for when in [When::Before, When::After] {
        let steps = spread(|first| tasks(first, when, Says::done)).await;
        eprintln!("a task that is done: killed {when:?} each of {} steps", steps.len());
        assert!(5 <= steps.len(), "claim, ask, end, tell, acknowledge: {steps:?}");
    }
}

/// W1, W2: and of a task that fails and is done at the next attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_may_be_killed_at_every_step_of_a_failure() {
    for when in [When::Before, When::After] {
        let steps = spread(|first| tasks(first, when, || Says::failed("target.invalid"))).await;
        eprintln!("a task that fails first: killed {when:?} each of {} steps", steps.len());
        assert!(10 <= steps.len(), "two attempts: {steps:?}");
    }
}

/// An incident from its first failure to OPEN, the gatekeeper killed at each step of it.
async fn incidents(first_step: usize, when: When) -> Vec<String> {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |request, _| {
        let breaks = request.task.source_key.as_str().ends_with("breaks") && request.attempt == 1;
        if breaks { Says::failed("relay.nonce-conflict") } else { Says::done() }
    })
    .await;
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    let mut stopped: Vec<String> = Vec::new();
    for at in (first_step..).step_by(LANES) {
        let steps = Steps::until(at, when);
        let tap = WireTap::start(&world.nats.url(), steps.clone()).await;
        let mut keeper = world.spawn_with("gatekeeper", &[], &[("NATS_URL", &tap.url())]);
        let killed = tokio::select! {
            () = steps.reached() => true,
            () = incident(&world, at) => false,
        };
        keeper.kill().await;
        drop(tap);
        if !killed {
            break;
        }
        let step = steps.taken()[at - 1].clone();
        let _next = world.spawn("gatekeeper", &[]);
        tokio::time::timeout(PATIENCE, incident(&world, at)).await.expect("the incident ends");
        stopped.push(step.clone());
        let context = format!("killed {when:?} step {at}, {step}");
        let end = world.gate("relay").await;
        let moves = (end.incident, end.epoch.get());
        let count = stopped.len() as u64;
        assert_eq!(moves, (count, 1 + 4 * count), "{context}: {end:?}");
        for verb in ["closed", "probing", "draining", "opened"] {
            // What the killed one did not tell the next one tells, in its turn.
            let subject = format!("event.gate.{verb}.relay");
            eventually(format!("{subject} to be told, {context}"), || async {
                (stopped.len() <= told(&world, &subject).await).then_some(())
            })
            .await;
            assert_eq!(told(&world, &subject).await, stopped.len(), "{verb}, {context}");
        }
    }
    stopped
}

/// What makes an incident and ends it, as far as that has not been done yet.
async fn incident(world: &World, number: usize) {
    let keys = [format!("echo/{number}-breaks"), format!("echo/{number}-waits")];
    begun(world, &keys[0]).await;
    eventually("the failure", || async {
        world.state("echo", &keys[0]).await.filter(|state| state.word() != "claimed")
    })
    .await;
    eventually("the gate to be opened", || async {
        let gate = world.gate("relay").await;
        let done = world.state("echo", &keys[0]).await.is_some_and(|state| state.ended());
        if done || matches!(gate.state, GateState::Probing | GateState::Draining) {
            return Some(());
        }
        let args = ["gate", "open", "relay", "--note", "cleared", "--as", "ann", "--no-wait"];
        if gate.state == GateState::Closed {
            let _ = world.cli(&args).await;
        }
        None
    })
    .await;
    world.phase("echo", &keys[0], "completed").await;
    begun(world, &keys[1]).await;
    world.phase("echo", &keys[1], "completed").await;
    world.gate_is("relay", GateState::Open).await;
    queue_is_empty(world).await;
}

/// Creates a task until it is seen to have been begun: the fence refuses it while gates move,
/// and the broker takes it only once.
async fn begun(world: &World, key: &str) {
    eventually(format!("{key} to begin"), || async {
        if world.state("echo", key).await.is_none() {
            let _ = world.create("echo", key).await;
            return None;
        }
        Some(())
    })
    .await;
}

/// G3, G4, G5: the gatekeeper is killed before each step.
#[tokio::test(flavor = "multi_thread")]
async fn the_gatekeeper_may_be_killed_before_every_step() {
    let steps = spread(|first| incidents(first, When::Before)).await;
    eprintln!("an incident: killed before each of {} steps", steps.len());
    assert!(12 <= steps.len(), "{steps:?}");
}

/// G3, G4, G5: and after each, the answer unread.
#[tokio::test(flavor = "multi_thread")]
async fn the_gatekeeper_may_be_killed_after_every_step() {
    let steps = spread(|first| incidents(first, When::After)).await;
    eprintln!("an incident: killed after each of {} steps", steps.len());
    assert!(12 <= steps.len(), "{steps:?}");
}
