//! Watching who sits in the seats that a task waits for, so that nobody dead keeps one.
//!
//! The broker delivers a dead dispatcher's task again behind all others that are due, and as
//! long as it has not, nobody else would look at that claim. So whoever finds a row full
//! watches the claims in it, and takes over the one that stands still for a whole lease by its
//! own clock, as is done with a claim of its own task.

use std::time::Duration;

use domain::{Config, Key, Kind, KindConfig, Phase, TaskState};
use fleet::store::{Cas, StoreError, Versioned};
use logic::attempt::take_over;

use super::{Errand, told};
use crate::{desk::Desk, purse};

/// A claim that was found in a seat.
pub(super) struct Occupant {
    pub(super) kind: Kind,
    pub(super) task: Key,
    pub(super) chain: Versioned<TaskState>,
    /// Just before its chain was read, on the desk's clock.
    pub(super) asked: Duration,
}

impl Errand {
    /// Takes over every claim among `occupants` that has stood still for a lease. Whether any.
    pub(super) async fn take_over_the_silent(&self, occupants: Vec<Occupant>) -> bool {
        let config = self.desk.fleet.config();
        let mut taken = false;
        for occupant in occupants {
            let Some(kind) = kind_of(&config, &occupant.kind, &self.kind) else { continue };
            if !stands_still(&self.desk, &occupant, kind) {
                continue;
            }
            match take_over_one(&self.desk, &occupant, kind).await {
                Ok(()) => taken = true,
                Err(error) => self.desk.grumble("take a task over", error),
            }
        }
        taken
    }
}

/// A kind that is configured no more is judged as the one that waits for its seat.
fn kind_of<'a>(config: &'a Config, kind: &Kind, own: &Kind) -> Option<&'a KindConfig> {
    config.kinds.get(kind).or_else(|| config.kinds.get(own))
}

fn stands_still(desk: &Desk, occupant: &Occupant, kind: &KindConfig) -> bool {
    let Phase::Claimed(claim) = &occupant.chain.value.phase else { return false };
    // What this process gave up it settles itself, as unknown.
    if claim.holder == *desk.me() {
        return false;
    }
    let task = (occupant.kind.clone(), occupant.task);
    desk.stands_still(task, occupant.chain.seq, claim.lease.max(kind.lease), occupant.asked)
}

/// Writes the next link and tells it. The task itself comes to whoever it is delivered to.
async fn take_over_one(
    desk: &Desk,
    occupant: &Occupant,
    kind: &KindConfig,
) -> Result<(), StoreError> {
    let Occupant { chain, task, .. } = occupant;
    let Some(ending) = take_over(&chain.value, kind, desk.fleet.clock.now()) else {
        return Ok(());
    };
    match purse::end(desk, (&occupant.kind, *task), &ending, chain.seq).await? {
        Cas::Lost => (),
        Cas::Stored(_) => {
            tracing::warn!(
                kind = %occupant.kind,
                source_key = %chain.value.source_key,
                attempt = chain.value.attempt,
                "its dispatcher was silent for a lease in a seat, taking the task over"
            );
            // Not told here, it is told by whoever the task is delivered to.
            told::tell(desk, *task, &ending.state, &ending.reports).await;
        }
    }
    Ok(())
}
