//! The dispatcher, as `dispatcher` does it: pulls what the gates admit, claims it, has it done,
//! writes down how it ended. What is decided is [`logic::attempt`]'s.
//!
//! Its lanes are simpler than the real ones: one pull at a time for each kind.

mod attempt;
mod canary;
mod ending;
mod holding;
mod work;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use domain::{GateName, GateState, HolderId, Incident, Key, Kind};
use logic::{attempt::Latches, view::Verdict};

use crate::{
    bus::Of,
    exec::{Millis, Sim},
    fleet::Gates,
    process::P,
    wait::{Bell, first},
    words::Subject,
    world::Role,
};

const SLOTS: usize = 3;
const PULL_FOR: Millis = 1_000;
const ASK_EVERY: Millis = 1_000;
const LOOK_EVERY: Millis = 1_000;

/// What all attempts of one process share.
pub(super) struct Desk {
    pub(super) p: P,
    pub(super) me: HolderId,
    pub(super) gates: Gates,
    pub(super) latches: RefCell<Latches>,
    attended: RefCell<BTreeSet<(Kind, Key)>>,
    abandoned: RefCell<BTreeMap<(Kind, Key), u32>>,
    under_way: RefCell<BTreeMap<Kind, usize>>,
    paces: RefCell<BTreeMap<Kind, usize>>,
    wake: Bell,
    stopping: Cell<bool>,
}

/// Starts one dispatcher.
pub(crate) fn start(sim: &Rc<Sim>) {
    let p = P::start(sim, Role::Dispatcher);
    let desk = Rc::new(Desk {
        me: p.me(),
        gates: Gates::keep(&p),
        p: p.clone(),
        latches: RefCell::default(),
        attended: RefCell::default(),
        abandoned: RefCell::default(),
        under_way: RefCell::default(),
        paces: RefCell::default(),
        wake: Bell::default(),
        stopping: Cell::new(false),
    });
    for kind in p.config().kinds.keys() {
        p.spawn(lane(desk.clone(), kind.clone()));
    }
    p.spawn(keep_latches(desk.clone()));
    p.spawn(keep_paces(desk));
}

async fn lane(desk: Rc<Desk>, kind: Kind) {
    let (mut changed, mut woken) = (0, 0);
    loop {
        if !desk.may_pull(&kind) {
            let bells = first(desk.gates.changes().rung(&mut changed), desk.wake.rung(&mut woken));
            first(bells, desk.p.sleep_ms(PULL_FOR)).await;
            changed = desk.gates.changes().count();
            woken = desk.wake.count();
            continue;
        }
        let asked = desk.p.sim.now();
        let Some(delivered) = desk.p.pull(Of::Work(kind.clone()), PULL_FOR).await else { continue };
        let Some(stored) = desk.p.delivered_task(delivered.seq) else { continue };
        desk.count(&kind, true);
        let (attending, kind) = (desk.clone(), kind.clone());
        desk.p.spawn(async move {
            attempt::attend(&attending, &kind, (delivered, asked), stored).await;
            attending.count(&kind, false);
            attending.wake.ring();
        });
    }
}

impl Desk {
    fn count(&self, kind: &Kind, more: bool) {
        let mut under_way = self.under_way.borrow_mut();
        let count = under_way.entry(kind.clone()).or_insert(0);
        *count = if more { *count + 1 } else { count.saturating_sub(1) };
    }

    fn may_pull(&self, kind: &Kind) -> bool {
        let Verdict::Open { draining, .. } = self.gates.verdict(kind) else { return false };
        if self.latched(kind).is_some() || self.stopping.get() {
            return false;
        }
        let pace = self.paces.borrow().get(kind).copied().unwrap_or(1);
        let most = if draining { pace.max(1) } else { usize::MAX };
        let under_way = self.under_way.borrow();
        let all: usize = under_way.values().sum();
        all < SLOTS && under_way.get(kind).copied().unwrap_or(0) < most
    }

    /// The first gate that `kind` needs and this dispatcher is latched on.
    pub(super) fn latched(&self, kind: &Kind) -> Option<GateName> {
        let needs = self.p.config().needs(kind);
        self.latches.borrow().first_of(&needs).cloned()
    }

    pub(super) fn abandon(&self, kind: &Kind, key: Key, attempt: u32) {
        self.abandoned.borrow_mut().insert((kind.clone(), key), attempt);
    }

    /// Whether this process gave up that attempt. It answers so once.
    pub(super) fn take_abandoned(&self, kind: &Kind, key: Key, attempt: u32) -> bool {
        self.abandoned.borrow_mut().remove(&(kind.clone(), key)) == Some(attempt)
    }
}

/// Releases latches as they are answered.
async fn keep_latches(desk: Rc<Desk>) {
    let (mut changed, mut asked) = (0, desk.p.mono_ms());
    loop {
        let wait = ASK_EVERY.saturating_sub(desk.p.mono_ms() - asked);
        first(desk.gates.changes().rung(&mut changed), desk.p.sleep_ms(wait)).await;
        changed = desk.gates.changes().count();
        for gate in desk.gates.all().values() {
            desk.latches.borrow_mut().on_gate(gate);
        }
        if ASK_EVERY <= desk.p.mono_ms() - asked {
            ask(&desk).await;
            asked = desk.p.mono_ms();
        }
        desk.wake.ring();
    }
}

/// Looks up whether the failures that latched a gate which still stands open were counted.
async fn ask(desk: &Desk) {
    let asking = desk.latches.borrow().asking();
    let gates: BTreeSet<GateName> = asking.into_iter().map(|latch| latch.gate).collect();
    for name in gates {
        let Some(standing) = desk.gates.standing(&name) else { continue };
        if standing.gate.state != GateState::Open {
            continue;
        }
        let gathering = Subject::Incident(name.clone(), standing.gate.incident.saturating_add(1));
        if let Ok(Some(record)) = desk.p.get::<Incident>(gathering).await {
            let failures = record.value.failures.iter();
            let events = failures.map(|failure| failure.event.clone()).collect();
            desk.latches.borrow_mut().on_counted(&name, standing.gate.epoch, &events);
        }
    }
}

/// Keeps the paces of draining kinds.
async fn keep_paces(desk: Rc<Desk>) {
    loop {
        let mut paces = BTreeMap::new();
        for kind in desk.p.config().kinds.keys() {
            if !matches!(desk.gates.verdict(kind), Verdict::Open { draining: true, .. }) {
                continue;
            }
            if let Ok(backlog) = desk.p.backlog(Of::Work(kind.clone())).await {
                let pace = usize::try_from(backlog.max_ack_pending).unwrap_or(1);
                paces.insert(kind.clone(), pace.max(1));
            }
        }
        let changed = *desk.paces.borrow() != paces;
        *desk.paces.borrow_mut() = paces;
        if changed {
            desk.wake.ring();
        }
        desk.p.sleep_ms(LOOK_EVERY).await;
    }
}
