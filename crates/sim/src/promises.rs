//! The promises of the design, as named functions over what truly took place. All of them are
//! asked after every step; what the services believe counts for nothing.

mod gates;
mod payments;
mod resets;
mod tasks;

use crate::{exec::Millis, witness::Fact, world::World};

/// A promise that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number in the design; `L` for the end that everything must come to.
    pub promise: &'static str,
    /// What took place instead.
    pub what: String,
}

/// The outcome of asking one promise.
type Kept = Result<(), Broken>;

type Promise = fn(&World, &Fact, Millis) -> Kept;

/// Every promise that is asked of each fact.
const OF_EACH_FACT: [Promise; 20] = [
    gates::no_task_is_stored_behind_a_closed_gate,
    gates::no_attempt_begins_on_a_gate_seen_closed,
    gates::no_attempt_begins_over_a_hole,
    gates::no_attempt_begins_blind,
    gates::only_a_person_opens,
    gates::one_canary_for_each_opening,
    gates::only_a_canary_passes_a_probing_gate,
    gates::a_drain_keeps_its_pace,
    gates::a_straggler_moves_nothing,
    gates::a_canary_moves_only_what_it_proved,
    gates::one_closing_is_one_incident,
    gates::a_failure_is_counted_in_one_incident,
    tasks::one_holder_acts,
    tasks::an_end_is_final,
    tasks::nothing_leaves_the_queue_before_its_end,
    tasks::only_a_sensor_creates,
    tasks::charges_are_its_own_and_bounded,
    tasks::done_means_recorded,
    payments::what_may_have_left_is_unknown,
    payments::bytes_are_stored_before_they_leave,
];

/// Asks every promise about this step. The first that does not hold is the answer.
///
/// # Errors
///
/// The promise that was broken.
pub(crate) fn check(world: &mut World, now: Millis) -> Kept {
    payments::nobody_is_paid_twice(world)?;
    if world.facts.is_empty() {
        return Ok(());
    }
    let facts = std::mem::take(&mut world.facts);
    for fact in &facts {
        for promise in OF_EACH_FACT {
            promise(world, fact, now)?;
        }
        world.witness.remember(fact, now);
    }
    Ok(())
}

/// Whether everything has come to its end: no task waits, every gate is OPEN.
pub(crate) fn all_over(world: &World) -> bool {
    let open = |name| {
        let gate = world.broker.gate_now(&name);
        gate.is_some_and(|gate| gate.state == domain::GateState::Open)
    };
    let nothing_waits = world.broker.tasks.is_empty();
    nothing_waits && tasks::all_ended(world) && world.config.all_gates().into_iter().all(open)
}

/// What did not come to its end.
pub(crate) fn not_over(world: &World) -> Broken {
    let gates = world.config.all_gates().into_iter();
    let gates: Vec<String> = gates
        .filter_map(|name| world.broker.gate_now(&name))
        .filter(|gate| gate.state != domain::GateState::Open)
        .map(|gate| format!("{} {}", gate.name, gate.state.word()))
        .collect();
    let waiting: Vec<String> =
        world.broker.tasks.values().map(|task| tasks::shown(world, task)).collect();
    let what = format!("still waiting: {waiting:?}; gates not open: {gates:?}");
    Broken { promise: "L", what }
}

fn broken(promise: &'static str, what: String) -> Kept {
    Err(Broken { promise, what })
}
