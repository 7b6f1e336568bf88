//! Looks after the canary of a PROBING gate, for what its own report may not say.
//!
//! | its record and its task                                 | then                        |
//! | ------------------------------------------------------- | --------------------------- |
//! | nobody has won it yet                                   | the gate waits              |
//! | completed, and the report of that was lost or is bare   | DRAINING                    |
//! | ended or charged otherwise, and the same                | as if it had been told      |
//! | begun, and undecided for 30 min                         | CLOSED, `canary.undecided`  |
//!
//! A dispatcher that dies between recording an end and telling it leaves the telling to the
//! next one, which no longer knows that the attempt was a canary: the canary's record does.
//! Nothing is concluded before every outcome that was told by then has been read, and the record
//! and the task have stood still for [`SETTLED_AFTER`].

use std::time::Duration;

use bus::Stored;
use domain::{Admission, Canary, Cause, Epoch, Gate, Phase, TaskState};
use fleet::store::{StoreError, read};
use kit::Instant;
use logic::gate::{UNDECIDED_AFTER, on_canary_late};
use wire::{
    Wire as _,
    event::{AttemptTold, AttemptVerb},
    subject,
};

use crate::{
    Keeper,
    caught_up::CaughtUp,
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

/// What is seen of a canary, and since when, by this process's own clock: no other one tells
/// how much time has passed. After a restart it is watched anew.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    seen: Seen,
    /// When this undecided canary was first seen.
    begun: Instant,
    /// Since when nothing about it has changed.
    since: Instant,
    /// Begins once it has to be decided.
    caught_up: CaughtUp,
}

/// A canary as one round sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    epoch: Epoch,
    /// The sequence of the link with which its task won.
    won: u64,
    attempt: u32,
    ended: Option<Ended>,
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
        let Some((canary, won)) = newest(&links).filter(|(canary, _)| !canary.released) else {
            memory.watch = None;
            return Ok(());
        };
        let found = task_state(keeper, gate, &canary).await?;
        let ended = found.as_ref().and_then(|state| ended(state, &canary));
        let seen = Seen { epoch: gate.epoch, won, attempt: canary.attempt, ended };
        let watch = Watch::follow(memory.watch.take(), seen, keeper.fleet.clock.instant());
        let watch = memory.watch.insert(watch);
        match (watch.seen.ended.clone(), found) {
            (Some(ended), Some(state)) => {
                if SETTLED_AFTER <= watch.since.elapsed()
                    && watch.caught_up.all_read(keeper).await?
                {
                    conclude(keeper, gate, &canary, &state, ended).await?;
                }
                Ok(())
            }
            _ => {
                let under_way = watch.begun.elapsed();
                if UNDECIDED_AFTER <= under_way && watch.caught_up.all_read(keeper).await? {
                    late(keeper, gate, &canary, under_way).await?;
                }
                Ok(())
            }
        }
    }

    /// What is watched after a look: anew as far as something has changed.
    fn follow(before: Option<Watch>, seen: Seen, now: Instant) -> Watch {
        let same = |watch: &Watch| (watch.seen.epoch, watch.seen.won) == (seen.epoch, seen.won);
        match before.filter(same) {
            Some(watch) if watch.seen == seen => watch,
            Some(Watch { begun, .. }) => {
                Watch { seen, begun, since: now, caught_up: CaughtUp::default() }
            }
            None => Watch { seen, begun: now, since: now, caught_up: CaughtUp::default() },
        }
    }
}

