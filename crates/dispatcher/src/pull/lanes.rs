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
//! Of several, the one that occupies the fewest slots is first, then the one that waited
//! longest: so a kind whose tasks take long does not crowd out the others.

use std::time::Duration;

use domain::Kind;

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
    /// Counts the pulls; gives each lane its turn.
    turn: u64,
}

#[derive(Debug)]
struct Lane {
    kind: Kind,
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
    pulled_at: u64,
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
    pub(crate) const fn new(slots: usize) -> Self {
        Lanes { slots, lanes: Vec::new(), turn: 0 }
    }

    /// Takes in which kinds there are and which of them may be pulled. What is under way
    /// goes on, also of a kind that is gone.
    pub(crate) fn admit(&mut self, kinds: impl IntoIterator<Item = (Kind, Admits)>) {
        for lane in &mut self.lanes {
            lane.open = false;
        }
        for (kind, admits) in kinds {
            let lane = self.lane(&kind);
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
        let unpulled = self.lanes.iter().filter(|lane| lane.unpulled()).count();
        let room = unpulled <= free;
        let ready = |lane: &&mut Lane| lane.ready(room, now);
        let ready = self.lanes.iter_mut().filter(ready);
        let lane = ready.min_by_key(|lane| (lane.pulling, lane.running, lane.pulled_at))?;
        let wait = if room && lane.pulling == 0 { LONG } else { SHORT };
        self.turn += 1;
        lane.pulled_at = self.turn;
        lane.pulling += 1;
        Some(Pull { kind: lane.kind.clone(), wait })
    }

    /// How long until a lane that rests is worth a slot again; `None` when only an event can
    /// bring more.
    pub(crate) fn rest(&self, now: Duration) -> Option<Duration> {
        if self.slots <= self.occupied() {
            return None;
        }
        let resting = self.lanes.iter().filter(|lane| lane.unpulled());
        resting.map(|lane| lane.rests_until.max(lane.barred_until).saturating_sub(now)).min()
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
            open: false,
            single: false,
            most: usize::MAX,
            pulling: 0,
            running: 0,
            appetite: 1,
            rests_until: Duration::ZERO,
            barred_until: Duration::ZERO,
            pulled_at: 0,
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
mod tests {
    use super::*;

    /// Runs a story over the kinds `a`, `b` and `c`, a step a line, and compares what was
    /// pulled: `open <kinds>` (`!` for single, `<n` for at most n), `next`, `task|nothing|trouble <kind>`, `ended <kind>`, `bar
    /// <kind>` for half a second, `crowded`, `wait <millis>`.
    #[track_caller]
    fn check(slots: usize, story: &str, answer: &[&str]) {
        let mut lanes = Lanes::new(slots);
        let mut now = Duration::ZERO;
        let mut pulls = Vec::new();
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let kind = || rest.parse::<Kind>().unwrap();
            match verb {
                "open" => lanes.admit(rest.split(' ').map(|kind| {
                    let (kind, most) = kind
                        .split_once('<')
                        .map_or((kind, usize::MAX), |split| (split.0, split.1.parse().unwrap()));
                    match kind.strip_suffix('!') {
                        Some(kind) => (kind.parse().unwrap(), Admits::Single(most)),
                        None => (kind.parse().unwrap(), Admits::UpTo(most)),
                    }
                })),
                "next" => pulls.push(match lanes.next(now) {
                    Some(Pull { kind, wait }) if wait == LONG => format!("{kind} long"),
                    Some(Pull { kind, .. }) => format!("{kind} short"),
                    None => match lanes.rest(now) {
                        Some(rest) => format!("rest {}", rest.as_millis()),
                        None => "-".to_owned(),
                    },
                }),
                "task" => lanes.pulled(&kind(), Brought::Task, now),
                "nothing" => lanes.pulled(&kind(), Brought::Nothing, now),
                "trouble" => lanes.pulled(&kind(), Brought::Trouble, now),
                "ended" => lanes.ended(&kind()),
                "bar" => lanes.bar(&kind(), now + Duration::from_millis(500)),
                "crowded" => pulls.push(format!("crowded {}", lanes.crowded())),
                "wait" => now += Duration::from_millis(rest.parse().unwrap()),
                other => panic!("no step {other:?}"),
            }
        }
        assert_eq!(pulls, answer);
    }

    /// With slots for all, each kind waits long for its next task, and a slot stays free.
    #[test]
    fn waits_for_every_kind_at_once() {
        check(
            3,
            "open a b
             next
             next
             next
             nothing a
             next",
            &["a long", "b long", "-", "a long"],
        );
    }

    /// A kind that brings tasks gets more slots with each, and all of them in the end.
    #[test]
    fn a_busy_kind_fills_the_slots() {
        check(
            5,
            "open a
             next
             task a
             next
             task a
             next
             next
             next
             task a
             task a
             next
             next",
            &["a long", "a long", "a long", "a short", "a short", "-", "-"],
        );
    }

    /// A kind whose tasks take long does not keep the others from the slots that come free.
    #[test]
    fn the_one_with_fewer_slots_is_first() {
        check(
            3,
            "open a b
             next
             next
             task a
             next
             task a
             task b
             next
             ended b
             next
             nothing b
             next",
            &["a long", "b long", "a long", "-", "b short", "a short"],
        );
    }

    /// More kinds than slots take turns with short waits, and rest when none has anything.
    #[test]
    fn scarce_slots_take_turns() {
        check(
            1,
            "open a b c
             next
             nothing a
             next
             nothing b
             wait 40
             next
             nothing c
             next
             wait 60
             next",
            &["a short", "b short", "c short", "rest 60", "a short"],
        );
    }

    /// A probing kind is pulled once at a time, a closed one not at all, and one in trouble
    /// not for a second.
    #[test]
    fn holds_back() {
        check(
            4,
            "open a! b
             next
             task a
             next
             next
             next
             trouble b
             next
             open b
             nothing a
             wait 999
             next
             wait 1
             next",
            &["a long", "b long", "a long", "-", "rest 1000", "rest 1", "b long"],
        );
    }

    /// A kind never has more under way than its most, whatever slots are free and however the
    /// most moves; meanwhile nobody spins, and the others have the slots.
    #[test]
    fn keeps_to_the_most() {
        check(
            8,
            "open a<2
             next
             task a
             next
             next
             task a
             next
             open a<2 b
             next
             ended a
             next
             open a<1 b
             nothing a
             next
             ended a
             next",
            &["a long", "a long", "-", "-", "b long", "a long", "-", "a long"],
        );
    }

    /// A kind whose task found no seat leaves the slot to the others for a while; and it is
    /// known when one of them has none.
    #[test]
    fn makes_room() {
        check(
            1,
            "open a b
             next
             task a
             crowded
             ended a
             crowded
             bar a
             next
             nothing b
             next
             wait 100
             next
             nothing b
             wait 400
             next
             task a
             open a
             crowded",
            &[
                "a short",
                "crowded true",
                "crowded false",
                "b short",
                "rest 100",
                "b short",
                "a short",
                "crowded false",
            ],
        );
    }
}
