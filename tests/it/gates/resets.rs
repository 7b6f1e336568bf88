//! What a person allowed beforehand: a canary at the time that was named, and nothing more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Actor, Cost, Gate, GateState, Outcome, Timestamp};
use serde_json::Value;

use super::{completed_all, create_all, open};
use crate::harness::{Echo, Says, World, eventually, world::ECHO_CONFIG};

/// A relay that says when it is back, at a gate of which a person allowed that this will do.
fn config() -> String {
    let relay = "[gates.relay]\n\
                 closes_on = [{ cause = \"relay.unavailable\", tasks = 1 }]\n\
                 resets = [{ cause = \"relay.unavailable\", note = \"it restarts nightly\" }]\n";
    ECHO_CONFIG.replace("[gates.relay]\n", relay)
}

fn back_in(secs: u64) -> Says {
    Says::Outcome(Outcome::Failed {
        cause: "relay.unavailable".parse().unwrap(),
        evidence: "503".to_owned(),
        retry_after: Some(Duration::from_secs(secs)),
        cost: Cost::ZERO,
    })
}

/// Every message of the gate in that state, oldest first.
async fn messages(world: &World, state: GateState) -> Vec<Gate> {
    let log = eventually("the gate's log", || async {
        fleet::gate_log::history(&world.bus, &"relay".parse().unwrap()).await.ok()
    })
    .await;
    log.into_iter().map(|found| found.value).filter(|gate| gate.state == state).collect()
}

async fn show(world: &World) -> String {
    String::from_utf8(world.cli(&["gate", "show", "relay"]).await.stdout).unwrap()
}

/// G3, G4, G5: refused with a time, the fleet waits for that time and sends one canary; refused
/// again, it waits for the next time named, in the same incident; then it drains. Nobody is
/// asked, nobody is charged, and each opening says by whose word it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_goes_at_the_time_that_was_named() {
    let world = World::start(&config()).await;
    let echo = Echo::start(&world.bus, "echo", |request, _| {
        match request.admitted.iter().map(|admission| admission.epoch.get()).max() {
            Some(1) => back_in(3),
            Some(..=3) => back_in(2),
            _ => Says::done(),
        }
    })
    .await;
    create_all(&world, 6).await;
    let _keepers = [world.spawn("gatekeeper", &[]), world.spawn("gatekeeper", &[])];
    let _fleet: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "1"])).collect();
    completed_all(&world, 6).await;
    let opened = world.gate_is("relay", GateState::Open).await;
    assert_eq!(opened.incident, 1, "one closing is one incident");

    let probing = messages(&world, GateState::Probing).await;
    assert_eq!(probing.len(), 2, "{probing:?}");
    let failed = world.events("event.failure.echo.>").await;
    for (gate, before) in probing.iter().zip([1, 3]) {
        assert_eq!(gate.by, Actor::Gatekeeper);
        assert!(gate.note.contains("it restarts nightly"), "{}", gate.note);
        assert_eq!(gate.resets[0].version, 1, "{gate:?}");
        let under = |event: &&Value| event["data"]["admitted"][1]["epoch"] == before;
        let named = failed.iter().filter(under).map(|event| &event["data"]["resets_at_ms"]);
        let named = named.map(|at| Timestamp::from_millis(at.as_u64().unwrap()));
        let named = named.max().expect("a failure that names a time");
        assert!(named <= gate.at, "{named} was named, a canary went at {}", gate.at);
    }
    let early = echo.asked().iter().filter(|asked| asked.admitted[1].epoch.get() < 5).count();
    assert!(early <= 4, "{early} calls before the relay was back: one a dispatcher, one canary");
    for number in 0..6 {
        let state = world.state("echo", &format!("echo/{number}")).await.unwrap();
        assert_eq!(state.charged, 0, "a shared failure is not charged");
    }
}

/// G3: whoever looks sees when it will be, and by whose word; a person who closes has the last
/// word, and one who opens need not wait for the time that was named, nor does any task.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_the_last_word() {
    let world = World::start(&config()).await;
    let back = Arc::new(AtomicBool::new(false));
    let is_back = back.clone();
    let _echo = Echo::start(&world.bus, "echo", move |_, _| match is_back.load(Ordering::SeqCst) {
        true => Says::done(),
        false => back_in(600),
    })
    .await;
    create_all(&world, 1).await;
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    world.gate_is("relay", GateState::Closed).await;
    let shown = eventually("the time to be known", || async {
        let shown = show(&world).await;
        shown.contains("one canary in").then_some(shown)
    })
    .await;
    let words = "allowed in configuration 1: it restarts nightly";
    assert!(shown.contains(words), "{shown}");
    let told = world.json(&["gate", "show", "relay"]).await;
    assert!(told["resets_at"].is_string(), "{told}");

    let closed = world.cli(&["gate", "close", "relay", "--note", "mine", "--as", "ann"]).await;
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    let shown = show(&world).await;
    assert!(!shown.contains("by itself"), "{shown}");
    assert!(world.json(&["gate", "show", "relay"]).await["resets_at"].is_null());
    let again = world.cli(&["gate", "close", "relay", "--note", "mine too", "--as", "bob"]).await;
    assert_eq!(again.status.code(), Some(3), "there is nothing left to take back");

    back.store(true, Ordering::SeqCst);
    open(&world, "relay").await;
    completed_all(&world, 1).await;
    world.gate_is("relay", GateState::Open).await;
}

/// G3: a word that was taken back opens nothing, also when a later configuration says the same
/// again; whoever looks is told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_word_taken_back_opens_nothing() {
    let world = World::start(&config()).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| back_in(5)).await;
    create_all(&world, 1).await;
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    let closed = world.gate_is("relay", GateState::Closed).await;
    assert_eq!(closed.resets.len(), 1, "{closed:?}");
    world.apply(ECHO_CONFIG).await;
    world.apply(&config()).await;
    let shown = show(&world).await;
    assert!(shown.contains("not by itself: configuration 2 has taken that back"), "{shown}");
    let due = closed.at.after(Duration::from_secs(5));
    // By then several rounds have seen that its time has come.
    eventually("the time to have passed", || async {
        (due.after(Duration::from_secs(3)) < kit::Clock.now()).then_some(())
    })
    .await;
    assert_eq!(world.gate("relay").await, closed, "nobody has moved it");
}
