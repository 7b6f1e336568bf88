use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{Epoch, Gate, GateName, GateState, Timestamp};

/// Latched for so long without an answer is alarmed.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The gates that a dispatcher holds itself back from since it saw a shared failure.
///
/// ```text
/// released by                                         because
/// a gate message of a higher epoch that is not CLOSED  what failed was before it
/// the failure counted while the gate stands at the     a gatekeeper saw it and did not close
///   epoch that the attempt was admitted under
/// ```
///
/// So a fleet of k dispatchers fails at most k times even when no gatekeeper is alive.
#[derive(Clone, Debug, Default)]
pub struct Latches {
    /// By gate, then by the id of the failure event.
    latched: BTreeMap<GateName, BTreeMap<String, Held>>,
    newest: BTreeMap<GateName, (Epoch, GateState)>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    epoch: Epoch,
    since: Timestamp,
    answered: bool,
}

/// A latch that no gatekeeper has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    pub gate: GateName,
    /// The epoch that the failed attempt was admitted under.
    pub epoch: Epoch,
    /// The id of the failure event.
    pub event: String,
    pub since: Timestamp,
}

impl Latches {
    pub fn new() -> Self {
        Latches::default()
    }

    /// An attempt admitted at `epoch` failed for what it shares through `gate`; `event` is the
    /// id of the failure event. Does nothing when the gate was opened since.
    pub fn latch(&mut self, gate: GateName, epoch: Epoch, event: String, at: Timestamp) {
        let newest = self.newest.get(&gate).filter(|newest| epoch < newest.0);
        if newest.is_some_and(|newest| newest.1 != GateState::Closed) {
            return;
        }
        let held = Held { epoch, since: at, answered: newest.is_some() };
        self.latched.entry(gate).or_default().entry(event).or_insert(held);
    }

    /// A gate message was seen. Old and repeated ones change nothing.
    pub fn on_gate(&mut self, gate: &Gate) {
        let newest = self.newest.entry(gate.name.clone()).or_insert((gate.epoch, gate.state));
        if gate.epoch < newest.0 {
            return;
        }
        *newest = (gate.epoch, gate.state);
        let Some(events) = self.latched.get_mut(&gate.name) else { return };
        events.retain(|_, held| gate.epoch <= held.epoch || gate.state == GateState::Closed);
        for held in events.values_mut().filter(|held| held.epoch < gate.epoch) {
            held.answered = true;
        }
        self.forget_empty(&gate.name);
    }

    /// The gate stands OPEN at `epoch`, and the failures `events` are counted in the incident
    /// that it gathers.
    pub fn on_counted(&mut self, gate: &GateName, epoch: Epoch, events: &BTreeSet<String>) {
        let Some(latched) = self.latched.get_mut(gate) else { return };
        latched.retain(|event, held| held.epoch != epoch || !events.contains(event));
        self.forget_empty(gate);
    }

    pub fn latched(&self, gate: &GateName) -> bool {
        self.latched.contains_key(gate)
    }

    /// The first of `needs` that is latched.
    pub fn first_of<'a>(&self, needs: &'a [GateName]) -> Option<&'a GateName> {
        needs.iter().find(|gate| self.latched(gate))
    }

    /// Every latched gate, for the heartbeat.
    pub fn gates(&self) -> impl Iterator<Item = &GateName> {
        self.latched.keys()
    }

    /// Every latch that waits for a gatekeeper: what to look for in the incident records.
    pub fn asking(&self) -> Vec<Unanswered> {
        let all = self
            .latched
            .iter()
            .flat_map(|(gate, events)| events.iter().map(move |(event, held)| (gate, event, held)));
        all.filter(|(_, _, held)| !held.answered)
            .map(|(gate, event, held)| Unanswered {
                gate: gate.clone(),
                epoch: held.epoch,
                event: event.clone(),
                since: held.since,
            })
            .collect()
    }

    /// Those that have waited longer than [`ANSWER_WITHIN`]: alarmed.
    pub fn unanswered(&self, now: Timestamp) -> Vec<Unanswered> {
        let mut waiting = self.asking();
        waiting.retain(|latch| ANSWER_WITHIN < now.since(latch.since));
        waiting
    }

    fn forget_empty(&mut self, gate: &GateName) {
        if self.latched.get(gate).is_some_and(BTreeMap::is_empty) {
            self.latched.remove(gate);
        }
    }
}
