//! The gatekeeper, as `gatekeeper` does it: takes the outcomes, obeys people, looks after
//! canaries and drains, holds the consumers to the pace. What is decided is [`logic::gate`]'s
//! and [`logic::pace`]'s.

mod caught_up;
mod commands;
mod enforce;
mod moves;
mod outcomes;
mod resets;
mod rounds;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use domain::{Actor, Blame, Gate, GateName, GateState, Incident, Reset, ResetPolicy};
use logic::{gate::Stamp, pace::Pace};

use crate::{
    exec::Sim,
    fleet::{Cas, Gates},
    mutant::Mutant,
    process::P,
    wait::Bell,
    words::{Silent, Stored, Subject, Told, Word as _},
    world::Role,
};

/// What the parts of one gatekeeper share.
pub(super) struct Keeper {
    pub(super) p: P,
    pub(super) gates: Gates,
    pub(super) pace: RefCell<Pace>,
    pub(super) paced: Bell,
    /// What was told before this gatekeeper started has been counted.
    counted: Cell<bool>,
}

/// A gate as it stood after the token was read.
pub(super) struct Look {
    pub(super) token: u64,
    pub(super) gate: Gate,
}

/// An incident as it was read.
pub(super) struct Record {
    pub(super) incident: Incident,
    written: bool,
    seq: u64,
}

/// Starts one gatekeeper.
pub(crate) fn start(sim: &Rc<Sim>) {
    let p = P::start(sim, Role::Gatekeeper);
    let keeper = Rc::new(Keeper {
        gates: Gates::keep(&p),
        p: p.clone(),
        pace: RefCell::default(),
        paced: Bell::default(),
        counted: Cell::new(false),
    });
    let counting = keeper.clone();
    let feed = move |stored: &Stored| counting.count_outcome(stored);
    p.sim.world.borrow_mut().processes[p.id].feed = Some(Rc::new(feed));
    p.spawn(catch_up(keeper.clone()));
    p.spawn(outcomes::take_all(keeper.clone()));
    p.spawn(commands::obey(keeper.clone()));
    p.spawn(rounds::walk(keeper.clone()));
    p.spawn(enforce::enforce(keeper));
}

/// Counts everything that was told before.
async fn catch_up(keeper: Rc<Keeper>) {
    let wait = keeper.p.sim.draw(20..400);
    keeper.p.sleep_ms(wait).await;
    let before = keeper.p.sim.world.borrow().broker.events.clone();
    for stored in &before {
        keeper.count_outcome(stored);
    }
    keeper.counted.set(true);
    keeper.paced.ring();
}

impl Keeper {
    fn count_outcome(&self, stored: &Stored) {
        let Some(told) = Told::take(&stored.body) else { return };
        let (key, now) = (told.source_key.key(), self.p.now());
        let mut pace = self.pace.borrow_mut();
        if told.verb == "completed" {
            pace.on_completed(&told.id(), &told.admitted);
        }
        match told.rest_until {
            Some(due) => pace.on_resting(told.kind.clone(), key, told.attempt, due, now),
            None => pace.on_gone_on(&told.kind, key, told.attempt),
        }
        drop(pace);
        self.paced.ring();
    }

    pub(super) fn has_counted(&self) -> bool {
        self.counted.get()
    }

    /// Reads the gate behind its fence; `None` if it was never written.
    pub(super) async fn look(&self, name: &GateName) -> Result<Option<Look>, Silent> {
        loop {
            let token = self.p.token().await?;
            let Some(found) = self.p.gate_now(name).await? else { return Ok(None) };
            if found.seq <= token {
                return Ok(Some(Look { token, gate: Gate::clone(&found.value) }));
            }
        }
    }

    pub(super) fn stamp(&self, look: &Look) -> Stamp<'static> {
        Stamp { now: self.p.now(), prev: look.token, remedy: "" }
    }

    /// What a person allowed of the gate that is to blame, by the configuration in force; nothing
    /// while this gatekeeper does not know who applied that.
    pub(super) fn allowed(&self, blame: &Blame) -> Vec<Reset> {
        let Blame::Shared { gate, .. } = blame else { return Vec::new() };
        let config = self.p.config();
        let standing = self.gates.standing(&GateName::config());
        let in_force = standing.filter(|it| it.gate.epoch.get() == config.version);
        let Some(Actor::Person(by)) = in_force.map(|it| it.gate.by) else { return Vec::new() };
        let policies = config.gates.get(gate).map(|settings| settings.resets.as_slice());
        let reset = |policy: &ResetPolicy| Reset {
            cause: policy.cause.clone(),
            version: config.version,
            by: by.clone(),
            note: policy.note.clone(),
        };
        policies.unwrap_or_default().iter().map(reset).collect()
    }

    /// A gatekeeper that closes and opens by itself what only a person may open.
    pub(super) fn opens_by_itself(&self, gate: &Gate) -> bool {
        let long = 8_000 < self.p.now().since(gate.at).as_millis();
        self.p.mutated(Mutant::OpensByItself) && gate.state == GateState::Closed && long
    }
}

impl Record {
    /// What stands in for a record that a decision does not look at.
    pub(super) fn empty(gate: &GateName, number: u64) -> Self {
        Record { incident: Incident::new(gate.clone(), number), written: false, seq: 0 }
    }

    pub(super) async fn read(p: &P, gate: &GateName, number: u64) -> Result<Self, Silent> {
        let found = p.get::<Incident>(Subject::Incident(gate.clone(), number)).await?;
        Ok(match found {
            Some(found) => {
                Record { incident: Incident::clone(&found.value), written: true, seq: found.seq }
            }
            None => Record::empty(gate, number),
        })
    }

    pub(super) fn written(&self) -> Option<&Incident> {
        self.written.then_some(&self.incident)
    }

    pub(super) async fn write(&self, p: &P, incident: &Incident) -> Result<Cas, Silent> {
        let subject = Subject::Incident(incident.gate.clone(), incident.number);
        p.compare_and_set(&subject, incident, self.seq).await
    }
}
