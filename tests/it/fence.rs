//! G1: no task lies behind a closing, however many hammer. Judged by the stored stream, not
//! by what anyone was told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bus::{Bus, Expect, Put};
use domain::{Actor, Gate, GateName, GateState};
use fleet::{create::Created, gate_log};
use wire::{Wire as _, subject};

use crate::harness::{
    World, eventually,
    world::{ECHO_CONFIG, task},
};

const CREATORS: u64 = 16;

/// Every creator publishes tasks as fast as it can until told to stop.
fn hammer(bus: &Bus, round: u64, fenced: bool, stop: &Arc<AtomicBool>) -> Vec<Hammer> {
    let created = Arc::new(AtomicU64::new(0));
    (0..CREATORS)
        .map(|creator| {
            let (bus, stop, created) = (bus.clone(), stop.clone(), created.clone());
            let count = created.clone();
            let work = tokio::spawn(async move {
                let mut token = gate_log::token(&bus).await.unwrap();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let task = task("echo", &format!("echo/{round}/{creator}/{number}"));
                    if fenced {
                        match fleet::create::create(&bus, &task, token).await {
                            Created::Created(_) => _ = created.fetch_add(1, Ordering::Relaxed),
                            // A creator that reads on without looking at the gates would be
                            // a breach of its own; the honest one stops at a closed gate.
                            Created::FenceMoved => {
                                let gate: GateName = "relay".parse().unwrap();
                                token = gate_log::token(&bus).await.unwrap();
                                let now = gate_log::current(&bus, &gate).await.unwrap().unwrap();
                                if now.value.state == GateState::Closed {
                                    return;
                                }
                            }
                            other => panic!("{other:?}"),
                        }
                    } else {
                        let subject = subject::task(&task.kind, task.key());
                        let body = task.encode();
                        let put = Put { subject, body, expect: Expect::Nothing, id: None };
                        bus.put(put).await.unwrap();
                        created.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            Hammer { work, created: count }
        })
        .collect()
}

struct Hammer {
    work: tokio::task::JoinHandle<()>,
    created: Arc<AtomicU64>,
}

/// Closes the gate as everyone must, and returns the sequence of the closing.
async fn close(bus: &Bus) -> u64 {
    let name: GateName = "relay".parse().unwrap();
    loop {
        let token = gate_log::token(bus).await.unwrap();
        let now = gate_log::current(bus, &name).await.unwrap().unwrap().value;
        let closed = Gate {
            epoch: now.epoch.next(),
            prev: token,
            state: GateState::Closed,
            incident: now.incident + 1,
            by: Actor::Person("tester".to_owned()),
            ..now
        };
        if let Ok(seq) = gate_log::append(bus, &closed).await {
            return seq;
        }
    }
}

async fn open(bus: &Bus) {
    let name: GateName = "relay".parse().unwrap();
    let token = gate_log::token(bus).await.unwrap();
    let now = gate_log::current(bus, &name).await.unwrap().unwrap().value;
    let opened = Gate {
        epoch: now.epoch.next(),
        prev: token,
        state: GateState::Open,
        opening: now.epoch.next(),
        ..now
    };
    gate_log::append(bus, &opened).await.unwrap();
}

/// One round: creators hammer, the gate closes in their midst. Returns how many task
/// messages lie behind the closing one.
async fn round(world: &World, round: u64, fenced: bool) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let hammers = hammer(&world.bus, round, fenced, &stop);
    eventually("some tasks to be created", || async {
        let created = hammers[0].created.load(Ordering::Relaxed);
        (64 <= created).then_some(())
    })
    .await;
    let closing = close(&world.bus).await;
    if !fenced {
        let before = hammers[0].created.load(Ordering::Relaxed);
        eventually("creators to go on", || async {
            (before + 16 <= hammers[0].created.load(Ordering::Relaxed)).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for hammer in hammers {
        hammer.work.await.unwrap();
    }
    let mut behind = 0;
    let mut seq = closing + 1;
    while let Some(task) = world.bus.next(subject::WORK, "task.>", seq).await.unwrap() {
        behind += 1;
        seq = task.seq + 1;
    }
    behind
}

/// G1: with the fence, nothing lies behind the closing, in any of twenty rounds.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_lies_behind_the_closing() {
    let world = World::start(ECHO_CONFIG).await;
    for number in 0..20 {
        assert_eq!(round(&world, number, true).await, 0, "round {number}");
        open(&world.bus).await;
    }
}

/// The control: without the fence tasks do lie behind the closing, so the test above can
/// fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_tasks_slip_in() {
    let world = World::start(ECHO_CONFIG).await;
    assert_ne!(round(&world, 0, false).await, 0);
}
