//! Reading a task's message, and refusing what is none.

use std::time::Duration;

use bus::Delivery;
use domain::{Cause, Cost, Key, Kind, SourceKey, Task, event_id};
use fleet::store::StoreError;
use logic::attempt::{Report, Told};
use wire::{
    Wire as _,
    event::{AttemptTold, AttemptVerb, shorten},
    subject,
};

use super::{Errand, told};
use crate::desk::Desk;

/// How much of a message that makes no sense is shown, in bytes.
const SHOWN_MAX: usize = 300;

/// A message that is no task of its subject.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// From the subject, where that can be read.
    key: Option<Key>,
    evidence: String,
}

/// The task in a delivery from the queue of `kind`, under the key of its subject.
pub(super) fn read(kind: &Kind, delivery: &Delivery) -> Result<(Key, Task), Unreadable> {
    parse(kind, &delivery.subject, &delivery.body)
}

/// The same of a message as it is stored on the subject `on`.
pub(super) fn parse(kind: &Kind, on: &str, body: &[u8]) -> Result<(Key, Task), Unreadable> {
    let key = subject::parse_task(on).filter(|(named, _)| named == kind).map(|(_, key)| key);
    let unreadable = |why: String| {
        let shown = body[..body.len().min(SHOWN_MAX)].escape_ascii();
        let evidence = format!("{}: {why}: \"{shown}\"", shorten(on, SHOWN_MAX));
        Unreadable { key, evidence }
    };
    let Some(key) = key else { return Err(unreadable("not the subject of a task".to_owned())) };
    match Task::decode(body) {
        Ok(task) if task.kind == *kind => Ok((key, task)),
        Ok(task) => Err(unreadable(format!("a task of kind {}", task.kind))),
        Err(error) => Err(unreadable(format!("{:#}", anyhow::Error::new(error)))),
    }
}

/// Tells of a message that is no task, for a person to look at. Whether it was told.
pub(super) async fn refuse(
    desk: &Desk,
    kind: &Kind,
    delivery: &Delivery,
    unreadable: Unreadable,
) -> bool {
    let Unreadable { key, evidence } = unreadable;
    tracing::error!(subject = delivery.subject, evidence, "not a task, parked");
    let cause = Cause::known("task.invalid");
    let mut told = parked(desk, kind, &delivery.subject, cause, evidence);
    told.at = desk.fleet.clock.now();
    let mut event = told.to_event();
    if let Some(key) = key {
        event.id = event_id(kind, key, 0, AttemptVerb::Parked.word());
    }
    told::insist(desk, &event).await
}

/// Tells of a task that does not belong on its subject's key. Whether it was told.
pub(super) async fn refuse_other(errand: &Errand, report: &Report) -> bool {
    let Told::Parked { cause, evidence } = &report.told else { return false };
    let desk = &errand.desk;
    tracing::error!(subject = errand.delivery.subject, evidence, "refused, parked");
    let source_key = errand.task.source_key.as_str();
    let mut told = parked(desk, &errand.kind, source_key, cause.clone(), evidence.clone());
    told.attempt = report.attempt;
    let mut event = told.to_event();
    event.id = report.event_id(&errand.kind, errand.key);
    told::insist(desk, &event).await
}

/// Tells that what is kept of a task makes no sense, and for how long it is put back: it may
/// only be newer than this process. Told for each delivery, since the task keeps its place with
/// the broker all the while, and the kind must get another one for it.
pub(super) async fn put_back_garbled(errand: &Errand, error: StoreError, wait: Duration) {
    let desk = &errand.desk;
    let evidence = format!("{:#}", anyhow::Error::new(error));
    let source_key = errand.task.source_key.as_str();
    tracing::error!(kind = %errand.kind, source_key, evidence, ?wait, "unreadable, put back");
    let cause = Cause::known("task.invalid");
    let mut told = parked(desk, &errand.kind, source_key, cause, evidence);
    told.rest_until = Some(told.at.after(wait));
    let mut event = told.to_event();
    event.id = format!("{}/{}", event.id, errand.delivery.delivered);
    told::insist(desk, &event).await;
}

fn parked(desk: &Desk, kind: &Kind, about: &str, cause: Cause, evidence: String) -> AttemptTold {
    // A subject is printable and short, except where somebody means harm.
    let source_key: SourceKey =
        about.parse().unwrap_or_else(|_| kind.as_str().parse().expect("a kind is printable"));
    AttemptTold {
        verb: AttemptVerb::Parked,
        kind: kind.clone(),
        source_key,
        attempt: 0,
        holder: desk.me().clone(),
        at: desk.fleet.clock.now(),
        cause: Some(cause),
        charged: false,
        gate: None,
        evidence,
        rest_until: None,
        effect: String::new(),
        cost: Cost::ZERO,
        admitted: Vec::new(),
        canary: Vec::new(),
        credential: None,
        resets_at: None,
        begun: None,
        created: None,
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn task(kind: &str) -> Task {
        Task {
            kind: kind.parse().unwrap(),
            source_key: "welcome/SP1".parse().unwrap(),
            created_by: "sensor".to_owned(),
            created_at: Timestamp::from_millis(1),
            contact: None,
            payload: "{}".to_owned(),
            not_before: None,
            expires_at: None,
            follows: None,
        }
    }

    /// A task reads back under the key of its subject; a subject without one, a task of
    /// another kind and bytes that are no task are shown as they came.
    #[test]
    fn reads_only_tasks() {
        let kind: Kind = "welcome".parse().unwrap();
        let task_read = task("welcome");
        let on = subject::task(&kind, task_read.key());
        assert_eq!(
            parse(&kind, &on, &task_read.encode()),
            Ok((task_read.key(), task_read.clone()))
        );
        let check = |on: &str, body: &[u8], evidence: &str| {
            let Unreadable { evidence: found, .. } = parse(&kind, on, body).unwrap_err();
            assert!(found.contains(evidence), "{found}");
        };
        check("task.welcome.nonsense", &task_read.encode(), "not the subject of a task");
        check(&on, &task("prompt").encode(), "a task of kind prompt");
        check(&on, b"\xff\x00hello", r#": "\xff\x00hello""#);
    }
}
