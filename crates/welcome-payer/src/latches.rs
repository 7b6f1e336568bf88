//! The gates that this payer holds itself back from, because a payment failed for what
//! others share: until the gate moves, or a gatekeeper counted the failure and let go on.
//!
//! The dispatcher tells a failure. One that died, or never heard the answer, does not, and
//! then no gatekeeper would ever count it; so every failure stays owed until it is counted,
//! and once its task has moved past the attempt this payer tells it itself.
//!
//! | where the failure stands | and then |
//! | --- | --- |
//! | counted by an incident of its gate | settled; what waited for that is written |
//! | its attempt is claimed, or returned for this cause | the dispatcher tells it |
//! | its task has moved past the attempt | told from here, again and again until counted |

use std::{sync::Mutex, time::Duration};

use domain::{Blame, Canary, Gate, GateName, GateState, Incident, Phase, TaskState, Timestamp};
use fleet::{
    Fleet, gate_log,
    store::{StoreError, read},
};
use kit::{Clock, Instant};
use tokio_util::sync::CancellationToken;
use wire::{
    event::{AttemptTold, Event},
    message::{Latch, RunRequest},
    subject,
};

use crate::{
    desk::{Desk, lock},
    work::Later,
};

/// How often the incident records are asked whether a failure was counted.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// What was told from here and is still not counted is told again after so long.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Latched for so long without an answer is alarmed.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// A failure that holds nothing back any more and is still not counted after so long is given
/// up; what waited for it is told with the next attempt.
const OWED_FOR: Duration = Duration::from_secs(600);
/// A failure may belong to the incident that gathers, the one that stands, or one before.
const INCIDENTS_BACK: u64 = 2;

#[derive(Debug, Default)]
pub(crate) struct Latches(Mutex<Vec<Owed>>);

/// A shared failure that no gatekeeper has counted yet.
#[derive(Debug)]
struct Owed {
    latch: Latch,
    failed: AttemptTold,
    /// The gate has moved since: the failure holds nothing back, and is still to be counted.
    released: bool,
    /// When it was last told from here.
    told: Option<Instant>,
    alarmed: bool,
    /// To be written once it is counted.
    later: Vec<Later>,
}

impl Latches {
    /// Holds back from the gate at once, as the failure `failed` is answered.
    pub(crate) fn latch(&self, latch: Latch, failed: AttemptTold) {
        let mut all = lock(&self.0);
        let known = |owed: &Owed| owed.latch.event == latch.event && owed.latch.gate == latch.gate;
        if !all.iter().any(known) {
            tracing::info!(gate = %latch.gate, epoch = %latch.epoch, "latched");
            let later = Vec::new();
            all.push(Owed { latch, failed, released: false, told: None, alarmed: false, later });
        }
    }

    /// Keeps what is to be written once the failure of this attempt is counted. Gives it back
    /// where no such failure is owed.
    pub(crate) fn after(&self, request: &RunRequest, later: Vec<Later>) -> Vec<Later> {
        let ours = |failed: &AttemptTold| {
            let RunRequest { task, attempt, .. } = request;
            failed.kind == task.kind
                && failed.source_key == task.source_key
                && failed.attempt == *attempt
        };
        match lock(&self.0).iter_mut().find(|owed| ours(&owed.failed)) {
            Some(owed) => {
                owed.later.extend(later);
                Vec::new()
            }
            None => later,
        }
    }

    pub(crate) fn standing(&self) -> Vec<Latch> {
        let all = lock(&self.0);
        all.iter().filter(|owed| !owed.released).map(|owed| owed.latch.clone()).collect()
    }

    /// Since when `gate` is latched, `now` being its newest message; releases what was
    /// answered.
    pub(crate) async fn since(&self, fleet: &Fleet, now: &Gate) -> Option<Timestamp> {
        let mut standing = None;
        for latch in self.standing().into_iter().filter(|latch| latch.gate == now.name) {
            let answered = latch.epoch < now.epoch
                || (now.state == GateState::Open && counted(fleet, now, &latch.event).await);
            if answered {
                self.change(&latch, |owed| owed.released = true);
            } else {
                standing = Some(latch.since);
            }
        }
        standing
    }

    fn change(&self, latch: &Latch, change: impl FnOnce(&mut Owed)) {
        if let Some(owed) = lock(&self.0).iter_mut().find(|owed| owed.latch == *latch) {
            change(owed);
        }
    }

    fn settle(&self, latch: &Latch) -> Vec<Later> {
        let mut all = lock(&self.0);
        let settled = all.extract_if(.., |owed| owed.latch == *latch);
        settled.flat_map(|owed| owed.later).collect()
    }

