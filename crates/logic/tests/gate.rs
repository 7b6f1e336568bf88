//! The promises of `logic::gate`, over histories of several gatekeepers that read the same
//! log, lose races and crash, and of events that come late, repeated and in any order.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "gate/world.rs"]
mod world;

use std::{collections::BTreeSet, time::Duration};

use domain::{Actor, Blame, Epoch, Gate, GateName, GateState};
use logic::gate::FailureSeen;
use proptest::prelude::*;
use world::{Act, CAUSES, Event, Job, Stored, World};

fn job() -> impl Strategy<Value = Job> {
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.9));
    prop_oneof![
        4 => (0usize..2).prop_map(|gate| Job::Open {
            gate, without_canary: false, accept_all: false, note: true,
        }),
        2 => (0usize..2, flags).prop_map(|(gate, (without_canary, accept_all, note))| {
            Job::Open { gate, without_canary, accept_all, note }
        }),
        1 => (0usize..2).prop_map(|gate| Job::Close { gate }),
        1 => (0usize..2).prop_map(|gate| Job::Late { gate }),
        3 => (0usize..2, prop_oneof![3 => Just(0), 1 => 1u64..8])
            .prop_map(|(gate, opening)| Job::Gone { gate, opening }),
        4 => (0usize..2).prop_map(|gate| Job::Reset { gate }),
    ]
}

/// A person opens, and if nothing else stands in the way a canary completes at once.
fn reopened(keeper: usize, gate: usize) -> [Act; 4] {
    let job = Job::Open { gate, without_canary: false, accept_all: false, note: true };
    [
        Act::Order { keeper, job },
        Act::Begin { kind: 1 - gate, task: 0, lag: 0 },
        Act::Finish { attempt: 0, cause: None, named: None },
        Act::Deliver { keeper, event: 0 },
    ]
}

/// Few gates, tasks and gatekeepers, so that histories collide.
fn act() -> impl Strategy<Value = Vec<Act>> {
    let keeper = 0usize..3;
    let cause = prop_oneof![2 => Just(None), 5 => (0..CAUSES.len()).prop_map(Some)];
    let named = prop_oneof![
        3 => Just(None),
        3 => prop_oneof![Just(0), Just(1), Just(700)].prop_map(Some),
    ];
    let begin = (0usize..2, 0usize..4, prop_oneof![4 => Just(0usize), 1 => 1usize..4])
        .prop_map(|(kind, task, lag)| Act::Begin { kind, task, lag });
    let whole = |keeper: usize, first: Act| {
        let steps = (0..9).map(move |_| Act::Step { keeper });
        std::iter::once(first).chain(steps).collect::<Vec<Act>>()
    };
    // The newest attempts and events are the likeliest to go on.
    let back = || prop_oneof![4 => 0usize..3, 1 => 3usize..40];
    let deliver = |(keeper, event)| Act::Deliver { keeper, event };
    prop_oneof![
        5 => begin.prop_map(|act| vec![act]),
        5 => (back(), cause, named).prop_map(|(attempt, cause, named)| {
            vec![Act::Finish { attempt, cause, named }]
        }),
        1 => any::<bool>().prop_map(|resets| vec![Act::Apply { resets }]),
        4 => (keeper.clone(), back()).prop_map(move |of| vec![deliver(of)]),
        6 => (keeper.clone(), back()).prop_map(move |of| whole(of.0, deliver(of))),
        1 => (keeper.clone(), job()).prop_map(|(keeper, job)| vec![Act::Order { keeper, job }]),
        5 => (keeper.clone(), job())
            .prop_map(move |(keeper, job)| whole(keeper, Act::Order { keeper, job })),
        3 => (keeper.clone(), 0usize..2)
            .prop_map(move |(keeper, gate)| reopened(keeper, gate).map(|act| whole(keeper, act)).concat()),
        9 => keeper.clone().prop_map(|keeper| vec![Act::Step { keeper }]),
        1 => keeper.prop_map(|keeper| vec![Act::Crash { keeper }]),
        1 => prop_oneof![Just(1u64), Just(700), Just(1800)]
            .prop_map(|secs| vec![Act::Pass { secs }]),
    ]
}

