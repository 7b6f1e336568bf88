//! Running a claimed attempt, and writing down how it ended: first the chain, then the event,
//! then the broker's answer.

use std::{ops::ControlFlow, time::Duration};

use domain::{Claim, Config, KindConfig, Outcome, Phase, TaskState};
use fleet::store::{Cas, Versioned};
use logic::{
    attempt::{Ending, Terms, Then, Told, blame_of, cause_of, on_outcome},
    view::Verdict,
};
use wire::message::RunRequest;

use super::{
    Answer, Errand, Flow,
    canary::{self, Won, epoch_of},
    lease::{Claimed, Held},
    told,
};
use crate::handler;

/// Between writes of an end that got no answer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Errand {
    /// Has the claimed attempt done.
    pub(super) async fn run(
        &self,
        config: &Config,
        kind: &KindConfig,
        mut claimed: Claimed,
    ) -> Answer {
        let counted = self.desk.count_running();
        let first = claimed.link.value.clone();
        let held = self.hold(&mut claimed, self.work(&first, kind)).await;
        drop(counted);
        let why = match held {
            Held::Answered(outcome) => {
                return self.conclude(config, kind, claimed.link, &outcome).await;
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
    async fn work(&self, claimed: &TaskState, kind: &KindConfig) -> Outcome {
        let Phase::Claimed(claim) = &claimed.phase else {
            return Outcome::Held { gate: None, why: "not claimed".to_owned() };
        };
        if let Some(held) = self.held_back(claim) {
            return held;
        }
        let request = RunRequest {
            task: self.task.clone(),
            attempt: claimed.attempt,
            holder: claim.holder.clone(),
            admitted: claim.admitted.clone(),
        };
        handler::handle(&self.desk.fleet.bus, kind, &request).await
    }

    fn held_back(&self, claim: &Claim) -> Option<Outcome> {
        let held = |gate, why: String| Some(Outcome::Held { gate, why });
        if let Some(gate) = self.desk.latched(&self.kind) {
            let why = format!("latched on gate {gate}");
            return held(Some(gate), why);
        }
        match self.desk.fleet.gates.verdict(&self.kind) {
            Verdict::Open { probing, .. } => {
                let gate = probing.into_iter().find(|gate| !claim.canary.contains(gate))?;
                let why = format!("gate {gate} was closed and is probing");
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
        outcome: &Outcome,
    ) -> Answer {
        let blame = blame_of(config, &self.kind, outcome);
        let now = self.desk.fleet.clock.now();
        let terms = Terms { kind, blame: &blame, jitter: kit::chance(), now };
        let ending = on_outcome(&link.value, outcome, &terms);
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
        let outcome = handler::unanswered(evidence);
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
    /// refused, and when it is to be decided on again.
    pub(super) async fn settle(&self, ending: Ending, last: u64) -> Flow {
        // At once: every other attempt that begins here meanwhile would fail alike.
        let latched = self.latch(&ending);
        let stored = loop {
            match self.write(&ending.state, last).await {
                Ok(Cas::Stored(_)) => break true,
                Ok(Cas::Lost) => break false,
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
        if !told::tell(&self.desk, self.key, &ending.state, &ending.reports).await {
            return ControlFlow::Break(Answer::Nothing);
        }
        self.free(&ending).await;
        match ending.then {
            Then::Ack => ControlFlow::Break(Answer::Done),
            Then::PutBack(after) => ControlFlow::Break(Answer::PutBack(after)),
            Then::Again => ControlFlow::Continue(()),
        }
    }

    /// Latches what the ending latches, under the id of the failure event to be told.
    fn latch(&self, ending: &Ending) -> Option<String> {
        let latch = ending.latch.as_ref()?;
        let failed = |told: &Told| matches!(told, Told::Failed { gate: Some(_), .. });
        let report = ending.reports.iter().find(|report| failed(&report.told))?;
        let event = told::told(self.desk.me(), &ending.state, report).id();
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
        canary::free(&self.desk, self.key, &won.collect::<Vec<_>>()).await;
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
