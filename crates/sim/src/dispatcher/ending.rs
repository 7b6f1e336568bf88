//! Running a claimed attempt, and writing down how it ended: first the chain, then the event,
//! then the broker's answer.

use std::time::Duration;

use domain::{Cause, Cost, Gate, GateName, GateState, KindConfig, Outcome, Phase, TaskState};
use logic::{
    attempt::{Ending, Report, Terms, Then, Told as Telling, blame_of, on_outcome},
    gate::still_admits,
    view::Verdict,
};

use super::{
    attempt::{Answer, Errand, Flow},
    canary::{self, Won, epoch_of},
    holding::{Claimed, Held},
    work,
};
use crate::{
    fleet::Cas,
    mutant::Mutant,
    witness::Fact,
    words::{Silent, Told, Versioned},
};

const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Errand {
    pub(super) async fn run(&self, kind: &KindConfig, mut claimed: Claimed) -> Answer {
        let began = claimed.link.value.clone();
        let held = self.hold(&mut claimed, self.work(&began, kind)).await;
        if let Held::Answered(outcome) = held {
            return self.conclude(kind, claimed.link, &outcome).await;
        }
        self.p().count("attempts given up, their claim gone or over");
        self.desk.abandon(&self.kind, self.key, began.attempt);
        Answer::Nothing
    }

    /// The handler's work, unless a gate has moved while the claim was written.
    async fn work(&self, claimed: &TaskState, kind: &KindConfig) -> Outcome {
        let Phase::Claimed(claim) = &claimed.phase else {
            return Outcome::Held { gate: None, why: "not claimed".to_owned() };
        };
        let held = self.held_back(claimed);
        if let Some(held) = held.filter(|_| !self.p().mutated(Mutant::GatesNotAsked)) {
            return held;
        }
        {
            let (by, at) = (self.p().id, self.p().sim.now());
            let (state, asked) = (claimed.clone().into(), self.asked);
            let mut world = self.p().sim.world.borrow_mut();
            let fact = Fact::Began { by, state, at, asked };
            world.fact(fact);
            world.count("attempts begun");
        }
        work::handle(self, claimed, &claim.holder, kind.timeout).await
    }

    fn held_back(&self, claimed: &TaskState) -> Option<Outcome> {
        let held = |gate, why: String| Some(Outcome::Held { gate, why });
        if let Some(gate) = self.desk.latched(&self.kind) {
            return held(Some(gate), "latched".to_owned());
        }
        match self.desk.gates.verdict(&self.kind) {
            Verdict::Open { admitted, .. } => {
                let standing = |gate: &GateName| Some(self.desk.gates.standing(gate)?.gate);
                let needs = admitted.into_iter().map(|admission| admission.gate);
                let gate = not_let_through(claimed, needs, standing)?;
                held(Some(gate), "has moved since".to_owned())
            }
            Verdict::Blocked { gate, .. } => held(Some(gate), "closed".to_owned()),
            Verdict::Unknown(unknown) => held(None, unknown.to_string()),
        }
    }

    /// Writes down what the attempt came to.
    async fn conclude(
        &self,
        kind: &KindConfig,
        mut link: Versioned<TaskState>,
        outcome: &Outcome,
    ) -> Answer {
        let ending = self.ending(kind, &link.value, outcome);
        if self.p().mutated(Mutant::AckBeforeSave) && ending.then == Then::Ack {
            self.answer(Answer::Done).await;
        }
        loop {
            if let Flow::Break(answer) = self.settle(ending.clone(), link.seq).await {
                return answer;
            }
            let stale = self.p().mutated(Mutant::StaleHolderActs);
            match self.read_chain().await {
                Ok(Some(found)) if stale || self.is_ours(&found, &link) => link.seq = found.seq,
                Ok(_) => {
                    self.p().count("endings of stale holders refused");
                    return Answer::Nothing;
                }
                Err(Silent) => self.p().sleep(AGAIN_AFTER).await,
            }
        }
    }

    fn ending(&self, kind: &KindConfig, state: &TaskState, outcome: &Outcome) -> Ending {
        let blame = blame_of(&self.p().config(), &self.kind, outcome);
        let jitter = self.p().sim.fraction();
        on_outcome(state, outcome, &Terms { kind, blame: &blame, jitter, now: self.p().now() })
    }

    /// Ends an attempt that this process stopped to act under: what it did is unknown.
    pub(super) async fn write_off(&self, kind: &KindConfig, found: &Versioned<TaskState>) -> Flow {
        let outcome = unanswered("the claim ran out before the answer came");
        self.settle(self.ending(kind, &found.value, &outcome), found.seq).await
    }

    /// Writes a link on `last`, tells it, and says what to answer. Continues when the link was
    /// refused.
    pub(super) async fn settle(&self, ending: Ending, last: u64) -> Flow {
        let latched = self.latch(&ending);
        let stored = loop {
            match self.write(&ending.state, last).await {
                Ok(Cas::Stored(_)) => break true,
                Ok(Cas::Lost) => break false,
                Err(Silent) => self.p().sleep(AGAIN_AFTER).await,
            }
        };
        if !stored {
            if let (Some(latch), Some(event)) = (&ending.latch, latched) {
                let mut latches = self.desk.latches.borrow_mut();
                latches.on_counted(&latch.gate, latch.epoch, &[event].into());
            }
            return Flow::Continue(());
        }
        self.tell_all(&ending.state, &ending.reports).await;
        self.free(&ending).await;
        match ending.then {
            Then::Ack => Flow::Break(Answer::Done),
            Then::PutBack(after) => Flow::Break(Answer::PutBack(after)),
        }
    }

    /// Latches what the ending latches, under the id of the failure event to be told.
    fn latch(&self, ending: &Ending) -> Option<String> {
        let latch = ending.latch.as_ref()?;
        let failed = |told: &Telling| matches!(told, Telling::Failed { gate: Some(_), .. });
        let report = ending.reports.iter().find(|report| failed(&report.told))?;
        let event = told(&ending.state, report).id();
        self.p().count("latches");
        let mut latches = self.desk.latches.borrow_mut();
        latches.latch(latch.gate.clone(), latch.epoch, event.clone(), ending.state.at);
        Some(event)
    }

    async fn free(&self, ending: &Ending) {
        let admitted: Vec<_> =
            ending.reports.iter().flat_map(|report| &report.admitted).cloned().collect();
        let won = ending.free.iter().filter_map(|gate| {
            let epoch = epoch_of(&admitted, gate)?;
            Some(Won { gate: gate.clone(), epoch })
        });
        canary::free(&self.desk, &self.kind, self.key, &won.collect::<Vec<_>>()).await;
    }

    fn is_ours(&self, found: &Versioned<TaskState>, link: &Versioned<TaskState>) -> bool {
        let Phase::Claimed(claim) = &found.value.phase else { return false };
        link.seq < found.seq
            && claim.holder == self.desk.me
            && found.value.attempt == link.value.attempt
    }

    /// Tells every report until it is stored.
    pub(super) async fn tell_all(&self, state: &TaskState, reports: &[Report]) {
        for report in reports {
            let told = told(state, report);
            while self.p().tell(&told).await.is_err() {
                self.p().sleep(AGAIN_AFTER).await;
            }
        }
    }
}