/// The relay closes again and again for what may pass by itself, and is asked whether it has;
/// what is done is mostly done to its end.
fn act_of_resets() -> impl Strategy<Value = Vec<Act>> {
    let whole = |keeper: usize, first: Act| {
        let steps = (0..9).map(move |_| Act::Step { keeper });
        std::iter::once(first).chain(steps).collect::<Vec<Act>>()
    };
    let order = move |job: Job| whole(0, Act::Order { keeper: 0, job });
    let named = prop_oneof![1 => Just(None), 2 => Just(Some(1)), 2 => Just(Some(700))];
    let fails = (0usize..4, 0usize..2, named).prop_map(move |(task, cause, named)| {
        let begun = Act::Begin { kind: 1, task, lag: 0 };
        let finished = Act::Finish { attempt: 0, cause: Some(cause), named };
        [vec![begun, finished], whole(0, Act::Deliver { keeper: 0, event: 0 })].concat()
    });
    let open = Job::Open { gate: 0, without_canary: false, accept_all: false, note: true };
    prop_oneof![
        6 => fails,
        1 => (0usize..4).prop_map(|task| vec![Act::Begin { kind: 1, task, lag: 0 }]),
        1 => (0usize..3).prop_map(|attempt| vec![Act::Finish { attempt, cause: None, named: None }]),
        2 => (0usize..3).prop_map(move |event| whole(0, Act::Deliver { keeper: 0, event })),
        6 => Just(order(Job::Reset { gate: 0 })),
        1 => Just(vec![Act::Order { keeper: 1, job: Job::Reset { gate: 0 } }]),
        1 => Just(order(open)),
        1 => Just(order(Job::Close { gate: 0 })),
        1 => Just(order(Job::Gone { gate: 0, opening: 0 })),
        2 => any::<bool>().prop_map(|resets| vec![Act::Apply { resets }]),
        1 => Just(vec![Act::Step { keeper: 1 }; 3]),
        4 => prop_oneof![Just(1u64), Just(700)].prop_map(|secs| vec![Act::Pass { secs }]),
    ]
}

/// Looks at each gate message as it is stored, and at the records after every step.
struct Witness {
    looked_at: usize,
}

impl Witness {
    fn look(&mut self, world: &World) {
        for at in self.looked_at..world.log.len() {
            let stored = &world.log[at];
            if stored.gate.name.is_config() {
                continue;
            }
            let earlier = world.log[..at].iter().map(|stored| &stored.gate);
            let Some(before) = earlier.clone().rfind(|gate| gate.name == stored.gate.name) else {
                continue;
            };
            the_chain_is_gapless(at as u64, before, &stored.gate);
            only_a_person_opens(world, before, stored);
            what_opens_by_itself_was_allowed(world, at, before, stored);
            an_opening_begins_with_a_canary(before, stored);
            one_closing_is_one_incident(before, &stored.gate);
            nothing_closes_without_cause(world, before, stored);
        }
        self.looked_at = world.log.len();
        no_failure_is_counted_twice(world);
    }
}

fn the_chain_is_gapless(prev: u64, before: &Gate, gate: &Gate) {
    assert_eq!(gate.prev, prev, "{gate:?}");
    assert_eq!(gate.epoch, before.epoch.next(), "{gate:?}");
}

/// G3: out of CLOSED leads a person's command alone; from there the success of the canary
/// of that very epoch, and the end of the backlog.
fn only_a_person_opens(world: &World, before: &Gate, stored: &Stored) {
    let Stored { job, gate } = stored;
    let by_person = matches!(job, Some(Job::Open { note: true, .. }))
        && gate.by == Actor::Person("ann".to_owned());
    let proved = world.events.iter().any(|event| match event {
        Event::Completed(seen) => {
            let under = |seen: &logic::gate::CompletedSeen| {
                let mut admitted = seen.admitted.iter();
                admitted.any(|it| it.gate == gate.name && it.epoch == before.epoch)
            };
            seen.canary.contains(&gate.name) && under(seen)
        }
        Event::Failed(_) => false,
    });
    let gone = matches!(job, Some(Job::Gone { .. }));
    let reset = matches!(job, Some(Job::Reset { .. }));
    match (before.state, gate.state) {
        (GateState::Closed, GateState::Probing) if reset => (),
        (_, GateState::Closed) | (GateState::Probing, GateState::Probing) => (),
        (GateState::Probing, GateState::Draining) => assert!(proved, "unproved: {gate:?}"),
        (GateState::Draining, GateState::Open) => assert!(gone || by_person, "{gate:?}"),
        _ => assert!(by_person, "from {:?} by itself: {gate:?}", before.state),
    }
}

