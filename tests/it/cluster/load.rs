//! The main job on three nodes with more work beside it, and a list of what was acknowledged:
//! what the stored streams must hold in the end, whatever happened to the nodes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::Bus;
use domain::{Gate, GateName, GateState, TaskState};
use fleet::{create::Created, gate_log, store};
use tokio::task::JoinHandle;
use wire::subject;

use super::{NODES, beats::Beats, judge};
use crate::harness::{
    Echo, Job, Says, eventually,
    world::{Fleetlet, task},
};

const AGENTS: usize = 24;
/// Work that is as quick as the bus: so there is always some under way.
const ECHO: &str = r#"
[kinds.echo]
handler = { service = "echo" }
needs = ["relay"]
attempts = 5
rest = "1s"
rest_max = "2s"
lease = "5s"
timeout = "5s"
"#;

pub(super) struct Load {
    pub(super) job: Job,
    pub(super) services: Vec<Fleetlet>,
    pub(super) beats: Beats,
    echoes: Vec<Echo>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    stop: Arc<AtomicBool>,
    creating: JoinHandle<()>,
}

/// What the broker has confirmed, as this test was told.
#[derive(Debug, Default)]
struct Acknowledged {
    /// The source keys of creates.
    created: Vec<String>,
    /// Ends of tasks, with the sequence under which each was read.
    ended: BTreeMap<String, u64>,
}

impl Load {
    /// Everything runs: two gatekeepers, two dispatchers, and one of each other.
    pub(super) async fn start() -> Load {
        let job = Job::set_on(NODES, AGENTS, |_| ()).await;
        job.world.apply(&(job.toml() + ECHO)).await;
        let beats = Beats::hear(&job.world.nats).await;
        let mut echoes = Vec::new();
        for node in 0..NODES {
            let bus = crate::harness::world::connect(&job.world.nats.url_of(node)).await;
            echoes.push(Echo::start(&bus, "echo", |_, _| Says::done()).await);
        }
        let mut services = job.spawn_all(2).await;
        services.push(job.spawn("gatekeeper"));
        let acknowledged: Arc<Mutex<Acknowledged>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let creating = create(job.world.connect().await, acknowledged.clone(), stop.clone());
        let creating = tokio::spawn(creating);
        let load = Load { job, services, beats, echoes, acknowledged, stop, creating };
        load.flows().await;
        load.job.welcomed(2).await;
        load
    }

    /// Waits until every service has said since now that it sees, and tasks are created and
    /// ended: the fleet has resumed by itself.
    pub(super) async fn flows(&self) {
        let (since, (created, ended)) = (now(), self.counts());
        eventually("work to flow", || async {
            let (created_now, ended_now) = self.counts();
            let moves = created + 5 <= created_now && ended + 5 <= ended_now;
            let see = self.beats.seeing_since(since) == self.services.len();
            (moves && see).then_some(())
        })
        .await;
    }

    /// Waits until every service has said since now that it is blind.
    pub(super) async fn all_blind(&self) {
        let since = now();
        eventually("every service to be blind", || async {
            (self.beats.blind_since(since) == self.services.len()).then_some(())
        })
        .await;
    }

    /// Attempts that have reached their handler.
    pub(super) async fn begun(&self) -> u64 {
        let echoed: usize = self.echoes.iter().map(|echo| echo.asked().len()).sum();
        echoed as u64 + self.job.sandbox.stats().await.unwrap().paid_posts
    }

    /// Writes down for a person how long each service saw nothing after a fault at `since`.
    pub(super) fn note(&self, fault: &str, since: u64) {
        let gaps: Vec<_> = self
            .beats
            .gaps_since(since)
            .into_iter()
            .map(|(name, gap)| format!("{} {gap}", name.split('/').next().unwrap_or_default()))
            .collect();
        let took = now() - since;
        eprintln!("{fault}: flows after {took} ms; longest without sight, ms: {}", gaps.join(", "));
    }

    /// Lets everything come to its end and judges by what is stored.
    pub(super) async fn end(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.creating.await.unwrap();
        self.job.done().await;
        let world = &self.job.world;
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock().unwrap());
        for source_key in &acknowledged.created {
            let state = world.phase("echo", source_key, "completed").await;
            assert!(state.attempt < 6, "{state:?}");
        }
        for (source_key, seq) in &acknowledged.ended {
            let (_, now) = ended(&world.bus, source_key).await.expect("an end is stored for ever");
            assert_eq!(now, *seq, "{source_key} ended twice");
        }
        judge::gate_log(world).await;
        for service in &mut self.services {
            assert!(service.runs(), "{} ended", service.name());
        }
        let Acknowledged { created, ended } = &acknowledged;
        eprintln!("{} creates and {} ends acknowledged, none lost", created.len(), ended.len());
    }

    fn counts(&self) -> (usize, usize) {
        let acknowledged = self.acknowledged.lock().unwrap();
        (acknowledged.created.len(), acknowledged.ended.len())
    }
}

/// Creates tasks as a sensor would, and looks whether those from before have ended.
async fn create(bus: Bus, acknowledged: Arc<Mutex<Acknowledged>>, stop: Arc<AtomicBool>) {
    let mut looked = 0;
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let source_key = format!("echo/{number}");
        if let Some(token) = token_if_open(&bus).await
            && let Created::Created(_) =
                fleet::create::create(&bus, &task("echo", &source_key), token).await
        {
            acknowledged.lock().unwrap().created.push(source_key);
        }
        let next = acknowledged.lock().unwrap().created.get(looked).cloned();
        if let Some(source_key) = next
            && let Some((_, seq)) = ended(&bus, &source_key).await
        {
            acknowledged.lock().unwrap().ended.insert(source_key, seq);
            looked += 1;
        }
    }
}

/// The fence, while the gate flows.
async fn token_if_open(bus: &Bus) -> Option<u64> {
    let Ok(token) = gate_log::token(bus).await else {
        // As each service does over which no leader answers: this server may be cut off.
        bus.leave().await;
        return None;
    };
    let relay: GateName = "relay".parse().unwrap();
    let gate: Gate = gate_log::current(bus, &relay).await.ok()??.value;
    (gate.state == GateState::Open).then_some(token)
}

/// How a task has ended and where that is written, if it can be read now.
async fn ended(bus: &Bus, source_key: &str) -> Option<(TaskState, u64)> {
    let task = task("echo", source_key);
    let subject = subject::state(&task.kind, task.key());
    let found = store::read::<TaskState>(bus, subject::STATE, &subject).await.ok()??;
    (found.value.word() == "completed").then_some((found.value, found.seq))
}

pub(super) fn now() -> u64 {
    kit::Clock.now().as_millis()
}
