//! Whether the server at the other end can do what Portcullis rests on.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, BusError};
use kit::Clock;
use serde::Deserialize;
use wire::subject;

use crate::exit::{Code, Ended};

const WITHIN: Duration = Duration::from_secs(2);
/// A fresh cluster says nothing until it has chosen a leader.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The level of the JetStream API that came with server 2.12: atomic batches, and the fence
/// over a subject other than the written one that holds on replicas.
const LEVEL: u64 = 2;
/// "JetStream system temporarily unavailable" among the error codes of JetStream's API.
const LEADERLESS: u64 = 10_008;

#[derive(Deserialize)]
struct Account {
    api: Option<Api>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Api {
    #[serde(default)]
    level: u64,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct Info {
    config: Option<Settings>,
}

#[derive(Deserialize)]
struct Settings {
    num_replicas: usize,
}

/// Refuses a server without JetStream, or one older than 2.12. A cluster has `patience` to
/// find its leader.
pub(crate) async fn check(bus: &Bus, patience: Duration) -> anyhow::Result<()> {
    let begun = Clock.instant();
    loop {
        match bus.ask("$JS.API.INFO", Vec::new(), WITHIN).await {
            Ok(answer) if says_leaderless(&answer) => {
                if patience <= begun.elapsed() {
                    let text = "JetStream has no leader: are most of the servers up?";
                    return Err(Ended::new(Code::Bus, text).into());
                }
                Clock.sleep(Duration::from_millis(100)).await;
            }
            Ok(answer) => return fit(&answer),
            Err(BusError::NobodyAnswers { .. }) => return Err(no_jetstream("").into()),
            Err(BusError::TimedOut { .. }) if begun.elapsed() < patience => (),
            Err(error) => return Err(error).context("ask the server about JetStream"),
        }
    }
}

/// Whether a server of a cluster says that nobody leads it just now.
fn says_leaderless(answer: &[u8]) -> bool {
    let account = serde_json::from_slice::<Account>(answer).ok();
    account.and_then(|it| it.error).is_some_and(|error| error.err_code == LEADERLESS)
}

/// Judges what the server says of JetStream.
fn fit(answer: &[u8]) -> anyhow::Result<()> {
    let account: Account = serde_json::from_slice(answer).context("read what the server says")?;
    if let Some(refusal) = account.error {
        return Err(no_jetstream(&refusal.description).into());
    }
    let level = account.api.map_or(0, |api| api.level);
    if level < LEVEL {
        let text = format!(
            "the NATS server is too old: its JetStream API has level {level}, and Portcullis \
             needs {LEVEL}; run nats-server 2.12 or newer"
        );
        return Err(Ended::new(Code::Bus, text).into());
    }
    Ok(())
}

/// The replicas that the streams have now; `None` before the first apply.
pub(super) async fn replicas(bus: &Bus) -> anyhow::Result<Option<usize>> {
    let asked = format!("$JS.API.STREAM.INFO.{}", subject::WORK);
    let answer = bus.ask(&asked, Vec::new(), WITHIN).await.context("ask about the streams")?;
    let info: Info = serde_json::from_slice(&answer).context("read what the server says")?;
    Ok(info.config.map(|config| config.num_replicas))
}

fn no_jetstream(why: &str) -> Ended {
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    let text = format!("JetStream is not enabled on the NATS server{why}; start it with `-js`");
    Ended::new(Code::Bus, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::code_of;

    /// A server that is too old, or has no JetStream for us, is refused with what to do; one
    /// of 2.12 or later is not.
    #[test]
    fn servers() {
        fit(br#"{"type":"x","memory":0,"api":{"level":2,"total":0,"errors":0}}"#).unwrap();
        let check = |answer: &str, expected: &str| {
            let error = fit(answer.as_bytes()).unwrap_err();
            assert_eq!(code_of(&error), Code::Bus);
            assert!(error.to_string().ends_with(expected), "{error}");
        };
        check(r#"{"api":{"level":1}}"#, "run nats-server 2.12 or newer");
        check(r#"{"api":{"total":3,"errors":0}}"#, "run nats-server 2.12 or newer");
        check(
            r#"{"error":{"code":503,"err_code":10039,"description":"not enabled for account"}}"#,
            "(not enabled for account); start it with `-js`",
        );
    }

    /// A cluster that is still choosing its leader is waited for, not taken for a server
    /// without JetStream.
    #[test]
    fn a_cluster_without_a_leader_is_waited_for() {
        let unavailable = r#"{"error":{"code":503,"err_code":10008,"description":"unavailable"}}"#;
        assert!(says_leaderless(unavailable.as_bytes()));
        let disabled = r#"{"error":{"code":503,"err_code":10039,"description":"not enabled"}}"#;
        assert!(!says_leaderless(disabled.as_bytes()));
        assert!(!says_leaderless(br#"{"api":{"level":2}}"#));
    }
}
