//! What an answer of the Messages API means, and whose fault it is.
//!
//! | answer                                   | becomes                                | costs    |
//! | ---------------------------------------- | -------------------------------------- | -------- |
//! | 200 with a text                          | completed                              | as told  |
//! | 200, cut off at `max_tokens`             | completed, and the effect says so      | as told  |
//! | 200, `stop_reason` refusal               | own, `anthropic.refused`               | as told  |
//! | 200 that cannot be read                  | shared, `<provider>.garbled`           | the most |
//! | 401, 403 `permission_error`              | the credential's: the next one serves  | nothing  |
//! | 400 or 402 that speaks of credit         | the credential's too                   | nothing  |
//! | 400                                      | own, `anthropic.invalid-request`       | nothing  |
//! | 413                                      | own, `anthropic.too-large`             | nothing  |
//! | 404 `not_found_error`                    | closes the kind's gate                 | nothing  |
//! | 429                                      | nobody's, waits as long as it is told  | nothing  |
//! | 529                                      | shared, `<provider>.overloaded`        | nothing  |
//! | 408, 502, 504, 520, 524                  | unknown, `<provider>.timeout`          | the most |
//! | anything else                            | shared, `<provider>.unavailable`       | nothing  |
//! | the request never left                   | shared, `<provider>.unreachable`       | nothing  |
//! | no time was left to send it              | nobody's, `anthropic.no-time`          | nothing  |
//! | it left, and no whole answer came        | unknown, `<provider>.timeout`          | the most |
//!
//! Whoever stands between answers with one of 408 to 524 (the last two are Cloudflare's) when it has
//! waited in vain, or has lost an answer on the way: the model may have written by then.
//!
//! Shared ones close the provider's gate after several distinct tasks. Only the credential's own
//! faults lead to the next credential: limits and load do not. Asking again after a cut at
//! `max_tokens` would buy the same cut again, so it counts as done. There is no idempotency: what
//! is unknown may be billed and is booked at the most that it can have cost.

use std::time::Duration;

use domain::{Cause, Cost, MicroUsd, Outcome, Price, ProviderName, Refusal, Tokens};
use serde_json::Value;
use wire::event::shorten;

use super::web::{Heard, Reached};

/// Whose answer it is, and what it may cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bill<'a> {
    pub(super) provider: &'a ProviderName,
    pub(super) price: Price,
    /// The most that the call can cost.
    pub(super) most: MicroUsd,
    pub(super) max_tokens: u64,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// However it ended, the credential is not to blame.
    Ended(Outcome),
    Refused {
        why: Refusal,
        evidence: String,
    },
}

/// So much of an answer is kept in the task's chain and told with its completion, in characters.
pub(super) const TEXT_MAX: usize = 16_000;
const EVIDENCE_MAX: usize = 400;

/// Reads what came back, or did not.
pub(super) fn read(bill: &Bill<'_>, reached: &Reached) -> Meaning {
    let heard = match reached {
        Reached::Heard(heard) => heard,
        Reached::NotSent(evidence) => {
            return shared(bill, "unreachable", evidence.clone(), MicroUsd::ZERO);
        }
        Reached::NoTime => {
            let evidence = "no time was left to send it with this credential".to_owned();
            return failed("anthropic.no-time", evidence, Cost::ZERO);
        }
        Reached::Lost(evidence) => return lost(bill, evidence.clone(), None),
    };
    match heard.status {
        200 => written(bill, heard),
        _ => refused(bill, heard),
    }
}

fn written(bill: &Bill<'_>, heard: &Heard) -> Meaning {
    let body = &heard.body;
    let text = body["content"]
        .as_array()
        .map(|blocks| blocks.iter().filter_map(|block| block["text"].as_str()).collect::<String>());
    let (Some(text), Some(id)) = (text, body["id"].as_str()) else {
        return shared(bill, "garbled", evidence(heard), bill.most);
    };
    let cost = cost(bill, &body["usage"]);
    let stop = body["stop_reason"].as_str().unwrap_or("unknown");
    if stop == "refusal" {
        let evidence =
            shorten(&format!("{id}: the model declined to answer. {text}"), EVIDENCE_MAX);
        return failed("anthropic.refused", evidence, cost);
    }
    let note = match stop {
        "end_turn" | "stop_sequence" => String::new(),
        "max_tokens" => format!(" (cut off at max_tokens = {})", bill.max_tokens),
        other => format!(" (stopped for {})", shorten(other, 40)),
    };
    let effect = format!("{}{note}: {}", shorten(id, 80), shorten(&text, TEXT_MAX));
    Meaning::Ended(Outcome::Completed { effect, cost })
}

