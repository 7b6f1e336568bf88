//! The promises of `logic::pace`: what it was told, in whatever order and however often,
//! comes to the limits that an outsider with all the facts would set.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Admission, Cause, Claim, Config, Cost, Epoch, Gate, GateConfig, GateName, GateState, Handler,
    Key, Kind, KindConfig, Phase, SourceKey, TaskState, Timestamp,
};
use logic::{
    gate::{Stamp, first},
    pace::{KindLimit, Pace, UNLIMITED, backlog_gone, held_elsewhere},
};
use proptest::prelude::*;

/// One thing that is told: about a task of a kind, or about a completed attempt.
#[derive(Clone, Debug)]
enum Fact {
    /// The task rests after its attempt, which takes as many seconds as it is many.
    Rests {
        kind: usize,
        task: usize,
        attempt: u32,
    },
    Completed {
        event: usize,
        epoch: u64,
    },
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        1 => (0usize..2, 0usize..3, 1u32..5)
            .prop_map(|(kind, task, attempt)| Fact::Rests { kind, task, attempt }),
        3 => (0usize..40).prop_map(|event| Fact::Completed { event, epoch: event as u64 % 4 + 2 }),
    ]
}

fn state() -> impl Strategy<Value = Option<GateState>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(GateState::Open)),
        1 => Just(Some(GateState::Closed)),
        1 => Just(Some(GateState::Probing)),
        3 => Just(Some(GateState::Draining)),
    ]
}

const NOW: Timestamp = Timestamp::from_millis(2_500);
const OPENING: Epoch = Epoch::new(4);

fn tell(pace: &mut Pace, fact: &Fact) {
    match *fact {
        Fact::Rests { kind, task, attempt } => {
            let due = Timestamp::from_millis(u64::from(attempt) * 1_000);
            pace.on_resting(kinds()[kind].clone(), key(task), attempt, due, NOW);
        }
        Fact::Completed { event, epoch } => {
            let epoch = Epoch::new(epoch);
            let admitted = [Admission { gate: relay(), epoch, seq: 0 }];
            pace.on_completed(&format!("{event}/1/completed"), &admitted);
        }
    }
}

