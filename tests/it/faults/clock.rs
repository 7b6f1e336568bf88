//! The wall clock of one service is wrong by an hour, from its start or suddenly, ahead or
//! behind. The fleet goes by one clock, that of the broker; so nothing may come of it.
//!
//! The clock is bent for one process alone, by a library of a few lines of C that is built
//! here and preloaded: `shifted_clock.c`.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{Cost, Gate, GateState, Outcome, TaskState, Timestamp};
use serde_json::json;
use wire::Wire as _;

use crate::{
    harness::{
        Echo, Job, Says, World, eventually,
        tap::{Brake, WireTap},
        world::{ECHO_CONFIG, Fleetlet},
    },
    payments::bench::{
        all_welcomed_once, broken_with, cycles, failures, no_gate_moved, no_nonce_gap, open, stat,
    },
};

const HOUR: i64 = 3_600;
const PLAY_KEY: (&str, &str) = ("WALLET_KEY", portcullis::up::stage::PLAY_KEY);

/// The wall clock of one service.
struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Wrong by so many seconds from the start.
    fn wrong_by(world: &World, seconds: i64) -> Clock {
        let clock = Clock { file: world.dir().join("clock") };
        clock.jump_to(seconds);
        clock
    }

    /// Wrong by so many seconds from now on.
    fn jump_to(&self, seconds: i64) {
        let fresh = self.file.with_extension("fresh");
        fs::write(&fresh, seconds.to_string()).unwrap();
        fs::rename(fresh, &self.file).unwrap();
    }

    fn spawn(&self, world: &World, name: &str, args: &[&str]) -> Fleetlet {
        let file = self.file.to_str().unwrap();
        let preload = library().to_str().unwrap();
        let env = [("LD_PRELOAD", preload), ("CLOCK_SHIFT", file), PLAY_KEY];
        world.spawn_with(name, args, &env)
    }
}

/// Built once, by the compiler that also links this test.
fn library() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/it/faults/shifted_clock.c");
        let built =
            std::env::temp_dir().join(format!("portcullis-clock-{}.so", std::process::id()));
        let mut cc = Command::new("cc");
        let output = cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let output =
            output.arg(&built).arg(source).output().expect("run cc, which cargo needs too");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        built
    })
}

/// What lies in the streams was written at about the time at which the broker stored it.
async fn times_are_sane(world: &World) {
    let sane = |what: &str, at: Timestamp, stored: u64| {
        let apart = at.as_millis().abs_diff(stored);
        assert!(apart < 300_000, "{what}: written {at}, {apart} ms from when it was stored");
    };
    for stored in world.stored("STATE", "state.>").await {
        sane(&stored.subject, TaskState::decode(&stored.body).unwrap().at, stored.at_ms);
    }
    for stored in world.stored("WORK", "gate.>").await {
        sane(&stored.subject, Gate::decode(&stored.body).unwrap().at, stored.at_ms);
    }
    for stored in world.stored("EVENTS", "event.>").await {
        let event: serde_json::Value = serde_json::from_slice(&stored.body).unwrap();
        if let Some(at) = event["data"]["at_ms"].as_u64() {
            sane(&stored.subject, Timestamp::from_millis(at), stored.at_ms);
        }
    }
}

/// The main job, while the clock of one service jumps an hour ahead and then two back.
async fn nothing_comes_of_a_jump_in(victim: &str) {
    let job = Job::set(9).await;
    let clock = Clock::wrong_by(&job.world, 0);
    let mut services = Vec::new();
    for name in ["gatekeeper", "welcome-payer", "sensor", "dispatcher"] {
        services.push(match name == victim {
            true => clock.spawn(&job.world, name, &[]),
            false => job.spawn(name),
        });
        if name == "welcome-payer" {
            job.payer_listens().await;
        }
    }
    job.welcomed(2).await;
    clock.jump_to(HOUR);
    job.welcomed(5).await;
    clock.jump_to(-HOUR);
    all_welcomed_once(&job).await;
    no_nonce_gap(&job).await;
    no_gate_moved(&job).await;
    let told = failures(&job).await;
    assert!(told.is_empty(), "{told:?}");
    times_are_sane(&job.world).await;
}

/// W1, M1: a dispatcher whose clock jumps loses no lease and no task.
#[tokio::test(flavor = "multi_thread")]
async fn a_dispatchers_clock_may_jump() {
    nothing_comes_of_a_jump_in("dispatcher").await;
}

