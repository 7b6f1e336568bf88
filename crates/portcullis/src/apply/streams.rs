//! The streams and consumers, as they must stand before any service may run.

use std::time::Duration;

use bus::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::{Config as Stream, DiscardPolicy, Republish, RetentionPolicy},
};
use domain::{Config, Kind, KindConfig};
use logic::pace::UNLIMITED;
use wire::subject;

const DAY: Duration = Duration::from_secs(86_400);
/// How long the broker remembers the id of an event. Whoever finds an end tells it again,
/// mostly within seconds of the first time.
const TOLD_TWICE_WITHIN: Duration = Duration::from_secs(600);
/// The broker's own, named so that comparing finds no difference.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The broker's own, named for the same reason.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// What lies in RECORD: one subject for each kind of fact.
const RECORDED: &[&str] = &[
    "pay.>",
    "nonce.>",
    "contact.>",
    "incident.>",
    "canary.>",
    "budget.>",
    "act.>",
    "config.>",
    "cred.>",
    "schedule.>",
];

/// WORK, STATE, RECORD and EVENTS.
pub(crate) fn streams(replicas: usize) -> Vec<Stream> {
    let state = Stream {
        description: Some("where each task stands".to_owned()),
        max_messages_per_subject: 1,
        // A claim, the seats that it takes and the dollars held for it are stored together or
        // not at all.
        allow_atomic_publish: true,
        ..never_shrinks(
            subject::STATE,
            &["state.>", "seat.>", "pace.>", "retries.>", "usd.>", "follows.>"],
            replicas,
        )
    };
    let record = Stream {
        description: Some("what happened, for ever".to_owned()),
        allow_atomic_publish: true,
        ..never_shrinks(subject::RECORD, RECORDED, replicas)
    };
    let events = Stream {
        description: Some("what is told, for 30 days".to_owned()),
        max_age: 30 * DAY,
        duplicate_window: TOLD_TWICE_WITHIN,
        deny_delete: false,
        deny_purge: false,
        ..never_shrinks(subject::EVENTS, &["event.>"], replicas)
    };
    vec![work(replicas), state, record, events]
}

/// One message a subject, and a second is refused: a task is unique while it is pending, and
/// an epoch is written once. A shrunk gate log would revive an old OPEN, so nothing but an
/// acknowledgement removes a message.
fn work(replicas: usize) -> Stream {
    Stream {
        description: Some("work to do, and the gate log that fences it".to_owned()),
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: 1,
        allow_direct: true,
        republish: Some(Republish {
            source: subject::FENCE.to_owned(),
            destination: subject::GATECAST.to_owned(),
            headers_only: false,
        }),
        ..never_shrinks(subject::WORK, &["task.>", "gate.>"], replicas)
    }
}

fn never_shrinks(name: &str, subjects: &[&str], replicas: usize) -> Stream {
    Stream {
        name: name.to_owned(),
        subjects: subjects.iter().map(ToString::to_string).collect(),
        num_replicas: replicas,
        max_messages_per_subject: -1,
        duplicate_window: DUPLICATE_WINDOW,
        deny_delete: true,
        deny_purge: true,
        ..Stream::default()
    }
}

/// Every consumer, with the name of its stream.
pub(crate) fn consumers(config: &Config) -> Vec<(&'static str, pull::Config)> {
    let parked = pull::Config {
        description: Some("nobody pulls it: no other consumer can be made on the gate log".into()),
        ..consumer(subject::GATE_LOG_CONSUMER, vec![subject::FENCE.to_owned()])
    };
    let gatekeeper = pull::Config {
        ack_wait: Duration::from_secs(10),
        ..consumer(
            subject::GATEKEEPER_CONSUMER,
            vec!["event.failure.>".to_owned(), "event.task.>".to_owned()],
        )
    };
    let dispatch = |(kind, settings): (&Kind, &KindConfig)| {
        let name = subject::dispatch_consumer(kind);
        let limit = settings.concurrency.unwrap_or(UNLIMITED);
        let consumer = pull::Config {
            ack_wait: settings.lease,
            max_ack_pending: i64::from(limit),
            ..consumer(&name, vec![subject::tasks_of(kind)])
        };
        (subject::WORK, consumer)
    };
    [(subject::WORK, parked), (subject::EVENTS, gatekeeper)]
        .into_iter()
        .chain(config.kinds.iter().map(dispatch))
        .collect()
}

/// One filter goes by its own field: the broker reports it back there.
fn consumer(name: &str, mut filters: Vec<String>) -> pull::Config {
    let filter_subject = if filters.len() == 1 { filters.remove(0) } else { String::new() };
    pull::Config {
        durable_name: Some(name.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        filter_subject,
        filter_subjects: filters,
        ..pull::Config::default()
    }
}
