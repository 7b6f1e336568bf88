//! The promises of a schedule, over arbitrary histories of two sensors that share one record,
//! while clocks step, gates close and open, the fence moves and sensors die between any two
//! steps.

#![allow(clippy::unwrap_used, reason = "a test")]

mod schedule {
    pub(crate) mod world;
}

use domain::{Missed, WhileClosed};
use proptest::prelude::*;
use schedule::world::{Act, World};

fn act() -> impl Strategy<Value = Act> {
    let who = 0usize..2;
    prop_oneof![
        40 => who.clone().prop_map(Act::Step),
        8 => (1u64..4).prop_map(Act::Pass),
        1 => (20u64..60).prop_map(Act::Pass),
        1 => (1u64..30).prop_map(Act::StepBack),
        3 => any::<bool>().prop_map(Act::Gate),
        2 => Just(Act::Fence),
        2 => Just(Act::TaskEnds),
        1 => who.clone().prop_map(Act::LoseAnswer),
        2 => who.prop_map(Act::Crash),
    ]
}

fn missed() -> impl Strategy<Value = Missed> {
    prop_oneof![Just(Missed::Skip), Just(Missed::Once), Just(Missed::All)]
}

fn while_closed() -> impl Strategy<Value = WhileClosed> {
    prop_oneof![Just(WhileClosed::Hold), Just(WhileClosed::Drop), Just(WhileClosed::Collapse)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Each firing since the schedule began is created once, or given up once, or still owed:
    /// never two of them, and none is forgotten. Nothing is created behind a closed gate (G1),
    /// and what is kept stays bounded. Once the gate is open and both look, nothing is owed.
    #[test]
    fn each_firing_has_one_fate(
        missed in missed(),
        rule in while_closed(),
        held_max in 2u32..8,
        period in 1u64..5,
        acts in prop::collection::vec(act(), 1..160),
    ) {
        let mut world = World::new(missed, rule, held_max, period);
        for act in acts {
            world.act(act);
            world.check();
        }
        world.finish();
    }
}
