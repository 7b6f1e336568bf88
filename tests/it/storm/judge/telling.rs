use std::collections::{BTreeMap, BTreeSet};

use domain::Phase;

use super::Verdict;
use crate::storm::history::History;

/// The stream knows the id of an event for so long; told again later, it is stored again.
const KNOWN_FOR_MS: u64 = 600_000;

/// Every failure names its cause, on its subject too, and none is `unknown`.
pub(super) fn t1_every_failure_has_a_cause(history: &History) -> Verdict {
    let mut verdict = Verdict::new("T1", "every failure has a cause");
    for told in history.told.iter().filter(|told| told.id.ends_with("/failed")) {
        let cause = told.told.cause.as_ref().map(ToString::to_string).unwrap_or_default();
        let named = !cause.is_empty() && cause != "unknown" && told.subject.ends_with(&cause);
        verdict.look(named, || format!("{} on {}: {cause:?}", told.id, told.subject));
    }
    verdict
}

pub(super) fn t1_no_event_is_told_twice(history: &History) -> Verdict {
    let mut verdict = Verdict::new("T1", "no event counts twice");
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for (id, ms) in history.event_ids.iter().filter(|(id, _)| !id.is_empty()) {
        let again =
            seen.insert(id, *ms).is_some_and(|first| ms.saturating_sub(first) < KNOWN_FOR_MS);
        verdict.look(!again, || format!("{id} is stored twice"));
    }
    verdict
}

/// What the chains say was charged was told, one event for each; and what a chain owes the
/// world was told, whoever crashed in between.
pub(super) fn t1_the_sums_agree(history: &History) -> Verdict {
    let mut verdict = Verdict::new("T1", "the sums agree");
    let ids: BTreeSet<&str> = history.told.iter().map(|told| told.id.as_str()).collect();
    let mut charged: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for told in history.told.iter().filter(|told| told.told.charged) {
        charged.entry((told.told.kind.clone(), told.key)).or_default().insert(&told.id);
    }
    for (at, state) in &history.states {
        let told = charged.get(at).map_or(0, BTreeSet::len);
        verdict.look(told == usize::try_from(state.charged).unwrap(), || {
            format!("{} was charged {} times, told {told} times", state.source_key, state.charged)
        });
    }
    for link in history.links.iter().map(|link| &link.value) {
        let verb = match &link.phase {
            Phase::Completed { .. } => "completed",
            Phase::Dead { .. } => "dead",
            Phase::Resting { charged: true, .. } => "failed",
            Phase::Returned { gate: Some(_), cause: Some(_), .. } => "failed",
            _ => continue,
        };
        let id = domain::event_id(&link.kind, link.source_key.key(), link.attempt, verb);
        verdict.look(ids.contains(id.as_str()), || format!("{id} was never told: {link:?}"));
    }
    verdict
}

/// What services stored makes sense; what they did not is the storm's own junk.
pub(super) fn what_is_stored_can_be_read(history: &History) -> Verdict {
    let mut verdict = Verdict::new("-", "what is stored can be read");
    verdict.looked_at = history.links.len() + history.gates.len() + history.payments.len();
    for subject in &history.unreadable {
        verdict.look(false, || subject.clone());
    }
    verdict
}
