//! How an incident record takes in a failure, and when failures add up to a closing.

use std::{collections::BTreeSet, time::Duration};

use domain::{Incident, JoinedFailure, Key, Timestamp};

use super::FailureSeen;

/// The failures that came first stay in a full record, since they show how it began. Behind
/// them the oldest make room, so that what may still be repeated is still recognised.
const FIRST_KEPT: usize = 50;

/// The record with one more failure.
pub(super) fn joined(record: &Incident, seen: &FailureSeen, straggler: bool) -> Incident {
    let mut record = record.clone();
    if Incident::KEPT_MAX <= record.failures.len() {
        record.failures.remove(FIRST_KEPT);
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
    });
    record
}

/// The most distinct tasks that failed for the cause of `seen` in any stretch of `within`
/// that includes it. The record has `seen` already; the order of arrival does not matter.
pub(super) fn tasks_within(record: &Incident, seen: &FailureSeen, within: Duration) -> u32 {
    let alike = || {
        let failures = record.failures.iter();
        failures.filter(|failure| !failure.straggler && failure.cause == seen.cause)
    };
    let begins = alike().map(|failure| failure.at);
    let begins = begins.filter(|begin| *begin <= seen.at && seen.at.since(*begin) <= within);
    let begins: BTreeSet<Timestamp> = begins.collect();
    let tasks = begins.into_iter().map(|begin| {
        let among = alike().filter(|failure| begin <= failure.at);
        let among = among.filter(|failure| failure.at.since(begin) <= within);
        among.map(|failure| failure.task).collect::<BTreeSet<Key>>().len()
    });
    u32::try_from(tasks.max().unwrap_or(0)).unwrap_or(u32::MAX)
}
