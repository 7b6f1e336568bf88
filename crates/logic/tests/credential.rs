//! The promises of `logic::credential`, over histories of several dispatchers that share files,
//! a record and a provider; interleaved at every read, write and answer.
//!
//! The bound on calls with a dead secret: none begins after the refusal is on record. Those are
//! left that had asked for the record before it was written: at most one for each call that was
//! under way then.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "credential/world.rs"]
mod world;

use proptest::prelude::*;
use world::{Act, World};

const DISPATCHERS: usize = 3;

fn act(killable: usize) -> impl Strategy<Value = Act> {
    let who = 0..DISPATCHERS;
    prop_oneof![
        40 => who.clone().prop_map(Act::Go),
        4 => (0..killable).prop_map(Act::Kill),
        3 => (0usize..1, 0..killable).prop_map(|(slot, secret)| Act::Put { slot, secret }),
        1 => Just(Act::Lose),
        2 => (0..killable).prop_map(Act::Allow),
        1 => Just(Act::OpenGate),
        2 => who.clone().prop_map(Act::FailWrite),
        1 => who.prop_map(Act::Crash),
        3 => (0u64..400).prop_map(Act::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever dies, is renewed, allowed or lost: what was read to be refused is not lent, a
    /// call asks with each secret once, and the first that serves is the one that is lent. With
    /// a key that serves in the last place, no call ends without an answer.
    #[test]
    fn with_a_serving_key_every_call_is_answered(
        history in prop::collection::vec(act(world::SECRETS - 1), 0..150),
    ) {
        let mut world = World::new(DISPATCHERS);
        for act in history {
            world.act(act)?;
        }
        for who in 0..DISPATCHERS {
            world.act(Act::FailNothing)?;
            for _ in 0..40 {
                world.act(Act::Go(who))?;
            }
        }
        prop_assert_eq!(world.ended_without_answer, 0);
    }

    /// Also when every secret may die: a call then ends, and says why.
    #[test]
    fn without_one_every_call_ends(
        history in prop::collection::vec(act(world::SECRETS), 0..150),
    ) {
        let mut world = World::new(DISPATCHERS);
        for act in history {
            world.act(act)?;
        }
        for secret in 0..world::SECRETS {
            world.act(Act::Kill(secret))?;
        }
        world.act(Act::FailNothing)?;
        for who in 0..DISPATCHERS {
            let before = world.ended_without_answer;
            for _ in 0..60 {
                world.act(Act::Go(who))?;
            }
            prop_assert!(before < world.ended_without_answer, "the call goes on for ever");
        }
    }
}

/// Ten dispatchers under way with a token that dies cost ten refused calls, one each; from then
/// on none, however many calls are made.
#[test]
fn ten_dispatchers_try_a_dead_token_once_each() {
    let mut world = World::new(10);
    // Look, choose, confirm, lend: then everybody is under way.
    for who in 0..10 {
        while !world.under_way(who) {
            world.act(Act::Go(who)).unwrap();
        }
    }
    world.act(Act::Kill(0)).unwrap();
    for _ in 0..200 {
        for who in 0..10 {
            world.act(Act::Go(who)).unwrap();
        }
    }
    assert_eq!(world.calls_with_dead, 10);
    assert_eq!(world.refusals_told(), 1);
    assert!(100 < world.answered);
}

/// A dispatcher that is not under way when the refusal is stored never calls with it at all.
#[test]
fn who_begins_later_never_calls_with_it() {
    let mut world = World::new(2);
    world.act(Act::Kill(0)).unwrap();
    while world.answered == 0 {
        world.act(Act::Go(0)).unwrap();
    }
    assert_eq!(world.calls_with_dead, 1);
    for _ in 0..100 {
        world.act(Act::Go(1)).unwrap();
    }
    assert_eq!(world.calls_with_dead, 1);
}

/// A new secret in the first place is what the next call is made with.
#[test]
fn a_renewed_secret_is_used_at_once() {
    let mut world = World::new(1);
    world.act(Act::Kill(0)).unwrap();
    while world.answered < 3 {
        world.act(Act::Go(0)).unwrap();
    }
    world.act(Act::Put { slot: 0, secret: 1 }).unwrap();
    let before = world.served.clone();
    while world.answered < 6 {
        world.act(Act::Go(0)).unwrap();
    }
    // One call may have looked before.
    assert_eq!(world.served[before.len() + 1..], [1, 1]);
}
