//! A dispatcher is frozen past its lease at one exact place, another takes its task over, and
//! then it wakes and finishes what it was about to do. Nothing of that may count.
//!
//! Judged by the chain in STATE, by the stored task message, by what was told (by event id),
//! by how often the handler was asked, and for welcomes by the sandbox's ledger.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{Cost, Outcome, Phase, TaskState};
use serde_json::{Value, json};
use wire::Wire as _;

use crate::{
    harness::{
        Echo, Job, Says, World, eventually,
        tap::{Brake, Sent, WireTap},
        world::{ECHO_CONFIG, Fleetlet},
    },
    payments::bench::{all_welcomed_once, at_once, no_gate_moved, stat},
};

/// A link of a task's chain on its way to NATS, standing in a phase of this word.
fn writes(phase: &'static str) -> impl Fn(&Sent) -> bool + Send + Sync + 'static {
    move |sent| {
        let state = sent.what.starts_with("state.").then(|| TaskState::decode(&sent.body));
        state.and_then(Result::ok).is_some_and(|state| state.word() == phase)
    }
}

fn tells(subject: &'static str) -> impl Fn(&Sent) -> bool + Send + Sync + 'static {
    move |sent| sent.what.starts_with(subject)
}

/// An answer about a task to the broker, with this text.
fn answers(text: &'static str) -> impl Fn(&Sent) -> bool + Send + Sync + 'static {
    move |sent| sent.what.starts_with("$JS.ACK.WORK.") && sent.body.starts_with(text.as_bytes())
}

fn asks(sent: &Sent) -> bool {
    sent.what.starts_with("svc.")
}

/// Whoever reads a chain again has found that somebody else wrote to it.
fn reads_a_chain(sent: &Sent) -> bool {
    sent.what == "$JS.API.STREAM.MSG.GET.STATE"
}

/// One task, its first dispatcher frozen where the brake says, and its second one.
struct Stage {
    world: World,
    echo: Echo,
    brake: Arc<Brake>,
    frozen: Fleetlet,
    other: Fleetlet,
    /// Holds the answer to the second dispatcher back.
    go: Arc<AtomicBool>,
    _tap: WireTap,
}

fn done() -> Outcome {
    Outcome::Completed { effect: "echoed".to_owned(), cost: Cost::ZERO }
}

impl Stage {
    /// Freezes the first dispatcher at `at`, in the middle of the task `echo/0`, whose first
    /// attempt `first` comes to; then lets another loose on it.
    async fn set(at: impl Fn(&Sent) -> bool + Send + Sync + 'static, first: fn() -> Says) -> Stage {
        let world = World::start(ECHO_CONFIG).await;
        let go = Arc::new(AtomicBool::new(false));
        let flag = go.clone();
        let brake = Brake::at(at);
        let before = brake.clone();
        let echo = Echo::start(&world.bus, "echo", move |_, _| match before.is_reached() {
            false => first(),
            true => Says::When(flag.clone(), done()),
        })
        .await;
        let tap = WireTap::start(&world.nats.url(), brake.clone()).await;
        let frozen = world.spawn_with("dispatcher", &[], &[("NATS_URL", &tap.url())]);
        world.queue("echo", "echo/0").await;
        brake.reached().await;
        frozen.signal("STOP").await;
        let other = world.spawn("dispatcher", &[]);
        Stage { world, echo, brake, frozen, other, go, _tap: tap }
    }

    /// Waits until the other dispatcher is in the middle of the task.
    async fn taken_over(&self, asked: usize) -> TaskState {
        eventually("the other to be at it", || async {
            (self.echo.asked().len() == asked).then_some(())
        })
        .await;
        let held = self.world.phase("echo", "echo/0", "claimed").await;
        assert_eq!(holder(&held), self.echo.asked()[asked - 1].holder.to_string());
        held
    }

    /// The frozen one wakes, and what it had sent goes on its way.
    async fn wake(&self) {
        self.frozen.signal("CONT").await;
        self.brake.release();
    }

    /// The task is still the other's, whose claim may only have been renewed, and still queued.
    async fn untouched(&self, held: &TaskState) {
        let now = self.world.state("echo", "echo/0").await.unwrap();
        assert_eq!((now.attempt, now.charged), (held.attempt, held.charged), "{now:?}");
        assert_eq!(holder(&now), holder(held));
        assert!(self.queued().await, "its message was answered by one who does not hold it");
        assert_eq!(self.world.events("event.task.completed.echo").await.len(), 0);
    }

    async fn queued(&self) -> bool {
        self.world.last(wire::subject::WORK, "task.>").await.is_some()
    }

    /// The other comes to its end, alone; the one that woke works again.
    async fn ends(mut self, asked: usize, attempt: u32, charged: u32) {
        self.go.store(true, Ordering::SeqCst);
        let end = self.world.phase("echo", "echo/0", "completed").await;
        assert_eq!((end.attempt, end.charged), (attempt, charged));
        eventually("the queue to be empty", || async { (!self.queued().await).then_some(()) })
            .await;
        assert_eq!(self.echo.asked().len(), asked);
        // Whoever was frozen is as good as before: alone, it ends the next task.
        self.other.kill().await;
        self.world.queue("echo", "echo/next").await;
        self.world.phase("echo", "echo/next", "completed").await;
        assert_eq!(self.world.state("echo", "echo/0").await.unwrap(), end, "an end is final");
        told_once(&self.world, "event.task.completed.echo", 2).await;
        let lost = self.world.events("event.failure.echo.dispatcher.lost").await;
        assert_eq!(lost.len(), charged as usize, "{lost:?}");
    }
}

fn holder(state: &TaskState) -> String {
    match &state.phase {
        Phase::Claimed(claim) => claim.holder.to_string(),
        other => panic!("not claimed: {other:?}"),
    }
}

/// T1: so many events were told over `subject`, each once.
async fn told_once(world: &World, subject: &str, count: usize) {
    let told = eventually(format!("{count} events over {subject}"), || async {
        let told = world.events(subject).await;
        (count <= told.len()).then_some(told)
    })
    .await;
    let ids: BTreeSet<_> = told.iter().map(|event: &Value| event["id"].to_string()).collect();
    assert_eq!((told.len(), ids.len()), (count, count), "{told:?}");
}

/// W4: frozen before its claim is written, the claim arrives when another holds the task: it
/// is refused, and the handler is not asked in its name.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_comes_late_is_refused() {
    let stage = Stage::set(writes("claimed"), Says::done).await;
    let held = stage.taken_over(1).await;
    stage.wake().await;
    eventually("it to look again", || async {
        (0 < stage.brake.passed(reads_a_chain)).then_some(())
    })
    .await;
    stage.untouched(&held).await;
    stage.ends(1, 1, 0).await;
}

/// W1, W4: frozen while its handler works; the answer comes when another holds the task.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_ends_nothing() {
    let mut stage = Stage::set(asks, Says::done).await;
    let held = stage.taken_over(1).await;
    stage.wake().await;
    // The question went on its way as well: the handler is asked once more, in a stale name.
    stage.frozen.says("given up", crate::harness::PATIENCE).await.unwrap();
    stage.untouched(&held).await;
    eventually("the late question", || async { (stage.echo.asked().len() == 2).then_some(()) })
        .await;
    stage.ends(2, 2, 1).await;
}

/// W1, W4: frozen between its handler's answer and the writing of the end: the end arrives
/// when another holds the task, is refused, and is neither told nor acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_comes_late_is_refused() {
    let mut stage = Stage::set(writes("completed"), Says::done).await;
    let held = stage.taken_over(2).await;
    stage.wake().await;
    stage.frozen.says("the claim is gone", crate::harness::PATIENCE).await.unwrap();
    stage.untouched(&held).await;
    stage.ends(2, 2, 1).await;
}

