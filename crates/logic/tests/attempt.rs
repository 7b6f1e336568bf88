//! The promises of `logic::attempt`, over arbitrary histories of one task, three dispatchers
//! and a broker that redelivers whenever it likes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod fleet;

use std::{collections::BTreeSet, time::Duration};

use domain::{Epoch, GateName, GateState, OnUnknown, Timestamp};
use fleet::{Act, Answer, Fleet, Setup, gate};
use logic::attempt::{ANSWER_WITHIN, Latches};
use proptest::prelude::*;

fn act() -> impl Strategy<Value = Act> {
    let who = 0usize..3;
    prop_oneof![
        6 => who.clone().prop_map(Act::Deliver),
        10 => (who.clone(), answer()).prop_map(|(who, answer)| Act::Go(who, answer)),
        4 => (who.clone(), answer()).prop_map(|(who, answer)| Act::Hurry(who, answer)),
        2 => who.clone().prop_map(Act::Renew),
        2 => who.clone().prop_map(Act::Crash),
        2 => who.prop_map(Act::LoseAnswer),
        4 => (1u64..4_000).prop_map(Act::Pass),
        1 => gate_state().prop_map(Act::Gate),
        1 => (1u32..4).prop_map(Act::Lease),
        1 => Just(Act::Count),
        1 => Just(Act::Contact),
        1 => Just(Act::Withdraw),
        1 => Just(Act::Revive),
    ]
}

fn gate_state() -> impl Strategy<Value = GateState> {
    prop_oneof![
        2 => Just(GateState::Open),
        1 => Just(GateState::Closed),
        2 => Just(GateState::Probing),
        1 => Just(GateState::Draining),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        1 => Just(Answer::Completed),
        4 => Just(Answer::Own),
        3 => Just(Answer::Shared),
        1 => Just(Answer::Nobody),
        2 => Just(Answer::Unknown),
        1 => Just(Answer::Held),
        1 => Just(Answer::Moot),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let offsets = prop::array::uniform3(0u64..100_000);
    let on_unknown =
        prop_oneof![Just(OnUnknown::Resolve), Just(OnUnknown::Rerun), Just(OnUnknown::Ask)];
    let drawn = (1u32..4, offsets, prop::bool::weighted(0.9), on_unknown);
    drawn.prop_map(|(attempts_max, clock_offsets, fenced, on_unknown)| Setup {
        attempts_max,
        clock_offsets,
        fenced,
        on_unknown,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// W1, W2, W4 and M2, checked by the fleet's witness after every step; then, left alone,
    /// the task ends, its end is told and its message acknowledged.
    #[test]
    fn keeps_its_promises(setup in setup(), history in prop::collection::vec(act(), 0..120)) {
        let mut fleet = Fleet::new(&setup);
        for act in history {
            fleet.act(act);
            fleet.witness.check(&fleet);
        }
        fleet.settle();
    }

    /// A task that kills every dispatcher that runs it ends dead after as many lost claims as
    /// it may have charged attempts, and each lost claim is told.
    #[test]
    fn a_killing_task_ends_dead(attempts_max in 1u32..6, extra in 0u32..3) {
        let setup = Setup { attempts_max, clock_offsets: [0; 3], fenced: true, on_unknown: OnUnknown::Resolve };
        let mut fleet = Fleet::new(&setup);
        for round in 0..attempts_max + extra {
            fleet.crash_while_running(usize::try_from(round % 3).unwrap());
        }
        fleet.settle();
        prop_assert_eq!(fleet.begun(), attempts_max);
        prop_assert_eq!(fleet.phase(), "dead");
    }

    /// However many dispatchers there are and however often they are delivered something, with
    /// no gatekeeper alive each fails once at most for what it shares.
    #[test]
    fn a_latched_fleet_fails_once_each(whom in prop::collection::vec(0usize..3, 1..60)) {
        let setup = Setup { attempts_max: 3, clock_offsets: [0; 3], fenced: true, on_unknown: OnUnknown::Resolve };
        let mut fleet = Fleet::new(&setup);
        let relay: GateName = "relay".parse().unwrap();
        for who in whom {
            fleet.run_once(who, Answer::Shared);
            prop_assert!(fleet.begun() <= 3, "{} attempts of 3 dispatchers", fleet.begun());
            prop_assert!(fleet.is_latched(who, &relay));
        }
    }

    /// A latch holds until a newer gate message admits, or a gatekeeper counted the failure
    /// at the epoch that it was admitted under; nothing else releases it, and time never does.
    #[test]
    fn a_latch_holds_until_it_is_answered(news in prop::collection::vec(news(), 0..40)) {
        let relay: GateName = "relay".parse().unwrap();
        let mut latches = Latches::new();
        let (mut held, mut newest): (Vec<(u64, bool)>, _) = (Vec::new(), (0, GateState::Closed));
        for (at, news) in (0..).zip(news) {
            let now = Timestamp::from_millis(0).after(ANSWER_WITHIN * at);
            match news {
                News::Failed(epoch) => {
                    latches.latch(relay.clone(), Epoch::new(epoch), epoch.to_string(), now);
                    let opened = epoch < newest.0 && newest.1 != GateState::Closed;
                    if !opened && held.iter().all(|(other, _)| *other != epoch) {
                        held.push((epoch, epoch < newest.0));
                    }
                }
                News::Moved(epoch, state) => {
                    latches.on_gate(&gate(Epoch::new(epoch), state));
                    if newest.0 <= epoch {
                        newest = (epoch, state);
                        held.retain(|(at, _)| epoch <= *at || state == GateState::Closed);
                        held.iter_mut().for_each(|(at, answered)| *answered |= *at < epoch);
                    }
                }
                News::Counted(epoch, event) => {
                    let events = BTreeSet::from([event.to_string()]);
                    latches.on_counted(&relay, Epoch::new(epoch), &events);
                    held.retain(|(at, _)| *at != epoch || *at != event);
                }
            }
            prop_assert_eq!(latches.latched(&relay), !held.is_empty());
            let asking = held.iter().filter(|(_, answered)| !answered).count();
            prop_assert_eq!(latches.asking().len(), asking);
            let later = now.after(ANSWER_WITHIN + Duration::from_millis(1));
            prop_assert_eq!(latches.unanswered(later).len(), asking);
            prop_assert!(latches.latched(&relay) || latches.gates().next().is_none());
        }
    }
}

/// What a dispatcher hears of one gate.
#[derive(Clone, Debug)]
enum News {
    /// An attempt admitted under this epoch failed.
    Failed(u64),
    Moved(u64, GateState),
    /// Counted at this epoch: the failure of an attempt that was admitted under the other.
    Counted(u64, u64),
}

fn news() -> impl Strategy<Value = News> {
    let epoch = 1u64..6;
    prop_oneof![
        2 => epoch.clone().prop_map(News::Failed),
        2 => (epoch.clone(), gate_state()).prop_map(|(epoch, state)| News::Moved(epoch, state)),
        1 => (epoch.clone(), epoch).prop_map(|(at, event)| News::Counted(at, event)),
    ]
}
