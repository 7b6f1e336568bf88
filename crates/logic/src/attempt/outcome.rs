use std::time::Duration;

use domain::{
    Blame, Cause, Config, Cost, Epoch, GateName, Kind, KindConfig, OnUnknown, Outcome, Phase, Task,
    TaskState, Timestamp,
};

use super::{Report, Told, delay::delay};
use crate::usd::Toll;

/// The next link of a chain, and what follows once it is written, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// To write by compare-and-set. Refused: the claim is gone; tell nothing, answer nothing.
    pub state: TaskState,
    pub reports: Vec<Report>,
    pub then: Then,
    /// The gate that this dispatcher holds itself back from, until a gatekeeper answers.
    pub latch: Option<Latch>,
    /// Canaries that tried nothing: give them back, so that the next may have them.
    pub free: Vec<GateName>,
    /// What the attempt has cost in dollars, for whoever holds some for it.
    pub toll: Toll,
}

/// What the broker is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Ack,
    PutBack(Duration),
}

/// The gate to latch and the epoch under which the failed attempt began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latch {
    pub gate: GateName,
    pub epoch: Epoch,
}

/// What an outcome is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub kind: &'a KindConfig,
    /// Of the outcome's cause: [`blame_of`].
    pub blame: &'a Blame,
    /// Drawn from 0 to 1.
    pub jitter: f64,
    pub now: Timestamp,
}

/// The cause that an outcome names.
pub fn cause_of(outcome: &Outcome) -> Option<&Cause> {
    match outcome {
        Outcome::Failed { cause, .. } | Outcome::Unknown { cause, .. } => Some(cause),
        Outcome::Completed { .. } | Outcome::Held { .. } | Outcome::Moot { .. } => None,
    }
}

/// Who is to blame for an outcome; nobody when it names no cause.
pub fn blame_of(config: &Config, kind: &Kind, outcome: &Outcome) -> Blame {
    cause_of(outcome).map_or(Blame::Nobody, |cause| config.blame(kind, cause))
}

/// How long the other side has asked the task to wait. A budget asks nobody: the task is free to
/// go as soon as there is a larger one.
fn asked(cause: &Cause, named: Option<Duration>) -> Option<Duration> {
    named.filter(|_| cause.as_str() != "budget.reached")
}

/// What follows from the outcome of the attempt that holds `claimed`.
pub fn on_outcome(claimed: &TaskState, outcome: &Outcome, terms: &Terms) -> Ending {
    let attempt = Attempt { toll: Toll::of(outcome), ..Attempt::of(claimed, terms.now) };
    match outcome {
        Outcome::Completed { effect, cost } => attempt.costing(*cost).completed(effect, *cost),
        Outcome::Failed { cause, evidence, retry_after: named, cost } => {
            let retry_after = asked(cause, *named);
            let trouble = Trouble { cause, evidence, retry_after, cost: *cost, unknown: false };
            let attempt = attempt.costing(*cost).stating(*named);
            match terms.blame {
                Blame::Own => attempt.charge(&trouble, terms),
                Blame::Shared { gate, tasks, .. } if 0 < *tasks => {
                    attempt.share(&trouble, gate, terms)
                }
                Blame::Shared { .. } | Blame::Nobody => attempt.rest(&trouble, false, terms),
            }
        }
        Outcome::Unknown { cause, evidence, retry_after: named, cost } => {
            let retry_after = asked(cause, *named);
            let trouble = Trouble { cause, evidence, retry_after, cost: *cost, unknown: true };
            attempt.costing(*cost).stating(*named).unknown(&trouble, terms)
        }
        Outcome::Held { gate, why } => attempt.held(gate.clone(), why, terms),
        Outcome::Moot { why } => attempt.moot(why),
    }
}

/// The attempt that ends, as it will stand in the next link.
pub(super) struct Attempt {
    state: TaskState,
    toll: Toll,
}

struct Trouble<'a> {
    cause: &'a Cause,
    evidence: &'a str,
    retry_after: Option<Duration>,
    cost: Cost,
    /// What it did is not known.
    unknown: bool,
}

impl Ending {
    /// The same, and where the task's message leaves the queue and a person may put it back,
    /// the link keeps `task`; of a follow-up, whatever may follow it in turn needs it too. What
    /// is told says who created it.
    #[must_use]
    pub fn keeping(mut self, task: &Task) -> Self {
        for report in &mut self.reports {
            report.created = Some(task.created());
        }
        let kept = match self.state.phase {
            Phase::Dead { .. } | Phase::Withdrawn { .. } => true,
            // After an attempt, not because of how it was created.
            Phase::Parked { .. } => !self.state.admitted.is_empty(),
            Phase::Completed { .. } => task.follows.is_some(),
            _ => false,
        };
        self.state.task = kept.then(|| Box::new(task.clone()));
        self
    }
}

