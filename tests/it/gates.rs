//! How gates close, open and drain, with real gatekeepers and dispatchers and a handler that
//! does what the test says.

mod resets;
mod waiting;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{Cost, GateState, Outcome};

use crate::harness::{Echo, Says, World, eventually, world::ECHO_CONFIG};

/// A relay that refuses everyone while it is stuck.
struct Relay {
    stuck: Arc<AtomicBool>,
    echo: Echo,
}

impl Relay {
    async fn stuck(world: &World) -> Relay {
        let stuck = Arc::new(AtomicBool::new(true));
        let refuses = stuck.clone();
        let echo = Echo::start(&world.bus, "echo", move |_, _| {
            if refuses.load(Ordering::SeqCst) {
                Says::failed("relay.nonce-conflict")
            } else {
                Says::done()
            }
        })
        .await;
        Relay { stuck, echo }
    }

    fn heal(&self) {
        self.stuck.store(false, Ordering::SeqCst);
    }
}

async fn create_all(world: &World, count: usize) {
    for number in 0..count {
        world.queue("echo", &format!("echo/{number}")).await;
    }
}

async fn completed_all(world: &World, count: usize) {
    for number in 0..count {
        world.phase("echo", &format!("echo/{number}"), "completed").await;
    }
}

async fn open(world: &World, gate: &str) -> String {
    let args = ["gate", "open", gate, "--note", "cleared", "--as", "ann", "--no-wait"];
    // One that was just started may not listen yet.
    let output = eventually("a gatekeeper to answer", || async {
        let output = world.cli(&args).await;
        (output.status.code() != Some(4)).then_some(output)
    })
    .await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// G2, W2, G4: with three dispatchers of one slot each, a stuck relay costs at most three
/// attempts, none charged, in one incident; opened by a person it lets one canary through and
/// then drains until everything is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_relay_costs_one_attempt_a_dispatcher() {
    let world = World::start(ECHO_CONFIG).await;
    let relay = Relay::stuck(&world).await;
    create_all(&world, 20).await;
    let _keepers = [world.spawn("gatekeeper", &[]), world.spawn("gatekeeper", &[])];
    let _fleet: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "1"])).collect();

    let closed = world.gate_is("relay", GateState::Closed).await;
    assert_eq!(closed.incident, 1);
    assert_eq!(closed.causes, ["relay.nonce-conflict".parse().unwrap()]);
    let tried = eventually("the failures to be told", || async {
        let told = world.events("event.failure.>").await.len();
        (told == relay.echo.asked().len()).then_some(told)
    })
    .await;
    assert!((1..=3).contains(&tried), "{tried} attempts");

    relay.heal();
    open(&world, "relay").await;
    completed_all(&world, 20).await;
    let opened = world.gate_is("relay", GateState::Open).await;
    assert_eq!(opened.incident, 1, "one closing is one incident");
    assert_eq!(relay.echo.asked().len(), tried + 20);
    for number in 0..20 {
        let state = world.state("echo", &format!("echo/{number}")).await.unwrap();
        assert_eq!(state.charged, 0, "a shared failure is not charged");
    }
    // Canary and drain: the second attempt after the opening begins when the first is done.
    let canaries = world.events("event.gate.probing.>").await;
    assert_eq!(canaries.len(), 1);
}

/// Section 7: the gatekeeper is dead when the relay sticks. At most one attempt a dispatcher;
/// `gate list` shows who holds back; back again, a gatekeeper closes from the stored events.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_gatekeeper_the_fleet_holds_itself() {
    let world = World::start(ECHO_CONFIG).await;
    let relay = Relay::stuck(&world).await;
    create_all(&world, 10).await;
    let _fleet: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "1"])).collect();
    let listed = eventually("all dispatchers to be latched", || async {
        let listed = world.json(&["gate", "list"]).await;
        (listed.to_string().matches("latched").count() > 0 && relay.echo.asked().len() == 3)
            .then_some(listed)
    })
    .await;
    assert!(listed.to_string().contains("relay"), "{listed}");
    assert_eq!(world.gate("relay").await.state, GateState::Open, "nobody has closed it yet");

    let _keeper = world.spawn("gatekeeper", &[]);
    let closed = world.gate_is("relay", GateState::Closed).await;
    assert_eq!(closed.incident, 1);
    assert_eq!(relay.echo.asked().len(), 3, "nothing was tried meanwhile");
}