/// Acts on an end that was not told as a canary's.
async fn conclude(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
    state: &TaskState,
    ended: Ended,
) -> anyhow::Result<()> {
    tracing::warn!(
        gate = %gate.name, epoch = %gate.epoch, task = %canary.source_key, ?ended,
        "the canary's end was not told as such"
    );
    let seq = keeper.fleet.gates.standing(&gate.name).map_or(0, |standing| standing.seq);
    let told = AttemptTold {
        verb: AttemptVerb::Completed,
        kind: canary.kind.clone(),
        source_key: canary.source_key.clone(),
        attempt: canary.attempt,
        holder: canary.holder.clone(),
        at: state.at,
        cause: None,
        charged: false,
        gate: None,
        evidence: String::new(),
        rest_until: None,
        effect: String::new(),
        cost: domain::Cost::ZERO,
        admitted: vec![Admission { gate: gate.name.clone(), epoch: gate.epoch, seq }],
        canary: vec![gate.name.clone()],
        credential: None,
        resets_at: state.resets_at,
        begun: None,
        created: None,
    };
    match ended {
        Ended::Completed { effect } => {
            outcomes::completed(keeper, &gate.name, &AttemptTold { effect, ..told }).await
        }
        Ended::Spent { cause } => {
            let told =
                AttemptTold { verb: AttemptVerb::Failed, cause: Some(cause.clone()), ..told };
            let seen = outcomes::spent(&told, &cause, &keeper.fleet.config());
            outcomes::failed(keeper, &gate.name, &seen, &told).await
        }
    }
}

/// Closes the gate again: the canary has been undecided for too long.
async fn late(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
    under_way: Duration,
) -> anyhow::Result<()> {
    let Some(look) = look(&keeper.fleet.bus, &gate.name).await? else { return Ok(()) };
    let remedy = keeper.remedy(&gate.name);
    let stamp = keeper.stamp(&look, &remedy);
    let decision = on_canary_late(&look.gate, canary, under_way, &stamp);
    let record = Record::empty(&gate.name, gate.incident);
    match moves::carry_out(keeper, &look, &record, &decision, None).await? {
        Carried::Done(_) | Carried::Lost => Ok(()),
    }
}

/// The newest readable link of a canary's record, begun when its task first won it, and the
/// sequence of that: the same task takes it over with each new attempt, and is undecided all
/// the while.
fn newest(links: &[Stored]) -> Option<(Canary, u64)> {
    let mut newest: Option<(Canary, u64)> = None;
    for link in links {
        let (seq, link) = (link.seq, Canary::decode(&link.body));
        let Ok(mut canary) = link else { continue };
        let mut won = seq;
        if let Some((before, since)) = &newest
            && (&before.kind, before.task, before.released) == (&canary.kind, canary.task, false)
        {
            canary.begun = before.begun;
            won = *since;
        }
        newest = Some((canary, won));
    }
    newest
}