/// What was billed; the most that it can be, where that cannot be read.
fn cost(bill: &Bill<'_>, usage: &Value) -> Cost {
    let count = |name: &str| usage[name].as_u64();
    let (Some(input), Some(output)) = (count("input_tokens"), count("output_tokens")) else {
        return Cost { micro_usd: bill.most, ..Cost::ZERO };
    };
    let tokens = Tokens {
        input,
        output,
        cache_read: count("cache_read_input_tokens").unwrap_or(0),
        cache_write: count("cache_creation_input_tokens").unwrap_or(0),
    };
    let micro_usd = bill.price.of(tokens);
    Cost { micro_usd, tokens_in: tokens.read(), tokens_out: tokens.output, ..Cost::ZERO }
}

fn refused(bill: &Bill<'_>, heard: &Heard) -> Meaning {
    let error = &heard.body["error"];
    let kind = error["type"].as_str().unwrap_or_default();
    let message = error["message"].as_str().unwrap_or_default().to_lowercase();
    let evidence = evidence(heard);
    let credential = |why| Meaning::Refused { why, evidence: evidence.clone() };
    match heard.status {
        401 if message.contains("expired") => credential(Refusal::Expired),
        401 => credential(Refusal::Invalid),
        402 => credential(Refusal::Exhausted),
        400 | 403 if kind == "billing_error" || message.contains("credit balance is too low") => {
            credential(Refusal::Exhausted)
        }
        403 if kind == "authentication_error" => credential(Refusal::Invalid),
        403 if kind == "permission_error" => credential(Refusal::Revoked),
        404 if kind == "not_found_error" => failed("anthropic.model-unknown", evidence, Cost::ZERO),
        413 => failed("anthropic.too-large", evidence, Cost::ZERO),
        429 => Meaning::Ended(Outcome::Failed {
            cause: Cause::known("anthropic.rate-limited"),
            evidence,
            retry_after: heard.retry_after,
            cost: Cost::ZERO,
        }),
        529 => busy(bill, "overloaded", evidence, heard.retry_after),
        400 | 422 if kind == "invalid_request_error" => {
            failed("anthropic.invalid-request", evidence, Cost::ZERO)
        }
        408 | 502 | 504 | 520 | 524 => lost(bill, evidence, heard.retry_after),
        // A proxy on the way, too, which knows nothing of tasks.
        _ => busy(bill, "unavailable", evidence, heard.retry_after),
    }
}

fn failed(cause: &'static str, evidence: String, cost: Cost) -> Meaning {
    let cause = Cause::known(cause);
    Meaning::Ended(Outcome::Failed { cause, evidence, retry_after: None, cost })
}

/// Shared, and nothing was billed.
fn busy(
    bill: &Bill<'_>,
    word: &'static str,
    evidence: String,
    retry_after: Option<Duration>,
) -> Meaning {
    let cause = Cause::of_provider(bill.provider, word);
    Meaning::Ended(Outcome::Failed { cause, evidence, retry_after, cost: Cost::ZERO })
}

fn shared(bill: &Bill<'_>, word: &'static str, evidence: String, micro_usd: MicroUsd) -> Meaning {
    let cause = Cause::of_provider(bill.provider, word);
    let cost = Cost { micro_usd, ..Cost::ZERO };
    Meaning::Ended(Outcome::Failed { cause, evidence, retry_after: None, cost })
}

fn lost(bill: &Bill<'_>, evidence: String, retry_after: Option<Duration>) -> Meaning {
    let cause = Cause::of_provider(bill.provider, "timeout");
    let cost = Cost { micro_usd: bill.most, ..Cost::ZERO };
    Meaning::Ended(Outcome::Unknown { cause, evidence, retry_after, cost })
}

/// Status, error and request id, or the beginning of whatever else it was.
fn evidence(heard: &Heard) -> String {
    let error = &heard.body["error"];
    let words = [error["type"].as_str(), error["message"].as_str(), heard.request_id.as_deref()];
    let mut words: Vec<&str> = words.into_iter().flatten().collect();
    if error["type"].as_str().is_none() {
        words.insert(0, &heard.start);
    }
    let line = format!("{} · {}", heard.status, words.join(" · "));
    shorten(&line.replace(|c: char| c.is_control(), " "), EVIDENCE_MAX)
}

