//! W1, W4: one holder acts for a task at a time, however many dispatchers there are, how long
//! it takes, and who freezes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::{Cost, GateState, Outcome, Phase};

use crate::harness::{Echo, Says, World, eventually, world::ECHO_CONFIG};

/// One task of the kind at a time, each behind the gate `relay`.
const ONE_AT_A_TIME: &str = r#"
[kinds.echo]
handler = { service = "echo" }
needs = ["relay"]
attempts = 3
rest = "1s"
rest_max = "1s"
lease = "2s"
timeout = "20s"
concurrency = 1

[gates.relay]
about = "what every echo goes through"
remedy = "look at the relay"
"#;

/// A second kind on the same service.
const OTHER_KIND: &str = r#"
[kinds.other]
handler = { service = "echo" }
needs = ["relay"]
attempts = 3
rest = "1s"
rest_max = "2s"
lease = "2s"
timeout = "20s"
"#;

fn done() -> Outcome {
    Outcome::Completed { effect: "echoed".to_owned(), cost: Cost::ZERO }
}

/// Three dispatchers of one slot each run three tasks at once, and every task exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_share_the_work() {
    let world = World::start(ECHO_CONFIG).await;
    let go = Arc::new(AtomicBool::new(false));
    let flag = go.clone();
    let echo = Echo::start(&world.bus, "echo", move |_, _| Says::When(flag.clone(), done())).await;
    let _fleet: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "1"])).collect();
    for number in 0..9 {
        world.queue("echo", &format!("echo/{number}")).await;
    }
    eventually("three at once", || async { (echo.asked().len() == 3).then_some(()) }).await;
    go.store(true, Ordering::SeqCst);
    for number in 0..9 {
        world.phase("echo", &format!("echo/{number}"), "completed").await;
    }
    assert_eq!(echo.asked().len(), 9);
    let mut holders: Vec<_> = echo.asked().iter().map(|asked| asked.holder.clone()).collect();
    holders.sort();
    holders.dedup();
    assert_eq!(holders.len(), 3, "all three worked");
}

/// A task that takes many leases is kept by its holder, who renews; nobody else begins it.
#[tokio::test(flavor = "multi_thread")]
async fn long_work_keeps_its_lease() {
    let world = World::start(ECHO_CONFIG).await;
    let go = Arc::new(AtomicBool::new(false));
    let flag = go.clone();
    let echo = Echo::start(&world.bus, "echo", move |_, _| Says::When(flag.clone(), done())).await;
    let _fleet = [world.spawn("dispatcher", &[]), world.spawn("dispatcher", &[])];
    world.queue("echo", "echo/long").await;
    // Renewed every third of a lease: so often is more than two leases.
    eventually("seven renewals", || async {
        let state = world.state("echo", "echo/long").await?;
        matches!(state.phase, Phase::Claimed(claim) if 7 <= claim.renewals).then_some(())
    })
    .await;
    go.store(true, Ordering::SeqCst);
    let state = world.phase("echo", "echo/long", "completed").await;
    assert_eq!((state.attempt, state.charged), (1, 0));
    assert_eq!(echo.asked().len(), 1);
}

/// A dispatcher frozen past its lease loses the task; awake again, nothing it writes or
/// acknowledges counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_holder_wakes_to_nothing() {
    let world = World::start(ECHO_CONFIG).await;
    let go = Arc::new(AtomicBool::new(false));
    let flag = go.clone();
    let echo = Echo::start(&world.bus, "echo", move |_, before| {
        // The first attempt's answer waits for the flag; the second is done at once.
        if before == 0 { Says::When(flag.clone(), done()) } else { Says::done() }
    })
    .await;
    let frozen = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    eventually("the attempt to begin", || async { (echo.asked().len() == 1).then_some(()) }).await;
    frozen.signal("STOP").await;
    let _other = world.spawn("dispatcher", &[]);
    let taken = world.phase("echo", "echo/0", "completed").await;
    assert_eq!((taken.attempt, taken.charged), (2, 1), "the lost attempt was charged");
    frozen.signal("CONT").await;
    go.store(true, Ordering::SeqCst);
    // It works again, and so would have written what it had to write.
    world.queue("echo", "echo/1").await;
    world.phase("echo", "echo/1", "completed").await;
    let mut log = frozen;
    log.says("given up", crate::harness::PATIENCE).await.unwrap();
    assert_eq!(world.state("echo", "echo/0").await.unwrap(), taken);
    assert_eq!(world.events("event.task.completed.echo").await.len(), 2);
}

