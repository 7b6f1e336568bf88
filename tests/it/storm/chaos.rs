//! Carries a plan out on real processes, keeps up what should be up, and calms the world at the
//! end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wire::subject;

use super::{
    chores::Chores,
    person::Person,
    plan::{Act, DISPATCHERS, Entry, NodeAct, PAIR, Role, Slot, Tool},
};
use crate::harness::{Job, world::Fleetlet};

/// How long a service may take to stop before it is killed. A payment under way is finished.
const GRACE: Duration = Duration::from_secs(40);
/// How often processes are looked after.
const TICK: Duration = Duration::from_millis(200);
/// How long services feel a node of NATS after it is back: a client reconnects within 4 s, and
/// a write that was under way gives up after 5 s.
const FELT_NODE_MS: u64 = 12_000;
/// The same for a frozen service.
const FELT_FREEZE_MS: u64 = 1_000;

/// What was done, for the report.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<&'static str, u64>,
    /// Services that ended by themselves, or would not stop.
    pub(super) odd: Vec<String>,
}

/// The running system and what is being done to it.
pub(super) struct Chaos {
    pub(super) job: Job,
    pub(super) chores: Chores,
    pub(super) person: Person,
    pub(super) tally: Tally,
    pub(super) disturbed: Vec<(u64, u64)>,
    /// Good agents registered so far.
    pub(super) agents: u64,
    services: BTreeMap<Slot, Service>,
    /// What is frozen, cut off or down, since when.
    since: BTreeMap<String, u64>,
    nodes_away: BTreeSet<usize>,
    errands: JoinSet<()>,
    chore_number: u64,
    dispatchers: usize,
}

struct Service {
    process: Option<Fleetlet>,
    /// It should run.
    wanted: bool,
    /// It was asked to stop.
    stopping: Option<tokio::time::Instant>,
}

impl Tally {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(super) fn table(&self) -> String {
        let mut text = String::new();
        for (what, count) in &self.counts {
            let _ = writeln!(text, "  {what:<34}{count:>8}");
        }
        text
    }
}

impl Chaos {
    pub(super) fn new(job: Job, chores: Chores, person: Person) -> Self {
        let agents = job.settings.agents as u64;
        let mut chaos = Chaos {
            job,
            chores,
            person,
            tally: Tally::default(),
            disturbed: Vec::new(),
            agents,
            services: BTreeMap::new(),
            since: BTreeMap::new(),
            nodes_away: BTreeSet::new(),
            errands: JoinSet::new(),
            chore_number: 0,
            dispatchers: DISPATCHERS,
        };
        chaos.want_all();
        chaos
    }

    /// Everything that should run: pairs, and so many dispatchers.
    fn want_all(&mut self) {
        for role in [Role::Keeper, Role::Payer, Role::Sensor] {
            (0..PAIR).for_each(|place| self.want((role, place)));
        }
        (0..self.dispatchers).for_each(|place| self.want((Role::Dispatcher, place)));
    }

    fn want(&mut self, slot: Slot) {
        let none = Service { process: None, wanted: true, stopping: None };
        // `look_after` starts it.
        self.services.entry(slot).or_insert(none).wanted = true;
    }

    /// Carries out the whole plan, calling `tell` each ten seconds.
    pub(super) async fn run(&mut self, plan: &[Entry]) {
        let begun = tokio::time::Instant::now();
        let mut told = begun;
        for Entry { at, act } in plan {
            while begun.elapsed() < *at {
                let left = at.saturating_sub(begun.elapsed());
                tokio::time::sleep(left.min(TICK)).await;
                self.look_after().await;
                if Duration::from_secs(10) <= told.elapsed() {
                    told = tokio::time::Instant::now();
                    self.report(begun.elapsed()).await;
                }
            }
            self.carry_out(act.clone()).await;
        }
    }

