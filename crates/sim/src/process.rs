//! A process as its own code sees it: a clock, chance, and a bus that may fail.

use std::{future::Future, rc::Rc, time::Duration};

use domain::{Config, HolderId, Timestamp};

use crate::{
    exec::{Millis, ProcId, Sim},
    mutant::Mutant,
    wait::Slot,
    words::{Body, Stored},
    world::Role,
};

/// A process as the world knows it.
pub(crate) struct Process {
    pub(crate) role: Role,
    pub(crate) alive: bool,
    pub(crate) frozen: bool,
    /// No word reaches it or leaves it until then.
    pub(crate) cut_until: Millis,
    /// How far its wall clock is ahead, in milliseconds; below zero: behind.
    pub(crate) skew: i64,
    pub(crate) started: Millis,
    pub(crate) me: HolderId,
    /// Hears the repeated gate messages.
    pub(crate) casts: Option<Cast>,
    /// Hears every outcome that is told.
    pub(crate) feed: Option<Feed>,
}

pub(crate) type Cast = Rc<dyn Fn(u64, &domain::Gate)>;
pub(crate) type Feed = Rc<dyn Fn(&Stored)>;

/// The handle that a service's code holds.
#[derive(Clone)]
pub(crate) struct P {
    pub(crate) sim: Rc<Sim>,
    pub(crate) id: ProcId,
}

impl Process {
    /// What its wall clock shows.
    pub(crate) fn clock(&self, now: Millis) -> Timestamp {
        let at = BEGINNING.saturating_add(now).saturating_add_signed(self.skew);
        Timestamp::from_millis(at)
    }
}

/// 2026-03-11, and far enough from zero for any skew.
const BEGINNING: u64 = 1_773_219_600_000;

impl P {
    /// Starts a process of a role: nothing runs in it yet.
    pub(crate) fn start(sim: &Rc<Sim>, role: Role) -> P {
        let skew = if sim.chance(0.5) { 0 } else { i64::try_from(sim.draw(0..6_000)).unwrap_or(0) };
        let number = sim.draw(0..u64::MAX);
        let mut world = sim.world.borrow_mut();
        let skew =
            if world.faults.clock_jumps && number.is_multiple_of(7) { 3_600_000 } else { skew };
        let skew = if number.is_multiple_of(2) { skew } else { -skew };
        let id = world.processes.len();
        world.processes.push(Process {
            role,
            alive: true,
            frozen: false,
            cut_until: 0,
            skew,
            started: sim.now(),
            me: HolderId::of(number),
            casts: None,
            feed: None,
        });
        world.note(sim.now(), || format!("{role:?} {id} starts"));
        drop(world);
        P { sim: sim.clone(), id }
    }

    /// The wall clock, which may be wrong.
    pub(crate) fn now(&self) -> Timestamp {
        self.sim.world.borrow().processes[self.id].clock(self.sim.now())
    }

    /// The monotonic clock since the process started, in milliseconds.
    pub(crate) fn mono_ms(&self) -> Millis {
        self.sim.now() - self.sim.world.borrow().processes[self.id].started
    }

    pub(crate) fn mono(&self) -> Duration {
        Duration::from_millis(self.mono_ms())
    }

    pub(crate) fn me(&self) -> HolderId {
        self.sim.world.borrow().processes[self.id].me.clone()
    }

    pub(crate) fn config(&self) -> Rc<Config> {
        self.sim.world.borrow().config.clone()
    }

    pub(crate) fn mutated(&self, mutant: Mutant) -> bool {
        self.sim.world.borrow().mutated(mutant)
    }

    pub(crate) fn count(&self, what: &'static str) {
        self.sim.world.borrow_mut().count(what);
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        let mut world = self.sim.world.borrow_mut();
        if world.log.is_some() {
            let who = format!("{:?} {}: ", world.processes[self.id].role, self.id);
            world.note(self.sim.now(), || who + &line());
        }
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.sim.spawn(self.id, work);
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        self.sleep_ms(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).await;
    }

    pub(crate) async fn sleep_ms(&self, time: Millis) {
        let slot = Slot::new();
        let filler = slot.filler();
        self.sim.after(time, move |_| filler.fill(()));
        slot.await;
    }

    /// As the bus's jitter: some milliseconds.
    pub(crate) async fn jitter(&self, times: Millis) {
        let time = self.sim.draw(1..20) * times;
        self.sleep_ms(time).await;
    }

    pub(crate) fn gate(stored: &Stored) -> Option<Rc<domain::Gate>> {
        match &stored.body {
            Body::Gate(gate) => Some(gate.clone()),
            _ => None,
        }
    }
}
