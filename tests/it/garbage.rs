//! Garbage on every subject that a service reads: logged with where it came from, dropped or
//! parked, and nothing blocked.

use bus::{Expect, Put};
use domain::{Epoch, GateName, GateState, Kind};
use fleet::gate_log;
use wire::{Wire as _, subject};

use crate::harness::{
    Echo, Says, World, eventually,
    world::{ECHO_CONFIG, task},
};

const JUNK: &[u8] = b"\xff\xfe{not anything";

async fn store(world: &World, subject: String, body: Vec<u8>) {
    let put = Put { subject, body, expect: Expect::Nothing, id: None };
    world.bus.put(put).await.unwrap();
}

/// T1, W1: junk on each subject; afterwards a task is still done, by the same processes.
#[tokio::test(flavor = "multi_thread")]
async fn junk_on_every_subject_blocks_nothing() {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let mut services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    world.queue("echo", "echo/before").await;
    world.phase("echo", "echo/before", "completed").await;

    let kind: Kind = "echo".parse().unwrap();
    let key = task("echo", "echo/junk").key();
    for said in ["gatecast.relay.9", "svc.gatekeeper.command", "beat.dispatcher.x"] {
        world.bus.say(said.to_owned(), JUNK.to_vec()).await;
    }
    for stored in [
        subject::task(&kind, key),
        "task.echo.not-a-key".to_owned(),
        "event.failure.echo.relay.nonce-conflict".to_owned(),
        "event.task.completed.echo".to_owned(),
    ] {
        store(&world, stored, JUNK.to_vec()).await;
    }

    world.queue("echo", "echo/after").await;
    world.phase("echo", "echo/after", "completed").await;
    eventually("the junk to leave the queue", || async {
        world.last(subject::WORK, "task.>").await.is_none().then_some(())
    })
    .await;
    let parked = world.events("event.task.parked.>").await;
    assert!(!parked.is_empty(), "junk is parked where people see it");
    assert_eq!(world.gate("relay").await.state, GateState::Open);
    for service in &mut services {
        assert!(service.runs(), "{} ended", service.name());
    }
}

/// G1: a task created past the fence does not run; it is parked and told.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfenced_task_is_parked() {
    let world = World::start(ECHO_CONFIG).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    let sneaked = task("echo", "echo/sneaked");
    store(&world, subject::task(&sneaked.kind, sneaked.key()), sneaked.encode()).await;
    world.phase("echo", "echo/sneaked", "parked").await;
    // It is written down first, then told.
    let told = eventually("it to be told", || async {
        world.events("event.task.parked.echo").await.pop()
    })
    .await;
    assert_eq!(told["data"]["cause"], "task.unfenced");
    assert_eq!(echo.asked().len(), 0);
    // Created as it should be, it runs, once the parked one has left the queue.
    eventually("the parked task to leave the queue", || async {
        world.last(subject::WORK, "task.>").await.is_none().then_some(())
    })
    .await;
    world.queue("echo", "echo/sneaked").await;
    world.phase("echo", "echo/sneaked", "completed").await;
}

/// G2: a gate whose newest message is garbage reads as CLOSED; a person's open mends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_gate_reads_as_closed() {
    let world = World::start(ECHO_CONFIG).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let mut dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/before").await;
    world.phase("echo", "echo/before", "completed").await;

    let relay: GateName = "relay".parse().unwrap();
    let token = gate_log::token(&world.bus).await.unwrap();
    let fence = Expect::Fence { over: subject::FENCE.to_owned(), last: token };
    let subject = subject::gate(&relay, Epoch::new(2));
    let put = Put { subject, body: JUNK.to_vec(), expect: fence, id: None };
    world.bus.put(put).await.unwrap();
    world.queue("echo", "echo/held").await;
    let listed = world.cli(&["gate", "list"]).await;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("CLOSED (blocking)"), "{listed}");
    dispatcher.says("CLOSED", std::time::Duration::from_secs(20)).await.unwrap();
    assert_eq!(echo.asked().len(), 1, "nothing runs through a garbled gate");

    let args = ["gate", "open", "relay", "--note", "junk removed", "--as", "ann", "--no-wait"];
    let opened = world.cli(&args).await;
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    world.phase("echo", "echo/held", "completed").await;
    world.gate_is("relay", GateState::Open).await;
}

/// A handler that answers garbage is its task's own fault: charged, and dead in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_answers_garbage_is_charged() {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::Garbage).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    let dead = world.phase("echo", "echo/0", "dead").await;
    assert_eq!((dead.attempt, dead.charged), (3, 3));
    // It is written down first, then told.
    let told = eventually("its end to be told", || async {
        Some(world.events("event.task.dead.echo").await).filter(|told| !told.is_empty())
    })
    .await;
    assert_eq!(told.len(), 1);
    assert_eq!(world.events("event.failure.echo.service.garbled").await.len(), 3);
}

/// W3, T1: a task whose chain is garbage is told of and put back; it does not stop a kind that
/// runs one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_chain_stops_only_its_own_task() {
    let world = World::start(&ECHO_CONFIG.replace("lease =", "concurrency = 1\nlease =")).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    let garbled = task("echo", "echo/garbled");
    store(&world, subject::state(&garbled.kind, garbled.key()), JUNK.to_vec()).await;
    world.queue("echo", "echo/garbled").await;
    eventually("it to be told", || async {
        let told = world.events("event.task.parked.echo").await;
        told.iter().any(|event| event["data"]["rest_until_ms"].is_u64()).then_some(())
    })
    .await;
    world.queue("echo", "echo/after").await;
    world.phase("echo", "echo/after", "completed").await;
    assert_eq!(echo.asked().len(), 1, "what cannot be read is not run");
}
