//! The promises of `logic::reconcile`: an honest history differs in nothing, and one thing
//! wrong is one line.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(unreachable_pub, reason = "modules of one test")]

mod seeded;
mod silence;
mod world;

use proptest::prelude::*;
use world::{Open, Past, World, kinds, open, past};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever has happened to payments, over any window, and while up to five are under way:
    /// what is honest differs in nothing, and nothing of it is left out of the comparison.
    #[test]
    fn an_honest_history_differs_in_nothing(
        past in prop::collection::vec(past(), 0..20),
        open in prop::collection::vec(open(), 0..5),
        hours in prop::option::of(1_u64..30),
    ) {
        let world = World::new(&past, &open);
        prop_assert_eq!(kinds(&world.told(hours)), vec![]);
    }

    /// One thing wrong in any history is told by exactly its line, whichever agent it concerns.
    #[test]
    fn one_thing_wrong_is_one_line(
        past in prop::collection::vec(past(), 0..12),
        open in prop::collection::vec(open(), 0..4),
        seed in seeded::any(),
        which in any::<prop::sample::Index>(),
    ) {
        let mut past = past;
        past.insert(0, Past::Welcomed);
        let mut world = World::new(&past, &open);
        let settled: Vec<usize> =
            world.settled().into_iter().filter(|at| *at < world.facts.payments.len() - open.len()).collect();
        let victim = world.facts.payments[*which.get(&settled)].payee.address.clone();
        let agent = seeded::plant(&mut world, seed, &victim);
        prop_assert_eq!(kinds(&world.told(None)), vec![(seed.word(), agent)]);
    }
}

/// What was settled minutes ago need not show yet; it is counted as that, and no more.
#[test]
fn what_is_fresh_is_not_missed() {
    let world = World::new(&[Past::Welcomed], &[Open::Settled, Open::Settled]);
    let findings = logic::reconcile::compare(&world.told(None));
    assert_eq!((findings.differences.len(), findings.fresh.len()), (0, 2));
    assert_eq!(findings.payments, [("settled", 3)].into());
    assert_eq!((findings.transfers, findings.sats_moved, findings.messages), (1, 100, 1));
}
