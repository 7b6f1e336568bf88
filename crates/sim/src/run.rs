//! One seed, from the first message to the end of everything.

use std::{collections::BTreeMap, rc::Rc};

use domain::{Gate, GateName};
use logic::gate::{Stamp, config as config_message, first};

use crate::{
    broker::Broker,
    exec::{Millis, Sim},
    faults::{self, Faults},
    mutant::Mutant,
    outside::Outside,
    persons,
    process::P,
    promises::{self, Broken},
    setting::{LEASE_MS, config, script, welcome},
    witness::{Fact, Witness},
    words::{Expect, Put, Subject, Word as _},
    world::{Role, World},
};

/// How a seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// How many steps go by before everything is mended and the world must come to its end.
    pub steps: u64,
    /// A seeded fault of the services.
    pub mutant: Option<Mutant>,
    /// Keep the log.
    pub log: bool,
}

/// How a seed went.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    pub steps: u64,
    /// Virtual milliseconds.
    pub time: u64,
    /// What took place, and how often.
    pub tally: BTreeMap<&'static str, u64>,
    pub broken: Option<Broken>,
    /// Empty unless it was asked for.
    pub log: Vec<String>,
}

/// Everything must have ended so long after all is mended: half an hour for a canary whose end
/// nobody will ever tell, and the rests around it.
const END_WITHIN: Millis = 2 * 3_600_000;
const BLOCK_EVERY: Millis = 2_500;
const AGENT_EVERY: Millis = 3_000;

/// Runs one seed.
pub fn run(plan: &Plan) -> Ran {
    let sim = set_up(plan);
    let mut broken = None;
    while broken.is_none() && sim.steps() < plan.steps && sim.step() {
        broken = judge(&sim).err();
    }
    if broken.is_none() {
        mend(&sim);
        broken = judge(&sim).err();
        let until = sim.now() + END_WITHIN;
        while broken.is_none() && !promises::all_over(&sim.world.borrow()) {
            if until < sim.now() || !sim.step() {
                broken = Some(promises::not_over(&sim.world.borrow()));
                break;
            }
            broken = judge(&sim).err();
        }
    }
    finish(&sim, broken)
}

fn judge(sim: &Rc<Sim>) -> Result<(), Broken> {
    promises::check(&mut sim.world.borrow_mut(), sim.now())
}

fn finish(sim: &Rc<Sim>, broken: Option<Broken>) -> Ran {
    let mut world = sim.world.borrow_mut();
    let mut tally = std::mem::take(&mut world.tally);
    for log in world.witness.gates.values() {
        for gate in log {
            *tally.entry(word(gate)).or_insert(0) += 1;
        }
    }
    let log = world.log.take().unwrap_or_default();
    drop(world);
    sim.forget();
    Ran { steps: sim.steps(), time: sim.now(), tally, broken, log }
}

const fn word(gate: &Gate) -> &'static str {
    use domain::GateState::{Closed, Draining, Open, Probing};
    match gate.state {
        Closed => "gate messages CLOSED",
        Probing if gate.canaries_failed != 0 => "gate messages PROBING, a canary failed",
        Probing => "gate messages PROBING",
        Draining => "gate messages DRAINING",
        Open => "gate messages OPEN",
    }
}

fn set_up(plan: &Plan) -> Rc<Sim> {
    let faults = Faults::draw(&mut fastrand::Rng::with_seed(plan.seed ^ 0x5EED));
    let config = config();
    let world = World {
        broker: Broker::new(config.kinds.keys().cloned(), LEASE_MS),
        config,
        outside: Outside::default(),
        processes: Vec::new(),
        served: BTreeMap::new(),
        faults,
        mutant: plan.mutant,
        facts: Vec::new(),
        witness: Witness::default(),
        tally: BTreeMap::new(),
        log: plan.log.then(Vec::new),
        agents: BTreeMap::new(),
    };
    let sim = Sim::new(plan.seed, world);
    let person = P::start(&sim, Role::Person);
    write_gates(&sim, &person);
    for role in [Role::Gatekeeper, Role::Gatekeeper, Role::Sensor(0), Role::Sensor(1)] {
        faults::start(&sim, role);
    }
    (0..faults.dispatchers).for_each(|_| faults::start(&sim, Role::Dispatcher));
    (0..faults.payers).for_each(|_| faults::start(&sim, Role::Payer));
    persons::start(&sim);
    sim.after(BLOCK_EVERY, block);
    sim.after(1, agent);
    faults::begin(&sim);
    sim
}

/// What `apply` writes: every gate OPEN, then the configuration in force.
fn write_gates(sim: &Rc<Sim>, person: &P) {
    let names = sim.world.borrow().config.all_gates();
    for name in names {
        let prev = sim.world.borrow().broker.fence();
        let stamp = Stamp { now: person.now(), prev, remedy: "" };
        write_gate(sim, person, first(name, "ann", &stamp));
    }
    let prev = sim.world.borrow().broker.fence();
    let stamp = Stamp { now: person.now(), prev, remedy: "" };
    write_gate(sim, person, config_message(1, "ann", &stamp));
}

fn write_gate(sim: &Rc<Sim>, person: &P, gate: Gate) {
    let subject: (GateName, _) = (gate.name.clone(), gate.epoch);
    let expect = Expect::Fence(gate.prev);
    let put = Put { subject: Subject::Gate(subject.0, subject.1), body: gate.wrap(), expect };
    let mut world = sim.world.borrow_mut();
    for stored in world.broker.put(&[put]).unwrap_or_default() {
        world.fact(Fact::Stored { stored, before: None, by: person.id });
    }
}

fn block(sim: &Rc<Sim>) {
    sim.world.borrow_mut().outside.block();
    sim.after(BLOCK_EVERY, block);
}

/// One more agent for each kind, until there are enough. In the end one more comes wherever
/// nothing waits that a gate could be proved with.
fn agent(sim: &Rc<Sim>) {
    let mut world = sim.world.borrow_mut();
    let most = world.faults.agents;
    let idle = world.outside.healed && world.broker.tasks.is_empty();
    for kind in [welcome(), script()] {
        let agents = world.agents.entry(kind).or_insert(1);
        if *agents < most || idle {
            *agents += 1;
        }
    }
    drop(world);
    sim.after(sim.draw(1..AGENT_EVERY), agent);
}

/// Faults stop, everything outside works, everybody is awake and connected.
fn mend(sim: &Rc<Sim>) {
    let frozen: Vec<usize> = {
        let mut world = sim.world.borrow_mut();
        let now = sim.now();
        world.note(now, || "everything is mended".to_owned());
        world.faults = world.faults.quiet();
        world.outside.heal();
        world.processes.iter_mut().for_each(|process| process.cut_until = 0);
        let all = world.processes.iter().enumerate();
        all.filter(|(_, process)| process.frozen).map(|(id, _)| id).collect()
    };
    frozen.into_iter().for_each(|id| faults::thaw(sim, id));
    sim.go_on();
}
