//! G4 for a whole fleet: a limit on attempts at once holds over all dispatchers together, also
//! for what comes back all at once. Judged twice: by the service that is asked, which counts
//! how many requests it has at a time, and by the chains as they were stored.

mod judge;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Cost, GateState, Outcome, Row};

use self::judge::{Claims, Crowd};
use crate::harness::{Echo, Says, World, eventually};

const TASKS: usize = 12;
const DISPATCHERS: usize = 6;

fn config(of_kind: &str, of_gate: &str) -> String {
    format!(
        r#"
[kinds.echo]
handler = {{ service = "echo" }}
needs = ["relay"]
attempts = 3
rest = "1s"
rest_max = "1s"
lease = "2s"
timeout = "20s"
{of_kind}

[gates.relay]
about = "what every echo goes through"
remedy = "look at the relay"
{of_gate}
"#
    )
}

fn failed(cause: &str, retry_after: Option<Duration>) -> Outcome {
    let (cause, evidence) = (cause.parse().unwrap(), "scripted".to_owned());
    Outcome::Failed { cause, evidence, retry_after, cost: Cost::ZERO }
}

fn done() -> Outcome {
    Outcome::Completed { effect: "echoed".to_owned(), cost: Cost::ZERO }
}

fn name(number: usize) -> String {
    format!("echo/{number}")
}

async fn queue_all(world: &World) {
    for number in 0..TASKS {
        world.queue("echo", &name(number)).await;
    }
}

async fn completed_all(world: &World) {
    for number in 0..TASKS {
        world.phase("echo", &name(number), "completed").await;
    }
}

/// Twelve tasks rest until the same moment; six dispatchers have slots for all of them.
async fn what_comes_back_together(concurrency: usize) {
    let world = World::start(&config(&format!("concurrency = {concurrency}"), "")).await;
    let claims = Claims::follow(&world, "echo").await;
    // Late enough for every task to have been tried once by then.
    let together = tokio::time::Instant::now() + Duration::from_secs(8);
    let crowd = Crowd::start(&world, move |request, _| {
        let left = together.saturating_duration_since(tokio::time::Instant::now());
        match request.attempt {
            1 => Some((Duration::ZERO, failed("target.invalid", Some(left)))),
            _ => Some((Duration::from_millis(150), done())),
        }
    })
    .await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _fleet: Vec<_> =
        (0..DISPATCHERS).map(|_| world.spawn("dispatcher", &["--slots", "4"])).collect();
    queue_all(&world).await;
    completed_all(&world).await;
    assert_eq!(crowd.asked(), 2 * TASKS, "nothing was tried in vain");
    assert_eq!(crowd.widest(), concurrency, "as the service counted");
    assert_eq!(claims.widest().await, concurrency, "as the chains were stored");
}

/// G4: of a kind that runs one task at a time, never two are under way in the whole fleet.
#[tokio::test(flavor = "multi_thread")]
async fn one_at_a_time_in_the_whole_fleet() {
    what_comes_back_together(1).await;
}

/// G4: and with two at a time never three; both seats are used.
#[tokio::test(flavor = "multi_thread")]
async fn two_at_a_time_in_the_whole_fleet() {
    what_comes_back_together(2).await;
}

/// Twelve tasks were returned by the closing and come together when the gate is opened; the
/// drain keeps to its pace whoever pulls them.
async fn a_drain_keeps_its_pace(drain_max: usize) {
    let world = World::start(&config("", &format!("drain_max = {drain_max}"))).await;
    let stuck = Arc::new(AtomicBool::new(false));
    let flag = stuck.clone();
    // All begin while the gate is open, and then all fail.
    let refuses = Echo::start(&world.bus, "echo", move |_, _| {
        Says::When(flag.clone(), failed("relay.nonce-conflict", None))
    })
    .await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _fleet: Vec<_> =
        (0..DISPATCHERS).map(|_| world.spawn("dispatcher", &["--slots", "4"])).collect();
    queue_all(&world).await;
    eventually("all to be under way", || async { (refuses.asked().len() == TASKS).then_some(()) })
        .await;
    stuck.store(true, Ordering::SeqCst);
    for number in 0..TASKS {
        world.phase("echo", &name(number), "returned").await;
    }
    world.gate_is("relay", GateState::Closed).await;
    drop(refuses);

    let claims = Claims::follow(&world, "echo").await;
    let crowd = Crowd::start(&world, |_, _| Some((Duration::from_millis(150), done()))).await;
    let opened = world
        .cli(&["gate", "open", "relay", "--note", "cleared", "--as", "ann", "--no-wait"])
        .await;
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    completed_all(&world).await;
    world.gate_is("relay", GateState::Open).await;
    assert_eq!(crowd.asked(), TASKS, "nothing was tried in vain");
    assert!(crowd.widest() <= drain_max, "{} at once, as the service counted", crowd.widest());
    let stored = claims.widest().await;
    assert!(stored <= drain_max, "{stored} at once, as the chains were stored");
}

/// G4: a drain at its first pace lets one through at a time, from six dispatchers.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_of_one_is_one_in_the_whole_fleet() {
    a_drain_keeps_its_pace(1).await;
}

/// G4: and a drain of two never three.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_of_two_is_two_in_the_whole_fleet() {
    a_drain_keeps_its_pace(2).await;
}

/// G4, W1: every dispatcher dies, one of them in the only seat, while all the others' tasks wait
/// for it. Nothing begins before that task is taken over; then the seat is free, and all are
/// done by those who came, one at a time.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_in_a_seat_gives_it_up() {
    let world = World::start(&config("concurrency = 1", "")).await;
    let claims = Claims::follow(&world, "echo").await;
    let together = tokio::time::Instant::now() + Duration::from_secs(6);
    let crowd = Crowd::start(&world, move |request, before| {
        let left = together.saturating_duration_since(tokio::time::Instant::now());
        match request.attempt {
            1 => Some((Duration::ZERO, failed("target.invalid", Some(left)))),
            _ if before == TASKS => None,
            _ => Some((Duration::from_millis(50), done())),
        }
    })
    .await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let mut dying: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "4"])).collect();
    queue_all(&world).await;
    eventually("one to hang in the seat", || async { (TASKS < crowd.asked()).then_some(()) }).await;
    for dispatcher in &mut dying {
        dispatcher.kill().await;
    }
    let _fleet: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "4"])).collect();
    completed_all(&world).await;
    let lost = world.events("event.failure.echo.dispatcher.lost").await;
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!((crowd.widest(), claims.widest().await), (1, 1));
    assert_eq!(crowd.asked(), 2 * TASKS + 1);
}

/// G4: a seat that makes no sense counts as taken, and says so; an empty message clears it.
#[tokio::test(flavor = "multi_thread")]
async fn a_garbled_seat_is_taken_until_a_person_clears_it() {
    let world = World::start(&config("concurrency = 1", "")).await;
    let crowd = Crowd::start(&world, |_, _| Some((Duration::ZERO, done()))).await;
    let write = async |body: &[u8]| {
        let subject = wire::subject::seat(&Row::Kind("echo".parse().unwrap()), 0);
        let (body, expect, id) = (body.to_vec(), bus::Expect::Nothing, None);
        world.bus.put(bus::Put { subject, body, expect, id }).await.unwrap();
    };
    write(b"\xff\xffno").await;
    let mut dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    dispatcher.says("no seat is free, put back", crate::harness::PATIENCE).await.unwrap();
    assert_eq!((crowd.asked(), world.state("echo", "echo/0").await), (0, None));
    write(b"").await;
    world.phase("echo", "echo/0", "completed").await;
}
