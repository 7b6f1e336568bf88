//! Which kind to pull next, so that all slots work when there is work and no kind waits for
//! another's.
//!
//! Each kind has a lane. A pull asks for one task and holds one slot while it waits.
//!
//! | lane                                | pulls                                            |
//! | ----------------------------------- | ------------------------------------------------ |
//! | brought a task last time            | again at once, twice as many as last time         |
//! | brought nothing, slots for all      | one that waits long, so that a new task comes at once |
//! | brought nothing, more kinds than slots | one that waits briefly, every [`REST`]         |
//!
//! Of several, [`logic::turns`] says which is next.

use std::time::Duration;

use domain::{Kind, Priority};
use logic::turns::{Standing, Turns, must_leave};

/// How long a pull may wait when nobody else needs its slot.
pub(crate) const LONG: Duration = Duration::from_secs(1);
/// How long a pull may wait when others want the slot.
pub(crate) const SHORT: Duration = Duration::from_millis(20);
/// How long a lane that brought nothing is left alone when slots are scarce.
const REST: Duration = Duration::from_millis(100);
/// How long a lane whose pull failed is left alone.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// The lanes of one dispatcher and its slots.
#[derive(Debug)]
pub(crate) struct Lanes {
    slots: usize,
    lanes: Vec<Lane>,
    turns: Turns,
}

#[derive(Debug)]
struct Lane {
    kind: Kind,
    priority: Priority,
    open: bool,
    /// At most one pull at a time: a gate is probing, and only one task may pass.
    single: bool,
    /// At most so many pulls and tasks under way together.
    most: usize,
    /// Pulls under way.
    pulling: usize,
    /// Tasks under way.
    running: usize,
    /// Pulls that are worth having under way; 0 when the last one brought nothing.
    appetite: usize,
    /// Not before then, unless there are slots for all.
    rests_until: Duration,
    /// Not before then at all.
    barred_until: Duration,
}

/// A pull to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) kind: Kind,
    pub(crate) wait: Duration,
}

/// How a pull ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    Task,
    Nothing,
    Trouble,
}

/// Whether a kind may be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admits {
    No,
    /// One pull at a time, and never more than so many pulls and tasks under way.
    Single(usize),
    /// Never more than so many pulls and tasks under way.
    UpTo(usize),
}

impl Lanes {
    pub(crate) fn new(slots: usize) -> Self {
        Lanes { slots, lanes: Vec::new(), turns: Turns::default() }
    }

    /// Takes in which kinds there are and which of them may be pulled. What is under way
    /// goes on, also of a kind that is gone.
    pub(crate) fn admit(&mut self, kinds: impl IntoIterator<Item = (Kind, Priority, Admits)>) {
        for lane in &mut self.lanes {
            lane.open = false;
        }
        for (kind, priority, admits) in kinds {
            let lane = self.lane(&kind);
            lane.priority = priority;
            lane.open = admits != Admits::No;
            lane.single = matches!(admits, Admits::Single(_));
            if let Admits::Single(most) | Admits::UpTo(most) = admits {
                lane.most = most;
            }
        }
        self.lanes.retain(|lane| lane.open || 0 < lane.pulling + lane.running);
    }

    /// The next pull to be made, which occupies its slot from now on; `None` when there is no
    /// slot, or no lane worth one just now.
    pub(crate) fn next(&mut self, now: Duration) -> Option<Pull> {
        let free = self.slots.checked_sub(self.occupied()).filter(|free| 0 < *free)?;
        let room = self.unpulled().count() <= free;
        let standing = |lane| Lane::standing(lane, room, now);
        let standings: Vec<Standing<'_>> = self.lanes.iter().map(standing).collect();
        let place = self.turns.next(self.slots, &standings)?;
        let lane = &mut self.lanes[place];
        let wait = if room && lane.pulling == 0 { LONG } else { SHORT };
        lane.pulling += 1;
        Some(Pull { kind: lane.kind.clone(), wait })
    }

