//! Watching another dispatcher's claim: no time stamp is trusted, only that it stands still
//! for a whole lease by our own clock.

use std::time::Duration;

use bus::Delivery;
use domain::{Phase, TaskState};
use fleet::store::{self, Versioned};
use logic::attempt::{Watch, Watched};
use wire::subject;

use crate::desk::Desk;

/// At least so often the claim is looked at, and the broker told that it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was seen of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has ended, or another has claimed it.
    Moved,
    /// Its holder renewed it.
    Alive,
    /// It stood still for a whole lease.
    Silent,
    /// This service is to stop.
    Stopping,
}

/// Watches the claim `found` on `chain`, keeping the delivery meanwhile.
pub(super) async fn watch(
    desk: &Desk,
    delivery: &Delivery,
    chain: &str,
    found: &Versioned<TaskState>,
    lease: Duration,
) -> Seen {
    let watch = Watch::new(lease, found.seq, desk.now());
    let every = LOOK_EVERY.min(lease / 6);
    let mut until = desk.now().saturating_add(lease);
    loop {
        let pause = every.min(until.saturating_sub(desk.now()));
        tokio::select! {
            () = desk.stopping.cancelled() => return Seen::Stopping,
            () = desk.fleet.clock.sleep(pause) => (),
        }
        if let Err(error) = delivery.progress().await {
            desk.grumble("keep a delivery", error);
        }
        let asked = desk.now();
        let read = store::read::<TaskState>(&desk.fleet.bus, subject::STATE, chain).await;
        let now = match read {
            Ok(Some(now)) => now,
            Ok(None) => return Seen::Moved,
            Err(error) => {
                desk.grumble("watch a claim", error);
                desk.fleet.clock.sleep(every).await;
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