    fn owed(&self) -> Vec<(Latch, AttemptTold)> {
        let all = lock(&self.0);
        all.iter().map(|owed| (owed.latch.clone(), owed.failed.clone())).collect()
    }

    fn released(&self, latch: &Latch) -> bool {
        lock(&self.0).iter().any(|owed| owed.latch == *latch && owed.released)
    }

    /// Whether it is time to tell it from here.
    fn due(&self, latch: &Latch) -> bool {
        let due = |owed: &Owed| owed.told.is_none_or(|told| TELL_EVERY <= told.elapsed());
        lock(&self.0).iter().any(|owed| owed.latch == *latch && due(owed))
    }

    /// The latches for which no gatekeeper answers, each once.
    fn unanswered(&self, now: Timestamp) -> Vec<Latch> {
        let mut all = lock(&self.0);
        let silent = |owed: &&mut Owed| {
            !owed.released && !owed.alarmed && ANSWER_WITHIN < now.since(owed.latch.since)
        };
        let silent = all.iter_mut().filter(silent);
        silent
            .map(|owed| {
                owed.alarmed = true;
                owed.latch.clone()
            })
            .collect()
    }
}

/// Settles what was counted and tells what nobody else will, until `shutdown`.
pub(crate) async fn keep(desk: &Desk, shutdown: &CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = Clock.sleep(ASK_EVERY) => (),
        }
        for (latch, failed) in desk.latches.owed() {
            if let Err(error) = follow(desk, &latch, failed).await {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::debug!(error, event = latch.event, "looked after later");
            }
        }
        for Latch { gate, epoch, event, since } in desk.latches.unanswered(desk.fleet.clock.now()) {
            tracing::error!(%gate, %epoch, event, %since, "latched and no gatekeeper answers, see that one runs");
        }
    }
}

async fn follow(desk: &Desk, latch: &Latch, failed: AttemptTold) -> Result<(), StoreError> {
    let (fleet, latches) = (&desk.fleet, &desk.latches);
    let Some(gate) = gate_log::current(&fleet.bus, &latch.gate).await? else { return Ok(()) };
    if !still_shared(fleet, latch, &failed) {
        // No gatekeeper would count it any more.
        write(desk, latches.settle(latch)).await;
        return Ok(());
    }
    let counted = counted(fleet, &gate.value, &latch.event).await;
    latches.since(fleet, &gate.value).await;
    if counted {
        if latches.released(latch) {
            write(desk, latches.settle(latch)).await;
        }
        return Ok(());
    }
    if latches.released(latch) && OWED_FOR < fleet.clock.now().since(latch.since) {
        tracing::warn!(gate = %latch.gate, event = latch.event, "a failure was never counted");
        latches.settle(latch);
        return Ok(());
    }
    let subject = subject::state(&failed.kind, failed.source_key.key());
    let state = read::<TaskState>(&fleet.bus, subject::STATE, &subject).await?;
    if latches.due(latch) && moved_past(state.map(|state| state.value).as_ref(), &failed) {
        tell(desk, latch, failed).await?;
    }
    Ok(())
}

async fn write(desk: &Desk, later: Vec<Later>) {
    for later in later {
        later.write(desk).await;
    }
}

fn still_shared(fleet: &Fleet, latch: &Latch, failed: &AttemptTold) -> bool {
    let Some(cause) = &failed.cause else { return false };
    match fleet.config().blame(&failed.kind, cause) {
        Blame::Shared { gate, tasks, .. } => gate == latch.gate && 0 < tasks,
        Blame::Own | Blame::Nobody => false,
    }
}

/// Whether no dispatcher will tell this failure any more.
fn moved_past(state: Option<&TaskState>, failed: &AttemptTold) -> bool {
    let Some(state) = state else { return true };
    match &state.phase {
        _ if state.attempt != failed.attempt => failed.attempt < state.attempt,
        Phase::Claimed(_) => false,
        Phase::Returned { cause, .. } => *cause != failed.cause,
        _ => true,
    }
}

