//! Budgets of dollars under several dispatchers that crash wherever they like.
//!
//! The store is a model of the broker: a claim and its reservation are written together or not
//! at all, and so are an end and its cost. A witness beside it counts what the attempts have
//! really cost, whether anybody was left to say so or not.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Budget, Claim, Cost, HolderId, Key, Kind, MicroUsd, Outcome, Phase, SourceKey, TaskState,
    Timestamp, UsdHold, UsdSpending,
};
use logic::usd::{Refused, Toll, reserve, settle, stale};
use proptest::prelude::*;

const DAY: u64 = 86_400_000;
const TASKS: u8 = 5;

fn usd(micro: u64) -> MicroUsd {
    MicroUsd::new(micro)
}

fn kind() -> Kind {
    "nightly".parse().expect("a kind")
}

fn source(task: u8) -> SourceKey {
    format!("nightly/{task}").parse().expect("a source key")
}

fn hold(task: u8, attempt: u32, most: u64) -> UsdHold {
    UsdHold { task: source(task).key(), attempt, most: usd(most), since: Timestamp::from_millis(0) }
}

fn budget(day: Option<u64>, total: Option<u64>) -> Budget {
    Budget { usd_day: day.map(usd), usd_total: total.map(usd), ..Budget::default() }
}

fn chain(task: u8, attempt: u32, phase: Phase) -> TaskState {
    TaskState {
        kind: kind(),
        source_key: source(task),
        at: Timestamp::from_millis(0),
        attempt,
        charged: 0,
        cost: Cost::ZERO,
        newest: Cost::ZERO,
        credential: None,
        resets_at: None,
        admitted: Vec::new(),
        canary: Vec::new(),
        task: None,
        phase,
    }
}

fn claimed() -> Phase {
    let (lease, begun) = (Duration::from_secs(30), Timestamp::from_millis(0));
    Phase::Claimed(Claim { holder: HolderId::of(1), begun, lease, renewals: 0 })
}

/// M4: what is reached is told with its arithmetic; what is only held by others is waited for.
#[test]
fn reached_or_busy() {
    let now = Timestamp::from_millis(20_523 * DAY);
    let spent = UsdSpending {
        day: 20_523,
        today: usd(4_000_000),
        spent: usd(9_000_000),
        held: vec![hold(1, 1, 600_000)],
        ..UsdSpending::new(kind())
    };
    let ask = |budget, most| reserve(&spent, &budget, hold(2, 1, most), now);
    assert_eq!(ask(budget(Some(5_000_000), None), 500_000), Err(Refused::Busy));
    let told = |refused| match refused {
        Err(Refused::Reached(reached)) => reached.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        told(ask(budget(Some(5_000_000), None), 1_000_001)),
        "budget of 2026-03-11: $5.00 a day, $4.00 spent, $0.60 reserved by 1 under way, $0.40 \
         left; this attempt may cost $1.000001"
    );
    assert_eq!(
        told(ask(budget(Some(5_000_000), Some(9_100_000)), 500_000)),
        "budget in all: $9.10, $9.00 spent, $0.60 reserved by 1 under way, $0.00 left; this \
         attempt may cost $0.50"
    );
    assert_eq!(ask(budget(Some(4_700_000), None), 100_000).unwrap().held.len(), 2);
    // The day turns, and what is held counts on.
    let tomorrow = now.after(Duration::from_millis(DAY));
    let allowed = budget(Some(5_000_000), None);
    assert_eq!(spent.left(&allowed, tomorrow).today, Some(usd(4_400_000)));
    assert!(reserve(&spent, &allowed, hold(2, 1, 4_400_000), tomorrow).is_ok());
    assert_eq!(reserve(&spent, &allowed, hold(2, 1, 4_400_001), tomorrow), Err(Refused::Busy));
    // A clock that is set back begins no day twice.
    let turned = settle(&spent, source(1).key(), 1, Toll::Unknown, tomorrow).unwrap();
    assert_eq!((turned.today, turned.spent), (usd(600_000), usd(9_600_000)));
    assert_eq!(turned.left(&allowed, now).today, Some(usd(4_400_000)));
}

/// M2, M4: what nobody can tell the cost of has cost all that was held for it.
#[test]
fn what_is_unknown_is_spent() {
    let cost = Cost { micro_usd: usd(7), ..Cost::ZERO };
    let (evidence, retry_after) = (String::new(), None);
    let failing = |cause: &str, cost| Outcome::Failed {
        cause: cause.parse().unwrap(),
        evidence: evidence.clone(),
        retry_after,
        cost,
    };
    let failed = |cause| failing(cause, cost);
    let unpaid = |cause| failing(cause, Cost::ZERO);
    let unknown = Outcome::Unknown {
        cause: "service.timeout".parse().unwrap(),
        evidence: evidence.clone(),
        retry_after,
        cost,
    };
    let held = Outcome::Held { gate: None, why: String::new() };
    for (outcome, toll) in [
        (Outcome::Completed { effect: String::new(), cost }, Toll::Cost(usd(7))),
        (failed("anthropic.refused"), Toll::Cost(usd(7))),
        (failed("service.garbled"), Toll::Unknown),
        (failed("exec.failed"), Toll::Cost(usd(7))),
        (unpaid("exec.failed"), Toll::Cost(usd(0))),
        (unknown, Toll::Unknown),
        (held, Toll::Nothing),
        (Outcome::Moot { why: String::new() }, Toll::Nothing),
    ] {
        assert_eq!(Toll::of(&outcome), toll, "{outcome:?}");
    }
}

