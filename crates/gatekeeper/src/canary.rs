//! Looks after the canary of a PROBING gate, for what its own report may not say.
//!
//! | its record and its task                                 | then                        |
//! | ------------------------------------------------------- | --------------------------- |
//! | nobody has won it yet                                   | the gate waits              |
//! | completed, and the report of that was lost or is bare   | DRAINING                    |
//! | ended or charged otherwise, and the same                | PROBING, for the next one   |
//! | begun, and undecided for 30 min                         | CLOSED, `canary.undecided`  |
//!
//! A dispatcher that dies between recording an end and telling it leaves the telling to the
//! next one, which no longer knows that the attempt was a canary: the canary's record does.
//! Nothing is concluded before every outcome that was told has been read, and the record and
//! the task have stood still for [`SETTLED_AFTER`].

use std::time::Duration;

use bus::Stored;
use domain::{Admission, Blame, Canary, Cause, Epoch, Gate, Phase, TaskState};
use fleet::store::{StoreError, read};
use kit::Instant;
use logic::gate::on_canary_late;
use wire::{
    Wire as _,
    event::{AttemptTold, AttemptVerb},
    subject,
};

use crate::{
    Keeper,
    moves::{self, Carried},
    outcomes,
    record::Record,
    rounds::Memory,
    standing::look,
};

/// How long what was seen must stand before it is acted upon.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// The most links of a canary's record that are looked at.
const LINKS_MAX: usize = 1_000;

/// What is seen of a canary, and since when, by this process's own clock.
pub(crate) struct Watch {
    epoch: Epoch,
    attempt: u32,
    ended: Option<Ended>,
    since: Instant,
}

/// How the canary's attempt has ended, as the chain of its task says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    Completed {
        effect: String,
    },
    /// Whatever it was, it proves nothing.
    Spent {
        cause: Cause,
    },
}

impl Watch {
    /// Looks at the canary of a PROBING gate and moves the gate if that is due.
    ///
    /// # Errors
    ///
    /// When something cannot be read or the gate not be moved: the next round will.
    pub(crate) async fn look_after(
        keeper: &Keeper,
        gate: &Gate,
        memory: &mut Memory,
    ) -> anyhow::Result<()> {
        let bus = &keeper.fleet.bus;
        let subject = subject::canary(&gate.name, gate.epoch);
        let links = bus.all(subject::RECORD, &subject, LINKS_MAX).await?;
        let Some(canary) = newest(&links).filter(|canary| !canary.released) else {
            memory.watch = None;
            return Ok(());
        };
        let Some((kind, state)) = task_state(keeper, gate, &canary).await? else {
            return late(keeper, gate, &canary).await;
        };
        let ended = ended(&state, &canary);
        let same = memory.watch.as_ref().is_some_and(|watch| {
            (watch.epoch, watch.attempt, &watch.ended) == (gate.epoch, canary.attempt, &ended)
        });
        if !same {
            let (epoch, attempt) = (gate.epoch, canary.attempt);
            let since = keeper.fleet.clock.instant();
            memory.watch = Some(Watch { epoch, attempt, ended: ended.clone(), since });
        }
        let settled =
            memory.watch.as_ref().is_some_and(|watch| SETTLED_AFTER <= watch.since.elapsed());
        match ended {
            None => late(keeper, gate, &canary).await,
            Some(ended) if settled && all_read(keeper).await? => {
                conclude(keeper, gate, &canary, kind, ended).await
            }
            Some(_) => Ok(()),
        }
    }
}

/// Acts on an end that was not told as a canary's.
async fn conclude(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
    kind: domain::Kind,
    ended: Ended,
) -> anyhow::Result<()> {
    tracing::warn!(
        gate = %gate.name, epoch = %gate.epoch, task = %canary.source_key, ?ended,
        "the canary's end was not told as such"
    );
    let seq = keeper.fleet.gates.standing(&gate.name).map_or(0, |standing| standing.seq);
    let told = AttemptTold {
        verb: AttemptVerb::Completed,
        kind,
        source_key: canary.source_key.clone(),
        attempt: canary.attempt,
        holder: canary.holder.clone(),
        at: keeper.fleet.clock.now(),
        cause: None,
        charged: false,
        gate: None,
        evidence: String::new(),
        rest_until: None,
        effect: String::new(),
        cost: domain::Cost::ZERO,
        admitted: vec![Admission { gate: gate.name.clone(), epoch: gate.epoch, seq }],
        canary: vec![gate.name.clone()],
    };
    match ended {
        Ended::Completed { effect } => {
            outcomes::completed(keeper, &gate.name, &AttemptTold { effect, ..told }).await
        }
        Ended::Spent { cause } => {
            let told =
                AttemptTold { verb: AttemptVerb::Failed, cause: Some(cause.clone()), ..told };
            let seen = outcomes::failure(&told, &cause, Blame::Own);
            outcomes::failed(keeper, &gate.name, &seen, &told).await
        }
    }
}

/// Closes the gate again when the canary has been undecided for too long.
async fn late(keeper: &Keeper, gate: &Gate, canary: &Canary) -> anyhow::Result<()> {
    let bus = &keeper.fleet.bus;
    if keeper.fleet.clock.now().since(canary.begun) < logic::gate::UNDECIDED_AFTER
        || !all_read(keeper).await?
    {
        return Ok(());
    }
    let Some(look) = look(bus, &gate.name).await? else { return Ok(()) };
    let remedy = keeper.remedy(&gate.name);
    let decision = on_canary_late(&look.gate, canary, &keeper.stamp(&look, &remedy));
    let record = Record::empty(&gate.name, gate.incident);
    match moves::carry_out(keeper, &look, &record, &decision, None).await? {
        Carried::Done(_) | Carried::Lost => Ok(()),
    }
}