impl Attempt {
    pub(super) fn of(state: &TaskState, now: Timestamp) -> Self {
        let mut state = TaskState { at: now, ..state.clone() };
        if !matches!(state.phase, Phase::Claimed(_)) {
            // Whatever was admitted before is over: nothing was, for what follows.
            state.admitted.clear();
            state.canary.clear();
            state.newest = Cost::ZERO;
            state.credential = None;
            state.resets_at = None;
        }
        Attempt { state, toll: Toll::Nothing }
    }

    fn costing(mut self, cost: Cost) -> Self {
        self.state.cost = self.state.cost.plus(cost);
        self.state.newest = cost;
        self
    }

    /// Keeps the time at which whoever refused says that it works again.
    fn stating(mut self, retry_after: Option<Duration>) -> Self {
        self.state.resets_at = retry_after.map(|wait| self.state.at.after(wait));
        self
    }

    fn report(&self, told: Told) -> Report {
        Report::of(&self.state, told)
    }

    fn ending(self, phase: Phase, reports: Vec<Report>, then: Then) -> Ending {
        let (toll, state) = (self.toll, TaskState { phase, ..self.state });
        Ending { state, reports, then, latch: None, free: Vec::new(), toll }
    }

    fn completed(self, effect: &str, cost: Cost) -> Ending {
        let report = self.report(Told::Completed { effect: effect.to_owned(), cost });
        self.ending(Phase::Completed { effect: effect.to_owned() }, vec![report], Then::Ack)
    }

    /// What nobody knows, as the kind has it: see [`OnUnknown`].
    fn unknown(self, trouble: &Trouble, terms: &Terms) -> Ending {
        match (terms.kind.on_unknown, terms.blame) {
            (OnUnknown::Ask, Blame::Shared { gate, tasks, .. }) if 0 < *tasks => {
                self.ask(trouble, Some(gate))
            }
            (OnUnknown::Ask, _) => self.ask(trouble, None),
            (_, Blame::Shared { gate, tasks, .. }) if 0 < *tasks => {
                self.share(trouble, gate, terms)
            }
            // Whoever is to blame, or it would run for ever; but a rolling restart is no try.
            (OnUnknown::Rerun, _) if trouble.cause.as_str() != "dispatcher.stopped" => {
                self.charge(trouble, terms)
            }
            // It was asked and has answered: to ask again is no way to know, and must end.
            (OnUnknown::Resolve, Blame::Own) if trouble.cause.as_str() == "service.garbled" => {
                self.charge(trouble, terms)
            }
            (OnUnknown::Resolve | OnUnknown::Rerun, _) => self.rest(trouble, true, terms),
        }
    }

    /// Parked, uncharged, for a person to decide. What the attempt did is unknown; why nobody
    /// knows is a failure like any other of the gate that it is shared through.
    fn ask(self, trouble: &Trouble, shared: Option<&GateName>) -> Ending {
        let latch = shared.and_then(|gate| self.latch(gate));
        let failed = self.report(match shared {
            Some(gate) => trouble.failed(false, Some(gate.clone())),
            None => trouble.unknown(),
        });
        let mut ending = self.park(trouble.cause, trouble.evidence);
        ending.reports.insert(0, failed);
        Ending { latch, ..ending }
    }

    fn latch(&self, gate: &GateName) -> Option<Latch> {
        let admission = self.state.admitted.iter().find(|admission| admission.gate == *gate)?;
        Some(Latch { gate: gate.clone(), epoch: admission.epoch })
    }

    fn charge(mut self, trouble: &Trouble, terms: &Terms) -> Ending {
        self.state.charged = self.state.charged.saturating_add(1);
        let failed = self.report(trouble.failed(true, None));
        if self.spent(terms.kind) {
            return self.dead(trouble.cause, failed);
        }
        let wait = terms.delay(self.state.charged, trouble.retry_after);
        let phase = Phase::Resting {
            due: terms.now.after(wait),
            cause: trouble.cause.clone(),
            charged: true,
        };
        self.ending(phase, vec![failed], Then::PutBack(wait))
    }

