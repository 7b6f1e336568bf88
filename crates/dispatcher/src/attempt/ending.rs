//! Running a claimed attempt, and writing down how it ended: first the chain, then the event,
//! then the broker's answer.

use std::{ops::ControlFlow, time::Duration};

use domain::{Config, Gate, GateName, GateState, KindConfig, Outcome, Phase, TaskState};
use fleet::store::{Cas, StoreError, Versioned};
use logic::{
    attempt::{Ending, Terms, Then, Told, blame_of, cause_of, on_outcome},
    gate::still_admits,
    view::Verdict,
};
use wire::message::RunRequest;

use super::{
    Answer, Errand, Flow,
    canary::{self, Won, epoch_of},
    lease::{Claimed, Held},
    told,
};
use crate::handler::{self, Handled};

/// Between writes of an end that got no answer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Errand {
    /// Has the claimed attempt done, unless it is `refused` already.
    pub(super) async fn run(
        &self,
        config: &Config,
        kind: &KindConfig,
        mut claimed: Claimed,
        refused: Option<Outcome>,
    ) -> Answer {
        let counted = self.desk.count_running();
        let first = claimed.link.value.clone();
        let work = self.work(&first, kind, refused);
        let held = self.hold(&mut claimed, &kind.handler, work).await;
        drop(counted);
        let why = match held {
            Held::Answered(handled) => {
                return self.conclude(config, kind, claimed.link, &handled).await;
            }
            Held::Gone => "another wrote to its chain",
            Held::Over => "its claim could not be renewed",
        };
        // Should the claim stand after all, nobody acts under it any more.
        self.desk.abandon(&self.kind, self.key, first.attempt);
        tracing::warn!(
            kind = %self.kind,
            source_key = %self.task.source_key,
            attempt = first.attempt,
            why,
            "the attempt is given up"
        );
        Answer::Nothing
    }

    /// The handler's work, unless a gate has moved while the claim was written.
    async fn work(
        &self,
        claimed: &TaskState,
        kind: &KindConfig,
        refused: Option<Outcome>,
    ) -> Handled {
        let Phase::Claimed(claim) = &claimed.phase else {
            return Outcome::Held { gate: None, why: "not claimed".to_owned() }.into();
        };
        if let Some(held) = self.held_back(claimed) {
            return held.into();
        }
        if let Some(refused) = refused {
            return refused.into();
        }
        let request = RunRequest {
            task: self.task.clone(),
            attempt: claimed.attempt,
            holder: claim.holder.clone(),
            admitted: claimed.admitted.clone(),
        };
        handler::handle(&self.desk, kind, &request).await
    }

    fn held_back(&self, claimed: &TaskState) -> Option<Outcome> {
        let held = |gate, why: String| Some(Outcome::Held { gate, why });
        if let Some(gate) = self.desk.latched(&self.kind) {
            let why = format!("latched on gate {gate}");
            return held(Some(gate), why);
        }
        match self.desk.fleet.gates.verdict(&self.kind) {
            Verdict::Open { admitted, .. } => {
                let standing = |gate: &GateName| self.desk.fleet.gates.standing(gate);
                let needs = admitted.into_iter().map(|admission| admission.gate);
                let gate = not_let_through(claimed, needs, |gate| Some(standing(gate)?.gate))?;
                let why = format!("gate {gate} has moved since");
                held(Some(gate), why)
            }
            Verdict::Blocked { gate, state, .. } => {
                let why = format!("gate {gate} is {}", state.told());
                held(Some(gate), why)
            }
            Verdict::Unknown(unknown) => held(None, unknown.to_string()),
        }
    }

    /// Writes down what the attempt came to.
    async fn conclude(
        &self,
        config: &Config,
        kind: &KindConfig,
        mut link: Versioned<TaskState>,
        handled: &Handled,
    ) -> Answer {
        let outcome = &handled.outcome;
        let blame = blame_of(config, &self.kind, outcome);
        let now = self.desk.fleet.clock.now();
        let terms = Terms { kind, blame: &blame, jitter: kit::chance(), now };
        let attempt = TaskState { credential: handled.credential.clone(), ..link.value.clone() };
        let ending = on_outcome(&attempt, outcome, &terms);
        loop {
            match self.settle(ending.clone(), link.seq).await {
                ControlFlow::Break(answer) => {
                    self.log(&ending.state, outcome);
                    return answer;
                }
                // Refused. A renewal of ours without an answer may have come in between.
                ControlFlow::Continue(()) => match self.read_chain().await {
                    Ok(Some(found)) if link.seq < found.seq && self.is_ours(&found, &link) => {
                        link.seq = found.seq;
                    }
                    Ok(_) => {
                        tracing::warn!(
                            kind = %self.kind,
                            source_key = %self.task.source_key,
                            attempt = link.value.attempt,
                            "the claim is gone, what the attempt came to is not written"
                        );
                        return Answer::Nothing;
                    }
                    Err(error) => {
                        self.desk.grumble("read a claim", error);
                        if self.gave_up_waiting().await {
                            return Answer::Nothing;
                        }
                    }
                },
            }
        }
    }

    /// Ends an attempt that this process stopped to act under: what it did is unknown.
    pub(super) async fn write_off(&self, kind: &KindConfig, found: &Versioned<TaskState>) -> Flow {
        let evidence = "the claim ran out before the answer came".to_owned();
        let outcome = handler::unanswered(&kind.handler, evidence);
        let config = self.desk.fleet.config();
        let blame = blame_of(&config, &self.kind, &outcome);
        let now = self.desk.fleet.clock.now();
        let terms = Terms { kind, blame: &blame, jitter: kit::chance(), now };
        let ending = on_outcome(&found.value, &outcome, &terms);
        let state = ending.state.clone();
        let flow = self.settle(ending, found.seq).await;
        if flow.is_break() {
            self.log(&state, &outcome);
        }
        flow
    }

    /// Writes a link on `last`, tells it, and says what to answer. Continues when the link was
    /// refused.
    pub(super) async fn settle(&self, ending: Ending, last: u64) -> Flow {
        let ending = ending.keeping(&self.task);
        // At once: every other attempt that begins here meanwhile would fail alike.
        let latched = self.latch(&ending);
        let stored = loop {
            match self.write_end(&ending, last).await {
                Ok(Cas::Stored(_)) => break true,
                Ok(Cas::Lost) => break false,
                Err(StoreError::Put { source, .. }) if source.too_large() => {
                    tracing::error!(chain = self.chain, error = %source, "cannot be written");
                    self.desk.abandon(&self.kind, self.key, ending.state.attempt);
                    return ControlFlow::Break(Answer::Nothing);
                }
                Err(error) => self.desk.grumble("write the end of an attempt", error),
            }
            if self.gave_up_waiting().await {
                self.desk.abandon(&self.kind, self.key, ending.state.attempt);
                return ControlFlow::Break(Answer::Nothing);
            }
        };
        if !stored {
            if let (Some(latch), Some(event)) = (&ending.latch, latched) {
                self.desk.latches.unlatch(latch, event);
            }
            return ControlFlow::Continue(());
        }
        if ending.state.asks() {
            let (kind, source_key) = (&self.kind, &self.task.source_key);
            tracing::error!(%kind, %source_key, "parked: nobody knows what it did, a person is asked");
        }
        if !told::tell(&self.desk, self.key, &ending.state, &ending.reports).await {
            return ControlFlow::Break(Answer::Nothing);
        }
        self.free(&ending).await;
        match ending.then {
            Then::Ack => ControlFlow::Break(Answer::Done),
            Then::PutBack(after) => ControlFlow::Break(Answer::PutBack(after)),
        }
    }

    /// Latches what the ending latches, under the id of the failure event to be told.
    fn latch(&self, ending: &Ending) -> Option<String> {
        let latch = ending.latch.as_ref()?;
        let failed = |told: &Told| matches!(told, Told::Failed { gate: Some(_), .. });
        let report = ending.reports.iter().find(|report| failed(&report.told))?;
        let event = fleet::attempt_told(self.desk.me(), &ending.state, report).id();
        self.desk.latches.latch(latch, event.clone(), ending.state.at);
        Some(event)
    }

    async fn free(&self, ending: &Ending) {
        let admitted = ending.reports.iter().flat_map(|report| &report.admitted);
        let admitted: Vec<_> = admitted.cloned().collect();
        let won = ending.free.iter().filter_map(|gate| {
            let epoch = epoch_of(&admitted, gate)?;
            Some(Won { gate: gate.clone(), epoch })
        });
        canary::free(&self.desk, &self.kind, self.key, &won.collect::<Vec<_>>()).await;
    }

    fn is_ours(&self, found: &Versioned<TaskState>, link: &Versioned<TaskState>) -> bool {
        let Phase::Claimed(claim) = &found.value.phase else { return false };
        claim.holder == *self.desk.me() && found.value.attempt == link.value.attempt
    }

    /// Waits before the next try; whether the service must end instead.
    async fn gave_up_waiting(&self) -> bool {
        tokio::select! {
            () = self.desk.hurry.cancelled() => true,
            () = self.desk.fleet.clock.sleep(AGAIN_AFTER) => false,
        }
    }

    fn log(&self, state: &TaskState, outcome: &Outcome) {
        let word = match outcome {
            Outcome::Completed { .. } => "completed",
            Outcome::Failed { .. } => "failed",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Held { .. } => "held",
            Outcome::Moot { .. } => "moot",
        };
        tracing::info!(
            kind = %self.kind,
            source_key = %self.task.source_key,
            attempt = state.attempt,
            outcome = word,
            cause = cause_of(outcome).map(tracing::field::display),
            then = state.word(),
            ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "attempt ended"
        );
    }
}