/// T2: what two kinds did for one source key is told of each, under ids of their own.
#[tokio::test(flavor = "multi_thread")]
async fn two_kinds_share_a_source_key() {
    let world = World::start(&format!("{ECHO_CONFIG}{OTHER_KIND}")).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    for kind in ["echo", "other"] {
        world.queue(kind, "shared/0").await;
        world.phase(kind, "shared/0", "completed").await;
        // The queue is left after the telling.
        eventually("the queue to be empty", || async {
            world.last(wire::subject::WORK, "task.>").await.is_none().then_some(())
        })
        .await;
    }
    for kind in ["echo", "other"] {
        let told = world.events(&format!("event.task.completed.{kind}")).await;
        assert_eq!(told.len(), 1, "{kind}: {told:?}");
    }
}

/// W3: of a kind that runs one task at a time, one that waits an hour for what it shares with
/// others does not keep them: it keeps its place with the broker, and another is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_returned_task_does_not_stop_its_kind() {
    let world = World::start(ONE_AT_A_TIME).await;
    let echo = Echo::start(&world.bus, "echo", |request, _| {
        if request.task.source_key.as_str() != "echo/0" {
            return Says::done();
        }
        // It takes three tasks to close the gate for this.
        Says::Outcome(Outcome::Failed {
            cause: "relay.unavailable".parse().unwrap(),
            evidence: "503".to_owned(),
            retry_after: Some(Duration::from_secs(3_600)),
            cost: Cost::ZERO,
        })
    })
    .await;
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    world.queue("echo", "echo/0").await;
    let returned = world.phase("echo", "echo/0", "returned").await;
    assert!(
        matches!(returned.phase, Phase::Returned { due, .. }
            if Duration::from_secs(3_000) < due.since(returned.at)),
        "{returned:?}"
    );
    for number in 1..4 {
        world.queue("echo", &format!("echo/{number}")).await;
    }
    for number in 1..4 {
        world.phase("echo", &format!("echo/{number}"), "completed").await;
    }
    assert_eq!(world.gate("relay").await.state, GateState::Open);
    assert_eq!(echo.asked().len(), 4, "the one that waits was not tried again");
}

/// W3: what rested and comes back all at once runs no wider than the kind's concurrency.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_at_once_runs_one_at_a_time() {
    let world = World::start(ONE_AT_A_TIME).await;
    let (running, widest) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let subject = wire::subject::service_run(&"echo".parse().unwrap());
    let mut inbox = world.bus.serve(&subject, "echo").await.unwrap();
    world.bus.flush().await;
    let (bus, now, most) = (world.bus.clone(), running.clone(), widest.clone());
    let serving = tokio::spawn(async move {
        while let Ok(question) = inbox.question(&bus).await {
            use wire::Wire as _;
            let request = wire::message::RunRequest::decode(&question.body).unwrap();
            let (now, most) = (now.clone(), most.clone());
            tokio::spawn(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let outcome = if request.attempt == 1 {
                    Outcome::Failed {
                        cause: "target.invalid".parse().unwrap(),
                        evidence: String::new(),
                        retry_after: None,
                        cost: Cost::ZERO,
                    }
                } else {
                    // So long the work takes.
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    done()
                };
                now.fetch_sub(1, Ordering::SeqCst);
                question.answer(wire::message::RunReply { outcome }.encode()).await;
            });
        }
    });
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    for number in 0..8 {
        world.queue("echo", &format!("echo/{number}")).await;
    }
    for number in 0..8 {
        world.phase("echo", &format!("echo/{number}"), "completed").await;
    }
    serving.abort();
    assert_eq!(widest.load(Ordering::SeqCst), 1);
}

/// W1: an answer as large as the broker takes ends its task and holds up nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_huge_answer_ends_its_task() {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |_, before| {
        // Twice as large once it is quoted in an event.
        let effect = if before == 0 { "\"".repeat(1_000_000) } else { "small".to_owned() };
        Says::Outcome(Outcome::Completed { effect, cost: Cost::ZERO })
    })
    .await;
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    world.queue("echo", "echo/huge").await;
    let state = world.phase("echo", "echo/huge", "completed").await;
    assert!(matches!(state.phase, Phase::Completed { effect } if effect.len() < 3_000));
    world.queue("echo", "echo/next").await;
    world.phase("echo", "echo/next", "completed").await;
    eventually("both to be told", || async {
        (world.events("event.task.completed.echo").await.len() == 2).then_some(())
    })
    .await;
}
