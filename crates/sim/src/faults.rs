//! What goes wrong in one seed, and when. Each seed has its own mixture, so that some worlds
//! lose answers, others crash, and a few do everything at once.

use std::rc::Rc;

use crate::{
    dispatcher,
    exec::{Millis, ProcId, Sim},
    gatekeeper, payer, sensor,
    setting::{LEASE_MS, script, welcome},
    world::Role,
};

/// The mixture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// The longest that a word is under way, in milliseconds.
    pub(crate) slow: Millis,
    /// Questions that get lost, answers that do, writes that are carried out late.
    pub(crate) lose: f64,
    pub(crate) mute: f64,
    pub(crate) late: f64,
    pub(crate) late_by: Millis,
    pub(crate) busy: f64,
    pub(crate) lose_casts: f64,
    pub(crate) clock_jumps: bool,
    /// Between crashes, freezes, cuts, troubles outside; 0: none.
    crash_every: Millis,
    freeze_every: Millis,
    cut_every: Millis,
    pub(crate) trouble_every: Millis,
    /// Between the times at which the tool begins to refuse for a while.
    spend_every: Millis,
    /// How many of each service.
    pub(crate) dispatchers: u64,
    pub(crate) payers: u64,
    pub(crate) agents: u64,
    /// Somebody else uses the wallet now and then.
    pub(crate) foreign: bool,
}