    /// The holder vanished: charged like a failure of its own, but due at once. Whoever took it
    /// over puts it back all the same: it was delivered before, maybe long before, and may only
    /// begin as one of those that are let go at once now (G4).
    ///
    /// Where the kind asks, a person decides: what the attempt did is unknown.
    pub(super) fn lost(mut self, cause: &Cause, evidence: &str, kind: &KindConfig) -> Ending {
        let (retry_after, cost, unknown) = (None, Cost::ZERO, true);
        let trouble = Trouble { cause, evidence, retry_after, cost, unknown };
        self.toll = Toll::Unknown;
        if kind.on_unknown == OnUnknown::Ask {
            return self.ask(&trouble, None);
        }
        self.state.charged = self.state.charged.saturating_add(1);
        let failed = self.report(trouble.failed(true, None));
        if self.spent(kind) {
            return self.dead(cause, failed);
        }
        let phase = Phase::Resting { due: self.state.at, cause: cause.clone(), charged: true };
        self.ending(phase, vec![failed], Then::PutBack(Duration::ZERO))
    }

    fn spent(&self, kind: &KindConfig) -> bool {
        kind.attempts_max <= self.state.charged
    }

    fn dead(self, cause: &Cause, failed: Report) -> Ending {
        let dead = self.report(Told::Dead { cause: cause.clone() });
        self.ending(Phase::Dead { cause: cause.clone() }, vec![failed, dead], Then::Ack)
    }

    /// Where this one failure closes the gate, that keeps everyone waiting, and what the other
    /// side asked for: the task itself must not sleep through an opening. Not so what is in doubt:
    /// asked again too early, it would be put off without a try, and close the gate once more.
    fn share(self, trouble: &Trouble, gate: &GateName, terms: &Terms) -> Ending {
        let latch = self.latch(gate);
        let failed = self.report(trouble.failed(false, Some(gate.clone())));
        let closes = matches!(terms.blame, Blame::Shared { tasks: 1, .. }) && !trouble.unknown;
        let wait = match closes {
            true => terms.delay(1, None),
            false => terms.delay(self.uncharged(), trouble.retry_after),
        };
        let phase = Phase::Returned {
            gate: Some(gate.clone()),
            cause: Some(trouble.cause.clone()),
            due: terms.now.after(wait),
        };
        Ending { latch, ..self.ending(phase, vec![failed], Then::PutBack(wait)) }
    }

    fn rest(self, trouble: &Trouble, unknown: bool, terms: &Terms) -> Ending {
        let told = if unknown { trouble.unknown() } else { trouble.failed(false, None) };
        let report = self.report(told);
        let wait = terms.delay(self.uncharged(), trouble.retry_after);
        let phase = Phase::Resting {
            due: terms.now.after(wait),
            cause: trouble.cause.clone(),
            charged: false,
        };
        self.ending(phase, vec![report], Then::PutBack(wait))
    }

    fn held(self, gate: Option<GateName>, why: &str, terms: &Terms) -> Ending {
        let wait = terms.delay(1, None);
        self.give_back(gate, why, wait)
    }

    /// Nothing was tried under this claim.
    pub(super) fn give_back(self, gate: Option<GateName>, why: &str, wait: Duration) -> Ending {
        let report = self.report(Told::Held { gate: gate.clone(), why: why.to_owned() });
        let free = self.state.canary.clone();
        let phase = Phase::Returned { gate, cause: None, due: self.state.at.after(wait) };
        Ending { free, ..self.ending(phase, vec![report], Then::PutBack(wait)) }
    }

    /// Withdrawn in the name of the dispatcher.
    pub(super) fn moot(self, why: &str) -> Ending {
        let (by, why) = ("dispatcher".to_owned(), why.to_owned());
        let report = self.report(Told::Withdrawn { by: by.clone(), why: why.clone() });
        let free = self.state.canary.clone();
        let phase = Phase::Withdrawn { by, why };
        Ending { free, ..self.ending(phase, vec![report], Then::Ack) }
    }

    pub(super) fn park(self, cause: &Cause, evidence: &str) -> Ending {
        let evidence = evidence.to_owned();
        let report = self.report(Told::Parked { cause: cause.clone(), evidence: evidence.clone() });
        self.ending(Phase::Parked { cause: cause.clone(), evidence }, vec![report], Then::Ack)
    }

    /// Attempts so far that were not charged, this one included.
    fn uncharged(&self) -> u32 {
        self.state.attempt.saturating_sub(self.state.charged)
    }
}

impl Trouble<'_> {
    fn failed(&self, charged: bool, gate: Option<GateName>) -> Told {
        let (cause, evidence) = (self.cause.clone(), self.evidence.to_owned());
        Told::Failed { cause, evidence, charged, gate, cost: self.cost }
    }

    fn unknown(&self) -> Told {
        let (cause, evidence) = (self.cause.clone(), self.evidence.to_owned());
        Told::Unknown { cause, evidence, cost: self.cost }
    }
}

impl Terms<'_> {
    fn delay(&self, nth: u32, retry_after: Option<Duration>) -> Duration {
        delay(self.kind.rest, self.kind.rest_max, nth, retry_after, self.jitter)
    }
}
