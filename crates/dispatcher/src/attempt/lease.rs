//! Holding a claim while its work is done: renewed in the chain and with the broker every
//! third of the lease, given up when that no longer succeeds.

use std::{
    future::Future,
    pin::{Pin, pin},
    time::Duration,
};

use domain::{Handler, TaskState};
use fleet::store::{Cas, StoreError, Versioned};
use logic::attempt::{Lease, renew};

use super::Errand;
use crate::handler::{self, Handled};

/// Between renewals that failed.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A claim of ours: the newest link that we wrote, and how long it may be relied on.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) link: Versioned<TaskState>,
    lease: Lease,
}

/// How holding a claim ended.
#[derive(Debug)]
pub(super) enum Held {
    /// The work came to its end, and the claim stood.
    Answered(Handled),
    /// Another wrote to the chain: the claim is gone.
    Gone,
    /// The lease ran out unrenewed: another may act by now, so we must not.
    Over,
}

/// The next link; `None` when the claim is gone.
type Renewed = Result<Option<Versioned<TaskState>>, StoreError>;

impl Claimed {
    /// `sent`: when the claim was sent, on the desk's clock.
    pub(super) const fn new(link: Versioned<TaskState>, lease: Duration, sent: Duration) -> Self {
        Claimed { link, lease: Lease::new(lease, sent) }
    }
}

impl Errand {
    /// Holds the claim until `work` ends. Work whose claim is lost is dropped where it stands.
    pub(super) async fn hold(
        &self,
        claimed: &mut Claimed,
        handler: &Handler,
        work: impl Future<Output = Handled>,
    ) -> Held {
        let clock = self.desk.fleet.clock;
        let mut work = pin!(self.hurried(handler, work));
        let mut renew_at = claimed.lease.renew_at();
        loop {
            // A timer that is due already may need one more turn, and the work must not get it.
            if claimed.lease.over(self.desk.now()) {
                return Held::Over;
            }
            let over_at = claimed.lease.over_at();
            let answered = tokio::select! {
                biased;
                () = clock.sleep(self.until(over_at)) => return Held::Over,
                handled = &mut work => Some(handled),
                () = clock.sleep(self.until(renew_at)) => None,
            };
            // Both may have come about while this process did not run at all.
            if claimed.lease.over(self.desk.now()) {
                return Held::Over;
            }
            if let Some(handled) = answered {
                return Held::Answered(handled);
            }
            let sent = self.desk.now();
            let Some((renewed, answered)) =
                self.renew_beside(&claimed.link, over_at, work.as_mut()).await
            else {
                return Held::Over;
            };
            match renewed {
                Ok(Some(link)) => {
                    claimed.link = link;
                    claimed.lease.renewed(sent);
                    renew_at = claimed.lease.renew_at();
                }
                Ok(None) => return Held::Gone,
                Err(error) => {
                    self.desk.grumble("renew a claim", error);
                    renew_at = self.desk.now().saturating_add(AGAIN_AFTER);
                }
            }
            if let Some(handled) = answered {
                return Held::Answered(handled);
            }
        }
    }

    /// Renews the claim while the work goes on, which may end meanwhile. The renewal is waited
    /// for in any case, so that the end is written on it; `None` when the lease ran out first.
    async fn renew_beside(
        &self,
        link: &Versioned<TaskState>,
        over_at: Duration,
        mut work: Pin<&mut impl Future<Output = Handled>>,
    ) -> Option<(Renewed, Option<Handled>)> {
        let mut renewal = pin!(self.renew(link));
        let mut answered = None;
        loop {
            tokio::select! {
                biased;
                renewed = &mut renewal => return Some((renewed, answered)),
                () = self.desk.fleet.clock.sleep(self.until(over_at)) => return None,
                handled = &mut work, if answered.is_none() => answered = Some(handled),
            }
        }
    }

    /// Writes the next renewal and tells the broker; `None` when the claim is gone.
    async fn renew(&self, link: &Versioned<TaskState>) -> Renewed {
        let Some(next) = renew(&link.value, self.desk.fleet.clock.now()) else { return Ok(None) };
        match self.write(&next, link.seq).await? {
            Cas::Lost => Ok(None),
            Cas::Stored(seq) => {
                if let Err(error) = self.delivery.progress().await {
                    self.desk.grumble("keep a delivery", error);
                }
                Ok(Some(Versioned { value: next, seq }))
            }
        }
    }

    /// The work, or that nobody waited for its end because this service must go.
    async fn hurried(&self, by: &Handler, work: impl Future<Output = Handled>) -> Handled {
        let stopped = "the dispatcher was stopped before the answer came";
        tokio::select! {
            biased;
            handled = work => handled,
            () = self.desk.hurry.cancelled() => handler::unanswered(by, stopped.to_owned()).into(),
        }
    }

    fn until(&self, at: Duration) -> Duration {
        at.saturating_sub(self.desk.now())
    }
}