impl Faults {
    /// The mixture of a seed.
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Faults {
        let mut sometimes = |most: f64| if rng.bool() { rng.f64() * most } else { 0.0 };
        let (lose, mute, late) = (sometimes(0.02), sometimes(0.02), sometimes(0.02));
        let (busy, lose_casts) = (sometimes(0.1), sometimes(0.5));
        let mut every = |least: Millis, most: Millis| {
            if rng.u8(0..4) == 0 { 0 } else { rng.u64(least..most) }
        };
        let (crash_every, freeze_every) = (every(4_000, 30_000), every(5_000, 30_000));
        let (cut_every, trouble_every) = (every(6_000, 40_000), every(3_000, 15_000));
        let spend_every = every(4_000, 15_000);
        Faults {
            slow: rng.u64(3..40),
            lose,
            mute,
            late,
            late_by: rng.u64(2_000..40_000),
            busy,
            lose_casts,
            clock_jumps: rng.u8(0..8) == 0,
            crash_every,
            freeze_every,
            cut_every,
            trouble_every,
            spend_every,
            dispatchers: rng.u64(2..4),
            payers: rng.u64(1..3),
            agents: rng.u64(5..14),
            foreign: rng.u8(0..8) == 0,
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) const fn quiet(self) -> Faults {
        Faults {
            slow: 10,
            lose: 0.0,
            mute: 0.0,
            late: 0.0,
            late_by: 1,
            busy: 0.0,
            lose_casts: 0.0,
            clock_jumps: false,
            crash_every: 0,
            freeze_every: 0,
            cut_every: 0,
            trouble_every: 0,
            spend_every: 0,
            foreign: false,
            ..self
        }
    }
}

/// Sets everything that goes wrong on its way.
pub(crate) fn begin(sim: &Rc<Sim>) {
    let faults = sim.world.borrow().faults;
    again(sim, faults.crash_every, |faults| faults.crash_every, crash);
    again(sim, faults.freeze_every, |faults| faults.freeze_every, freeze);
    again(sim, faults.cut_every, |faults| faults.cut_every, cut);
    again(sim, faults.trouble_every, |faults| faults.trouble_every, trouble);
    again(sim, faults.spend_every, |faults| faults.spend_every, spend);
}

fn again(sim: &Rc<Sim>, every: Millis, now: fn(&Faults) -> Millis, act: fn(&Rc<Sim>)) {
    if every == 0 {
        return;
    }
    sim.after(sim.draw(every / 3..every * 2), move |sim| {
        let every = now(&sim.world.borrow().faults);
        if every != 0 {
            act(sim);
            again(sim, every, now, act);
        }
    });
}

fn victim(sim: &Sim) -> Option<ProcId> {
    let world = sim.world.borrow();
    let alive = world.processes.iter().enumerate();
    let alive = alive.filter(|(_, it)| it.alive && it.role != Role::Person);
    let alive: Vec<ProcId> = alive.map(|(id, _)| id).collect();
    let count = u64::try_from(alive.len()).unwrap_or(0);
    alive.get(usize::try_from(sim.draw(0..count)).unwrap_or(0)).copied()
}

/// A process loses all that it remembers, and starts again some time later.
fn crash(sim: &Rc<Sim>) {
    let Some(id) = victim(sim) else { return };
    let role = {
        let mut world = sim.world.borrow_mut();
        world.count("crashes");
        world.note(sim.now(), || format!("process {id} crashes"));
        for ears in world.served.values_mut() {
            ears.retain(|ear| ear.process != id);
        }
        let process = &mut world.processes[id];
        process.alive = false;
        (process.casts, process.feed) = (None, None);
        process.role
    };
    sim.crash(id);
    let wait = if sim.chance(0.2) { LEASE_MS * 3 } else { 1_500 };
    sim.after(sim.draw(50..wait), move |sim| start(sim, role));
}

/// Starts a process of a role.
pub(crate) fn start(sim: &Rc<Sim>, role: Role) {
    match role {
        Role::Sensor(0) => sensor::start(sim, 0, welcome()),
        Role::Sensor(number) => sensor::start(sim, number, script()),
        Role::Dispatcher => dispatcher::start(sim),
        Role::Gatekeeper => gatekeeper::start(sim),
        Role::Payer => payer::start(sim),
        Role::Person => (),
    }
}

/// A process stops, often for longer than its lease, and then goes on as if nothing were.
fn freeze(sim: &Rc<Sim>) {
    let Some(id) = victim(sim) else { return };
    let time = sim.draw(500..LEASE_MS * 5 / 2);
    {
        let mut world = sim.world.borrow_mut();
        if world.processes[id].frozen {
            return;
        }
        world.count("freezes");
        if LEASE_MS < time {
            world.count("freezes longer than a lease");
        }
        world.note(sim.now(), || format!("process {id} freezes for {time} ms"));
        world.processes[id].frozen = true;
    }
    sim.after(time, move |sim| thaw(sim, id));
}

pub(crate) fn thaw(sim: &Rc<Sim>, id: ProcId) {
    {
        let mut world = sim.world.borrow_mut();
        if !world.processes[id].frozen {
            return;
        }
        world.note(sim.now(), || format!("process {id} thaws"));
        world.processes[id].frozen = false;
    }
    sim.stir(id);
}

/// No word reaches a process or leaves it for a while.
fn cut(sim: &Rc<Sim>) {
    let Some(id) = victim(sim) else { return };
    let time = sim.draw(1_000..15_000);
    let mut world = sim.world.borrow_mut();
    world.count("cuts off the network");
    world.note(sim.now(), || format!("process {id} is cut off for {time} ms"));
    world.processes[id].cut_until = sim.now() + time;
}

/// Something outside breaks or is mended.
fn trouble(sim: &Rc<Sim>) {
    let (what, foreign) = (sim.draw(0..9), sim.chance(0.3));
    let mut world = sim.world.borrow_mut();
    world.note(sim.now(), || format!("trouble {what} outside"));
    let may = world.faults.foreign && foreign;
    let outside = &mut world.outside;
    match what {
        0..3 => outside.stuck = !outside.stuck,
        3 => outside.chain_silent = !outside.chain_silent,
        4 => outside.inbox_silent = !outside.inbox_silent,
        5 => outside.tool_down = !outside.tool_down,
        6 => outside.directory_silent = !outside.directory_silent,
        7 => outside.forget(),
        _ if may => {
            outside.foreign();
            world.count("nonces used by somebody else");
        }
        _ => (),
    }
}

/// The tool begins to refuse, for so long that the gate closes behind it and may open again.
fn spend(sim: &Rc<Sim>) {
    let (time, dice) = (sim.draw(1_000..12_000), sim.draw(0..16));
    let mut world = sim.world.borrow_mut();
    world.note(sim.now(), || format!("the tool refuses for {time} ms, dice {dice}"));
    world.outside.quotas.spend(sim.now() + time, dice);
}
