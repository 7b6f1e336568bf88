//! The failures that this payer holds itself back for, until a gatekeeper has counted them;
//! and which it tells itself where no dispatcher will.

use std::{rc::Rc, time::Duration};

use domain::{
    Blame, Canary, Cause, Epoch, Gate, GateName, GateState, Incident, Phase, TaskState, Timestamp,
};

use super::{Desk, job::Later};
use crate::{
    exec::Millis,
    words::{Silent, Subject, Told},
    world::Run,
};

const ASK_EVERY: Millis = 1_000;
const TELL_EVERY: Millis = 10_000;
const OWED_FOR: Duration = Duration::from_secs(600);
const INCIDENTS_BACK: u64 = 2;

/// A shared failure that no gatekeeper has counted yet.
pub(super) struct Owed {
    gate: GateName,
    epoch: Epoch,
    since: Timestamp,
    failed: Told,
    /// The gate has moved since: it holds nothing back, and is still to be counted.
    released: bool,
    told: Option<Millis>,
    later: Vec<Later>,
}

impl Desk {
    /// Holds back from the gate at once, as the failure is answered.
    pub(super) fn latch(&self, run: &Run, cause: &Cause, evidence: &str) {
        let blame = self.p.config().blame(&run.task.kind, cause);
        let Blame::Shared { gate, tasks, .. } = blame else { return };
        let admission = run.admitted.iter().find(|admission| admission.gate == gate);
        let Some(admission) = admission.filter(|_| 0 < tasks) else { return };
        let failed = Told {
            verb: "failed",
            by_payer: true,
            kind: run.task.kind.clone(),
            source_key: run.task.source_key.clone(),
            attempt: run.attempt,
            at: self.p.now(),
            cause: Some(cause.clone()),
            evidence: evidence.to_owned(),
            rest_until: None,
            resets_at: None,
            admitted: run.admitted.clone(),
            canary: Vec::new(),
        };
        let (epoch, since) = (admission.epoch, self.p.now());
        let mut all = self.owed.borrow_mut();
        if !all.iter().any(|owed| owed.failed.id() == failed.id() && owed.gate == gate) {
            let (released, told, later) = (false, None, Vec::new());
            all.push(Owed { gate, epoch, since, failed, released, told, later });
        }
    }

    /// Keeps what is to be written once the failure of this attempt is counted; gives it back
    /// where no such failure is owed.
    pub(super) fn after(&self, run: &Run, later: Vec<Later>) -> Vec<Later> {
        let ours = |owed: &&mut Owed| {
            let Told { kind, source_key, attempt, .. } = &owed.failed;
            (kind, source_key, *attempt) == (&run.task.kind, &run.task.source_key, run.attempt)
        };
        match self.owed.borrow_mut().iter_mut().find(ours) {
            Some(owed) => {
                owed.later.extend(later);
                Vec::new()
            }
            None => later,
        }
    }

    /// Whether `now`, the newest message of its gate, leaves it latched; releases what was
    /// answered.
    pub(super) async fn latched(&self, now: &Gate) -> bool {
        let mut latched = false;
        for (gate, epoch, event) in self.standing(&now.name) {
            let open = now.state == GateState::Open;
            let answered = epoch < now.epoch || (open && self.counted(now, &event).await);
            if answered {
                self.change(&gate, &event, |owed| owed.released = true);
            } else {
                latched = true;
            }
        }
        latched
    }

    fn standing(&self, gate: &GateName) -> Vec<(GateName, Epoch, String)> {
        let all = self.owed.borrow();
        let standing = all.iter().filter(|owed| !owed.released && owed.gate == *gate);
        standing.map(|owed| (owed.gate.clone(), owed.epoch, owed.failed.id())).collect()
    }

    fn change(&self, gate: &GateName, event: &str, change: impl FnOnce(&mut Owed)) {
        let mut all = self.owed.borrow_mut();
        let found = all.iter_mut().find(|owed| owed.gate == *gate && owed.failed.id() == event);
        if let Some(owed) = found {
            change(owed);
        }
    }