/// M1, M2: a payer whose clock jumps pays everybody once.
#[tokio::test(flavor = "multi_thread")]
async fn a_payers_clock_may_jump() {
    nothing_comes_of_a_jump_in("welcome-payer").await;
}

/// G3: a gatekeeper whose clock jumps moves no gate for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_gatekeepers_clock_may_jump() {
    nothing_comes_of_a_jump_in("gatekeeper").await;
}

/// W1: a sensor whose clock jumps goes on with its cycles.
#[tokio::test(flavor = "multi_thread")]
async fn a_sensors_clock_may_jump() {
    nothing_comes_of_a_jump_in("sensor").await;
}

fn failed() -> Says {
    Says::failed("target.invalid")
}

/// W1: a task that rests is not kept waiting for an hour because the clock of the dispatcher
/// that gets it next went back by one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rest_does_not_grow_when_the_clock_goes_back() {
    let world = World::start(ECHO_CONFIG).await;
    let clock = Clock::wrong_by(&world, 0);
    let echo = Echo::start(&world.bus, "echo", |_, before| match before {
        0 => failed(),
        _ => Says::done(),
    })
    .await;
    let _dispatcher = clock.spawn(&world, "dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    world.phase("echo", "echo/0", "resting").await;
    clock.jump_to(-HOUR);
    let end = world.phase("echo", "echo/0", "completed").await;
    assert_eq!((end.attempt, end.charged, echo.asked().len()), (2, 1, 2));
    times_are_sane(&world).await;
}

/// W1: the same when it is another dispatcher whose clock has always been behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_rest_does_not_grow_for_a_dispatcher_behind() {
    let world = World::start(ECHO_CONFIG).await;
    let clock = Clock::wrong_by(&world, -HOUR);
    let _echo = Echo::start(&world.bus, "echo", |_, before| match before {
        0 => failed(),
        _ => Says::done(),
    })
    .await;
    let mut right = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    world.phase("echo", "echo/0", "resting").await;
    right.kill().await;
    let mut behind = clock.spawn(&world, "dispatcher", &[]);
    behind.says("the clock of this host is wrong", crate::harness::PATIENCE).await.unwrap();
    world.phase("echo", "echo/0", "completed").await;
    times_are_sane(&world).await;
}

/// W2: a dispatcher whose clock is an hour ahead does not begin what rests, although the
/// broker delivers it early: no part of the budget burns for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rest_does_not_shrink_for_a_dispatcher_ahead() {
    const REST: Duration = Duration::from_secs(20);
    let config = ECHO_CONFIG.replace("rest = \"1s\"\nrest_max = \"2s\"", "rest = \"20s\"");
    let world = World::start(&config.replace("lease = \"2s\"", "lease = \"1s\"")).await;
    let clock = Clock::wrong_by(&world, HOUR);
    let asked: Arc<std::sync::Mutex<Vec<Instant>>> = Arc::default();
    let times = asked.clone();
    let _echo = Echo::start(&world.bus, "echo", move |_, before| {
        times.lock().unwrap().push(Instant::now());
        if before == 0 { failed() } else { Says::done() }
    })
    .await;
    // Killed before it puts the task back, so that the broker has it come again at once.
    let brake =
        Brake::at(|sent| sent.what.starts_with("$JS.ACK") && sent.body.starts_with(b"-NAK"));
    let tap = WireTap::start(&world.nats.url(), brake.clone()).await;
    let mut right = world.spawn_with("dispatcher", &[], &[("NATS_URL", &tap.url())]);
    world.queue("echo", "echo/0").await;
    brake.reached().await;
    right.kill().await;
    drop(tap);
    let _ahead = clock.spawn(&world, "dispatcher", &[]);
    let end = world.phase("echo", "echo/0", "completed").await;
    assert_eq!((end.attempt, end.charged), (2, 1));
    let asked = asked.lock().unwrap().clone();
    let rested = asked[1].duration_since(asked[0]);
    // A rest is drawn from its upper half.
    assert!(REST / 2 <= rested, "begun after {rested:?}");
    times_are_sane(&world).await;
}