/// The limit as the table of the module has it, from the plain set of facts.
fn expected(facts: &[Fact], state: Option<GateState>, kind: usize) -> KindLimit {
    let mut completed: Vec<usize> = Vec::new();
    let mut resting: Vec<usize> = Vec::new();
    for fact in facts {
        match *fact {
            Fact::Completed { event, epoch } if OPENING.get() <= epoch => completed.push(event),
            Fact::Rests { kind: of, task, attempt } if of == kind && 3 <= attempt => {
                resting.push(task);
            }
            Fact::Completed { .. } | Fact::Rests { .. } => (),
        }
    }
    for seen in [&mut completed, &mut resting] {
        seen.sort_unstable();
        seen.dedup();
    }
    let doubled = (0..8).map(|power| 1 << power).rfind(|pace| *pace <= completed.len() + 1);
    // Of an odd pace, `prompt` has the odd one, since it comes first.
    let of = |pace: usize| u32::try_from(((pace + usize::from(kind == 0)) / 2).max(1)).unwrap();
    let at_once = match state {
        Some(GateState::Open) => UNLIMITED,
        Some(GateState::Draining) => of(doubled.unwrap().min(12)),
        Some(GateState::Probing | GateState::Closed) | None => 1,
    };
    // `welcome` allows five at once, whatever the gates say.
    let at_once = if kind == 1 { at_once.min(5) } else { at_once };
    KindLimit {
        max_ack_pending: (at_once + u32::try_from(resting.len()).unwrap()).min(UNLIMITED),
        paused: matches!(state, None | Some(GateState::Closed)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Order, repetition and forgetting in between make no difference.
    #[test]
    fn counts_each_fact_once(
        told in prop::collection::vec(fact(), 0..60),
        again in prop::collection::vec(0usize..60, 0..60),
        forgets in prop::collection::vec(any::<bool>(), 120),
        state in state(),
    ) {
        let gates = gates(state);
        let mut pace = Pace::new();
        let repeated = again.iter().filter_map(|at| told.get(*at));
        for (fact, forgets) in told.iter().chain(repeated).zip(forgets) {
            tell(&mut pace, fact);
            if forgets {
                pace.forget(&gates, NOW);
            }
        }
        for (at, kind) in kinds().iter().enumerate() {
            let limit = pace.limit(&config(), &gates, kind, NOW);
            prop_assert_eq!(limit, expected(&told, state, at), "{}", kind);
            prop_assert!(0 < limit.max_ack_pending);
        }
    }
}

/// From the canary on, each wave that completes doubles the next, up to the gate's own limit.
#[test]
fn the_drain_doubles() {
    let gates = gates(Some(GateState::Draining));
    let mut pace = Pace::new();
    let mut steps = Vec::new();
    for event in 0..16 {
        steps.push(pace.pace(&config(), &relay(), gates.get(&relay())).unwrap());
        tell(&mut pace, &Fact::Completed { event, epoch: 4 });
    }
    assert_eq!(steps, [1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8, 12]);
}

/// A rest holds a slot until it is due or its task goes on, and a late copy of the old news
/// brings it not back.
#[test]
fn a_rest_ends_when_it_is_due_or_the_task_goes_on() {
    let (kind, now) = (kinds()[1].clone(), Timestamp::from_millis(0));
    let due = Timestamp::from_millis(1_000);
    let cause: Cause = "target.invalid".parse().unwrap();
    let rests = task_state(1, Phase::Resting { due, cause, charged: true });
    let claim = Claim {
        holder: "d1".parse().unwrap(),
        begun: now,
        lease: Duration::from_secs(30),
        renewals: 0,
    };
    let mut pace = Pace::new();
    pace.on_state(key(0), &rests, now);
    assert_eq!((pace.resting(&kind, now), pace.resting(&kind, due)), (1, 0));
    pace.on_state(key(0), &task_state(2, Phase::Claimed(claim)), now);
    assert_eq!(pace.resting(&kind, now), 0);
    pace.on_state(key(0), &rests, now);
    assert_eq!(pace.resting(&kind, now), 0);
}

/// Whatever a task was put back for, it keeps its slot until it is due, so that another one may
/// run: returned for a failure that it shares, held once more without a new attempt. Late
/// copies of the old news bring nothing back.
#[test]
fn whatever_waits_keeps_its_slot() {
    let kind = kinds()[1].clone();
    let at = Timestamp::from_millis;
    let returned = |due| Phase::Returned { gate: Some(relay()), cause: None, due: at(due) };
    let limit = |pace: &Pace, now| {
        let gates = gates(Some(GateState::Probing));
        pace.limit(&config(), &gates, &kind, at(now)).max_ack_pending
    };
    let mut pace = Pace::new();
    assert_eq!(limit(&pace, 0), 1);
    pace.on_state(key(0), &task_state(1, returned(1_000)), at(0));
    assert_eq!((limit(&pace, 0), limit(&pace, 1_000)), (2, 1));
    pace.on_resting(kind.clone(), key(0), 1, at(2_000), at(1_000));
    assert_eq!((limit(&pace, 1_000), limit(&pace, 2_000)), (2, 1));
    pace.on_gone_on(&kind, key(0), 1);
    pace.on_resting(kind.clone(), key(0), 1, at(2_000), at(1_000));
    assert_eq!(limit(&pace, 1_000), 1);
}

/// A kind that another gate holds back takes no part of a drain; once that gate lets it
/// through, the two share again.
#[test]
fn a_held_kind_takes_no_share() {
    let [prompt, welcome] = kinds();
    let wallet: GateName = "wallet".parse().unwrap();
    let mut config = config();
    config.kinds.get_mut(&prompt).unwrap().needs.push(wallet.clone());
    let mut pace = Pace::new();
    for event in 0..3 {
        tell(&mut pace, &Fact::Completed { event, epoch: 4 });
    }
    let stamp = Stamp { now: NOW, prev: 0, remedy: "" };
    let limits = |state: Option<GateState>| {
        let mut gates = gates(Some(GateState::Draining));
        if let Some(state) = state {
            let gate = Gate { state, ..first(wallet.clone(), "ann", &stamp) };
            gates.insert(wallet.clone(), gate);
        }
        let held = held_elsewhere(&config, &gates, &relay(), &prompt);
        let limit = |kind| pace.limit(&config, &gates, kind, NOW).max_ack_pending;
        (held, limit(&welcome))
    };
    assert_eq!(limits(Some(GateState::Open)), (false, 2));
    assert_eq!(limits(Some(GateState::Probing)), (false, 2));
    assert_eq!(limits(Some(GateState::Closed)), (true, 4));
    assert_eq!(limits(None), (true, 4));
}

/// The backlog is what was queued before the opening; only what ended, rests for its own
/// fault or may not run at all is gone.
#[test]
fn the_backlog_is_gone_when_nothing_older_waits() {
    let cause: Cause = "target.invalid".parse().unwrap();
    let due = Timestamp::from_millis(0);
    let rests = |charged| Phase::Resting { due, cause: cause.clone(), charged };
    let returned = Phase::Returned { gate: None, cause: None, due };
    let revived = Phase::Revived { by: "ann".to_owned(), note: "again".to_owned() };
    let parked = Phase::Parked { cause: cause.clone(), evidence: String::new() };
    let completed = Phase::Completed { effect: String::new() };
    assert!(backlog_gone(10, []));
    assert!(backlog_gone(10, [(11, None), (12, Some(&returned))]));
    for gone in [rests(true), completed, parked, Phase::Dead { cause: cause.clone() }] {
        assert!(backlog_gone(10, [(9, Some(&gone)), (11, None)]), "{gone:?}");
    }
    for waits in [rests(false), returned, revived] {
        assert!(!backlog_gone(10, [(8, Some(&rests(true))), (9, Some(&waits))]), "{waits:?}");
    }
    assert!(!backlog_gone(10, [(9, None)]));
}

fn task_state(attempt: u32, phase: Phase) -> TaskState {
    let (kind, source_key) = (kinds()[1].clone(), source_key(0));
    let (at, charged, cost) = (Timestamp::from_millis(0), 0, Cost::ZERO);
    let (admitted, canary) = (Vec::new(), Vec::new());
    TaskState {
        kind,
        source_key,
        at,
        attempt,
        charged,
        cost,
        admitted,
        canary,
        task: None,
        phase,
        newest: Cost::ZERO,
        credential: None,
        resets_at: None,
    }
}

fn relay() -> GateName {
    "relay".parse().unwrap()
}

fn kinds() -> [Kind; 2] {
    ["prompt", "welcome"].map(|kind| kind.parse().unwrap())
}

fn source_key(task: usize) -> SourceKey {
    format!("welcome/{task}").parse().unwrap()
}

fn key(task: usize) -> Key {
    source_key(task).key()
}

/// The kinds' own gates OPEN; `relay` in `state`, last opened at [`OPENING`].
fn gates(state: Option<GateState>) -> BTreeMap<GateName, Gate> {
    let stamp = Stamp { now: NOW, prev: 0, remedy: "" };
    let own = kinds().map(|kind| first(GateName::of_kind(&kind), "ann", &stamp));
    let relay = state.map(|state| Gate {
        state,
        epoch: Epoch::new(9),
        opening: OPENING,
        ..first(relay(), "ann", &stamp)
    });
    own.into_iter().chain(relay).map(|gate| (gate.name.clone(), gate)).collect()
}

fn config() -> Config {
    let kind = |concurrency| KindConfig {
        needs: vec![relay()],
        attempts_max: 3,
        rest: Duration::from_secs(1),
        rest_max: Duration::from_secs(60),
        concurrency,
        lease: Duration::from_secs(10),
        timeout: Duration::from_secs(60),
        ..KindConfig::of(Handler::Service { name: "payer".parse().unwrap() })
    };
    let [prompt, welcome] = kinds();
    Config {
        version: 1,
        kinds: BTreeMap::from([(prompt, kind(None)), (welcome, kind(Some(5)))]),
        gates: BTreeMap::from([(
            relay(),
            GateConfig { drain_max: Some(12), ..GateConfig::default() },
        )]),
        sensors: BTreeMap::new(),
        payer: None,
        budgets: BTreeMap::new(),
        ..Config::default()
    }
}
