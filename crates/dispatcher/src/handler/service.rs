//! A service on the bus does the work: one question, one answer.
//!
//! | what came                  | outcome                       | because                         |
//! | -------------------------- | ----------------------------- | ------------------------------- |
//! | an answer                  | what it says                  |                                 |
//! | nobody listens             | failed, `service.unavailable` | nothing was delivered           |
//! | no answer in time          | unknown, `service.timeout`    | it may have been done           |
//! | the connection failed      | unknown, `service.timeout`    | it may have been delivered      |
//! | what nobody understands    | unknown, `service.garbled`    | it may have been done, and is   |
//! |                            |                               | charged unless a person decides |

use std::time::Duration;

use bus::{Bus, BusError};
use bytes::Bytes;
use domain::{Cause, Cost, Outcome, ServiceName};
use wire::{
    Wire as _,
    message::{RunReply, RunRequest},
    plain, subject,
};

/// How much of an unreadable answer is kept as evidence, in bytes.
const EVIDENCE_MAX: usize = 256;

/// Asks the service and waits for its answer, at most `timeout`. An answer that names no cost
/// counts as having cost `unnamed`.
pub(super) async fn run(
    bus: &Bus,
    service: &ServiceName,
    request: &RunRequest,
    timeout: Duration,
    unnamed: Cost,
) -> Outcome {
    let answer = bus.ask(&subject::service_run(service), request.encode(), timeout).await;
    outcome(service, answer, timeout, |answer| Ok(RunReply::read(answer, unnamed)?.outcome))
}

/// The same with a service that speaks JSON.
pub(super) async fn run_json(
    bus: &Bus,
    service: &ServiceName,
    request: &RunRequest,
    timeout: Duration,
    unnamed: Cost,
) -> Outcome {
    let asked = match plain::request(request, timeout) {
        Ok(asked) => asked,
        Err(error) => return failed("task.invalid", format!("{:#}", anyhow::Error::new(error))),
    };
    let answer = bus.ask(&subject::service_run(service), asked, timeout).await;
    outcome(service, answer, timeout, |answer| {
        Ok(plain::outcome(answer, "service.failed", unnamed)?)
    })
}

fn outcome(
    service: &ServiceName,
    answer: Result<Bytes, BusError>,
    timeout: Duration,
    read: impl Fn(&[u8]) -> anyhow::Result<Outcome>,
) -> Outcome {
    match answer {
        Ok(answer) => match read(&answer) {
            Ok(outcome) => outcome,
            Err(error) => {
                let shown = &answer[..answer.len().min(EVIDENCE_MAX)];
                let evidence =
                    format!("{service} answered \"{}\": {error:#}", shown.escape_ascii());
                unknown("service.garbled", evidence)
            }
        },
        Err(BusError::NobodyAnswers { subject }) => {
            failed("service.unavailable", format!("nobody listens on {subject}"))
        }
        Err(BusError::TimedOut { .. }) => {
            let evidence = format!("{service} gave no answer within {} ms", timeout.as_millis());
            unknown("service.timeout", evidence)
        }
        Err(error) => unknown("service.timeout", format!("{:#}", anyhow::Error::new(error))),
    }
}

fn unknown(cause: &'static str, evidence: String) -> Outcome {
    let cause = Cause::known(cause);
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

fn failed(cause: &'static str, evidence: String) -> Outcome {
    let cause = Cause::known(cause);
    Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    #[track_caller]
    fn check(answer: Result<Bytes, BusError>, told: &str) {
        let service = "payer".parse().unwrap();
        let read = |answer: &[u8]| Ok(RunReply::decode(answer)?.outcome);
        let word = match outcome(&service, answer, TIMEOUT, read) {
            Outcome::Completed { effect, .. } => format!("completed {effect}"),
            Outcome::Failed { cause, evidence, .. } => format!("failed {cause}: {evidence}"),
            Outcome::Unknown { cause, evidence, .. } => format!("unknown {cause}: {evidence}"),
            other => panic!("{other:?}"),
        };
        assert!(word.starts_with(told), "{word}");
    }

    /// Only what was never delivered is failed as such; what may have been done is unknown.
    #[test]
    fn silence_is_not_failure() {
        let subject = || "svc.payer.run".to_owned();
        check(
            Err(BusError::NobodyAnswers { subject: subject() }),
            "failed service.unavailable: nobody listens on svc.payer.run",
        );
        check(
            Err(BusError::TimedOut { subject: subject() }),
            "unknown service.timeout: payer gave no answer within 2000 ms",
        );
        check(
            Err(BusError::Ask { subject: subject(), source: "broken pipe".into() }),
            "unknown service.timeout: ask on `svc.payer.run`: broken pipe",
        );
    }

    /// M2: an answer counts as it reads; one that does not read is kept as evidence, and says
    /// nothing of what was done.
    #[test]
    fn reads_the_answer() {
        let done = Outcome::Completed { effect: "txid 7".to_owned(), cost: Cost::ZERO };
        check(Ok(RunReply { outcome: done }.encode().into()), "completed txid 7");
        check(Ok(Bytes::new()), "unknown service.garbled: payer answered \"\": ");
        check(Ok(vec![0xff; 9_000].into()), r#"unknown service.garbled: payer answered "\xff\xff"#);
    }

    /// M4: a reply without a message `Cost` has not said that it cost nothing, in protobuf as in
    /// JSON; one with an empty message has.
    #[test]
    fn an_unnamed_cost_is_not_nothing() {
        let unnamed = Cost { micro_usd: domain::MicroUsd::new(100), ..Cost::ZERO };
        let cost = |answer: &[u8]| match RunReply::read(answer, unnamed).unwrap().outcome {
            Outcome::Completed { cost, .. } => cost,
            other => panic!("{other:?}"),
        };
        // Field 1, completed: field 1, the effect `x`; then field 2, an empty `Cost`.
        assert_eq!(cost(&[0x0a, 3, 0x0a, 1, b'x']), unnamed);
        assert_eq!(cost(&[0x0a, 5, 0x0a, 1, b'x', 0x12, 0]), Cost::ZERO);
        let free = Outcome::Completed { effect: "x".to_owned(), cost: Cost::ZERO };
        assert_eq!(cost(&RunReply { outcome: free }.encode()), Cost::ZERO);
    }
}
