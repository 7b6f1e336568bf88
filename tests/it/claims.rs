//! W1, W4: one holder acts for a task at a time, however many dispatchers there are, how long
//! it takes, and who freezes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{Cost, Outcome, Phase};

use crate::harness::{Echo, Says, World, eventually, world::ECHO_CONFIG};

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