/// The first of the gates needed that lets the claimed attempt through no more.
fn not_let_through(
    claimed: &TaskState,
    needs: impl IntoIterator<Item = GateName>,
    standing: impl Fn(&GateName) -> Option<Gate>,
) -> Option<GateName> {
    let lets_through = |name: &GateName| {
        let admitted = claimed.admitted.iter().find(|admission| admission.gate == *name)?;
        let gate = standing(name)?;
        let turn = gate.state != GateState::Probing || claimed.canary.contains(name);
        (turn && still_admits(&gate, admitted)).then_some(())
    };
    needs.into_iter().find(|name| lets_through(name).is_none())
}

/// The event of one report about the link `state`.
fn told(state: &TaskState, report: &Report) -> Told {
    let (verb, cause, evidence) = match &report.told {
        Telling::Completed { .. } => ("completed", None, String::new()),
        Telling::Failed { cause, evidence, .. } | Telling::Unknown { cause, evidence, .. } => {
            ("failed", Some(cause.clone()), evidence.clone())
        }
        Telling::Dead { cause } => ("dead", Some(cause.clone()), String::new()),
        Telling::Held { why, .. } => ("held", None, why.clone()),
        Telling::Withdrawn { why, .. } => ("withdrawn", None, why.clone()),
        Telling::Revived { note, .. } => ("revived", None, note.clone()),
        Telling::Parked { cause, .. } => ("parked", Some(cause.clone()), String::new()),
    };
    Told {
        verb,
        by_payer: false,
        kind: state.kind.clone(),
        source_key: state.source_key.clone(),
        attempt: report.attempt,
        at: state.at,
        cause,
        evidence,
        rest_until: match state.phase {
            Phase::Resting { due, .. } | Phase::Returned { due, .. } => Some(due),
            _ => None,
        },
        resets_at: state.resets_at.filter(|_| verb == "failed"),
        admitted: report.admitted.clone(),
        canary: report.canary.clone(),
    }
}

pub(super) fn unanswered(evidence: &str) -> Outcome {
    let (cause, evidence) = (Cause::known("service.timeout"), evidence.to_owned());
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}