/// W1, W2: the same with a failure: it is not charged beside the lost attempt, nor told.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_comes_late_is_refused() {
    let mut stage = Stage::set(writes("resting"), || Says::failed("target.invalid")).await;
    let held = stage.taken_over(2).await;
    stage.wake().await;
    stage.frozen.says("the claim is gone", crate::harness::PATIENCE).await.unwrap();
    stage.untouched(&held).await;
    assert_eq!(stage.world.events("event.failure.echo.target.invalid").await.len(), 0);
    stage.ends(2, 2, 1).await;
}

/// W1: frozen between the writing of the end and its telling: another tells it, and the late
/// telling is the same event.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_once_though_its_teller_froze() {
    let stage = Stage::set(tells("event.task.completed"), Says::done).await;
    eventually("the other to answer for it", || async { (!stage.queued().await).then_some(()) })
        .await;
    told_once(&stage.world, "event.task.completed.echo", 1).await;
    stage.wake().await;
    stage.ends(1, 1, 0).await;
}

/// W1: frozen between the telling of the end and the acknowledgement, which comes when another
/// has acknowledged for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_comes_late_changes_nothing() {
    let stage = Stage::set(answers("+ACK"), Says::done).await;
    eventually("the other to answer for it", || async { (!stage.queued().await).then_some(()) })
        .await;
    stage.wake().await;
    stage.ends(1, 1, 0).await;
}