    async fn carry_out(&mut self, act: Act) {
        self.tally.count(name(&act));
        match act {
            Act::Faults(knobs) => self.control("faults", knobs).await,
            Act::Heal => self.control("heal", json!({})).await,
            Act::Register { good, broken } => {
                self.agents += good;
                self.control("agents", json!({ "count": good, "broken": broken })).await;
            }
            Act::Kill(slot) => {
                if let Some(service) = self.services.get_mut(&slot) {
                    service.wanted = false;
                    if let Some(mut process) = service.process.take() {
                        process.kill().await;
                    }
                    service.stopping = None;
                }
            }
            Act::Start(slot) => {
                if slot.0 != Role::Dispatcher || slot.1 < self.dispatchers {
                    self.want(slot);
                }
            }
            Act::Freeze(slot) => self.freeze(slot).await,
            Act::Thaw(slot) => self.thaw(slot).await,
            Act::Roll(slot) => self.ask_to_stop(slot).await,
            Act::Scale(count) => {
                self.dispatchers = count;
                for slot in self.services.keys().copied().collect::<Vec<_>>() {
                    if slot.0 == Role::Dispatcher && count <= slot.1 {
                        self.services.get_mut(&slot).unwrap().wanted = false;
                        self.ask_to_stop(slot).await;
                    }
                }
                (0..count).for_each(|place| self.want((Role::Dispatcher, place)));
            }
            Act::Node(node, act) => self.node(node, act).await,
            Act::Close(gate) => drop(self.errands.spawn(self.person.clone().close(gate))),
            Act::Chores(nature, count) => {
                let numbers = (0..count).map(|at| self.chore_number + at).collect();
                self.chore_number += count;
                self.errands.spawn(self.chores.clone().order(nature, numbers));
            }
            Act::Tool(tool) => self.chores.set_tool(tool),
            Act::Junk(number) => {
                let bus = self.job.world.bus.clone();
                self.errands.spawn(super::junk::throw(bus, number));
            }
        }
    }

    async fn freeze(&mut self, slot: Slot) {
        if let Some(process) = self.services.get(&slot).and_then(|it| it.process.as_ref()) {
            process.signal("STOP").await;
            self.begin(format!("{slot:?}"));
        }
    }

    async fn thaw(&mut self, slot: Slot) {
        if let Some(process) = self.services.get(&slot).and_then(|it| it.process.as_ref()) {
            process.signal("CONT").await;
        }
        self.end(&format!("{slot:?}"), FELT_FREEZE_MS);
    }

    async fn ask_to_stop(&mut self, slot: Slot) {
        let Some(service) = self.services.get_mut(&slot) else { return };
        if let Some(process) = &service.process
            && service.stopping.is_none()
        {
            process.signal("TERM").await;
            service.stopping = Some(tokio::time::Instant::now());
        }
    }

    async fn node(&mut self, node: usize, act: NodeAct) {
        let what = format!("node {node}");
        match act {
            NodeAct::Kill | NodeAct::Freeze | NodeAct::Cut => {
                // One at a time: two of three away at once is an outage of its own.
                if !self.nodes_away.is_empty() {
                    return;
                }
                self.nodes_away.insert(node);
                self.begin(what);
            }
            NodeAct::Start | NodeAct::Thaw | NodeAct::Heal => {
                if !self.nodes_away.remove(&node) {
                    return;
                }
                self.end(&what, FELT_NODE_MS);
            }
        }
        let nats = &mut self.job.world.nats;
        match act {
            NodeAct::Kill => nats.kill(node).await,
            NodeAct::Start => nats.start_again(node).await,
            NodeAct::Freeze => nats.freeze(node).await,
            NodeAct::Thaw => nats.thaw(node).await,
            NodeAct::Cut => nats.cut(node),
            NodeAct::Heal => nats.heal(node),
        }
    }

    fn begin(&mut self, what: String) {
        self.since.entry(what).or_insert_with(|| kit::Clock.now().as_millis());
    }

    fn end(&mut self, what: &str, felt_ms: u64) {
        if let Some(since) = self.since.remove(what) {
            self.disturbed.push((since, kit::Clock.now().as_millis() + felt_ms));
        }
    }

    /// Starts again what has ended and should run, as a restart policy would.
    async fn look_after(&mut self) {
        for (slot, service) in &mut self.services {
            let Some(process) = &mut service.process else {
                if service.wanted {
                    service.process = Some(spawn(&self.job, *slot));
                }
                continue;
            };
            if process.runs() {
                if service.stopping.is_some_and(|since| GRACE < since.elapsed()) {
                    let log = process.log().display();
                    self.tally.odd.push(format!("{slot:?} would not stop: {log}"));
                    process.kill().await;
                }
                continue;
            }
            let ended = process.ended().await;
            if service.stopping.take().is_none() && service.wanted {
                self.tally
                    .odd
                    .push(format!("{slot:?} ended: {ended}: {}", process.log().display()));
                self.tally.count("service ended by itself");
            }
            service.process = None;
        }
        while self.errands.try_join_next().is_some() {}
    }

