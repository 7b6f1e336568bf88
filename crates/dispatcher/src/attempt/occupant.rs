//! Watching who sits in the seats that a task waits for, so that nobody dead keeps one.
//!
//! The broker delivers a dead dispatcher's task again behind all others that are due, and as
//! long as it has not, nobody else would look at that claim. So whoever finds a row full
//! watches the claims in it, and takes over the one that stands still for a whole lease by its
//! own clock, as is done with a claim of its own task.

use std::time::Duration;

use domain::{Config, Key, Kind, KindConfig, Phase, Task, TaskState, Timestamp};
use fleet::store::{Cas, StoreError, Versioned};
use logic::attempt::{Ending, take_over, within_lineage};
use wire::subject;

use super::{Errand, message, told};
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
    let Occupant { kind: of, chain, task, .. } = occupant;
    let on = subject::task(of, *task);
    let message = match desk.fleet.bus.last(subject::WORK, &on).await? {
        Some(stored) => match message::parse(of, &on, &stored.body) {
            Ok((_, task)) => Some(task),
            // Whoever it is delivered to tells of it, and it leaves the queue.
            Err(_) => return Ok(()),
        },
        None => None,
    };
    let now = desk.fleet.clock.now();
    let Some(ending) = taken_over(&chain.value, message.as_ref(), kind, now) else {
        return Ok(());
    };
    match purse::end(desk, (of, *task), &ending, chain.seq).await? {
        Cas::Lost => (),
        Cas::Stored(_) => {
            tracing::warn!(
                kind = %of,
                source_key = %chain.value.source_key,
                attempt = chain.value.attempt,
                "its dispatcher was silent for a lease in a seat, taking the task over"
            );
            if ending.state.asks() {
                let source_key = &chain.value.source_key;
                tracing::error!(kind = %of, %source_key, "parked: nobody knows what it did, a person is asked");
            }
            // What cannot be told now is told by whoever the task is delivered to.
            told::tell(desk, *task, &ending.state, &ending.reports).await;
        }
    }
    Ok(())
}

/// What follows on a silent claim, with its task kept as by whoever the task is delivered to: an
/// end that a person may put back needs it. A claim whose message is gone is delivered to nobody:
/// it ends without, or it would keep its seat for ever.
fn taken_over(
    claim: &TaskState,
    message: Option<&Task>,
    kind: &KindConfig,
    now: Timestamp,
) -> Option<Ending> {
    match message {
        Some(task) => Some(take_over(claim, &within_lineage(kind, task), now)?.keeping(task)),
        None => take_over(claim, kind, now),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Admission, Claim, Cost, Epoch, Handler, Lineage, OnUnknown};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(9_000);

    fn task(budget: Option<u32>) -> Task {
        let lineage = |budget| Lineage {
            parent_kind: "echo".parse().unwrap(),
            parent: "echo/0".parse().unwrap(),
            root_kind: "echo".parse().unwrap(),
            root: "echo/0".parse().unwrap(),
            depth: 1,
            spent: 0,
            budget,
        };
        Task {
            kind: "echo".parse().unwrap(),
            source_key: "echo/1".parse().unwrap(),
            created_by: "ann".to_owned(),
            created_at: NOW,
            contact: None,
            payload: "{}".to_owned(),
            not_before: None,
            expires_at: None,
            follows: budget.map(|budget| Box::new(lineage(budget))),
        }
    }

    fn silent() -> TaskState {
        let claim = Claim {
            holder: "them".parse().unwrap(),
            begun: NOW,
            lease: Duration::from_secs(2),
            renewals: 3,
        };
        TaskState {
            kind: "echo".parse().unwrap(),
            source_key: "echo/1".parse().unwrap(),
            at: NOW,
            attempt: 1,
            charged: 0,
            cost: Cost::ZERO,
            admitted: vec![Admission {
                gate: "kind-echo".parse().unwrap(),
                epoch: Epoch::FIRST,
                seq: 1,
            }],
            canary: Vec::new(),
            task: None,
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
            phase: Phase::Claimed(claim),
        }
    }

    fn kind(on_unknown: OnUnknown) -> KindConfig {
        let service = Handler::Service { name: "echo".parse().unwrap() };
        KindConfig { attempts_max: 2, on_unknown, ..KindConfig::of(service) }
    }

    /// M2, W4: who takes over a silent claim in a seat leaves it to a person where the kind asks,
    /// with the task to put back.
    #[test]
    fn a_silent_claim_of_a_kind_that_asks_keeps_its_task() {
        let task = task(None);
        let ask = kind(OnUnknown::Ask);
        let asked = taken_over(&silent(), Some(&task), &ask, NOW).unwrap();
        assert!(asked.state.asks(), "{:?}", asked.state);
        assert_eq!(asked.state.task.as_deref(), Some(&task));
        assert!(asked.reports.iter().all(|report| report.created == Some(task.created())));
        let gone = taken_over(&silent(), None, &ask, NOW).unwrap();
        assert_eq!((gone.state.word(), gone.state.task), ("parked", None), "the seat is free");
    }

    /// W2: a follow-up is taken over within what its lineage may still be charged, and one that is
    /// dead by it can be put back.
    #[test]
    fn a_silent_claim_counts_against_its_lineage() {
        let rests = taken_over(&silent(), Some(&task(None)), &kind(OnUnknown::Resolve), NOW);
        assert_eq!(rests.unwrap().state.word(), "resting");
        let last = task(Some(1));
        let dead = taken_over(&silent(), Some(&last), &kind(OnUnknown::Resolve), NOW).unwrap();
        assert_eq!((dead.state.word(), dead.state.task.as_deref()), ("dead", Some(&last)));
    }
}