    fn settle(&self, gate: &GateName, event: &str) -> Vec<Later> {
        let mut all = self.owed.borrow_mut();
        let settled = all.extract_if(.., |owed| owed.gate == *gate && owed.failed.id() == event);
        settled.flat_map(|owed| owed.later).collect()
    }

    /// An incident of the gate holds this failure.
    async fn counted(&self, gate: &Gate, event: &str) -> bool {
        let newest = match gate.state {
            GateState::Open => gate.incident.saturating_add(1),
            _ => gate.incident,
        };
        for number in newest.saturating_sub(INCIDENTS_BACK).max(1)..=newest {
            let found = self.p.get::<Incident>(Subject::Incident(gate.name.clone(), number)).await;
            if matches!(found, Ok(Some(incident)) if incident.value.has(event)) {
                return true;
            }
        }
        false
    }

    async fn follow(&self, gate: &GateName, failed: Told) -> Result<(), Silent> {
        let Some(now) = self.p.gate_now(gate).await? else { return Ok(()) };
        let event = failed.id();
        let counted = self.counted(&now.value, &event).await;
        self.latched(&now.value).await;
        let (released, since) = {
            let all = self.owed.borrow();
            let found = all.iter().find(|owed| owed.gate == *gate && owed.failed.id() == event);
            found.map_or((false, self.p.now()), |owed| (owed.released, owed.since))
        };
        if counted {
            if released {
                for later in self.settle(gate, &event) {
                    later.write(self).await;
                }
            }
            return Ok(());
        }
        if released && OWED_FOR < self.p.now().since(since) {
            self.settle(gate, &event);
            return Ok(());
        }
        let subject = Subject::State(failed.kind.clone(), failed.source_key.key());
        let state = self.p.get::<TaskState>(subject).await?.map(|found| found.value);
        if self.due(gate, &event) && moved_past(state.as_deref(), &failed) {
            self.tell_failure(gate, failed).await?;
        }
        Ok(())
    }

    fn due(&self, gate: &GateName, event: &str) -> bool {
        let now = self.p.mono_ms();
        let all = self.owed.borrow();
        let mut found = all.iter().filter(|owed| owed.gate == *gate && owed.failed.id() == event);
        found.any(|owed| owed.told.is_none_or(|told| TELL_EVERY <= now - told))
    }

    async fn tell_failure(&self, gate: &GateName, failed: Told) -> Result<(), Silent> {
        let mut canary = Vec::new();
        for admission in &failed.admitted {
            let record = Subject::Canary(admission.gate.clone(), admission.epoch);
            let found = self.p.get::<Canary>(record).await?;
            let ours = |canary: &Canary| {
                (&canary.kind, canary.task, canary.attempt)
                    == (&failed.kind, failed.source_key.key(), failed.attempt)
            };
            canary.extend(found.filter(|it| ours(&it.value)).map(|it| it.value.gate.clone()));
        }
        let event = failed.id();
        if self.p.tell(&Told { canary, ..failed }).await.is_ok() {
            self.p.count("failures told by the payer");
            let now = self.p.mono_ms();
            self.change(gate, &event, |owed| owed.told = Some(now));
        }
        Ok(())
    }
}

/// Settles what was counted and tells what nobody else will.
pub(super) async fn keep(desk: Rc<Desk>) {
    loop {
        desk.p.sleep_ms(ASK_EVERY).await;
        let owed: Vec<(GateName, Told)> = {
            let all = desk.owed.borrow();
            all.iter().map(|owed| (owed.gate.clone(), owed.failed.clone())).collect()
        };
        for (gate, failed) in owed {
            // What cannot be read now is looked after later.
            let _ = desk.follow(&gate, failed).await;
        }
    }
}

/// Whether no dispatcher will tell this failure any more.
fn moved_past(state: Option<&TaskState>, failed: &Told) -> bool {
    let Some(state) = state else { return true };
    match &state.phase {
        _ if state.attempt != failed.attempt => failed.attempt < state.attempt,
        Phase::Claimed(_) => false,
        Phase::Returned { cause, .. } => *cause != failed.cause,
        _ => true,
    }
}