/// The state of the canary's task, while it tells of the canary's attempt: of whichever kind
/// behind the gate that is, since two kinds may work on one source key.
async fn task_state(
    keeper: &Keeper,
    gate: &Gate,
    canary: &Canary,
) -> Result<Option<TaskState>, StoreError> {
    let needing = keeper.fleet.config().needing(&gate.name).into_iter();
    for kind in needing.filter(|kind| *kind == canary.kind) {
        let subject = subject::state(&kind, canary.task);
        match read::<TaskState>(&keeper.fleet.bus, subject::STATE, &subject).await {
            Ok(Some(found)) if tells_of(&found.value, canary) => {
                return Ok(Some(found.value));
            }
            Ok(_) | Err(StoreError::Garbled { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether the newest attempt of the task is the canary.
fn tells_of(state: &TaskState, canary: &Canary) -> bool {
    let mut admitted = state.admitted.iter();
    (&state.source_key, state.attempt) == (&canary.source_key, canary.attempt)
        && state.canary.contains(&canary.gate)
        && admitted.any(|it| it.gate == canary.gate && it.epoch == canary.epoch)
}

/// How the canary's attempt has ended; `None` while it is under way, unknown, or about to be
/// told as a failure that others share.
fn ended(state: &TaskState, canary: &Canary) -> Option<Ended> {
    if !tells_of(state, canary) {
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
            kind: "welcome".parse().unwrap(),
            task: source_key.key(),
            source_key,
            attempt,
            holder: HolderId::of(7),
            begun: Timestamp::from_millis(begun),
            released: false,
        }
    }

    fn links(canaries: &[Canary]) -> Vec<Stored> {
        let stored = |(canary, seq): (&Canary, u64)| Stored {
            subject: "canary.relay.3".to_owned(),
            seq,
            body: canary.encode().into(),
            at_ms: 0,
        };
        canaries.iter().zip(1..).map(stored).collect()
    }

    /// A task that tries again and again as the canary is undecided since its first try; one
    /// that was given back, or another's, is not.
    #[test]
    fn undecided_since_the_first_try() {
        let begun = |canaries: &[Canary]| {
            let (canary, won) = newest(&links(canaries)).unwrap();
            (canary.begun.as_millis(), won)
        };
        assert_eq!(begun(&[canary("a", 1, 10), canary("a", 2, 20), canary("a", 3, 30)]), (10, 1));
        let given_back = Canary { released: true, ..canary("a", 1, 10) };
        assert_eq!(begun(&[given_back.clone(), canary("a", 2, 20)]), (20, 2));
        assert_eq!(begun(&[canary("b", 1, 10), canary("a", 1, 20)]), (20, 2));
        let other_kind = Canary { kind: "prompt".parse().unwrap(), ..canary("a", 1, 10) };
        assert_eq!(begun(&[other_kind, canary("a", 1, 20)]), (20, 2));
        let mut garbage = links(&[canary("a", 1, 10)]);
        garbage[0].body = b"garbage".to_vec().into();
        assert_eq!(newest(&garbage), None);
    }

    /// The half hour goes on over new attempts of the same task and begins anew for the next
    /// canary; whatever changes must first stand still.
    #[tokio::test(start_paused = true)]
    async fn its_time_is_measured_here() {
        let see = |won, attempt| Seen { epoch: Epoch::new(3), won, attempt, ended: None };
        let (clock, minute) = (kit::Clock, Duration::from_secs(60));
        let first = Watch::follow(None, see(1, 1), clock.instant());
        clock.sleep(minute).await;
        let same = Watch::follow(Some(first), see(1, 1), clock.instant());
        assert_eq!((same.begun.elapsed(), same.since.elapsed()), (minute, minute));
        let told = Watch { caught_up: CaughtUp::up_to(7), ..same };
        let again = Watch::follow(Some(told), see(1, 2), clock.instant());
        assert_eq!((again.begun.elapsed(), again.since.elapsed()), (minute, Duration::ZERO));
        assert_eq!(
            again.caught_up,
            CaughtUp::default(),
            "what the new attempt told is to be read too"
        );
        let next = Watch::follow(Some(again), see(2, 2), clock.instant());
        assert_eq!(next.begun.elapsed(), Duration::ZERO);
    }

    /// Only an end of the very attempt that won the canary says anything; not one of another
    /// kind with the same source key.
    #[test]
    fn only_its_own_attempt_counts() {
        let state = |attempt, phase| TaskState {
            kind: "welcome".parse().unwrap(),
            source_key: "a".parse().unwrap(),
            at: Timestamp::from_millis(1),
            attempt,
            charged: 0,
            cost: Cost::ZERO,
            admitted: vec![Admission {
                gate: "relay".parse().unwrap(),
                epoch: Epoch::new(3),
                seq: 1,
            }],
            canary: vec!["relay".parse().unwrap()],
            task: None,
            phase,
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
        };
        let done = Phase::Completed { effect: "paid".to_owned() };
        let completed = Ended::Completed { effect: "paid".to_owned() };
        let mine = canary("a", 2, 10);
        assert_eq!(ended(&state(2, done.clone()), &mine), Some(completed));
        assert_eq!(ended(&state(1, done.clone()), &mine), None);
        let others = TaskState { canary: Vec::new(), ..state(2, done) };
        assert_eq!(ended(&others, &mine), None);
        let unknown: Cause = "payment.unknown".parse().unwrap();
        let due = Timestamp::from_millis(9);
        let rests = |charged| Phase::Resting { due, cause: unknown.clone(), charged };
        assert_eq!(ended(&state(2, rests(false)), &mine), None);
        let spent = Ended::Spent { cause: unknown.clone() };
        assert_eq!(ended(&state(2, rests(true)), &mine), Some(spent));
    }
}
