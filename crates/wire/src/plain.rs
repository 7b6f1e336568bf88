//! A task and its outcome as plain JSON, for commands and for services that would rather not
//! speak protobuf.
//!
//! What they are given, with every field always there:
//!
//! ```json
//! {
//!   "kind": "report", "source_key": "report/2026-11-22",
//!   "task": "01a3df3e2ed6a309f2ca92f2b9d80a01", "attempt": 1,
//!   "created_by": "ann", "created_at": "2026-11-22T08:00:00.000Z",
//!   "timeout_ms": 60000, "payload": { "day": "2026-11-22" }
//! }
//! ```
//!
//! What they answer, by the word in `outcome`; a field in brackets may be left out:
//!
//! | `outcome`   | further fields                                   | means                          |
//! | ----------- | ------------------------------------------------ | ------------------------------ |
//! | `completed` | \[`effect`\], \[`cost`\]                         | done, and its effect is kept   |
//! | `failed`    | \[`cause`, `evidence`, `retry_after_ms`, `cost`\] | not done; whose fault it is follows from the cause |
//! | `unknown`   | the same                                         | it may have been done          |
//! | `held`      | \[`why`\]                                        | nothing was tried, not now     |
//! | `moot`      | \[`why`\]                                        | it must not be done            |
//!
//! `effect` is text or any JSON; `cost` is `{"micro_usd": 0, "sats": 0, "tokens_in": 0,
//! "tokens_out": 0}`, each of which may be left out and is zero then. Who leaves out `cost` has not
//! said what it cost, which is not nothing. Fields that are not named here are ignored.

use std::time::Duration;

use domain::{Cause, Cost, MicroUsd, Outcome, Sats};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    convert::{EFFECT_MAX, EVIDENCE_MAX},
    event::shorten,
    message::RunRequest,
};

/// Why an answer is no outcome.
#[derive(Debug, thiserror::Error)]
#[error("not an outcome as JSON: {why}")]
pub struct PlainError {
    why: String,
}

