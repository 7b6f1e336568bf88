//! How much of what waited may run at once.
//!
//! | the gate reads | attempts at once, over all kinds that need it                 |
//! | -------------- | ------------------------------------------------------------- |
//! | OPEN           | no limit                                                      |
//! | DRAINING       | 1, 2, 4, 8 … as attempts complete, at most its `drain_max`    |
//! | PROBING        | 1                                                             |
//! | CLOSED, absent | the consumer is paused, and set for the canary that comes next |
//!
//! That pace is kept by the seats that claims take, over all kinds and dispatchers: see
//! [`crate::attempt::seat`]. The limit of a kind's consumer only keeps the broker from
//! delivering much more than could be claimed, and says nothing of what it delivers again.
//!
//! That limit is the kind's share of the pace of every gate that it needs, or its own
//! concurrency if that is less, and its resting tasks on top: a resting message keeps its
//! slot in the consumer. Kinds that another gate holds back have no part in the sharing. A
//! share is never zero: a kind with nothing waiting must not starve another.
//!
//! Everything is a function of the newest gate messages and of what was told, each event
//! counted once, in whatever order; so every gatekeeper comes to the same limits by itself.

use std::collections::BTreeMap;

use domain::{
    Admission, Config, Epoch, Gate, GateName, GateState, Key, Kind, Phase, TaskState, Timestamp,
};

/// The `max_ack_pending` of a consumer that nothing limits. Zero or nothing would let the
/// broker put its own default of 1000.
pub const UNLIMITED: u32 = 65_536;

/// What was told of attempts, as far as it bears on the pace.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// By task: the newest attempt known to rest or to have rested. What is past its due
    /// time is forgotten.
    resting: BTreeMap<(Kind, Key), Rest>,
    /// By gate: the completed attempts, by event, with the epoch they were admitted under.
    completed: BTreeMap<GateName, BTreeMap<String, Epoch>>,
}

/// How the consumer of a kind must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindLimit {
    /// Messages delivered and not acknowledged, resting ones included; never 0.
    pub max_ack_pending: u32,
    /// At least one gate needed is CLOSED or unknown.
    pub paused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    attempt: u32,
    due: Timestamp,
    /// `false` once the task went on, kept so that a repeated event revives nothing.
    resting: bool,
}

impl Pace {
    pub fn new() -> Self {
        Pace::default()
    }

    /// Takes one link of a task's chain: from STATE, or from the event that tells it.
    pub fn on_state(&mut self, key: Key, state: &TaskState, now: Timestamp) {
        match rests_until(&state.phase) {
            Some(due) => self.on_resting(state.kind.clone(), key, state.attempt, due, now),
            None => self.on_gone_on(&state.kind, key, state.attempt),
        }
    }

    /// Takes the news that a task rests until `due` after its `attempt`, whatever for: put
    /// back for a gate or for others' failures, it keeps its slot just the same. Put back
    /// again before it could begin another attempt, it rests until the later time.
    pub fn on_resting(
        &mut self,
        kind: Kind,
        key: Key,
        attempt: u32,
        due: Timestamp,
        now: Timestamp,
    ) {
        let at = (kind, key);
        let newer = self.resting.get(&at).is_none_or(|rest| {
            rest.attempt < attempt || (rest.attempt == attempt && rest.resting && rest.due < due)
        });
        if newer && now < due {
            self.resting.insert(at, Rest { attempt, due, resting: true });
        }
    }

    /// Takes the news that a task does not rest any more: its `attempt` has begun or ended.
    /// If this overtakes the news of the rest, the limit is one too high until that is due.
    pub fn on_gone_on(&mut self, kind: &Kind, key: Key, attempt: u32) {
        if let Some(rest) = self.resting.get_mut(&(kind.clone(), key))
            && rest.attempt <= attempt
        {
            rest.attempt = attempt;
            rest.resting = false;
        }
    }

    /// Takes the news that an attempt completed, with the id of its event.
    pub fn on_completed(&mut self, event: &str, admitted: &[Admission]) {
        for Admission { gate, epoch, .. } in admitted {
            let completed = self.completed.entry(gate.clone()).or_default();
            completed.insert(event.to_owned(), *epoch);
        }
    }

    /// Forgets what can no longer matter: rests that are due, and what was admitted before
    /// the newest opening, or at all while the gate does not drain.
    pub fn forget(&mut self, gates: &BTreeMap<GateName, Gate>, now: Timestamp) {
        self.resting.retain(|_, rest| now < rest.due);
        self.completed.retain(|name, completed| {
            let draining =
                |gate: &&Gate| matches!(gate.state, GateState::Probing | GateState::Draining);
            let Some(gate) = gates.get(name).filter(draining) else { return false };
            completed.retain(|_, epoch| gate.opening <= *epoch);
            true
        });
    }