/// W4: frozen before it puts a failed task back, which it does when another runs it: the
/// broker takes that from anybody and delivers again, and nobody begins the task twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_put_back_late_has_one_holder() {
    let stage = Stage::set(answers("-NAK"), || Says::failed("target.invalid")).await;
    let held = stage.taken_over(2).await;
    stage.wake().await;
    eventually("it to be put back", || async {
        (0 < stage.brake.passed(answers("-NAK"))).then_some(())
    })
    .await;
    // Delivered again, it is watched: as often as a watcher looks, it is still the other's.
    let renewed = |state: &TaskState| match &state.phase {
        Phase::Claimed(claim) => claim.renewals,
        _ => 0,
    };
    eventually("three more renewals", || async {
        let now = stage.world.state("echo", "echo/0").await?;
        (renewed(&held) + 3 <= renewed(&now)).then_some(())
    })
    .await;
    stage.untouched(&held).await;
    let own = stage.world.events("event.failure.echo.target.invalid").await;
    assert_eq!(own.len(), 1, "{own:?}");
    stage.go.store(true, Ordering::SeqCst);
    let end = stage.world.phase("echo", "echo/0", "completed").await;
    assert_eq!((end.attempt, end.charged, stage.echo.asked().len()), (2, 1, 2));
    told_once(&stage.world, "event.task.completed.echo", 1).await;
}

/// The main job with one agent; its dispatcher is frozen at `at` until another has welcomed
/// the agent. Judged by the ledger.
async fn welcomed_once_though_frozen(
    faults: Value,
    at: impl Fn(&Sent) -> bool + Send + Sync + 'static,
) {
    let job = Job::set(1).await;
    at_once(&job, 1, 1).await;
    job.control("faults", faults).await;
    let brake = Brake::at(at);
    let tap = WireTap::start(&job.world.nats.url(), brake.clone()).await;
    let _services = [job.spawn("gatekeeper"), job.spawn("welcome-payer"), job.spawn("sensor")];
    let frozen = job.world.spawn_with("dispatcher", &[], &[("NATS_URL", &tap.url())]);
    brake.reached().await;
    frozen.signal("STOP").await;
    job.control("faults", json!({ "inbox_stall_ms": 0 })).await;
    let mut other = job.spawn("dispatcher");
    all_welcomed_once(&job).await;
    let end = states_of(&job).await;
    frozen.signal("CONT").await;
    brake.release();
    // Alone it welcomes the next, so that it had its say about the first.
    other.kill().await;
    let mut job = job;
    crate::payments::bench::register(&mut job, 1).await;
    all_welcomed_once(&job).await;
    assert!(states_of(&job).await.contains(&end[0]), "an end is final");
    no_gate_moved(&job).await;
    assert_eq!(stat(&job, "distinct_payments").await, 2, "a payment was signed again");
    told_once(&job.world, "event.task.completed.welcome", 2).await;
}

async fn states_of(job: &Job) -> Vec<TaskState> {
    crate::payments::bench::states(job).await
}

/// W4, M1: the late claim of a welcome is refused, and the payer is asked by its holder alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_claim_pays_nobody() {
    welcomed_once_though_frozen(json!({}), writes("claimed")).await;
}

/// M1, W4: the question to the payer arrives in the name of one who no longer holds the task.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_question_pays_nobody_again() {
    welcomed_once_though_frozen(json!({}), asks).await;
}

/// M1, W1: the end of a welcome is written late.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_end_of_a_welcome_is_refused() {
    welcomed_once_though_frozen(json!({}), writes("completed")).await;
}

/// M2, W1: the payer took longer than a dispatcher waits; that nobody knows is written late.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_doubt_about_a_welcome_is_refused() {
    welcomed_once_though_frozen(json!({ "inbox_stall_ms": 8_000 }), writes("resting")).await;
}

/// W1: the end of a welcome is told late, or acknowledged late.
#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_is_told_once_though_its_teller_froze() {
    tokio::join!(
        welcomed_once_though_frozen(json!({}), tells("event.task.completed")),
        welcomed_once_though_frozen(json!({}), answers("+ACK")),
    );
}
