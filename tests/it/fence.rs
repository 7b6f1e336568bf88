//! G1: no task lies behind a closing, however many hammer. Judged by the stored stream, not
//! by what anyone was told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bus::{Bus, Expect, Put};
use domain::{Actor, Gate, GateName, GateState};
use fleet::{create::Created, gate_log, store::Versioned};
use tokio::task::JoinSet;
use wire::{Wire as _, subject};

use crate::harness::{
    World, eventually,
    world::{ECHO_CONFIG, task},
};

const CREATORS: u64 = 16;
/// Over so many connections, so that the creators reach the stream by different nodes.
const CONNECTIONS: u64 = 4;

/// Sixteen creators and whoever closes the gate in their midst, round after round.
pub(crate) struct Siege {
    buses: Vec<Bus>,
    rounds: u64,
    /// Creates that were acknowledged.
    created: Arc<AtomicU64>,
    /// How often a closing was tried, in all.
    pub(crate) tries: u64,
}

/// How tasks are created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creates {
    /// As they must be.
    Fenced,
    /// By a plain publish.
    Plain,
}

/// How the gate is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closes {
    /// As it must be: checked over the whole gate log.
    Checked,
    /// By a plain publish.
    Plain,
}

impl Siege {
    pub(crate) async fn lay(world: &World) -> Siege {
        let mut buses = Vec::new();
        for _ in 0..CONNECTIONS {
            buses.push(world.connect().await);
        }
        Siege { buses, rounds: 0, created: Arc::default(), tries: 0 }
    }

    /// Creates that were acknowledged so far.
    pub(crate) fn created(&self) -> u64 {
        self.created.load(Ordering::Relaxed)
    }

    /// One round: creators hammer, the gate closes in their midst while `meanwhile` happens.
    /// Returns how many task messages lie behind the closing one, and opens again.
    pub(crate) async fn round(
        &mut self,
        creates: Creates,
        closes: Closes,
        meanwhile: impl Future<Output = ()>,
    ) -> usize {
        self.rounds += 1;
        let stop = Arc::new(AtomicBool::new(false));
        let hammers = self.hammer(creates, &stop);
        self.creates(64).await;
        let (tries, ()) = tokio::join!(close(&self.buses[0], closes), meanwhile);
        self.tries += tries;
        if creates == Creates::Plain {
            self.creates(16).await;
        }
        stop.store(true, Ordering::Relaxed);
        hammers.join_all().await;
        let behind = self.behind().await;
        open(&self.buses[0]).await;
        behind
    }

    /// Waits for so many more creates to be acknowledged.
    async fn creates(&self, more: u64) {
        let before = self.created();
        eventually("tasks to be created", || async {
            (before + more <= self.created()).then_some(())
        })
        .await;
    }

    /// Every creator publishes tasks as fast as it can until told to stop.
    fn hammer(&self, creates: Creates, stop: &Arc<AtomicBool>) -> JoinSet<()> {
        let mut hammers = JoinSet::new();
        for creator in 0..CREATORS {
            let bus = self.buses[(creator % CONNECTIONS) as usize].clone();
            let (created, stop, round) = (self.created.clone(), stop.clone(), self.rounds);
            hammers.spawn(async move {
                let mut token = Some(token(&bus).await);
                for number in 0.. {
                    let Some(fence) = token.filter(|_| !stop.load(Ordering::Relaxed)) else {
                        return;
                    };
                    let source_key = format!("echo/{round}/{creator}/{number}");
                    let acknowledged = match creates {
                        Creates::Fenced => fenced(&bus, &source_key, fence, &mut token).await,
                        Creates::Plain => plain(&bus, &source_key).await,
                    };
                    created.fetch_add(u64::from(acknowledged), Ordering::Relaxed);
                }
            });
        }
        hammers
    }

    /// How many task messages lie behind the newest closing.
    async fn behind(&self) -> usize {
        let bus = &self.buses[0];
        let closing = relay(bus).await;
        assert_eq!(closing.value.state, GateState::Closed);
        let (mut behind, mut seq) = (0, closing.seq + 1);
        while let Some(task) = next_task(bus, seq).await {
            behind += 1;
            seq = task + 1;
        }
        behind
    }