/// Whether no outcome waits to be read: none that was told before can still decide.
async fn all_read(keeper: &Keeper) -> anyhow::Result<bool> {
    let consumer = subject::GATEKEEPER_CONSUMER;
    let backlog = keeper.fleet.bus.backlog(subject::EVENTS, consumer).await?;
    Ok(backlog.pending == 0 && backlog.in_flight == 0)
}

/// The newest readable link of a canary's record, begun when its task first won it: the same
/// task takes it over with each new attempt, and is undecided all the while.
fn newest(links: &[Stored]) -> Option<Canary> {
    let mut canary: Option<Canary> = None;
    for link in links {
        let Ok(mut link) = Canary::decode(&link.body) else { continue };
        if let Some(before) = &canary
            && (before.task, before.released) == (link.task, false)
        {
            link.begun = link.begun.min(before.begun);
        }
        canary = Some(link);
    }
    canary
}

/// The state of the canary's task: of whichever kind behind the gate has it.
async fn task_state(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
) -> Result<Option<(domain::Kind, TaskState)>, StoreError> {
    for kind in keeper.fleet.config().needing(&gate.name) {
        let subject = subject::state(&kind, canary.task);
        match read::<TaskState>(&keeper.fleet.bus, subject::STATE, &subject).await {
            Ok(Some(found)) if found.value.source_key == canary.source_key => {
                return Ok(Some((kind, found.value)));
            }
            Ok(_) | Err(StoreError::Garbled { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// How the canary's attempt has ended; `None` while it is under way, unknown, or about to be
/// told as a failure that others share.
fn ended(state: &TaskState, canary: &Canary) -> Option<Ended> {
    if state.attempt != canary.attempt {
        return None;
    }
    let spent = |cause: &Cause| Some(Ended::Spent { cause: cause.clone() });
    match &state.phase {
        Phase::Completed { effect } => Some(Ended::Completed { effect: effect.clone() }),
        Phase::Dead { cause } | Phase::Parked { cause, .. } => spent(cause),
        Phase::Resting { cause, charged: true, .. } => spent(cause),
        Phase::Withdrawn { .. } | Phase::Revived { .. } => {
            "canary.withdrawn".parse().ok().and_then(|cause| spent(&cause))
        }
        Phase::Claimed(_) | Phase::Resting { charged: false, .. } | Phase::Returned { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cost, HolderId, SourceKey, Timestamp};

    use super::*;

    fn canary(task: &str, attempt: u32, begun: u64) -> Canary {
        let source_key: SourceKey = task.parse().unwrap();
        Canary {
            gate: "relay".parse().unwrap(),
            epoch: Epoch::new(3),
            task: source_key.key(),
            source_key,
            attempt,
            holder: HolderId::of(7),
            begun: Timestamp::from_millis(begun),
            released: false,
        }
    }

    fn links(canaries: &[Canary]) -> Vec<Stored> {
        let stored = |canary: &Canary| Stored {
            subject: "canary.relay.3".to_owned(),
            seq: 1,
            body: canary.encode().into(),
            at_ms: 0,
        };
        canaries.iter().map(stored).collect()
    }

    /// A task that tries again and again as the canary is undecided since its first try; one
    /// that was given back, or another's, is not.
    #[test]
    fn undecided_since_the_first_try() {
        let begun = |canaries: &[Canary]| newest(&links(canaries)).unwrap().begun.as_millis();
        assert_eq!(begun(&[canary("a", 1, 10), canary("a", 2, 20), canary("a", 3, 30)]), 10);
        let given_back = Canary { released: true, ..canary("a", 1, 10) };
        assert_eq!(begun(&[given_back.clone(), canary("a", 2, 20)]), 20);
        assert_eq!(begun(&[canary("b", 1, 10), canary("a", 1, 20)]), 20);
        let mut garbage = links(&[canary("a", 1, 10)]);
        garbage[0].body = b"garbage".to_vec().into();
        assert_eq!(newest(&garbage), None);
    }

    /// Only an end of the very attempt that won the canary says anything.
    #[test]
    fn only_its_own_attempt_counts() {
        let state = |attempt, phase| TaskState {
            kind: "welcome".parse().unwrap(),
            source_key: "a".parse().unwrap(),
            at: Timestamp::from_millis(1),
            attempt,
            charged: 0,
            cost: Cost::ZERO,
            phase,
        };
        let done = Phase::Completed { effect: "paid".to_owned() };
        let completed = Ended::Completed { effect: "paid".to_owned() };
        let mine = canary("a", 2, 10);
        assert_eq!(ended(&state(2, done.clone()), &mine), Some(completed));
        assert_eq!(ended(&state(1, done), &mine), None);
        let unknown: Cause = "payment.unknown".parse().unwrap();
        let due = Timestamp::from_millis(9);
        let rests = |charged| Phase::Resting { due, cause: unknown.clone(), charged };
        assert_eq!(ended(&state(2, rests(false)), &mine), None);
        let spent = Ended::Spent { cause: unknown.clone() };
        assert_eq!(ended(&state(2, rests(true)), &mine), Some(spent));
    }
}