/// M2: a payment that the relay takes its time for does not look an hour old to a payer whose
/// clock jumps ahead meanwhile: no gate closes for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_under_way_does_not_age_by_a_jump() {
    let slow = json!({ "confirm_delay_ms": 6_000 });
    let job = broken_with("today", 2, slow, |settings| {
        settings.unconfirmed_after = Duration::from_secs(120);
    })
    .await;
    let clock = Clock::wrong_by(&job.world, 0);
    let _services = [job.spawn("gatekeeper"), job.spawn("sensor"), job.spawn("dispatcher")];
    let _payer = clock.spawn(&job.world, "welcome-payer", &[]);
    eventually("a payment to be under way", || async {
        (stat(&job, "paid_posts").await == 1).then_some(())
    })
    .await;
    clock.jump_to(HOUR);
    job.welcomed(1).await;
    eventually("the next to be under way", || async {
        (stat(&job, "paid_posts").await == 2).then_some(())
    })
    .await;
    clock.jump_to(-HOUR);
    all_welcomed_once(&job).await;
    no_gate_moved(&job).await;
    times_are_sane(&job.world).await;
}

/// G3, G4: a canary under way is not given up as undecided because the gatekeeper's clock
/// jumps; and what the gatekeeper writes carries the right time all the while.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_does_not_age_by_a_jump() {
    let world = World::start(ECHO_CONFIG).await;
    let clock = Clock::wrong_by(&world, HOUR);
    let go = Arc::new(AtomicBool::new(false));
    let flag = go.clone();
    let echo = Echo::start(&world.bus, "echo", move |_, before| match before {
        0 => Says::failed("relay.nonce-conflict"),
        _ => {
            let cost = Cost::ZERO;
            Says::When(flag.clone(), Outcome::Completed { effect: "echoed".to_owned(), cost })
        }
    })
    .await;
    let mut keeper = clock.spawn(&world, "gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    world.gate_is("relay", GateState::Closed).await;
    clock.jump_to(0);
    let opened = ["gate", "open", "relay", "--note", "cleared", "--as", "ann", "--no-wait"];
    assert!(world.cli(&opened).await.status.success());
    eventually("the canary to be under way", || async { (echo.asked().len() == 2).then_some(()) })
        .await;
    let mut beats = world.bus.subscribe("beat.gatekeeper.*").await.unwrap();
    for shift in [HOUR, -HOUR] {
        clock.jump_to(shift);
        // It looks after its canaries each second, as often as it beats.
        for _ in 0..4 {
            beats.next().await.unwrap();
        }
    }
    go.store(true, Ordering::SeqCst);
    world.phase("echo", "echo/0", "completed").await;
    let end = world.gate_is("relay", GateState::Open).await;
    assert_eq!((end.incident, end.epoch.get()), (1, 5), "closed, probing, draining, open");
    assert!(keeper.runs());
    times_are_sane(&world).await;
}

/// W1: what a sensor may create in a day does not begin anew because its clock is a day ahead,
/// or comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_days_cap_is_not_reset_by_a_jump() {
    let job = Job::set(8).await;
    let toml = job.settings.to_toml(job.sandbox.url());
    job.world.apply(&toml.replace("cap_day = 80", "cap_day = 3")).await;
    let clock = Clock::wrong_by(&job.world, 0);
    let _services = [job.spawn("gatekeeper"), job.spawn("welcome-payer"), job.spawn("dispatcher")];
    let _sensor = clock.spawn(&job.world, "sensor", &[]);
    job.welcomed(3).await;
    for shift in [24 * HOUR, -24 * HOUR] {
        clock.jump_to(shift);
        cycles(&job, 3).await;
    }
    assert_eq!(job.sandbox.ledger().await.unwrap().welcomed, 3, "a day has one cap");
    times_are_sane(&job.world).await;
}

/// G5: what is closed and opened while a gatekeeper's clock is behind reads in the right order.
#[tokio::test(flavor = "multi_thread")]
async fn an_incident_keeps_its_times() {
    let job = Job::set(3).await;
    job.control("faults", json!({ "stuck_nonce": true })).await;
    let clock = Clock::wrong_by(&job.world, -HOUR);
    let _services = [job.spawn("welcome-payer"), job.spawn("sensor"), job.spawn("dispatcher")];
    let _keeper = clock.spawn(&job.world, "gatekeeper", &[]);
    let closed = job.world.gate_is("relay", GateState::Closed).await;
    clock.jump_to(HOUR);
    job.sandbox.heal().await.unwrap();
    open(&job, "relay").await;
    all_welcomed_once(&job).await;
    let opened = job.world.gate_is("relay", GateState::Open).await;
    let took = opened.at.since(closed.at);
    assert!(took < Duration::from_secs(1_800), "an incident of seconds lasted {took:?}");
    times_are_sane(&job.world).await;
}