/// Section 7: opened with nothing waiting, the gate probes until a task comes; that one is
/// the canary.
#[tokio::test(flavor = "multi_thread")]
async fn opened_with_nothing_waiting_the_next_task_is_the_canary() {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &[]);
    let closed = world.cli(&["gate", "close", "relay", "--note", "upkeep", "--as", "ann"]).await;
    assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    world.gate_is("relay", GateState::Closed).await;
    open(&world, "relay").await;
    assert_eq!(world.gate("relay").await.state, GateState::Probing);
    create_all(&world, 1).await;
    completed_all(&world, 1).await;
    world.gate_is("relay", GateState::Open).await;
}

/// G4: the canary's dispatcher is killed in the act. The task is taken over after its lease
/// and charged; it still is the only canary, and the gate opens on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_canary_is_taken_over() {
    let world = World::start(ECHO_CONFIG).await;
    let relay = Relay::stuck(&world).await;
    create_all(&world, 3).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let mut first = world.spawn("dispatcher", &["--slots", "1"]);
    world.gate_is("relay", GateState::Closed).await;
    drop(relay.echo);
    let hangs = Echo::start(&world.bus, "echo", |_, _| Says::Never).await;
    open(&world, "relay").await;
    eventually("the canary to be under way", || async { (hangs.asked().len() == 1).then_some(()) })
        .await;
    first.kill().await;
    drop(hangs);
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _second = world.spawn("dispatcher", &["--slots", "1"]);
    completed_all(&world, 3).await;
    world.gate_is("relay", GateState::Open).await;
    let lost = world.events("event.failure.echo.dispatcher.lost").await;
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0]["data"]["charged"], true);
}

/// M2, G4: a canary whose outcome is unknown neither opens nor closes; it asks again, and
/// its completion opens.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_canary_decides_nothing() {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |_, before| match before {
        0 => Says::failed("relay.nonce-conflict"),
        1 => Says::Outcome(Outcome::Unknown {
            cause: "payment.unknown".parse().unwrap(),
            evidence: "no answer".to_owned(),
            retry_after: None,
            cost: Cost::ZERO,
        }),
        _ => Says::done(),
    })
    .await;
    create_all(&world, 1).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.gate_is("relay", GateState::Closed).await;
    open(&world, "relay").await;
    world.phase("echo", "echo/0", "resting").await;
    assert_eq!(world.gate("relay").await.state, GateState::Probing);
    completed_all(&world, 1).await;
    let opened = world.gate_is("relay", GateState::Open).await;
    assert_eq!(opened.incident, 1);
}

/// G4: a canary that meets the same wall closes the gate again, in the same incident.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_canary_closes_again() {
    let world = World::start(ECHO_CONFIG).await;
    let relay = Relay::stuck(&world).await;
    create_all(&world, 5).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    let first = world.gate_is("relay", GateState::Closed).await;
    let before = relay.echo.asked().len();
    open(&world, "relay").await;
    let again = eventually("the gate to close again", || async {
        let gate = world.gate("relay").await;
        (gate.state == GateState::Closed && first.epoch < gate.epoch).then_some(gate)
    })
    .await;
    assert_eq!(again.incident, first.incident);
    assert_eq!(relay.echo.asked().len(), before + 1, "one canary, no more");
}