/// What one dispatcher, or a person, does next.
#[derive(Clone, Debug)]
enum Act {
    /// Reads what it needs to begin the task.
    Look {
        by: usize,
        task: u8,
        most: u64,
    },
    /// Writes what it decided from what it read.
    Claim {
        by: usize,
    },
    /// The attempt runs and costs so many parts of what was held, of ten.
    Work {
        task: u8,
        tenths: u64,
    },
    /// Its end is written by whoever may.
    End {
        task: u8,
        toll: u8,
    },
    /// A person withdraws and revives the task, knowing nothing of the record.
    ByHand {
        task: u8,
    },
    /// Somebody looks for what is left over.
    Sweep,
    Pass {
        millis: u64,
    },
    Allow {
        day: Option<u64>,
        total: Option<u64>,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let limit = || prop::option::of(0u64..2_000);
    prop_oneof![
        4 => (0usize..3, 0..TASKS, 1u64..300)
            .prop_map(|(by, task, most)| Act::Look { by, task, most }),
        4 => (0usize..3).prop_map(|by| Act::Claim { by }),
        3 => (0..TASKS, 0u64..=10).prop_map(|(task, tenths)| Act::Work { task, tenths }),
        3 => (0..TASKS, 0u8..3).prop_map(|(task, toll)| Act::End { task, toll }),
        1 => (0..TASKS).prop_map(|task| Act::ByHand { task }),
        1 => Just(Act::Sweep),
        1 => (0..DAY).prop_map(|millis| Act::Pass { millis }),
        1 => (limit(), limit()).prop_map(|(day, total)| Act::Allow { day, total }),
    ]
}

/// What a dispatcher read before it writes: the versions that its write expects.
#[derive(Clone, Debug)]
struct Looked {
    task: u8,
    link: u64,
    version: u64,
    next: UsdSpending,
    chain: TaskState,
}

#[derive(Debug)]
struct World {
    now: Timestamp,
    budget: Budget,
    spending: UsdSpending,
    version: u64,
    chains: BTreeMap<Key, (TaskState, u64)>,
    looked: [Option<Looked>; 3],
    /// By task: what its attempt under way has really cost so far.
    running: BTreeMap<Key, u64>,
    /// Really spent, by day, and the days on which that was allowed.
    spent: BTreeMap<u64, u64>,
}

impl World {
    fn new() -> Self {
        World {
            now: Timestamp::from_millis(DAY),
            budget: budget(Some(1_000), Some(3_000)),
            spending: UsdSpending::new(kind()),
            version: 0,
            chains: BTreeMap::new(),
            looked: [None, None, None],
            running: BTreeMap::new(),
            spent: BTreeMap::new(),
        }
    }

    fn write(&mut self, spending: UsdSpending) {
        self.spending = spending;
        self.version += 1;
    }

    fn link(&mut self, task: u8, state: TaskState) {
        let link = self.chains.get(&source(task).key()).map_or(0, |(_, link)| *link);
        self.chains.insert(source(task).key(), (state, link + 1));
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Look { by, task, most } => {
                self.looked[by] = None;
                let found = self.chains.get(&source(task).key());
                let (attempt, link) = found.map_or((0, 0), |(state, link)| (state.attempt, *link));
                if found.is_some_and(|(state, _)| matches!(state.phase, Phase::Claimed(_))) {
                    return;
                }
                let hold = hold(task, attempt + 1, most);
                let reserved = reserve(&self.spending, &self.budget, hold, self.now);
                let chain = chain(task, attempt + 1, claimed());
                self.looked[by] = reserved.ok().map(|next| Looked {
                    task,
                    link,
                    version: self.version,
                    next,
                    chain,
                });
            }
            Act::Claim { by } => {
                let Some(looked) = self.looked[by].take() else { return };
                let link = self.chains.get(&source(looked.task).key()).map_or(0, |(_, link)| *link);
                if (link, self.version) == (looked.link, looked.version) {
                    self.write(looked.next);
                    self.link(looked.task, looked.chain);
                    self.running.insert(source(looked.task).key(), 0);
                }
            }
            Act::Work { task, tenths } => {
                let key = source(task).key();
                let most = self.spending.held.iter().find(|hold| hold.task == key);
                let most = most.map_or(0, |hold| hold.most.get());
                if let Some(cost) = self.running.get_mut(&key) {
                    *cost = (*cost).max(most * tenths / 10);
                }
            }
            Act::End { task, toll } => self.end(task, toll),
            Act::ByHand { task } => {
                let Some((state, _)) = self.chains.get(&source(task).key()) else { return };
                let (by, note) = ("ann".to_owned(), String::new());
                let state = TaskState { phase: Phase::Revived { by, note }, ..state.clone() };
                self.link(task, state);
                self.count(task);
            }
            Act::Sweep => self.sweep(),
            Act::Pass { millis } => self.now = self.now.after(Duration::from_millis(millis)),
            Act::Allow { day, total } => self.budget = budget(day, total),
        }
    }

