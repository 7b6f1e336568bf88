//! Judges the gate log as it is stored.

use std::collections::BTreeMap;

use domain::{Gate, GateName, GateState};
use wire::{Wire as _, subject};

use crate::harness::World;

/// G5, and what two gatekeepers owe each other: the log has no hole, each gate's epochs run on
/// one by one, and no gate left a state that it was not in.
pub(super) async fn gate_log(world: &World) {
    let stored = world.stored(subject::WORK, subject::FENCE).await;
    let mut gates = BTreeMap::<GateName, Gate>::new();
    let mut head = 0;
    for message in stored {
        let gate = Gate::decode(&message.body).unwrap();
        assert_eq!(gate.prev, head, "a hole before {gate:?}");
        head = message.seq;
        let named = subject::parse_gate(&message.subject);
        assert_eq!(named, Some((gate.name.clone(), gate.epoch)));
        match gates.get(&gate.name) {
            None => assert_eq!((gate.epoch.get(), gate.state), (1, GateState::Open)),
            Some(before) => follows(before, &gate),
        }
        gates.insert(gate.name.clone(), gate);
    }
}

fn follows(before: &Gate, after: &Gate) {
    use GateState::{Closed, Draining, Open, Probing};
    assert_eq!(after.epoch, before.epoch.next(), "{before:?} then {after:?}");
    let new_incident = match (before.state, after.state) {
        _ if before.name == GateName::config() => false,
        (Open, Closed) => true,
        (Closed, Probing | Open)
        | (Probing, Draining | Closed | Open)
        | (Draining, Open | Closed) => false,
        _ => panic!("{before:?} then {after:?}"),
    };
    assert_eq!(after.incident, before.incident + u64::from(new_incident), "{after:?}");
}
