use std::collections::{BTreeMap, BTreeSet};

use domain::{PaymentStage, Phase, Proof, TaskState};

use super::Verdict;
use crate::storm::{chores, history::History};

/// What a claim that stood still ends with.
const LOST: &str = "dispatcher.lost";
/// Clocks that tick a little differently.
const CLOCKS_MS: u64 = 50;

/// No link follows an end, attempts count up by one, and each ended chain ended as it may.
pub(super) fn w1_each_task_ends_once(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W1", "a task ends once");
    for chain in history.chains().values() {
        for pair in chain.windows(2) {
            let (before, after) = (&pair[0].value, &pair[1].value);
            let goes_on = !before.ended();
            let counts = before.attempt <= after.attempt && before.charged <= after.charged;
            verdict.look(goes_on && counts, || format!("{before:?} then {after:?}"));
        }
    }
    let ends: BTreeMap<_, usize> = history
        .told
        .iter()
        .filter(|told| told.id.ends_with("/completed") || told.id.ends_with("/dead"))
        .fold(BTreeMap::new(), |mut ends, told| {
            *ends.entry((told.told.kind.clone(), told.key)).or_default() += 1;
            ends
        });
    for ((kind, key), count) in ends {
        verdict.look(count == 1, || format!("{kind}/{key} was told to have ended {count} times"));
    }
    verdict
}

/// Whatever was created has ended, or waits; at rest nothing waits.
pub(super) fn w1_nothing_is_lost(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W1", "nothing is lost");
    let sneaked = |create: &&super::super::history::Create| create.created_by != "test-unfenced";
    let created = history.creates.iter().filter(sneaked);
    let mut owed: BTreeSet<_> = created.map(|it| (it.kind.clone(), it.key)).collect();
    for ordered in history.ordered.iter().filter(|ordered| ordered.seq.is_some()) {
        let key = ordered.source_key.parse::<domain::SourceKey>().unwrap().key();
        owed.insert((chores::KIND.parse().unwrap(), key));
    }
    for at in owed {
        let state = history.states.get(&at);
        let ended = state.is_some_and(TaskState::ended);
        verdict.look(ended || history.queued.contains(&at), || {
            format!("{}/{}: {:?} and not in the queue", at.0, at.1, state.map(TaskState::word))
        });
    }
    verdict
}

/// Every create is a sensor's or the storm's own.
pub(super) fn w2_no_failure_makes_a_task(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W2", "no failure makes a task");
    for create in &history.creates {
        let by = &create.created_by;
        let known = by.starts_with("sensor") || by == "test" || by == "test-unfenced";
        verdict.look(known, || format!("{}/{} was created by {by:?}", create.kind, create.key));
    }
    verdict
}

/// Charged attempts stay within the budget, only what is the task's own is charged, a lost claim
/// is, and a task is dead if and only if its budget is spent.
pub(super) fn w2_attempts_stay_within_the_budget(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W2", "attempts are bounded, shared failures are not charged");
    let budget =
        |state: &TaskState| Some(history.config.as_ref()?.kinds.get(&state.kind)?.attempts_max);
    for state in history.states.values() {
        let Some(most) = budget(state) else { continue };
        let dead = matches!(state.phase, Phase::Dead { .. });
        let spent = if dead { state.charged == most } else { state.charged < most };
        verdict.look(spent, || format!("{most} allowed: {state:?}"));
    }
    for chain in history.chains().values() {
        for pair in chain.windows(2) {
            let (before, after) = (&pair[0].value, &pair[1].value);
            let lost = match &after.phase {
                Phase::Resting { cause, .. } | Phase::Dead { cause } => cause.as_str() == LOST,
                _ => false,
            };
            // What is put off to be repeated later was lost, and charged, a link before.
            let claimed = matches!(before.phase, Phase::Claimed(_));
            let charged = before.charged + u32::from(claimed);
            verdict.look(!lost || after.charged == charged, || {
                format!("lost and not charged: {before:?} then {after:?}")
            });
        }
    }
    for told in history.told.iter().filter(|told| told.id.ends_with("/failed")) {
        let shared = told.told.gate.is_some();
        verdict
            .look(!(shared && told.told.charged), || format!("{} is shared and charged", told.id));
    }
    verdict
}

/// Each completed welcome has its payment settled and its contact on record, and the ledger
/// has the transfer, unless a message of ours was there before.
pub(super) fn w3_done_means_paid_on_the_record(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W3", "done means that the effect is recorded");
    let paid: BTreeSet<&str> = history.transfers.iter().map(|it| it.recipient.as_str()).collect();
    let mut settled = BTreeMap::new();
    for (key, payment) in &history.payments {
        let payment = &payment.value;
        let done = match &payment.stage {
            PaymentStage::Settled(_, how) => {
                how.proof == Proof::EarlierMessage || paid.contains(payment.payee.address.as_str())
            }
            _ => false,
        };
        settled.insert(payment.source_key.clone(), (done, *key));
    }
    for state in history.states.values().filter(|state| state.kind.as_str() == "welcome") {
        if !matches!(state.phase, Phase::Completed { .. }) {
            continue;
        }
        let record = settled.get(&state.source_key);
        let kept = record.is_some_and(|(done, key)| *done && history.contacts.contains(key));
        verdict.look(kept, || format!("{} is completed, on record {record:?}", state.source_key));
    }
    verdict
}

/// A claim passes to another holder only by an end of the attempt, or after its lease has
/// stood still by the server's clock.
pub(super) fn w4_one_holder_at_a_time(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W4", "one holder acts for a task at a time");
    for chain in history.chains().values() {
        for pair in chain.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let Phase::Claimed(claim) = &before.value.phase else { continue };
            let taken = match &after.value.phase {
                Phase::Claimed(next) => {
                    let renewed =
                        next.holder == claim.holder && after.value.attempt == before.value.attempt;
                    // A link in between may be missing from the tape.
                    !renewed && history.whole(before.seq, after.seq)
                }
                Phase::Resting { cause, .. } | Phase::Dead { cause } if cause.as_str() == LOST => {
                    let stood = after.ms.saturating_sub(before.ms) + CLOCKS_MS;
                    u128::from(stood) < claim.lease.as_millis()
                }
                _ => false,
            };
            verdict.look(!taken, || format!("{before:?} then {after:?}"));
        }
    }
    verdict
}

/// The service of the chores sees each attempt once, from one holder.
pub(super) fn w4_each_attempt_is_asked_once(history: &History) -> Verdict {
    let mut verdict = Verdict::new("W4", "each attempt is made once");
    let mut seen = BTreeMap::new();
    for asked in &history.asked {
        let before = seen.insert((&asked.source_key, asked.attempt), &asked.holder);
        verdict.look(before.is_none(), || {
            let (key, attempt) = (&asked.source_key, asked.attempt);
            format!("{key} attempt {attempt} by {} after {before:?}", asked.holder)
        });
    }
    verdict
}