/// The first of the gates needed that lets the claimed attempt through no more: it was closed
/// since, or it probes and this attempt is not the canary of that very opening.
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

#[cfg(test)]
mod tests {
    use domain::{Actor, Admission, Cost, Epoch, Timestamp};

    use super::*;

    /// The canary of one opening is nobody in the next; and whoever was admitted before a
    /// closing waits, also when the gate is open again.
    #[test]
    fn each_opening_has_its_own_canary() {
        let relay: GateName = "relay".parse().unwrap();
        let gate = |epoch, state, opening| Gate {
            name: relay.clone(),
            epoch: Epoch::new(epoch),
            prev: 0,
            state,
            at: Timestamp::from_millis(0),
            since: Timestamp::from_millis(0),
            incident: 1,
            opening: Epoch::new(opening),
            causes: Vec::new(),
            trigger: None,
            by: Actor::Gatekeeper,
            note: String::new(),
            remedy: String::new(),
            canaries_failed: 0,
            without_canary: false,
            resets: Vec::new(),
            failing_since: Timestamp::from_millis(0),
            words_broken: 0,
        };
        let check = |canary: bool, epoch, now: &Gate, expected: bool| {
            let claimed = TaskState {
                kind: "welcome".parse().unwrap(),
                source_key: "welcome/SP1".parse().unwrap(),
                at: Timestamp::from_millis(0),
                attempt: 1,
                charged: 0,
                cost: Cost::ZERO,
                admitted: vec![Admission { gate: relay.clone(), epoch: Epoch::new(epoch), seq: 1 }],
                canary: if canary { vec![relay.clone()] } else { Vec::new() },
                task: None,
                phase: Phase::Completed { effect: String::new() },
                newest: Cost::ZERO,
                credential: None,
                resets_at: None,
            };
            let held = not_let_through(&claimed, [relay.clone()], |_| Some(now.clone()));
            assert_eq!(held.is_none(), expected, "admitted under {epoch}, now {now:?}");
        };
        let probing = gate(5, GateState::Probing, 5);
        check(true, 5, &probing, true);
        check(true, 3, &probing, false);
        check(false, 5, &probing, false);
        check(true, 5, &gate(6, GateState::Draining, 5), true);
        check(false, 2, &gate(6, GateState::Draining, 5), false);
        check(false, 2, &gate(7, GateState::Open, 5), false);
        check(false, 1, &gate(1, GateState::Open, 1), true);
        check(false, 1, &gate(2, GateState::Closed, 1), false);
    }
}