/// How long to wait: what the answer says in seconds, else until the first of the limits that
/// are used up is reset.
pub(super) fn wait(retry_after: Option<&str>, resets: &[(bool, Duration)]) -> Option<Duration> {
    let told = retry_after.and_then(|secs| secs.trim().parse::<f64>().ok());
    let told = told.and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    told.or_else(|| resets.iter().filter(|(used_up, _)| *used_up).map(|(_, at)| *at).max())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meaning(reached: &Reached) -> String {
        let provider = "claude-eu".parse().unwrap();
        let price =
            Price { input: 3_000_000, output: 15_000_000, cache_read: 300_000, cache_write: 0 };
        let most = MicroUsd::new(9_999);
        match read(&Bill { provider: &provider, price, most, max_tokens: 50 }, reached) {
            Meaning::Refused { why, evidence } => format!("{why:?}: {evidence}"),
            Meaning::Ended(Outcome::Completed { effect, cost }) => {
                format!(
                    "completed {} {}/{}: {effect}",
                    cost.micro_usd.get(),
                    cost.tokens_in,
                    cost.tokens_out
                )
            }
            Meaning::Ended(Outcome::Failed { cause, evidence, retry_after, cost }) => {
                let secs = retry_after.map_or(0, |wait| wait.as_secs());
                format!("failed {cause} {} {secs}s: {evidence}", cost.micro_usd.get())
            }
            Meaning::Ended(Outcome::Unknown { cause, evidence, cost, .. }) => {
                format!("unknown {cause} {}: {evidence}", cost.micro_usd.get())
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(status: u16, body: Value, expected: &str) {
        let start = body.to_string().chars().take(30).collect();
        let request_id = Some("req_1".to_owned());
        let retry_after = (status == 429 || status == 529).then(|| Duration::from_secs(9));
        let heard = Heard { status, body, start, request_id, retry_after };
        let found = meaning(&Reached::Heard(heard));
        assert!(found.starts_with(expected), "{found}");
    }

    fn error(kind: &str, message: &str) -> Value {
        json!({"type": "error", "error": {"type": kind, "message": message}})
    }

    fn message(text: &str, stop: &str) -> Value {
        let usage =
            json!({"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 20});
        let content = json!([{"type": "text", "text": text}]);
        json!({"id": "msg_1", "content": content, "stop_reason": stop, "usage": usage})
    }

    /// The table of this module, line by line: whose fault each error is.
    #[test]
    fn errors() {
        let credit = "Your credit balance is too low to access the Anthropic API.";
        check(
            401,
            error("authentication_error", "OAuth token has expired."),
            "Expired: 401 · authentication_error · OAuth token has expired. · req_1",
        );
        check(401, error("authentication_error", "invalid x-api-key"), "Invalid: 401");
        check(403, error("permission_error", "OAuth token has been revoked."), "Revoked: 403");
        check(400, error("invalid_request_error", credit), "Exhausted: 400");
        check(402, error("billing_error", "pay"), "Exhausted: 402");
        check(
            403,
            error("forbidden", "Request not allowed"),
            "failed claude-eu.unavailable 0 0s: 403",
        );
        check(
            400,
            error("invalid_request_error", "messages: bad"),
            "failed anthropic.invalid-request 0",
        );
        check(404, error("not_found_error", "model: x"), "failed anthropic.model-unknown 0");
        check(404, json!("<html>"), "failed claude-eu.unavailable 0 0s: 404 · \"<html>\"");
        check(413, Value::Null, "failed anthropic.too-large 0");
        check(429, error("rate_limit_error", "slow"), "failed anthropic.rate-limited 0 9s");
        check(529, error("overloaded_error", "Overloaded"), "failed claude-eu.overloaded 0 9s");
        check(500, error("api_error", "oops"), "failed claude-eu.unavailable 0");
        check(302, Value::Null, "failed claude-eu.unavailable 0");
    }

    /// What was written is done and costs what was billed; what cannot be read costs the most
    /// that it can have cost.
    #[test]
    fn successes() {
        check(200, message("hello", "end_turn"), "completed 456 120/10: msg_1: hello");
        check(
            200,
            message("hel", "max_tokens"),
            "completed 456 120/10: msg_1 (cut off at max_tokens = 50): hel",
        );
        check(200, message("", "refusal"), "failed anthropic.refused 456");
        check(
            200,
            json!({"id": "msg_1", "content": []}),
            "completed 9999 0/0: msg_1 (stopped for unknown): ",
        );
        check(200, Value::Null, "failed claude-eu.garbled 9999");
        let long = message(&"x".repeat(TEXT_MAX + 5), "end_turn");
        let heard = Heard { status: 200, body: long, ..Heard::default() };
        assert!(meaning(&Reached::Heard(heard)).chars().count() < TEXT_MAX + 100);
    }

    /// Money only: what never left is not done, what left without an answer may have been billed.
    #[test]
    fn silence() {
        let words = || "refused".to_owned();
        assert_eq!(
            meaning(&Reached::NotSent(words())),
            "failed claude-eu.unreachable 0 0s: refused"
        );
        assert_eq!(meaning(&Reached::Lost(words())), "unknown claude-eu.timeout 9999: refused");
        let late = meaning(&Reached::NoTime);
        assert!(late.starts_with("failed anthropic.no-time 0 0s: "), "{late}");
        let rule = Cause::known("anthropic.no-time").rule().unwrap();
        assert!(matches!(rule.blame, domain::RuleBlame::Nobody), "{rule:?}");
        for status in [408, 502, 504, 520, 524] {
            let told = format!("unknown claude-eu.timeout 9999: {status}");
            check(status, json!("<html>"), &told);
        }
        for status in [500, 503] {
            check(status, json!("<html>"), &format!("failed claude-eu.unavailable 0 0s: {status}"));
        }
    }
}