/// Under an id of its own, since the dispatcher's may be taken by what was told instead; the
/// gatekeepers count both as the same failure.
async fn tell(desk: &Desk, latch: &Latch, failed: AttemptTold) -> Result<(), StoreError> {
    let fleet = &desk.fleet;
    let mut canary = Vec::new();
    for admission in &failed.admitted {
        let record = subject::canary(&admission.gate, admission.epoch);
        let found = read::<Canary>(&fleet.bus, subject::RECORD, &record).await?;
        let ours = |canary: &Canary| {
            canary.kind == failed.kind
                && canary.task == failed.source_key.key()
                && canary.attempt == failed.attempt
        };
        canary.extend(found.filter(|found| ours(&found.value)).map(|found| found.value.gate));
    }
    let id = format!("{}/payer", failed.id());
    let event = AttemptTold { canary, ..failed }.to_event();
    match fleet.tell(&Event { id, source: fleet.source(), ..event }).await {
        Ok(()) => {
            tracing::warn!(gate = %latch.gate, event = latch.event, "nobody told this failure, so it is told from here");
            desk.latches.change(latch, |owed| owed.told = Some(Clock.instant()));
        }
        Err(error) => tracing::warn!(%error, event = latch.event, "a failure is not told yet"),
    }
    Ok(())
}

/// An incident of the gate holds this failure.
async fn counted(fleet: &Fleet, gate: &Gate, event: &str) -> bool {
    let newest = match gate.state {
        GateState::Open => gate.incident.saturating_add(1),
        _ => gate.incident,
    };
    for number in newest.saturating_sub(INCIDENTS_BACK).max(1)..=newest {
        if holds(fleet, &gate.name, number, event).await {
            return true;
        }
    }
    false
}

async fn holds(fleet: &Fleet, gate: &GateName, number: u64, event: &str) -> bool {
    let subject = subject::incident(gate, number);
    match read::<Incident>(&fleet.bus, subject::RECORD, &subject).await {
        Ok(Some(incident)) => incident.value.has(event),
        Ok(None) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cause, Claim, Cost, Epoch};
    use wire::event::AttemptVerb;

    use super::*;

    fn failed() -> AttemptTold {
        AttemptTold {
            verb: AttemptVerb::Failed,
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/SP1".parse().unwrap(),
            attempt: 3,
            holder: "4f2a".parse().unwrap(),
            at: Timestamp::from_millis(0),
            cause: Some(Cause::known("relay.nonce-conflict")),
            charged: false,
            gate: Some("relay".parse().unwrap()),
            evidence: "409".to_owned(),
            rest_until: None,
            effect: String::new(),
            cost: Cost::ZERO,
            admitted: Vec::new(),
            canary: Vec::new(),
            credential: None,
            resets_at: None,
            begun: None,
            created: None,
        }
    }

    fn state(attempt: u32, phase: Phase) -> TaskState {
        TaskState {
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/SP1".parse().unwrap(),
            at: Timestamp::from_millis(0),
            attempt,
            charged: 0,
            cost: Cost::ZERO,
            admitted: Vec::new(),
            canary: Vec::new(),
            task: None,
            phase,
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
        }
    }

    /// A dispatcher that still holds the attempt, or has written down this failure, tells it;
    /// after anything else nobody does.
    #[test]
    fn knows_when_nobody_else_tells() {
        let at = Timestamp::from_millis(0);
        let claim = Phase::Claimed(Claim {
            holder: "4f2a".parse().unwrap(),
            begun: at,
            lease: Duration::from_secs(30),
            renewals: 0,
        });
        let returned =
            |cause| Phase::Returned { gate: None, cause: Some(Cause::known(cause)), due: at };
        let lost = Cause::known("dispatcher.lost");
        let resting = Phase::Resting { due: at, cause: lost.clone(), charged: true };
        let check = |attempt, phase: &Phase, expected| {
            let state = state(attempt, phase.clone());
            assert_eq!(moved_past(Some(&state), &failed()), expected, "{state:?}");
        };
        check(3, &claim, false);
        check(3, &returned("relay.nonce-conflict"), false);
        check(3, &returned("relay.unavailable"), true);
        check(3, &resting, true);
        check(3, &Phase::Dead { cause: lost }, true);
        check(4, &claim, true);
        check(4, &returned("relay.nonce-conflict"), true);
        // A read that is behind says nothing.
        check(2, &resting, false);
        assert!(moved_past(None, &failed()));
    }

    /// A minute without an answer is alarmed, once; what was released is not.
    #[test]
    fn alarms_once() {
        let (latches, at) = (Latches::default(), Timestamp::from_millis);
        let latch = |gate: &str| Latch {
            gate: gate.parse().unwrap(),
            epoch: Epoch::FIRST,
            event: failed().id(),
            since: at(0),
        };
        latches.latch(latch("relay"), failed());
        latches.latch(latch("inbox"), failed());
        latches.change(&latch("inbox"), |owed| owed.released = true);
        assert_eq!(latches.unanswered(at(60_000)), []);
        assert_eq!(latches.unanswered(at(60_001)), [latch("relay")]);
        assert_eq!(latches.unanswered(at(120_000)), []);
        assert_eq!(latches.standing(), [latch("relay")]);
    }
}
