//! How an incident record takes in a failure, and when failures add up to a closing.

use std::{collections::BTreeSet, time::Duration};

use domain::{Cause, Incident, JoinedFailure, Key, Timestamp, Trigger};

use super::{FailureSeen, reset::word};

/// The failures that came first stay in a full record, since they show how it began. Behind
/// them the oldest make room, so that what may still be repeated is still recognised.
const FIRST_KEPT: usize = 50;

/// Of each cause, so many of the newest stay while failures gather: whoever told one looks
/// for it here, to learn that it was counted. An older one stays while it may add up to a
/// closing, so there are fewer of those than it takes to close. The record is written whole
/// for each failure and every writing is kept, so it must stay small.
const NEWEST_KEPT: usize = 20;
/// What is kept of the answer to an earlier failure while failures gather, in characters.
const GATHERED_EVIDENCE: usize = 100;

/// The record of an OPEN gate with one more failure. What can no longer add up to a closing
/// makes room and is not counted on: it belongs to no incident.
pub(super) fn gathered(
    record: &Incident,
    seen: &FailureSeen,
    tasks: u32,
    within: Duration,
) -> Incident {
    let mut record = record.clone();
    let alike: Vec<(Timestamp, Key)> = alike(&record, &seen.cause).collect();
    let newest = alike.iter().map(|(at, _)| *at).max().unwrap_or(seen.at).max(seen.at);
    let mut place = 0;
    record.failures.retain(|failure| {
        if failure.straggler || failure.cause != seen.cause {
            return true;
        }
        place += 1;
        // `seen` is one of the newest.
        let among_newest = alike.len() - place + 1 < NEWEST_KEPT;
        let again = failure.task == seen.task
            || alike[place..].iter().any(|(_, task)| *task == failure.task);
        let stale = within < newest.since(failure.at);
        among_newest || (0 < tasks && !again && !stale)
    });
    for failure in &mut record.failures {
        if let Some((end, _)) = failure.evidence.char_indices().nth(GATHERED_EVIDENCE) {
            failure.evidence.truncate(end);
        }
    }
    joined(&record, seen, false, None)
}

/// The record with one more failure; that of `trigger` stays in it.
pub(super) fn joined(
    record: &Incident,
    seen: &FailureSeen,
    straggler: bool,
    trigger: Option<&Trigger>,
) -> Incident {
    let mut record = record.clone();
    if Incident::KEPT_MAX <= record.failures.len() {
        record.failures.remove(oldest_to_spare(&record, trigger));
        record.more = record.more.saturating_add(1);
    }
    record.failures.push(JoinedFailure {
        event: seen.event.clone(),
        task: seen.task,
        source_key: seen.source_key.clone(),
        attempt: seen.attempt,
        cause: seen.cause.clone(),
        at: seen.at,
        straggler,
        evidence: seen.evidence.clone(),
        resets_at: seen.resets_at,
    });
    record
}

/// The oldest failure behind the first ones that says nothing by which a gate resets: it closed
/// none, and others of its cause are newer, and name a time as late.
fn oldest_to_spare(record: &Incident, trigger: Option<&Trigger>) -> usize {
    let matters = |at: usize, failure: &JoinedFailure| {
        let later = record.failures.iter().skip(at + 1);
        let alike = || later.clone().filter(|later| later.cause == failure.cause);
        let newest = alike().all(|later| later.at < failure.at);
        let latest = word(failure).is_some_and(|at| alike().filter_map(word).all(|it| it < at));
        newest || latest || trigger.is_some_and(|trigger| trigger.event == failure.event)
    };
    let mut behind = record.failures.iter().enumerate().skip(FIRST_KEPT);
    behind.find(|(at, failure)| !matters(*at, failure)).map_or(FIRST_KEPT, |(at, _)| at)
}

/// The most distinct tasks that failed for the cause of `seen` in any stretch of `within`
/// that includes it. The record has `seen` already; the order of arrival does not matter.
pub(super) fn tasks_within(record: &Incident, seen: &FailureSeen, within: Duration) -> u32 {
    let alike = || alike(record, &seen.cause);
    let begins = alike().map(|(at, _)| at);
    let begins = begins.filter(|begin| *begin <= seen.at && seen.at.since(*begin) <= within);
    let begins: BTreeSet<Timestamp> = begins.collect();
    let tasks = begins.into_iter().map(|begin| {
        let among = alike().filter(|(at, _)| begin <= *at && at.since(begin) <= within);
        among.map(|(_, task)| task).collect::<BTreeSet<Key>>().len()
    });
    u32::try_from(tasks.max().unwrap_or(0)).unwrap_or(u32::MAX)
}

/// When which tasks failed for the cause, in the order in which they were counted.
fn alike(record: &Incident, cause: &Cause) -> impl Iterator<Item = (Timestamp, Key)> {
    let alike = record.failures.iter();
    let alike = alike.filter(move |failure| !failure.straggler && failure.cause == *cause);
    alike.map(|failure| (failure.at, failure.task))
}
