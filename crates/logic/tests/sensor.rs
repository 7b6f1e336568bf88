//! The promises of `logic::sensor`, over arbitrary histories of two sensors that scan one
//! directory while it, the gates, the queue and the day change under them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod sensors;

use logic::sensor::{DayBudget, Found, Verdict};
use proptest::prelude::*;
use sensors::{Act, End, World, payee};

fn act() -> impl Strategy<Value = Act> {
    let agent = 0u8..8;
    prop_oneof![
        30 => (0usize..2).prop_map(Act::Step),
        2 => row().prop_map(Act::Register),
        2 => verdict().prop_map(Act::Gate),
        1 => Just(Act::Fence),
        1 => agent.clone().prop_map(Act::Contact),
        2 => (agent, end()).prop_map(|(agent, end)| Act::End(agent, end)),
        1 => any::<bool>().prop_map(|made| Act::LoseAnswer { made }),
        1 => (0usize..2).prop_map(Act::FailPage),
        1 => (0usize..2).prop_map(Act::Crash),
        1 => Just(Act::NextDay),
    ]
}

fn row() -> impl Strategy<Value = Found> {
    prop_oneof![
        8 => (0u8..8).prop_map(|agent| Found::Good(payee(agent))),
        1 => Just(Found::Missing),
        1 => Just(Found::Bad),
        1 => Just(Found::Foreign),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Completed),
        Just(End::Dead),
        Just(End::Withdrawn),
        Just(End::Revived),
        Just(End::Unfenced),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let gate = || "relay".parse().unwrap();
    prop_oneof![
        4 => Just(Verdict::Admits),
        1 => Just(Verdict::Blocked { gate: gate() }),
        1 => Just(Verdict::Unknown),
        1 => Just(Verdict::Probing { gate: gate(), waiting: 0 }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// G1, G2, W3, M2 and T1, checked by the world at every create and at every cycle's end.
    #[test]
    fn keeps_its_promises(
        caps in (1u32..4, 1u32..6),
        rows in prop::collection::vec(row(), 0..12),
        history in prop::collection::vec(act(), 0..250),
    ) {
        let mut world = World::new(caps.0, caps.1, rows);
        for act in history {
            world.act(act);
        }
        world.finish();
    }

    /// However reservations and returns interleave, what is used stays within the cap, and
    /// what is refused changes nothing.
    #[test]
    fn the_day_stays_within_its_cap(
        cap in 0u32..20,
        history in prop::collection::vec((any::<bool>(), 0u32..8), 0..60),
    ) {
        let mut record = DayBudget::new(3);
        let mut held = 0;
        for (reserve, count) in history {
            if reserve {
                let granted = record.reserve(count, cap);
                prop_assert_eq!(granted.is_some(), held + count <= cap);
                record = granted.unwrap_or(record);
                held += granted.map_or(0, |_| count);
            } else {
                let count = count.min(held);
                record = record.give_back(count);
                held -= count;
            }
            prop_assert_eq!((record.used, record.left(cap)), (held, cap - held));
        }
    }
}
