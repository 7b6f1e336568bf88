//! W1, W2, W4 at scale: ten dispatchers work off a large backlog of three priorities while they
//! are killed, frozen past their leases and rolled, all of it at random from one seed; and some
//! tasks fail by their own fault. Judged by the service that does the work and by what is stored.
//!
//! `FLEET_TASKS` says how many tasks, `FLEET_SEED` which storm.

mod bench;
mod judge;

use std::time::{Duration, Instant};

use fastrand::Rng;

use self::bench::{Bench, KINDS};
use crate::harness::{
    World, eventually,
    world::{Fleetlet, task},
};

const DISPATCHERS: usize = 10;
const TASKS: usize = 1_000;
/// A fleet that works off nothing for so long is broken.
const STANDSTILL: Duration = Duration::from_secs(120);

const CONFIG: &str = r#"
[kinds.urgent]
handler = { service = "bench" }
needs = ["tool"]
priority = "high"
attempts = 8
rest = "500ms"
rest_max = "1s"
lease = "3s"
timeout = "20s"
retries = { share = 1.0, floor = 10_000, per = "1m" }

[kinds.plain]
handler = { service = "bench" }
needs = ["tool"]
attempts = 8
rest = "500ms"
rest_max = "1s"
lease = "3s"
timeout = "20s"
retries = { share = 1.0, floor = 10_000, per = "1m" }

# Of which repeated attempts are scarce: some must wait, and nothing comes of it.
[kinds.bulk]
handler = { service = "bench" }
needs = ["tool"]
priority = "low"
attempts = 8
rest = "500ms"
rest_max = "1s"
lease = "3s"
timeout = "20s"
retries = { share = 0.1, floor = 10, per = "2s" }

[gates.tool]
about = "what all of it needs"
remedy = "look at the tool"
"#;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// Of three tasks one is urgent, one plain and one of bulk.
fn name(at: usize) -> (&'static str, String) {
    let kind = KINDS[at % KINDS.len()];
    (kind, format!("{kind}/{at}"))
}

fn dispatcher(world: &World) -> Fleetlet {
    world.spawn_with("dispatcher", &["--slots", "4"], &[("LOG", "warn")])
}

/// W1, W2, W4: each source key's effect is recorded exactly once, no attempt is begun twice, no
/// task is lost or charged more than it may be, nobody starves, and the order within a priority
/// is roughly kept.
#[tokio::test(flavor = "multi_thread")]
async fn ten_dispatchers_killed_frozen_and_rolled() {
    let (tasks, seed) = (number("FLEET_TASKS", TASKS), number("FLEET_SEED", 5) as u64);
    let world = World::start(CONFIG).await;
    let _gatekeeper = world.spawn_with("gatekeeper", &[], &[("LOG", "warn")]);
    queue_all(&world, tasks).await;
    let bench = Bench::start(&world.bus, seed).await;
    let begun = Instant::now();
    let chaos = storm(&world, &bench, tasks, seed).await;
    let took = begun.elapsed();
    let ledger = bench.ledger();
    eprintln!(
        "seed {seed}: {tasks} tasks in {took:?} ({:.0} a second), {} requests; {chaos:?}",
        tasks as f64 / took.as_secs_f64(),
        ledger.asked.len(),
    );
    judge::judge(&world, &ledger, (0..tasks).map(name)).await;
}

async fn queue_all(world: &World, tasks: usize) {
    let token = fleet::gate_log::token(&world.bus).await.unwrap();
    for at in 0..tasks {
        let (kind, source_key) = name(at);
        let created = fleet::create::create(&world.bus, &task(kind, &source_key), token).await;
        assert!(matches!(created, fleet::create::Created::Created(_)), "{created:?}");
    }
}

/// What was done to the fleet.
#[derive(Debug, Default)]
struct Chaos {
    killed: usize,
    frozen: usize,
    rolled: usize,
}

/// Kills, freezes and rolls dispatchers until nearly every task has ended, then lets those that
/// are left finish the rest.
async fn storm(world: &World, bench: &Bench, tasks: usize, seed: u64) -> Chaos {
    let (mut rng, mut chaos) = (Rng::with_seed(seed), Chaos::default());
    let mut fleet: Vec<Fleetlet> = (0..DISPATCHERS).map(|_| dispatcher(world)).collect();
    let mut frozen: Vec<(usize, Instant)> = Vec::new();
    let (mut moved, mut seen) = (Instant::now(), 0);
    // Of the last ones, some would fail seven times more under it.
    while bench.ended() < tasks - tasks / 50 {
        if seen < bench.ended() {
            (seen, moved) = (bench.ended(), Instant::now());
        }
        assert!(moved.elapsed() < STANDSTILL, "{seen} of {tasks} ended, and no more");
        tokio::time::sleep(Duration::from_millis(rng.u64(100..400))).await;
        let thawed: Vec<_> = frozen.extract_if(.., |(_, until)| *until <= Instant::now()).collect();
        for (at, _) in thawed {
            fleet[at].signal("CONT").await;
        }
        let at = rng.usize(..DISPATCHERS);
        if frozen.iter().any(|(other, _)| *other == at) {
            continue;
        }
        match rng.u8(..10) {
            0..=3 => {
                chaos.killed += 1;
                fleet[at].kill().await;
                fleet[at] = dispatcher(world);
            }
            4..=6 if frozen.len() < 3 => {
                chaos.frozen += 1;
                fleet[at].signal("STOP").await;
                // Some shorter, some longer than a lease.
                let time = Duration::from_millis(rng.u64(500..6_000));
                frozen.push((at, Instant::now() + time));
            }
            4..=6 => (),
            _ => {
                chaos.rolled += 1;
                fleet[at].signal("TERM").await;
                let next = dispatcher(world);
                let mut old = std::mem::replace(&mut fleet[at], next);
                assert_eq!(old.ended().await, "exit status: 0", "rolled under load");
            }
        }
    }
    for (at, _) in frozen {
        fleet[at].signal("CONT").await;
    }
    eventually("the queue to be empty", || async {
        world.stored("WORK", "task.>").await.is_empty().then_some(())
    })
    .await;
    chaos
}