    /// Its cost is told, or whoever knew it is gone.
    fn end(&mut self, task: u8, toll: u8) {
        let key = source(task).key();
        let Some((state, _)) = self.chains.get(&key) else { return };
        let attempt = state.attempt;
        if !matches!(state.phase, Phase::Claimed(_)) {
            return;
        }
        let cost = self.running.get(&key).copied().unwrap_or(0);
        let toll = match toll {
            0 => Toll::Unknown,
            _ if cost == 0 => Toll::Nothing,
            _ => Toll::Cost(usd(cost)),
        };
        let settled = settle(&self.spending, key, attempt, toll, self.now);
        self.write(settled.expect("a claim has its reservation"));
        let phase = Phase::Returned { gate: None, cause: None, due: self.now };
        self.link(task, chain(task, attempt, phase));
        self.count(task);
    }

    /// What the attempt has really cost is spent now, whoever knows.
    fn count(&mut self, task: u8) {
        if let Some(cost) = self.running.remove(&source(task).key()) {
            *self.spent.entry(self.now.day()).or_default() += cost;
        }
    }

    fn sweep(&mut self) {
        for hold in self.spending.held.clone() {
            let chain = self.chains.get(&hold.task).map(|(state, _)| state);
            if stale(&hold, chain) {
                let toll = Toll::Unknown;
                let next = settle(&self.spending, hold.task, hold.attempt, toll, self.now);
                self.write(next.expect("it was held"));
            }
        }
    }

    /// M4: the record counts at least what was really spent, and every reservation but those of
    /// claims that somebody else ended is that of a claim that stands.
    fn nothing_is_hidden(&self) {
        let really: u64 = self.spent.values().chain(self.running.values()).sum();
        let counted = self.spending.spent.saturating_add(self.spending.reserved()).get();
        assert!(really <= counted, "spent {really}, counted {counted}");
        for (key, (state, _)) in &self.chains {
            if matches!(state.phase, Phase::Claimed(_)) {
                let its = |hold: &&UsdHold| (hold.task, hold.attempt) == (*key, state.attempt);
                assert_eq!(self.spending.held.iter().filter(its).count(), 1, "{state:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// M4: whoever interleaves, crashes or interferes: while the limits stand, no day and not
    /// the whole sees more than they allow, really spent and told or not; and once nobody runs,
    /// one look leaves nothing held.
    #[test]
    fn never_over_the_budget(
        acts in prop::collection::vec(act(), 0..250),
        (day, total) in (100u64..2_000, 100u64..5_000),
    ) {
        let mut world = World { budget: budget(Some(day), Some(total)), ..World::new() };
        for act in acts.iter().filter(|act| !matches!(act, Act::Allow { .. })) {
            world.act(act);
            world.nothing_is_hidden();
            let really: u64 = world.spent.values().chain(world.running.values()).sum();
            prop_assert!(really <= total, "{really} of {total} in all");
            for (on, really) in &world.spent {
                prop_assert!(*really <= day, "{really} of {day} on {on}");
            }
        }
        for task in 0..TASKS {
            world.end(task, 0);
        }
        world.sweep();
        prop_assert_eq!(&world.spending.held, &vec![]);
    }

    /// The same while the limits change as they like: nothing is hidden, and nothing is reserved
    /// that does not fit what is allowed then.
    #[test]
    fn limits_may_change(acts in prop::collection::vec(act(), 0..250)) {
        let mut world = World::new();
        for act in &acts {
            let before = world.spending.clone();
            world.act(act);
            world.nothing_is_hidden();
            if let Act::Look { by, .. } = act && let Some(looked) = &world.looked[*by]
                && before.held.len() < looked.next.held.len()
            {
                let (next, budget) = (&looked.next, &world.budget);
                let sum = |spent: MicroUsd| spent.saturating_add(next.reserved());
                prop_assert!(budget.usd_day.is_none_or(|day| sum(next.today) <= day));
                prop_assert!(budget.usd_total.is_none_or(|total| sum(next.spent) <= total));
            }
        }
    }
}
