//! Finding free seats for a claim, and waiting for one.
//!
//! What is limited and which seat is free is [`logic::attempt::seat`]'s to say. With no seat
//! free the task waits here, so that it begins as soon as one is; briefly, since it holds a
//! slot of this dispatcher, and very briefly when another kind wants that slot. Meanwhile it
//! watches who sits there ([`super::occupant`]).

use std::{ops::ControlFlow, time::Duration};

use bus::{Expect, Put};
use domain::{Seat, TaskState};
use fleet::store::{self, StoreError};
use logic::attempt::seat::{Chain, FreeSeat, Limit, Look, Search, Seen};
use wire::{Wire as _, subject};

use super::{Answer, Errand, occupant::Occupant};
use crate::pull::limits;

/// For so long a task waits for a seat in its place, counted from when it came.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// For so long when another kind waits for the slot.
const WAIT_CROWDED: Duration = Duration::from_millis(250);
/// Between two looks, at first and later; the upper half of it at random.
const LOOK_SOON: Duration = Duration::from_millis(30);
const LOOK_LATER: Duration = Duration::from_millis(200);
/// How long a task is put back for which there was no seat; the upper half of it at random.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// What a look came to.
enum Looked {
    /// A free seat in each row.
    Free(Vec<FreeSeat>),
    /// A row was full; who was found in the seats.
    Full(Vec<Occupant>),
}

impl Errand {
    /// The seats to be written together with `claim`: one free in each row that limits it, none
    /// when nothing does. Continues when the claim is to be decided on again: a gate has
    /// moved, or after a wait there is a free seat.
    pub(super) async fn find_seats(
        &self,
        claim: &TaskState,
    ) -> ControlFlow<Answer, Option<Vec<Put>>> {
        let (desk, admission) = (&self.desk, self.admission());
        let mut kept = desk.now();
        let mut waited = false;
        loop {
            let Some(limits) = limits::of(desk, &self.kind, &claim.admitted) else {
                return ControlFlow::Continue(None);
            };
            match self.look(limits).await {
                Ok(Looked::Free(free)) if !waited => {
                    return ControlFlow::Continue(Some(self.puts(free, claim.attempt)));
                }
                Ok(Looked::Free(_)) => return ControlFlow::Continue(None),
                Ok(Looked::Full(occupants)) => {
                    waited = true;
                    if self.take_over_the_silent(occupants).await {
                        continue;
                    }
                }
                Err(error) => return ControlFlow::Break(self.after(error).await),
            }
            let patience = if desk.crowded() { WAIT_CROWDED } else { WAIT_MAX };
            if patience <= self.begun.elapsed() {
                tracing::debug!(source_key = %self.task.source_key, "no seat is free, put back");
                return ControlFlow::Break(Answer::NoSeat(jittered(REST)));
            }
            let pause = (self.begun.elapsed() / 4).clamp(LOOK_SOON, LOOK_LATER);
            tokio::select! {
                () = desk.stopping.cancelled() => {
                    return ControlFlow::Break(Answer::PutBack(Duration::ZERO));
                }
                () = desk.fleet.clock.sleep(jittered(pause)) => (),
            }
            if self.admission() != admission || desk.latched(&self.kind).is_some() {
                return ControlFlow::Continue(None);
            }
            if LOOK_LATER <= desk.now().saturating_sub(kept) {
                kept = desk.now();
                if let Err(error) = self.delivery.progress().await {
                    desk.grumble("keep a delivery", error);
                }
            }
        }
    }

    /// Looks for a free seat in each row.
    async fn look(&self, limits: Vec<Limit>) -> Result<Looked, StoreError> {
        let bus = &self.desk.fleet.bus;
        let mut occupants = Vec::new();
        let mut search = Search::new(limits, kit::fresh_number);
        loop {
            match search.next() {
                Look::Take(free) => return Ok(Looked::Free(free)),
                Look::Full(_) => return Ok(Looked::Full(occupants)),
                Look::Seat { row, number } => {
                    let on = subject::seat(&row, number);
                    let found = bus.last(subject::STATE, &on).await?;
                    search.saw(found.map_or(Seen::Empty(0), |found| seen(&on, found)));
                }
                Look::Chain { kind, task } => {
                    let asked = self.desk.now();
                    let on = subject::state(&kind, task);
                    let chain = match store::read(bus, subject::STATE, &on).await {
                        Err(StoreError::Garbled { .. }) => {
                            search.saw_chain(Chain::Garbled);
                            continue;
                        }
                        read => read?,
                    };
                    let link = chain.as_ref().map(|chain| &chain.value);
                    search.saw_chain(link.map_or(Chain::Absent, Chain::Link));
                    occupants.extend(chain.map(|chain| Occupant { kind, task, chain, asked }));
                }
            }
        }
    }

    fn puts(&self, free: Vec<FreeSeat>, attempt: u32) -> Vec<Put> {
        let seat = Seat { kind: self.kind.clone(), task: self.key, attempt };
        let put = |free: FreeSeat| Put {
            subject: subject::seat(&free.row, free.number),
            body: seat.encode(),
            expect: Expect::Last(free.last),
            id: None,
        };
        free.into_iter().map(put).collect()
    }
}

/// An empty message is how a person clears a seat that makes no sense.
fn seen(on: &str, found: bus::Stored) -> Seen {
    if found.body.is_empty() {
        return Seen::Empty(found.seq);
    }
    match Seat::decode(&found.body) {
        Ok(seat) => Seen::Seat(seat, found.seq),
        Err(error) => {
            tracing::error!(on, %error, "a seat makes no sense and counts as taken");
            Seen::Garbled
        }
    }
}

pub(super) fn jittered(full: Duration) -> Duration {
    full.mul_f64(0.5 + kit::chance() / 2.0)
}