/// The payload of a task is not JSON, so nothing can be said of it in JSON.
#[derive(Debug, thiserror::Error)]
#[error("the task's payload is not JSON")]
pub struct PayloadError(#[source] serde_json::Error);

/// The task of an attempt, as JSON on one line.
///
/// # Errors
///
/// When the task's payload is not JSON.
pub fn request(request: &RunRequest, timeout: Duration) -> Result<Vec<u8>, PayloadError> {
    let task = &request.task;
    let payload = if task.payload.trim().is_empty() { "null" } else { task.payload.as_str() };
    // As it was written: numbers keep their digits.
    let payload: &RawValue = serde_json::from_str(payload).map_err(PayloadError)?;
    let mut fields = json!({
        "kind": task.kind.as_str(),
        "source_key": task.source_key.as_str(),
        "task": task.key().to_string(),
        "attempt": request.attempt,
        "created_by": task.created_by,
        "created_at": task.created_at.to_string(),
        "timeout_ms": u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
    })
    .to_string();
    fields.pop();
    let payload = payload.get().replace(['\n', '\r'], " ");
    Ok(format!("{fields},\"payload\":{payload}}}\n").into_bytes())
}

#[derive(Deserialize)]
struct Answer {
    outcome: String,
    #[serde(default)]
    effect: Value,
    cause: Option<String>,
    #[serde(default)]
    evidence: Value,
    #[serde(default)]
    why: Value,
    retry_after_ms: Option<u64>,
    cost: Option<Costs>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Costs {
    micro_usd: u64,
    sats: u64,
    tokens_in: u64,
    tokens_out: u64,
}

/// The outcome that an answer tells.
///
/// `otherwise` is the cause of a failure that names none, or none that can be one: what has
/// failed has failed, and the evidence says what it was called. `unnamed` is what it counts as
/// having cost if it names no cost.
///
/// # Errors
///
/// When it tells none: then nobody knows what happened.
pub fn outcome(
    answer: &[u8],
    otherwise: &'static str,
    unnamed: Cost,
) -> Result<Outcome, PlainError> {
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|error| PlainError { why: error.to_string() })?;
    let cost = answer.cost.map_or(unnamed, |cost| Cost {
        micro_usd: MicroUsd::new(cost.micro_usd),
        sats: Sats::new(cost.sats),
        tokens_in: cost.tokens_in,
        tokens_out: cost.tokens_out,
    });
    let retry_after = answer.retry_after_ms.map(Duration::from_millis);
    let why = shorten(&text(answer.why), EVIDENCE_MAX);
    let evidence = text(answer.evidence);
    let (cause, evidence) = match (answer.cause, &*answer.outcome) {
        (Some(word), "failed" | "unknown") => match word.parse() {
            Ok(cause) => (cause, evidence),
            Err(error) => (Cause::known(otherwise), format!("{error}: {evidence}")),
        },
        _ => (Cause::known(otherwise), evidence),
    };
    let evidence = shorten(&evidence, EVIDENCE_MAX);
    match answer.outcome.as_str() {
        "completed" => {
            let effect = shorten(&text(answer.effect), EFFECT_MAX);
            Ok(Outcome::Completed { effect, cost })
        }
        "failed" => Ok(Outcome::Failed { cause, evidence, retry_after, cost }),
        "unknown" => Ok(Outcome::Unknown { cause, evidence, retry_after, cost }),
        "held" => Ok(Outcome::Held { gate: None, why }),
        "moot" => Ok(Outcome::Moot { why }),
        other => {
            let other = shorten(other, 40);
            let why = format!(
                "`outcome` is {other:?}, none of completed, failed, unknown, held and moot"
            );
            Err(PlainError { why })
        }
    }
}

fn text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{HolderId, Task, Timestamp};

    use super::*;

    fn asked(payload: &str) -> Result<Value, PayloadError> {
        let task = Task {
            kind: "report".parse().unwrap(),
            source_key: "report/\"1\"".parse().unwrap(),
            created_by: "ann".to_owned(),
            created_at: Timestamp::from_millis(0),
            contact: None,
            payload: payload.to_owned(),
            not_before: None,
            expires_at: None,
            follows: None,
        };
        let holder = HolderId::of(7);
        let asked = RunRequest { task, attempt: 2, holder, admitted: Vec::new() };
        let line = request(&asked, Duration::from_secs(60))?;
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        Ok(serde_json::from_slice(&line).unwrap())
    }

    /// The payload arrives as the value that it is, whatever stands in the other fields.
    #[test]
    fn a_task_as_json() {
        let told = asked("{\"amount\":\n 12345678901234567890.5}").unwrap();
        assert_eq!(told["source_key"], "report/\"1\"");
        assert_eq!((&told["attempt"], &told["timeout_ms"]), (&json!(2), &json!(60_000)));
        assert_eq!(told["created_at"], "1970-01-01T00:00:00.000Z");
        assert!(told["payload"]["amount"].is_number());
        assert_eq!(asked("").unwrap()["payload"], Value::Null);
        assert!(asked("{broken").is_err());
    }

    /// Each word is its outcome; what is no outcome says why, and a failure stays one whatever
    /// its cause is called.
    #[test]
    fn outcomes_of_json() {
        let check = |answer: &str, expected: &str| {
            let told = match outcome(answer.as_bytes(), "exec.failed", Cost::ZERO) {
                Ok(Outcome::Completed { effect, cost }) => {
                    format!(
                        "completed {effect} for {} and {}",
                        cost.micro_usd.get(),
                        cost.tokens_in
                    )
                }
                Ok(Outcome::Failed { cause, evidence, retry_after, .. }) => {
                    format!("failed {cause}: {evidence}, {retry_after:?}")
                }
                Ok(Outcome::Unknown { cause, .. }) => format!("unknown {cause}"),
                Ok(Outcome::Held { why, .. }) => format!("held {why}"),
                Ok(Outcome::Moot { why }) => format!("moot {why}"),
                Err(error) => error.to_string(),
            };
            assert!(told.contains(expected), "{answer}: {told}");
        };
        check(r#"{"outcome":"completed"}"#, "completed  for 0 and 0");
        check(
            r#" {"outcome":"completed","effect":{"rows":3},"cost":{"micro_usd":5,"tokens_in":2}} "#,
            r#"completed {"rows":3} for 5 and 2"#,
        );
        check(
            r#"{"outcome":"failed","cause":"relay.stuck","evidence":"409","retry_after_ms":50}"#,
            "failed relay.stuck: 409, Some(50ms)",
        );
        check(r#"{"outcome":"failed"}"#, "failed exec.failed: , None");
        check(r#"{"outcome":"failed","cause":"Not A Cause"}"#, "failed exec.failed: cause");
        check(r#"{"outcome":"unknown"}"#, "unknown exec.failed");
        check(r#"{"outcome":"held","why":"later"}"#, "held later");
        check(r#"{"outcome":"moot","why":"done before"}"#, "moot done before");
        check(r#"{"outcome":"done"}"#, "none of completed");
        check(r#"{"effect":"x"}"#, "missing field `outcome`");
        check(r#"{"outcome":"completed","cost":"5"}"#, "not an outcome as JSON");
        check("done!", "not an outcome as JSON");
        check("", "not an outcome as JSON");
    }

    /// M4: who does not say what it cost has not said that it cost nothing.
    #[test]
    fn an_unnamed_cost_is_not_nothing() {
        let unnamed = Cost { micro_usd: MicroUsd::new(100), ..Cost::ZERO };
        let cost = |rest: &str| {
            let answer = |word: &str| format!(r#"{{"outcome":"{word}"{rest}}}"#);
            let costs = ["completed", "failed", "unknown"].map(|word| {
                match outcome(answer(word).as_bytes(), "exec.failed", unnamed) {
                    Ok(
                        Outcome::Completed { cost, .. }
                        | Outcome::Failed { cost, .. }
                        | Outcome::Unknown { cost, .. },
                    ) => cost,
                    other => panic!("{other:?}"),
                }
            });
            assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
            costs[0]
        };
        assert_eq!(cost(""), unnamed);
        assert_eq!(cost(r#","cost":null"#), unnamed);
        assert_eq!(cost(r#","cost":{}"#), Cost::ZERO);
        assert_eq!(cost(r#","cost":{"micro_usd":0}"#), Cost::ZERO);
        assert_eq!(cost(r#","cost":{"micro_usd":7}"#).micro_usd.get(), 7);
    }
}
