//! Asking whether a failed attempt may be repeated, and putting the task off when the budget of
//! its kind is spent.
//!
//! What the fleet has spent is one record for each kind, and [`logic::retries`] says what it
//! allows. It is written in one batch with the claim. A task that is put off keeps its phase
//! with a later time: it is not charged and does not die, and that it waits is told, so that
//! another one is made room for.

use std::ops::ControlFlow;

use bus::{Expect, Put};
use domain::{Cause, KindConfig, Phase, RetriesSpent, TaskState};
use fleet::store::{Cas, StoreError, Versioned};
use logic::{
    attempt::{Report, Told},
    retries,
};
use wire::{Wire as _, subject};

use super::{Answer, Errand, Flow, told};
use crate::desk::{Desk, Firsts};

impl Errand {
    /// What to write with the claim that repeats an attempt of the task that stands at `found`,
    /// and the first attempts that it tells of: nothing when it repeats none. Breaks when the
    /// task must wait.
    pub(super) async fn repeat(
        &self,
        kind: &KindConfig,
        found: Option<&Versioned<TaskState>>,
    ) -> ControlFlow<Answer, (Option<Put>, Option<Firsts>)> {
        let Some(found) = found.filter(|found| retries::repeats(&found.value)) else {
            return ControlFlow::Continue((None, None));
        };
        let on = subject::retries(&self.kind);
        let (spent, last) = match read(&self.desk, &on).await {
            Ok(read) => read,
            Err(error) => return ControlFlow::Break(self.after(error).await),
        };
        let (firsts, now) = (self.desk.take_firsts(&self.kind), self.desk.fleet.clock.now());
        match retries::repeat(&spent, &kind.retries, firsts.count, now) {
            Ok(next) => {
                let next = RetriesSpent { mark: kit::fresh_number(), ..next };
                let (body, expect) = (next.encode(), Expect::Last(last));
                let put = Put { subject: on, body, expect, id: None };
                ControlFlow::Continue((Some(put), Some(firsts)))
            }
            Err(wait) => {
                let part = retries::width(&kind.retries).mul_f64(kit::chance());
                match self.put_off(kind, found, wait.saturating_add(part)).await {
                    ControlFlow::Break(answer) => ControlFlow::Break(answer),
                    ControlFlow::Continue(()) => ControlFlow::Break(Answer::PutBack(wait)),
                }
            }
        }
    }

    /// Writes down and tells until when the task waits.
    async fn put_off(
        &self,
        kind: &KindConfig,
        found: &Versioned<TaskState>,
        wait: std::time::Duration,
    ) -> Flow {
        let Phase::Resting { cause, charged, .. } = &found.value.phase else {
            return ControlFlow::Continue(());
        };
        let now = self.desk.fleet.clock.now();
        let (cause, due) = (Cause::clone(cause), now.after(wait));
        let phase = Phase::Resting { due, cause, charged: *charged };
        let state = TaskState { at: now, phase, ..found.value.clone() };
        match self.write(&state, found.seq).await {
            Ok(Cas::Stored(_)) => (),
            // Somebody else moved it; it comes again and is decided on anew.
            Ok(Cas::Lost) => return ControlFlow::Continue(()),
            Err(error) => return ControlFlow::Break(self.after(error).await),
        }
        let why = format!(
            "the kind may repeat {} attempts in {:?}, and {}/1000 of the first ones: spent for now",
            kind.retries.floor, kind.retries.per, kind.retries.share_permille
        );
        tracing::info!(kind = %self.kind, source_key = %self.task.source_key, ?wait, why, "put off");
        let told = Told::Held { gate: None, why };
        let (admitted, canary) = (Vec::new(), Vec::new());
        let created = Some(self.task.created());
        let report =
            Report { attempt: state.attempt, admitted, canary, begun: None, created, told };
        let mut event = fleet::attempt_told(self.desk.me(), &state, &report).to_event();
        // Told each time: it keeps its place with the broker until then.
        event.id = format!("{}/{}", event.id, self.delivery.delivered);
        if !told::insist(&self.desk, &event).await {
            return ControlFlow::Break(Answer::Nothing);
        }
        ControlFlow::Break(Answer::PutBack(wait))
    }
}

/// What is kept of a kind, with its sequence. What makes no sense counts as nothing: it is
/// written over, since no work may wait for a record that nobody can read.
pub(crate) async fn read(desk: &Desk, on: &str) -> Result<(RetriesSpent, u64), StoreError> {
    let Some(stored) = desk.fleet.bus.last(subject::STATE, on).await? else {
        return Ok((RetriesSpent::default(), 0));
    };
    let spent = RetriesSpent::decode(&stored.body).unwrap_or_else(|error| {
        tracing::error!(on, %error, "what was spent on repeated attempts makes no sense");
        RetriesSpent::default()
    });
    Ok((spent, stored.seq))
}