/// G3: what leads to a canary without a person being asked is what one allowed before the gate
/// closed for it, and allows still; no person has closed the gate since it was last open.
fn what_opens_by_itself_was_allowed(world: &World, at: usize, before: &Gate, stored: &Stored) {
    let Stored { job: Some(Job::Reset { .. }), gate } = stored else { return };
    let in_force = |at: usize| {
        let config = world.log[..at].iter().rfind(|stored| stored.gate.name.is_config());
        config.map_or(1, |stored| stored.gate.epoch.get())
    };
    assert_eq!((before.state, gate.state), (GateState::Closed, GateState::Probing));
    for cause in &before.causes {
        let cited = before.resets.iter().find(|reset| reset.cause == *cause);
        let cited = cited.unwrap_or_else(|| panic!("{cause} was not allowed: {before:?}"));
        assert!(gate.note.contains(&cited.by) && gate.note.contains(cause.as_str()), "{gate:?}");
        let first = world.log[..at].iter().rposition(|stored| {
            let ours = stored.gate.name == gate.name;
            ours && !(stored.gate.state == GateState::Closed && stored.gate.resets.contains(cited))
        });
        let mut since = (first.map_or(0, |first| first + 1)..at)
            .filter(|at| world.log[*at].gate.name == gate.name);
        assert_eq!(in_force(since.next().unwrap()), cited.version, "not as it closed: {cited:?}");
        for config in &world.applied {
            let version = cited.version..=in_force(at);
            let allows = config.reset(&gate.name, cause).is_some();
            assert!(!version.contains(&config.version) || allows, "taken back: {gate:?}");
        }
    }
    let closed = world.log[..at].iter().rev().map(|stored| &stored.gate);
    let mut closed = closed.filter(|it| it.name == gate.name);
    let person = closed.by_ref().take_while(|it| it.state == GateState::Closed);
    let by_person = |it: &Gate| matches!(it.by, Actor::Person(_));
    assert!(!person.into_iter().any(by_person), "a person has closed it: {gate:?}");
}

/// G4: PROBING comes first, unless the person said otherwise and accepted every cause.
fn an_opening_begins_with_a_canary(before: &Gate, stored: &Stored) {
    if before.state != GateState::Closed || stored.gate.state == GateState::Closed {
        return;
    }
    let accepted = Some(true)
        == stored
            .job
            .as_ref()
            .map(|job| matches!(job, Job::Open { without_canary: true, accept_all: true, .. }));
    let skipped = stored.gate.state == GateState::Open && stored.gate.without_canary && accepted;
    assert!(stored.gate.state == GateState::Probing || skipped, "{stored:?}");
}

/// G5: a new number for a closing out of OPEN and for nothing else, so that a canary's
/// failure closes in the same incident; and a new opening only out of CLOSED.
fn one_closing_is_one_incident(before: &Gate, gate: &Gate) {
    let closes = before.state == GateState::Open && gate.state == GateState::Closed;
    assert_eq!(gate.incident, before.incident + u64::from(closes), "{gate:?}");
    let opens = before.state == GateState::Closed && gate.state != GateState::Closed;
    assert_eq!(gate.opening, if opens { gate.epoch } else { before.opening }, "{gate:?}");
    let (kept, none) = (&gate.causes, gate.causes.is_empty());
    assert_eq!(none, gate.state == GateState::Open, "{gate:?}");
    assert!(gate.state == GateState::Open || kept.starts_with(&before.causes), "{gate:?}");
}

/// A gatekeeper closes for failures that are shared, of attempts admitted since the opening,
/// and of as many distinct tasks as the policy says; stragglers move nothing (G5).
fn nothing_closes_without_cause(world: &World, before: &Gate, stored: &Stored) {
    let gate = &stored.gate;
    let job = stored.job.as_ref();
    if gate.state != GateState::Closed || matches!(job, Some(Job::Close { .. } | Job::Late { .. }))
    {
        return;
    }
    let Some(Job::Event { event, .. }) = job else { panic!("closed by {job:?}") };
    let Event::Failed(seen) = &world.events[*event] else { panic!("closed by a success") };
    let (tasks, within) = shared(seen, &gate.name).expect("closed by a failure not shared");
    let since = |seen: &FailureSeen| {
        shared(seen, &gate.name).is_some() && before.opening <= under(seen, &gate.name)
    };
    assert!(0 < tasks && since(seen), "moved by a straggler: {seen:?}");
    let alike: Vec<&FailureSeen> = world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Failed(other) if other.cause == seen.cause && since(other) => Some(other),
            _ => None,
        })
        .collect();
    let distinct = alike.iter().map(|begin| {
        let near = alike.iter().filter(|other| begin.at <= other.at);
        let near = near.filter(|other| other.at.since(begin.at) <= within);
        near.map(|other| other.task).collect::<BTreeSet<_>>().len()
    });
    if before.state == GateState::Open {
        assert!(tasks as usize <= distinct.max().unwrap(), "below its threshold: {gate:?}");
    }
}