/// Section 7: with a second gate closed nothing flows, and the command says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_closed_gate_still_holds() {
    let config = ECHO_CONFIG.replace(r#"["relay"]"#, r#"["relay", "wallet"]"#)
        + "\n[gates.wallet]\nabout = \"the wallet\"\n";
    let world = World::start(&config).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &[]);
    for gate in ["relay", "wallet"] {
        let closed = world.cli(&["gate", "close", gate, "--note", "upkeep", "--as", "ann"]).await;
        assert!(closed.status.success(), "{}", String::from_utf8_lossy(&closed.stderr));
    }
    // The token is the newest, so the broker takes it; the creator is the one to look.
    world.queue("echo", "echo/0").await;
    let said = open(&world, "relay").await;
    assert!(said.contains("still held by") && said.contains("wallet"), "{said}");
    assert_eq!(echo.asked().len(), 0);
    open(&world, "wallet").await;
    completed_all(&world, 1).await;
    world.gate_is("wallet", GateState::Open).await;
    world.gate_is("relay", GateState::Open).await;
}

/// G5: a failure that began before the opening and ends after it joins the old incident and
/// closes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_straggler_joins_and_moves_nothing() {
    let world = World::start(ECHO_CONFIG).await;
    let late = Arc::new(AtomicBool::new(false));
    let release = late.clone();
    let count = Arc::new(AtomicUsize::new(0));
    let _echo = Echo::start(&world.bus, "echo", move |request, _| {
        let conflict = Outcome::Failed {
            cause: "relay.nonce-conflict".parse().unwrap(),
            evidence: "scripted".to_owned(),
            retry_after: None,
            cost: Cost::ZERO,
        };
        // Task 0 is slow and fails in the end; task 1 fails at once; later all is well.
        match (request.task.source_key.as_str(), count.fetch_add(1, Ordering::SeqCst)) {
            ("echo/0", _) if request.attempt == 1 => Says::When(release.clone(), conflict),
            ("echo/1", _) if request.attempt == 1 => Says::Outcome(conflict),
            _ => Says::done(),
        }
    })
    .await;
    create_all(&world, 2).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &["--slots", "2"]);
    world.gate_is("relay", GateState::Closed).await;
    open(&world, "relay").await;
    world.phase("echo", "echo/1", "completed").await;
    let before = world.gate("relay").await;
    assert_ne!(before.state, GateState::Closed);
    late.store(true, Ordering::SeqCst);
    completed_all(&world, 2).await;
    let after = world.gate_is("relay", GateState::Open).await;
    assert_eq!(after.incident, 1);
    let joined = eventually("the straggler to be counted", || async {
        let subject = wire::subject::incident(&"relay".parse().unwrap(), 1);
        let record = fleet::store::read::<domain::Incident>(&world.bus, "RECORD", &subject).await;
        record.unwrap().map(|record| record.value).filter(|record| record.count() == 2)
    })
    .await;
    assert_eq!(joined.failures.iter().filter(|failure| failure.straggler).count(), 1);
}

/// G3, G5: everything is killed and started again; the gate is still closed, with who, why
/// and its history.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_everything_opens_nothing() {
    let mut world = World::start(ECHO_CONFIG).await;
    let relay = Relay::stuck(&world).await;
    create_all(&world, 4).await;
    let mut keeper = world.spawn("gatekeeper", &[]);
    let mut dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    let before = world.gate_is("relay", GateState::Closed).await;
    keeper.kill().await;
    dispatcher.kill().await;
    world.nats.kill_all().await;
    world.nats.start_all_again().await;
    relay.heal();
    let asked = relay.echo.asked().len();
    let _keeper = world.spawn("gatekeeper", &[]);
    let mut dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    dispatcher.says("joined the fleet", Duration::from_secs(20)).await.unwrap();
    let history = eventually("the history to be readable again", || async {
        let history = world.cli(&["gate", "history", "relay", "--json"]).await;
        history.status.success().then(|| String::from_utf8_lossy(&history.stdout).into_owned())
    })
    .await;
    assert!(history.contains("relay.nonce-conflict") && history.contains("tester"), "{history}");
    assert_eq!(world.gate("relay").await, before);
    assert_eq!(relay.echo.asked().len(), asked, "nothing was tried");
}
