//! The promises of `logic::turns`, over arbitrary histories of kinds that come and go, tasks of
//! any length, and dispatchers of any size, held against plain counts.

#![allow(clippy::unwrap_used, reason = "a test")]

use domain::{Kind, Priority};
use logic::turns::{Standing, Turns, must_leave};
use proptest::prelude::*;

const KINDS: usize = 5;

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A slot is given, if one is free and wanted.
    Give,
    /// A task of the kind ends, if one runs.
    End(usize),
    /// The newest slot of the kind came back unused.
    Unused(usize),
    /// The kind has work from now on, or has none.
    Work(usize, bool),
    /// The kind may run from now on, or may not.
    Open(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Give),
        8 => (0..KINDS).prop_map(Step::End),
        1 => (0..KINDS).prop_map(Step::Unused),
        1 => ((0..KINDS), any::<bool>()).prop_map(|(kind, on)| Step::Work(kind, on)),
        1 => ((0..KINDS), any::<bool>()).prop_map(|(kind, on)| Step::Open(kind, on)),
    ]
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)]
}

struct World {
    slots: usize,
    kinds: Vec<(Kind, Priority)>,
    held: Vec<usize>,
    work: Vec<bool>,
    open: Vec<bool>,
    turns: Turns,
}

impl World {
    fn new(slots: usize, priorities: &[Priority]) -> Self {
        let name = |at: usize| format!("kind-{at}").parse().unwrap();
        let kinds = priorities.iter().enumerate().map(|(at, priority)| (name(at), *priority));
        World {
            slots,
            kinds: kinds.collect(),
            held: vec![0; priorities.len()],
            work: vec![true; priorities.len()],
            open: vec![true; priorities.len()],
            turns: Turns::default(),
        }
    }

    fn standings(&self) -> Vec<Standing<'_>> {
        let standing = |at: usize| Standing {
            kind: &self.kinds[at].0,
            priority: self.kinds[at].1,
            held: self.held[at],
            more: if self.open[at] { usize::MAX } else { 0 },
            wants: self.open[at] && self.work[at],
        };
        (0..self.kinds.len()).map(standing).collect()
    }

    /// Gives a slot away; to whom.
    fn give(&mut self) -> Option<usize> {
        if self.slots <= self.held.iter().sum() {
            return None;
        }
        let mut turns = std::mem::take(&mut self.turns);
        let given = turns.next(self.slots, &self.standings());
        self.turns = turns;
        self.held[given?] += 1;
        given
    }

    /// Its part of the slots, rounded up, among those that want or hold one.
    fn has_its_share(&self, at: usize) -> bool {
        let standings = self.standings();
        let others = standings.iter().filter(|kind| kind.wants || 0 < kind.held);
        let weights: u64 = others.map(|kind| kind.priority.weight()).sum();
        let held = u64::try_from(self.held[at]).unwrap();
        let slots = u64::try_from(self.slots).unwrap();
        slots * self.kinds[at].1.weight() <= held * weights
    }
}

/// A stretch during which a kind always took part and never had its share.
#[derive(Clone, Copy, Default)]
struct Stretch {
    starts: u64,
    own: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Nobody starves: whoever always wants a slot and has less than its share of them gets its
    /// part of the starts, in every stretch of every history, however the others come and go
    /// and whatever slots come back unused. No free slot is kept from all who want one, unless
    /// for a kind of higher priority.
    #[test]
    fn each_gets_at_least_its_share(
        slots in 1usize..9,
        priorities in prop::collection::vec(priority(), KINDS),
        steps in prop::collection::vec(step(), 0..400),
    ) {
        let mut world = World::new(slots, &priorities);
        let all: u64 = priorities.iter().map(|priority| priority.weight()).sum();
        let mut stretches = [Stretch::default(); KINDS];
        for step in steps {
            match step {
                Step::Give => {
                    let free = world.held.iter().sum::<usize>() < slots;
                    let part = |at: usize| {
                        let standings = world.standings();
                        standings[at].wants && !must_leave(slots, &standings, &standings[at])
                    };
                    let parts: Vec<bool> = (0..KINDS).map(part).collect();
                    let short: Vec<bool> = (0..KINDS).map(|at| !world.has_its_share(at)).collect();
                    let given = world.give();
                    prop_assert_eq!(given.is_some(), free && parts.contains(&true));
                    let Some(given) = given else { continue };
                    prop_assert!(parts[given]);
                    for at in 0..KINDS {
                        if !(parts[at] && short[at]) {
                            stretches[at] = Stretch::default();
                            continue;
                        }
                        stretches[at].starts += 1;
                        stretches[at].own += u64::from(at == given);
                        let Stretch { starts, own } = stretches[at];
                        let due = starts.saturating_sub(KINDS as u64) * priorities[at].weight();
                        prop_assert!(
                            due <= (own + 1) * all,
                            "kind {} has {} of {} starts, {:?}", at, own, starts, priorities
                        );
                    }
                }
                Step::End(at) => world.held[at] = world.held[at].saturating_sub(1),
                Step::Unused(at) if 0 < world.held[at] => {
                    world.held[at] -= 1;
                    let (kind, priority) = world.kinds[at].clone();
                    world.turns.unused(&kind, priority);
                    // It was no start, and wants nothing more for now.
                    world.work[at] = false;
                    stretches = [Stretch::default(); KINDS];
                }
                Step::Unused(_) => (),
                Step::Work(at, on) => world.work[at] = on,
                Step::Open(at, on) => world.open[at] = on,
            }
        }
    }

