//! Holding a claim while its work is done, and watching another's.

use std::{
    future::Future,
    pin::{Pin, pin},
    time::Duration,
};

use domain::{Outcome, Phase, TaskState};
use logic::attempt::{Lease, Watch, Watched, renew};

use super::attempt::Errand;
use crate::{
    bus::Of,
    fleet::Cas,
    mutant::Mutant,
    queue::Reply,
    wait::{Either, first},
    words::{Silent, Versioned},
};

const AGAIN_AFTER: Duration = Duration::from_millis(250);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A claim of ours.
pub(super) struct Claimed {
    pub(super) link: Versioned<TaskState>,
    lease: Lease,
}

/// How holding a claim ended.
pub(super) enum Held {
    Answered(Outcome),
    Gone,
    Over,
}

/// What was seen of another's claim.
pub(super) enum Seen {
    Moved,
    Alive,
    Silent,
}

type Renewed = Result<Option<Versioned<TaskState>>, Silent>;

impl Claimed {
    pub(super) const fn new(link: Versioned<TaskState>, lease: Duration, sent: Duration) -> Self {
        Claimed { link, lease: Lease::new(lease, sent) }
    }
}

impl Errand {
    /// Holds the claim until `work` ends. Work whose claim is lost is dropped where it stands.
    pub(super) async fn hold(
        &self,
        claimed: &mut Claimed,
        work: impl Future<Output = Outcome>,
    ) -> Held {
        let mut work = pin!(work);
        if self.p().mutated(Mutant::StaleHolderActs) {
            return Held::Answered(work.await);
        }
        let mut renew_at = claimed.lease.renew_at();
        loop {
            if claimed.lease.over(self.p().mono()) {
                return Held::Over;
            }
            let over_at = claimed.lease.over_at();
            let renewal = self.p().sleep(self.until(renew_at));
            let soonest = first(work.as_mut(), renewal);
            let answered = match first(self.p().sleep(self.until(over_at)), soonest).await {
                Either::A(()) => return Held::Over,
                Either::B(Either::A(outcome)) => Some(outcome),
                Either::B(Either::B(())) => None,
            };
            if claimed.lease.over(self.p().mono()) {
                return Held::Over;
            }
            if let Some(outcome) = answered {
                return Held::Answered(outcome);
            }
            let sent = self.p().mono();
            let renewed = self.renew_beside(&claimed.link, over_at, work.as_mut()).await;
            let Some((renewed, answered)) = renewed else { return Held::Over };
            match renewed {
                Ok(Some(link)) => {
                    claimed.link = link;
                    claimed.lease.renewed(sent);
                    renew_at = claimed.lease.renew_at();
                }
                Ok(None) => return Held::Gone,
                Err(Silent) => renew_at = self.p().mono().saturating_add(AGAIN_AFTER),
            }
            if let Some(outcome) = answered {
                return Held::Answered(outcome);
            }
        }
    }

    async fn renew_beside(
        &self,
        link: &Versioned<TaskState>,
        over_at: Duration,
        mut work: Pin<&mut impl Future<Output = Outcome>>,
    ) -> Option<(Renewed, Option<Outcome>)> {
        let mut renewal = pin!(first(self.renew(link), self.p().sleep(self.until(over_at))));
        let mut answered = None;
        loop {
            let renewed = if answered.is_none() {
                match first(renewal.as_mut(), work.as_mut()).await {
                    Either::A(renewed) => renewed,
                    Either::B(outcome) => {
                        answered = Some(outcome);
                        continue;
                    }
                }
            } else {
                renewal.as_mut().await
            };
            return match renewed {
                Either::A(renewed) => Some((renewed, answered)),
                Either::B(()) => None,
            };
        }
    }

    /// Writes the next renewal and tells the broker; `None` when the claim is gone.
    async fn renew(&self, link: &Versioned<TaskState>) -> Renewed {
        let Some(next) = renew(&link.value, self.p().now()) else { return Ok(None) };
        match self.write(&next, link.seq).await? {
            Cas::Lost => Ok(None),
            Cas::Stored(seq) => {
                self.progress().await;
                Ok(Some(Versioned { value: next.into(), seq }))
            }
        }
    }

    /// Tells the broker that the delivery is attended to; nobody waits for an answer to that.
    async fn progress(&self) {
        let (p, of, seq) = (self.p().clone(), Of::Work(self.kind.clone()), self.delivered.seq);
        let sending = p.clone();
        p.spawn(async move {
            let _ = sending.answer(of, seq, Reply::Progress).await;
        });
    }

    fn until(&self, at: Duration) -> Duration {
        at.saturating_sub(self.p().mono())
    }
}

/// Watches the claim `found`, keeping the delivery meanwhile.
pub(super) async fn watch(errand: &Errand, found: &Versioned<TaskState>, lease: Duration) -> Seen {
    let watch = Watch::new(lease, found.seq, errand.p().mono());
    let every = LOOK_EVERY.min(lease / 6);
    let mut until = errand.p().mono().saturating_add(lease);
    loop {
        errand.p().sleep(every.min(until.saturating_sub(errand.p().mono()))).await;
        errand.progress().await;
        let asked = errand.p().mono();
        let now = match errand.read_chain().await {
            Ok(Some(now)) => now,
            Ok(None) => return Seen::Moved,
            Err(Silent) => {
                errand.p().sleep(every).await;
                continue;
            }
        };
        match watch.saw(now.seq, asked) {
            Watched::Until(then) => until = then,
            Watched::Lost => return Seen::Silent,
            Watched::Moved if same_claim(&found.value, &now.value) => return Seen::Alive,
            Watched::Moved => return Seen::Moved,
        }
    }
}

fn same_claim(before: &TaskState, now: &TaskState) -> bool {
    match (&before.phase, &now.phase) {
        (Phase::Claimed(before_claim), Phase::Claimed(now_claim)) => {
            before.attempt == now.attempt && before_claim.holder == now_claim.holder
        }
        _ => false,
    }
}