    /// Undoes everything that was done, and lets everything run. The plan has brought the nodes
    /// back.
    pub(super) async fn calm(&mut self) {
        let slots: Vec<Slot> = self.services.keys().copied().collect();
        for slot in slots {
            self.thaw(slot).await;
        }
        self.dispatchers = DISPATCHERS;
        self.want_all();
        self.chores.set_tool(Tool::Works);
        let faults = self.read("faults").await;
        let knobs = faults.as_object().cloned().unwrap_or_default();
        let default = knobs.keys().map(|knob| (knob.clone(), Value::Null)).collect();
        self.control("faults", Value::Object(default)).await;
        self.control("heal", json!({})).await;
        while self.errands.join_next().await.is_some() {}
    }

    /// Lets time pass while looking after the processes.
    pub(super) async fn wait(&mut self, time: Duration) {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < time {
            tokio::time::sleep(TICK).await;
            self.look_after().await;
        }
    }

    /// Stops the whole fleet.
    pub(super) async fn stop(&mut self) {
        for service in self.services.values_mut() {
            if let Some(mut process) = service.process.take() {
                process.stop(GRACE).await;
            }
        }
    }

    async fn control(&self, path: &str, body: Value) {
        self.job.control(path, body).await;
    }

    pub(super) async fn read(&self, path: &str) -> Value {
        let url = format!("{}/sandbox/{path}", self.job.sandbox.url());
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// Tasks in the queue, as far as NATS can be asked.
    async fn waiting(&self) -> Option<u64> {
        let mut waiting = 0;
        for kind in ["welcome", super::chores::KIND] {
            let consumer = subject::dispatch_consumer(&kind.parse().unwrap());
            let backlog = self.job.world.bus.backlog(subject::WORK, &consumer).await.ok()?;
            waiting += backlog.pending + backlog.in_flight;
        }
        Some(waiting)
    }

    /// One line that says how it goes.
    pub(super) async fn report(&self, at: Duration) {
        let ledger = self.read("ledger").await;
        let gates: Vec<String> = self.person.standing().into_iter().collect();
        let waiting = self.waiting().await;
        let waiting = waiting.map_or_else(|| "?".to_owned(), |count| count.to_string());
        eprintln!(
            "{:>5} s  welcomed {} of {}, {waiting} tasks wait, chores asked {}, {} acts, not open: {}",
            at.as_secs(),
            ledger["welcomed"],
            self.agents,
            self.chores.asked().len(),
            self.tally.total(),
            if gates.is_empty() { "none".to_owned() } else { gates.join(" ") },
        );
    }
}

fn spawn(job: &Job, (role, _): Slot) -> Fleetlet {
    match role {
        Role::Dispatcher => job.world.spawn("dispatcher", &["--slots", "3"]),
        Role::Payer => job.spawn("welcome-payer"),
        Role::Keeper => job.spawn("gatekeeper"),
        Role::Sensor => job.spawn("sensor"),
    }
}

fn name(act: &Act) -> &'static str {
    match act {
        Act::Faults(_) => "sandbox faults",
        Act::Heal => "nonces healed",
        Act::Register { .. } => "registrations",
        Act::Kill(_) => "services killed",
        Act::Start(_) => "services started again",
        Act::Freeze(_) => "services frozen",
        Act::Thaw(_) => "services thawed",
        Act::Roll(_) => "rolling restarts",
        Act::Scale(_) => "dispatchers scaled",
        Act::Node(_, NodeAct::Kill) => "nodes killed",
        Act::Node(_, NodeAct::Freeze) => "nodes frozen",
        Act::Node(_, NodeAct::Cut) => "nodes cut off",
        Act::Node(..) => "nodes back",
        Act::Close(_) => "gates closed by hand",
        Act::Chores(..) => "chores ordered",
        Act::Tool(_) => "tool changed",
        Act::Junk(_) => "junk",
    }
}
