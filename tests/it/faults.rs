//! The main job under every way of ending a process: no task lost, nobody paid twice, and the
//! work goes on when whoever was killed is back.

mod clock;
mod disk;
mod frozen;
mod steps;

use crate::harness::{Job, eventually};

const AGENTS: usize = 12;

/// Kills one service at a moment in the middle of the job, and starts it again.
async fn survives_the_kill_of(victim: &str) {
    let job = Job::set(AGENTS).await;
    let mut services = job.spawn_all(2).await;
    for moment in [1, 3, 6] {
        job.welcomed(moment).await;
        for service in &mut services {
            if service.name().starts_with(victim) {
                service.kill().await;
                *service = job.spawn(victim);
            }
        }
    }
    job.done().await;
}

/// W1, M1: the sensor may be killed at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn the_sensor_may_be_killed() {
    survives_the_kill_of("sensor").await;
}

/// W1, M1: every dispatcher may be killed at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_may_be_killed() {
    survives_the_kill_of("dispatcher").await;
}

/// W1, M1, M3: the payer may be killed in the middle of a payment.
#[tokio::test(flavor = "multi_thread")]
async fn the_payer_may_be_killed() {
    survives_the_kill_of("welcome-payer").await;
}

/// W1, M1: the gatekeeper may be killed at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn the_gatekeeper_may_be_killed() {
    survives_the_kill_of("gatekeeper").await;
}

/// W1, M1, G2: NATS is killed under load and started again: the services reconnect by
/// themselves, hold while blind, and finish.
#[tokio::test(flavor = "multi_thread")]
async fn nats_may_be_killed() {
    let mut job = Job::set(AGENTS).await;
    let mut services = job.spawn_all(2).await;
    for moment in [2, 6] {
        job.welcomed(moment).await;
        job.world.nats.kill_all().await;
        job.world.nats.start_all_again().await;
    }
    job.done().await;
    for service in &mut services {
        assert!(service.runs(), "{} ended", service.name());
    }
}

/// On SIGTERM every service ends by itself and cleanly, whatever it was doing.
#[tokio::test(flavor = "multi_thread")]
async fn services_stop_when_asked() {
    let job = Job::set(AGENTS).await;
    let mut services = job.spawn_all(2).await;
    job.welcomed(2).await;
    for service in &services {
        service.signal("TERM").await;
    }
    for service in &mut services {
        let ended = tokio::time::timeout(crate::harness::PATIENCE, service.ended()).await;
        assert_eq!(ended.expect("it ends in time"), "exit status: 0", "{}", service.name());
    }
    // Whoever comes next finishes the job.
    let _next = job.spawn_all(1).await;
    job.done().await;
}

/// W3: a completed welcome is never created again, whatever the sensor sees; and an agent
/// with earlier contact is skipped.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_greeted_again() {
    let job = Job::set(3).await;
    let _services = job.spawn_all(1).await;
    job.done().await;
    let cycles = || async { job.world.events("event.sensor.cycle.>").await.len() };
    let before = cycles().await;
    eventually("three more cycles", || async { (before + 3 <= cycles().await).then_some(()) })
        .await;
    let posts = job.sandbox.stats().await.unwrap().paid_posts;
    assert_eq!(job.sandbox.ledger().await.unwrap().paid_twice, 0);
    assert!(job.world.last("WORK", "task.>").await.is_none());
    let again = cycles().await;
    eventually("another cycle", || async { (again < cycles().await).then_some(()) }).await;
    assert_eq!(job.sandbox.stats().await.unwrap().paid_posts, posts, "nothing more was sent");
}