    /// How long until a lane that rests is worth a slot again; `None` when only an event can
    /// bring more.
    pub(crate) fn rest(&self, now: Duration) -> Option<Duration> {
        if self.slots <= self.occupied() {
            return None;
        }
        self.unpulled()
            .map(|lane| lane.rests_until.max(lane.barred_until).saturating_sub(now))
            .min()
    }

    /// A pull ended. The task that it brought occupies the slot until [`Lanes::ended`].
    pub(crate) fn pulled(&mut self, kind: &Kind, brought: Brought, now: Duration) {
        let slots = self.slots;
        let lane = self.lane(kind);
        lane.pulling = lane.pulling.saturating_sub(1);
        match brought {
            Brought::Task => {
                lane.running += 1;
                lane.appetite = (lane.appetite * 2).clamp(1, slots);
            }
            Brought::Nothing => {
                lane.appetite = 0;
                lane.rests_until = now.saturating_add(REST);
            }
            Brought::Trouble => {
                lane.appetite = 0;
                lane.barred_until = now.saturating_add(AFTER_TROUBLE);
            }
        }
        if brought != Brought::Task {
            let priority = lane.priority;
            self.turns.unused(kind, priority);
        }
    }

    /// A task of `kind` is over, whatever became of it.
    pub(crate) fn ended(&mut self, kind: &Kind) {
        let lane = self.lane(kind);
        lane.running = lane.running.saturating_sub(1);
    }

    /// A lane is not to be pulled before `until`.
    pub(crate) fn bar(&mut self, kind: &Kind, until: Duration) {
        let lane = self.lane(kind);
        lane.barred_until = lane.barred_until.max(until);
    }

    /// Whether every slot is occupied while a lane that may be pulled has none.
    pub(crate) fn crowded(&self) -> bool {
        let without = |lane: &Lane| lane.unpulled() && lane.running == 0;
        self.slots <= self.occupied() && self.lanes.iter().any(without)
    }

    /// The lanes that could have a pull now and have none.
    fn unpulled(&self) -> impl Iterator<Item = &Lane> {
        // What each wants plays no part here.
        let standing = |lane| Lane::standing(lane, false, Duration::ZERO);
        let standings: Vec<Standing<'_>> = self.lanes.iter().map(standing).collect();
        let leaves = move |at: usize| must_leave(self.slots, &standings, &standings[at]);
        let lanes = self.lanes.iter().enumerate().filter(|(_, lane)| lane.unpulled());
        lanes.filter(move |(at, _)| !leaves(*at)).map(|(_, lane)| lane)
    }

    fn occupied(&self) -> usize {
        self.lanes.iter().map(|lane| lane.pulling + lane.running).sum()
    }

    fn lane(&mut self, kind: &Kind) -> &mut Lane {
        let at = match self.lanes.iter().position(|lane| lane.kind == *kind) {
            Some(at) => at,
            None => {
                self.lanes.push(Lane::new(kind.clone()));
                self.lanes.len() - 1
            }
        };
        &mut self.lanes[at]
    }
}

impl Lane {
    const fn new(kind: Kind) -> Self {
        Lane {
            kind,
            priority: Priority::Normal,
            open: false,
            single: false,
            most: usize::MAX,
            pulling: 0,
            running: 0,
            appetite: 1,
            rests_until: Duration::ZERO,
            barred_until: Duration::ZERO,
        }
    }

    fn standing(&self, room: bool, now: Duration) -> Standing<'_> {
        let held = self.pulling + self.running;
        Standing {
            kind: &self.kind,
            priority: self.priority,
            held,
            more: if self.open { self.most.saturating_sub(held) } else { 0 },
            wants: self.ready(room, now),
        }
    }

    /// Open, below its most, and not pulled.
    const fn unpulled(&self) -> bool {
        self.open && self.pulling == 0 && self.running < self.most
    }

    fn ready(&self, room: bool, now: Duration) -> bool {
        if !self.open || self.most <= self.pulling + self.running || now < self.barred_until {
            return false;
        }
        if self.pulling == 0 {
            return room || 0 < self.appetite || self.rests_until <= now;
        }
        !self.single && self.pulling < self.appetite
    }
}

#[cfg(test)]
mod tests;
