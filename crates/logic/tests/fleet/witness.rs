//! What an outsider who sees the chain's links and the handlers' answers can know.

use std::collections::{BTreeMap, BTreeSet};

use domain::{KindConfig, OnUnknown, Phase, Task, TaskState, Timestamp, event_id};

use logic::attempt::{Report, Told};

use super::{Answer, Fleet};

#[derive(Default)]
pub(crate) struct Witness {
    begun: BTreeSet<u32>,
    answers: BTreeMap<u32, Answer>,
    completed: bool,
    /// Attempts whose failure or end is on the chain, by the verb that must be told.
    owed: BTreeSet<(u32, &'static str)>,
}

impl Witness {
    /// W4: attempt numbers only grow, nothing runs again that was completed, and nothing runs
    /// before it has rested, by the clock of who runs it.
    pub(crate) fn begins(&mut self, prev: Option<&TaskState>, state: &TaskState, now: Timestamp) {
        assert!(!self.completed, "a completed task runs: {state:?}");
        // M2: only a person has what nobody knows done again, where the kind says so.
        assert!(!prev.is_some_and(TaskState::asks), "begun while it asks: {prev:?}");
        let newest = self.begun.last().copied().unwrap_or(0);
        assert!(newest < state.attempt, "attempt {} after {newest}", state.attempt);
        self.begun.insert(state.attempt);
        if let Some(Phase::Resting { due, .. } | Phase::Returned { due, .. }) =
            prev.map(|prev| &prev.phase)
        {
            assert!(*due <= now, "due {due}, begun {now}");
        }
    }

    pub(crate) fn answers(&mut self, attempt: u32, answer: Answer) {
        self.answers.insert(attempt, answer);
    }

    /// W1 and W2, over each link of the chain.
    pub(crate) fn writes(&mut self, prev: Option<&TaskState>, next: &TaskState, kind: &KindConfig) {
        self.ends_once(prev, next);
        self.charges_what_it_must(prev, next, kind);
        let claims = matches!(next.phase, Phase::Claimed(_));
        let claimed = prev.is_some_and(|prev| matches!(prev.phase, Phase::Claimed(_)));
        let attempt = prev.map_or(0, |prev| prev.attempt) + u32::from(claims && !claimed);
        assert_eq!(next.attempt, attempt, "{prev:?} -> {next:?}");
        self.completed |= matches!(next.phase, Phase::Completed { .. });
        match &next.phase {
            Phase::Completed { .. } => self.owed.insert((next.attempt, "completed")),
            Phase::Dead { .. } => self.owed.insert((next.attempt, "dead")),
            Phase::Resting { charged: true, .. } | Phase::Returned { cause: Some(_), .. } => {
                self.owed.insert((next.attempt, "failed"))
            }
            Phase::Parked { .. } if next.asks() => {
                self.owed.insert((next.attempt, "unknown"));
                self.owed.insert((next.attempt, "parked"))
            }
            _ => false,
        };
    }

    /// An end is only left by reviving, and completed never.
    fn ends_once(&self, prev: Option<&TaskState>, next: &TaskState) {
        let Some(prev) = prev.filter(|prev| prev.ended() || prev.asks()) else { return };
        if prev.asks() && matches!(next.phase, Phase::Withdrawn { .. }) {
            return;
        }
        assert!(!self.completed, "completed is final: {prev:?} -> {next:?}");
        assert!(matches!(next.phase, Phase::Revived { .. }), "ended: {prev:?} -> {next:?}");
    }

    /// Charged: own failures and lost claims. Never: what is shared, unknown or held.
    fn charges_what_it_must(&self, prev: Option<&TaskState>, next: &TaskState, kind: &KindConfig) {
        assert!(next.charged <= kind.attempts_max, "{} charged", next.charged);
        if matches!(next.phase, Phase::Revived { .. }) {
            return;
        }
        let (cause, fails) = match &next.phase {
            Phase::Resting { cause, charged: true, .. } | Phase::Dead { cause } => (cause, 1),
            Phase::Resting { cause, .. } => (cause, 0),
            _ => {
                assert_eq!(next.charged, prev.map_or(0, |prev| prev.charged), "{next:?}");
                return;
            }
        };
        assert_eq!(next.charged, prev.map_or(0, |prev| prev.charged) + fails, "{next:?}");
        let spent = next.charged == kind.attempts_max;
        assert_eq!(spent && fails == 1, matches!(next.phase, Phase::Dead { .. }), "{next:?}");
        if fails == 1 && cause.as_str() != "dispatcher.lost" {
            let answer = self.answers.get(&next.attempt);
            let reruns = kind.on_unknown == OnUnknown::Rerun && answer == Some(&Answer::Unknown);
            assert!(reruns || answer == Some(&Answer::Own), "{next:?}");
        }
        // M2: where the kind asks, nothing that nobody knows rests to be tried again.
        let unknown = cause.as_str() == "payment.unknown" || cause.as_str() == "dispatcher.lost";
        assert!(kind.on_unknown != OnUnknown::Ask || !unknown, "{next:?}");
    }

    /// W1: the message goes only when the task has ended, or is parked, and that is told.
    pub(crate) fn acknowledged(&self, chain: Option<&TaskState>, told: &BTreeMap<String, Report>) {
        let state = chain.unwrap();
        let parked = matches!(state.phase, Phase::Parked { .. });
        assert!(state.ended() || parked, "acknowledged while {}", state.word());
        let id = event_id(&state.kind, state.source_key.key(), state.attempt, state.word());
        assert!(told.contains_key(&id), "{id} is not told");
    }

    /// W4: at most one holder acts, and it is the one that the chain names, unless a person
    /// took the task from it and its lease has not run out.
    pub(crate) fn check(&self, fleet: &Fleet) {
        let acting: Vec<_> = fleet.acting().map(|process| &process.me).collect();
        assert!(acting.len() <= 1, "{acting:?} act together");
        for me in acting {
            match &fleet.chain.as_ref().unwrap().phase {
                Phase::Claimed(claim) => assert_eq!(claim.holder, *me, "overtaken"),
                Phase::Withdrawn { .. } => (),
                phase => panic!("{me} acts while {phase:?}"),
            }
        }
    }

    /// T2: whatever failed or ended on the chain was told, after whatever crash.
    pub(crate) fn all_told(&self, told: &BTreeMap<String, Report>, task: &Task) {
        for (attempt, verb) in &self.owed {
            let id = event_id(&task.kind, task.key(), *attempt, verb);
            assert!(told.contains_key(&id), "{id} was never told");
        }
    }
}

/// G5, T2: an attempt's failure or end that is told again says of the gates what it said first:
/// so it moves nothing twice and goes to the incident that it belongs to.
pub(super) fn tells_alike(first: &Report, again: &Report) {
    if !matches!(first.told, Told::Failed { .. } | Told::Completed { .. } | Told::Dead { .. }) {
        return;
    }
    assert_eq!((&first.admitted, &first.canary), (&again.admitted, &again.canary), "{first:?}");
    assert!(!first.admitted.is_empty(), "{first:?}");
    if let (Told::Failed { gate: first, .. }, Told::Failed { gate: again, .. }) =
        (&first.told, &again.told)
    {
        assert_eq!(first, again);
    }
}