    /// Judges the whole log: how many closings there were, and how many of them have a task
    /// between them and the next opening. What was stored late, by a client that came back,
    /// lies there too.
    pub(crate) async fn judge(&self) -> (usize, usize) {
        let bus = &self.buses[0];
        let history = gate_log::history(bus, &"relay".parse().unwrap()).await.unwrap();
        let (mut closings, mut broken) = (0, 0);
        for pair in history.windows(2).filter(|pair| pair[0].value.state == GateState::Closed) {
            closings += 1;
            let behind = next_task(bus, pair[0].seq + 1).await;
            broken += usize::from(behind.is_some_and(|task| task < pair[1].seq));
        }
        (closings, broken)
    }
}

/// Creates a task as a sensor would; true if it was acknowledged. The fence is taken away
/// once the gate is seen closed: a creator that goes on without looking at the gates would be
/// a breach of its own.
async fn fenced(bus: &Bus, source_key: &str, fence: u64, next: &mut Option<u64>) -> bool {
    match fleet::create::create(bus, &task("echo", source_key), fence).await {
        Created::Created(_) => return true,
        Created::FenceMoved => {
            let fresh = token(bus).await;
            let open = relay(bus).await.value.state == GateState::Open;
            *next = open.then_some(fresh);
        }
        // There is no leader just now, or nobody knows: the next one will tell.
        Created::Unknown => (),
        Created::Refused(_) => tokio::time::sleep(Bus::jitter()).await,
        Created::InFlight => panic!("{source_key} is new"),
    }
    false
}

async fn plain(bus: &Bus, source_key: &str) -> bool {
    let task = task("echo", source_key);
    let subject = subject::task(&task.kind, task.key());
    let put = Put { subject, body: task.encode(), expect: Expect::Nothing, id: None };
    bus.put(put).await.is_ok()
}

async fn token(bus: &Bus) -> u64 {
    eventually("the fence", || async { gate_log::token(bus).await.ok() }).await
}

async fn relay(bus: &Bus) -> Versioned<Gate> {
    let name: GateName = "relay".parse().unwrap();
    eventually("the gate", || async { gate_log::current(bus, &name).await.ok().flatten() }).await
}

/// The sequence of the first task message at or after `seq`.
async fn next_task(bus: &Bus, seq: u64) -> Option<u64> {
    let next = || async { bus.next(subject::WORK, "task.>", seq).await.ok() };
    eventually("a read of WORK", next).await.map(|task| task.seq)
}

/// Moves the gate until the stored log says that it was moved, and returns how often that
/// was tried.
async fn close(bus: &Bus, closes: Closes) -> u64 {
    advance(bus, closes, |now| Gate {
        state: GateState::Closed,
        incident: now.incident + 1,
        by: Actor::Person("tester".to_owned()),
        ..now
    })
    .await
}

async fn open(bus: &Bus) {
    let opened = |now: Gate| Gate { state: GateState::Open, opening: now.epoch.next(), ..now };
    advance(bus, Closes::Checked, opened).await;
}

async fn advance(bus: &Bus, how: Closes, next: impl Fn(Gate) -> Gate) -> u64 {
    let wanted = relay(bus).await.value.epoch.next();
    for tries in 0.. {
        let token = token(bus).await;
        let now = relay(bus).await.value;
        if now.epoch == wanted {
            return tries;
        }
        let gate = Gate { epoch: wanted, prev: token, ..next(now) };
        let put = match how {
            Closes::Checked => gate_log::append(bus, &gate).await,
            Closes::Plain => {
                let subject = subject::gate(&gate.name, gate.epoch);
                bus.put(Put { subject, body: gate.encode(), expect: Expect::Nothing, id: None })
                    .await
            }
        };
        if put.is_ok() {
            return tries + 1;
        }
    }
    unreachable!("it is tried for ever")
}

/// G1: with the fence, nothing lies behind the closing, in any of twenty rounds.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_lies_behind_the_closing() {
    let world = World::start(ECHO_CONFIG).await;
    let mut siege = Siege::lay(&world).await;
    for round in 0..20 {
        let behind = siege.round(Creates::Fenced, Closes::Checked, async {}).await;
        assert_eq!(behind, 0, "round {round}");
    }
    assert_eq!(siege.judge().await, (20, 0));
}

/// The control: without the fence tasks do lie behind the closing, so the test above can
/// fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_tasks_slip_in() {
    let world = World::start(ECHO_CONFIG).await;
    let mut siege = Siege::lay(&world).await;
    assert_ne!(siege.round(Creates::Plain, Closes::Checked, async {}).await, 0);
}