    /// How the consumer of `kind` must stand while the gates read so.
    pub fn limit(
        &self,
        config: &Config,
        gates: &BTreeMap<GateName, Gate>,
        kind: &Kind,
        now: Timestamp,
    ) -> KindLimit {
        let needs = config.needs(kind);
        let shares = needs.iter().filter_map(|name| {
            let pace = self.pace(config, name, gates.get(name))?;
            let mut flowing = config.needing(name);
            flowing.retain(|other| other == kind || !held_elsewhere(config, gates, name, other));
            Some(share(pace, &flowing, kind))
        });
        let concurrency = config.kinds.get(kind).and_then(|config| config.concurrency);
        // Never nothing: an idle kind must not starve another, and 0 is no limit to the broker.
        let at_once = shares.chain(concurrency).min().unwrap_or(UNLIMITED).max(1);
        KindLimit {
            max_ack_pending: at_once.saturating_add(self.resting(kind, now)).min(UNLIMITED),
            paused: needs.iter().any(|name| blocks(gates.get(name))),
        }
    }

    /// How many attempts completed that were admitted since the gate's newest opening.
    pub fn completions(&self, gate: &Gate) -> u32 {
        let completed = self.completed.get(&gate.name).into_iter().flat_map(BTreeMap::values);
        let since = completed.filter(|epoch| gate.opening <= **epoch).count();
        u32::try_from(since).unwrap_or(u32::MAX)
    }

    /// How many tasks of `kind` rest.
    pub fn resting(&self, kind: &Kind, now: Timestamp) -> u32 {
        let of_kind = self.resting.iter().filter(|((other, _), _)| other == kind);
        let resting = of_kind.filter(|(_, rest)| rest.resting && now < rest.due).count();
        u32::try_from(resting).unwrap_or(u32::MAX)
    }

    /// How many attempts at once may pass a gate; `None` for no limit.
    pub fn pace(&self, config: &Config, name: &GateName, gate: Option<&Gate>) -> Option<u32> {
        let drain_max = config.gates.get(name).and_then(|gate| gate.drain_max);
        match gate.map(|gate| (gate.state, gate)) {
            Some((GateState::Open, _)) => None,
            Some((GateState::Draining, gate)) => {
                let doubled = power_of_two_within(self.completions(gate).saturating_add(1));
                Some(doubled.min(drain_max.unwrap_or(UNLIMITED)).max(1))
            }
            Some((GateState::Probing | GateState::Closed, _)) | None => Some(1),
        }
    }
}

/// Whether `kind` does not flow whatever the gate `name` says: another one that it needs is
/// CLOSED or unknown. A drain of `name` then neither shares with it nor waits for it; that
/// other gate opens with a canary and a drain of its own.
pub fn held_elsewhere(
    config: &Config,
    gates: &BTreeMap<GateName, Gate>,
    name: &GateName,
    kind: &Kind,
) -> bool {
    config.needs(kind).iter().any(|other| other != name && blocks(gates.get(other)))
}

/// Until when a task in this phase waits out a delay of its own, if it does.
pub const fn rests_until(phase: &Phase) -> Option<Timestamp> {
    match phase {
        Phase::Resting { due, .. } | Phase::Returned { due, .. } => Some(*due),
        Phase::Claimed(_)
        | Phase::Completed { .. }
        | Phase::Dead { .. }
        | Phase::Withdrawn { .. }
        | Phase::Revived { .. }
        | Phase::Parked { .. } => None,
    }
}

/// Whether nothing is left of what waited when a gate opened.
///
/// `opening` is the stream sequence of the PROBING message that a person's opening wrote;
/// `waiting` are the tasks still in the queue, of every kind that needs the gate: the stream
/// sequence of their message and the newest link of their chain, if any. A task that rests
/// for its own fault, or that may not run at all, does not hold up the others.
pub fn backlog_gone<'a>(
    opening: u64,
    waiting: impl IntoIterator<Item = (u64, Option<&'a Phase>)>,
) -> bool {
    let gone = |phase: &Phase| match phase {
        Phase::Completed { .. } | Phase::Dead { .. } | Phase::Withdrawn { .. } => true,
        Phase::Parked { .. } => true,
        Phase::Resting { charged, .. } => *charged,
        Phase::Claimed(_) | Phase::Returned { .. } | Phase::Revived { .. } => false,
    };
    let mut older = waiting.into_iter().filter(|(seq, _)| *seq < opening);
    older.all(|(_, phase)| phase.is_some_and(gone))
}

fn blocks(gate: Option<&Gate>) -> bool {
    gate.is_none_or(|gate| gate.state == GateState::Closed)
}

/// What one kind gets of a gate's pace: an even part, the odd ones going to the first kinds.
fn share(pace: u32, needing: &[Kind], kind: &Kind) -> u32 {
    let kinds = u32::try_from(needing.len()).unwrap_or(u32::MAX).max(1);
    let place = needing.iter().position(|other| other == kind).unwrap_or(0);
    let odd = u32::try_from(place).is_ok_and(|place| place < pace % kinds);
    pace / kinds + u32::from(odd)
}

/// The greatest power of two that is at most `number`; 1 for 0.
fn power_of_two_within(number: u32) -> u32 {
    1 << number.max(1).ilog2()
}