    /// However long the tasks of low priority take and however many there are, a slot is left
    /// for a kind of higher priority that may run, from two slots on.
    #[test]
    fn a_slot_is_left_for_what_is_urgent(
        slots in 2usize..40,
        below in prop::collection::vec(prop_oneof![Just(Priority::Low), Just(Priority::Normal)], 1..4),
    ) {
        let mut priorities = below.clone();
        priorities.push(Priority::High);
        let mut world = World::new(slots, &priorities);
        let urgent = below.len();
        world.work[urgent] = false;
        while world.give().is_some() {}
        let held: usize = world.held.iter().sum();
        prop_assert_eq!(held, slots - (slots / 4).max(1));
        world.work[urgent] = true;
        prop_assert_eq!(world.give(), Some(urgent));
        // And what may not run keeps nothing from anybody.
        world.open[urgent] = false;
        while world.give().is_some() {}
        prop_assert_eq!(world.held.iter().sum::<usize>(), slots);
    }

    /// Tasks that never end take no more than their kind's share while others have work.
    #[test]
    fn what_takes_long_crowds_nobody_out(slots in 2usize..20, rounds in 20usize..200) {
        let mut world = World::new(slots, &[Priority::Normal, Priority::Normal]);
        for _ in 0..rounds {
            while world.give().is_some() {}
            prop_assert!(world.held[0] <= slots.div_ceil(2), "{:?}", world.held);
            prop_assert!(0 < world.held[1]);
            world.held[1] -= 1;
        }
    }
}

/// With one slot and a backlog of each, seven starts go four to high, two to normal and one to
/// low, again and again.
#[test]
fn one_slot_deals_four_two_one() {
    let mut world = World::new(1, &[Priority::Low, Priority::Normal, Priority::High]);
    let mut counts = [0; 3];
    for round in 1..=100 {
        for _ in 0..7 {
            let given = world.give().unwrap();
            counts[given] += 1;
            world.held[given] -= 1;
        }
        assert_eq!(counts, [round, 2 * round, 4 * round]);
    }
}

/// A slot that came back unused was no turn, and no reward either.
#[test]
fn an_unused_slot_is_no_turn() {
    let mut world = World::new(1, &[Priority::Low, Priority::Low]);
    let mut given = [0; 2];
    for _ in 0..40 {
        let at = world.give().unwrap();
        world.held[at] -= 1;
        if at == 0 && given[0] % 2 == 0 && given[0] < given[1] {
            let (kind, priority) = world.kinds[0].clone();
            world.turns.unused(&kind, priority);
            let again = world.give().unwrap();
            assert_eq!(again, 0, "it is still its turn");
            world.held[again] -= 1;
        }
        given[at] += 1;
    }
    assert_eq!(given, [20, 20]);
}

/// Two kinds of low priority that share the one slot left to them take turns in it, although a
/// busy kind passes them both again and again.
#[test]
fn those_that_were_passed_take_turns() {
    let mut world = World::new(2, &[Priority::Low, Priority::Low, Priority::High]);
    let mut order = Vec::new();
    for _ in 0..6 {
        while world.give().is_some() {}
        for _ in 0..20 {
            world.held[2] -= 1;
            world.give().unwrap();
        }
        let low = usize::from(world.held[1] == 1);
        order.push(low);
        world.held[low] -= 1;
    }
    assert!(order.chunks(2).all(|pair| pair[0] != pair[1]), "{order:?}");
}