fn no_failure_is_counted_twice(world: &World) {
    for name in &world.names {
        let records = world.records.iter().filter(|((gate, _), _)| gate == name);
        let failures = records.flat_map(|(_, (_, record))| &record.failures);
        let events: Vec<&String> = failures.map(|failure| &failure.event).collect();
        let distinct: BTreeSet<&String> = events.iter().copied().collect();
        assert_eq!(events.len(), distinct.len(), "{name} counts twice: {events:?}");
    }
}

/// Once everything was delivered: each shared failure is in the incident whose closing is the
/// first after its admission, or in the one that may come; and one that closes at once has.
fn every_failure_is_counted_where_it_belongs(world: &World) {
    let failures = world.events.iter().filter_map(|event| match event {
        Event::Failed(seen) => Some(seen),
        Event::Completed(_) => None,
    });
    for seen in failures {
        for name in &world.names {
            let Some((tasks, _)) = shared(seen, name).filter(|(tasks, _)| *tasks != 0) else {
                continue;
            };
            let under = under(seen, name);
            let mut later = world.history(name).filter(|gate| under < gate.epoch);
            let closing = later.find(|gate| gate.state == GateState::Closed);
            assert!(tasks != 1 || closing.is_some(), "{seen:?} closed nothing");
            let number = closing.map_or(world.gate(name).incident + 1, |gate| gate.incident);
            let record = world.records.get(&(name.clone(), number));
            assert!(record.is_some_and(|(_, record)| record.has(&seen.event)), "lost: {seen:?}");
        }
    }
}

/// Once everything was delivered: a gate does not wait for a canary that has decided.
fn a_spent_canary_makes_room(world: &World) {
    for name in &world.names {
        let gate = world.gate(name);
        let spent = world.attempts.iter().filter(|attempt| {
            let mut admitted = attempt.admitted.iter();
            let current = admitted.any(|it| it.gate == *name && it.epoch == gate.epoch);
            let decided = attempt.event.is_some_and(|event| match &world.events[event] {
                Event::Failed(seen) => seen.blame != Blame::Nobody,
                Event::Completed(_) => true,
            });
            current && decided && attempt.canary.contains(name)
        });
        assert!(gate.state != GateState::Probing || spent.count() == 0, "stuck: {gate:?}");
    }
}

fn shared(seen: &FailureSeen, name: &GateName) -> Option<(u32, Duration)> {
    match &seen.blame {
        Blame::Shared { gate, tasks, within } if gate == name => Some((*tasks, *within)),
        _ => None,
    }
}

fn under(seen: &FailureSeen, name: &GateName) -> Epoch {
    seen.admitted.iter().find(|admission| admission.gate == *name).unwrap().epoch
}

/// The promises hold after every step, and nothing is lost once everything was delivered.
fn lives_through(history: &[Vec<Act>], mut world: World) {
    let mut witness = Witness { looked_at: 0 };
    for act in history.iter().flatten() {
        world.act(act);
        witness.look(&world);
    }
    world.settle(|world| witness.look(world));
    every_failure_is_counted_where_it_belongs(&world);
    a_spent_canary_makes_room(&world);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// G3 to G5, where only people open.
    #[test]
    fn keeps_its_promises(history in prop::collection::vec(act(), 0..120)) {
        lives_through(&history, World::new());
    }

    /// The same, where a person allows of some causes that they pass by themselves, now and then.
    #[test]
    fn keeps_what_was_allowed(history in prop::collection::vec(act_of_resets(), 0..60)) {
        let mut world = World::new();
        world.act(&Act::Apply { resets: true });
        lives_through(&history, world);
    }
}
