//! Whether NATS can do what Portcullis needs: the first thing to ask when nothing moves, and
//! what a NATS container is asked about its own server.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, BusError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::subject;

use crate::{
    BusArgs,
    apply::server,
    exit::{Code, Ended},
    out::Out,
    reach,
};

/// A leader answers within milliseconds; a cluster without one does not answer at all.
const WITHIN: Duration = Duration::from_secs(2);

/// "stream not found" among the error codes of JetStream's API.
const STREAM_NOT_FOUND: u64 = 10_059;

#[derive(Clone, Debug, clap::Args)]
pub struct PingArgs {
    #[command(flatten)]
    pub bus: BusArgs,
}

/// How one stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Standing {
    pub(crate) stream: &'static str,
    /// `led`, `absent` (before the first apply) or `leaderless`.
    pub(crate) stands: &'static str,
    /// The leading server's name; none where the server runs alone.
    pub(crate) leader: Option<String>,
    pub(crate) copies: u64,
    /// Copies whose server is away or which have not caught up.
    pub(crate) behind: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
    config: Option<Settings>,
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
}

#[derive(Deserialize)]
struct Settings {
    num_replicas: u64,
}

#[derive(Deserialize)]
struct Cluster {
    leader: Option<String>,
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Deserialize)]
struct Replica {
    name: String,
    #[serde(default)]
    current: bool,
    #[serde(default)]
    offline: bool,
}

/// # Errors
///
/// When NATS does not answer, has no JetStream or no leader for it, or a stream has no leader.
pub(crate) async fn run(args: &PingArgs) -> anyhow::Result<()> {
    let out = Out::new(args.bus.json);
    let bus = reach::bus(&args.bus.nats, "ping").await?;
    server::check(&bus, WITHIN).await?;
    let mut standings = Vec::new();
    for stream in [subject::WORK, subject::STATE, subject::RECORD, subject::EVENTS] {
        standings.push(ask(&bus, stream).await?);
    }
    if out.json {
        out.object(&json!({ "streams": standings }))?;
    } else {
        out.data(&text(&standings))?;
    }
    let lost: Vec<&str> =
        standings.iter().filter(|it| it.stands == "leaderless").map(|it| it.stream).collect();
    if !lost.is_empty() {
        let text = format!("no leader for {}: are most of the servers up?", lost.join(", "));
        return Err(Ended::new(Code::Bus, text).into());
    }
    Ok(())
}

pub(crate) async fn ask(bus: &Bus, stream: &'static str) -> anyhow::Result<Standing> {
    match bus.ask(&format!("$JS.API.STREAM.INFO.{stream}"), Vec::new(), WITHIN).await {
        Ok(answer) => judge(stream, &answer),
        Err(BusError::TimedOut { .. }) => Ok(leaderless(stream)),
        Err(error) => Err(error).with_context(|| format!("ask about stream {stream}")),
    }
}

fn judge(stream: &'static str, answer: &[u8]) -> anyhow::Result<Standing> {
    let answer: Answer = serde_json::from_slice(answer).context("read what the server says")?;
    if let Some(Refusal { err_code }) = answer.error {
        let absent = err_code == STREAM_NOT_FOUND;
        let stands = if absent { "absent" } else { "leaderless" };
        return Ok(Standing { stands, ..leaderless(stream) });
    }
    let copies = answer.config.map_or(0, |config| config.num_replicas);
    let (leader, replicas) = match answer.cluster {
        Some(cluster) => (cluster.leader.filter(|leader| !leader.is_empty()), cluster.replicas),
        None => (None, Vec::new()),
    };
    // A server that runs alone leads everything and names no leader.
    let led = leader.is_some() || copies <= 1;
    let behind = replicas.into_iter().filter(|it| it.offline || !it.current).map(|it| it.name);
    let stands = if led { "led" } else { "leaderless" };
    Ok(Standing { stream, stands, leader, copies, behind: behind.collect() })
}

const fn leaderless(stream: &'static str) -> Standing {
    Standing { stream, stands: "leaderless", leader: None, copies: 0, behind: Vec::new() }
}

fn text(standings: &[Standing]) -> String {
    let mut lines = vec!["NATS answers, and JetStream has a leader".to_owned()];
    for Standing { stream, stands, leader, copies, behind } in standings {
        let mut line = match *stands {
            "absent" => format!("{stream:7} is not there yet: run `portcullis apply`"),
            "leaderless" => format!("{stream:7} has no leader"),
            _ => format!(
                "{stream:7} leader {}, copies {copies}",
                leader.as_deref().unwrap_or("alone")
            ),
        };
        if !behind.is_empty() {
            line = format!("{line}, behind: {}", behind.join(", "));
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream is led by whom the server names, or by a server that runs alone; a stream that
    /// is not there is no trouble, and one that nobody leads is. Copies that lag are named.
    #[test]
    fn standings() {
        let check = |answer: &str, line: &str| {
            let standing = judge("WORK", answer.as_bytes()).unwrap();
            assert_eq!(text(&[standing]).lines().nth(1), Some(line), "{answer}");
        };
        check(
            r#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#,
            "WORK    is not there yet: run `portcullis apply`",
        );
        check(
            r#"{"error":{"code":503,"err_code":10008,"description":"unavailable"}}"#,
            "WORK    has no leader",
        );
        check(r#"{"config":{"num_replicas":1}}"#, "WORK    leader alone, copies 1");
        check(r#"{"config":{"num_replicas":3},"cluster":{"leader":""}}"#, "WORK    has no leader");
        check(
            r#"{"config":{"num_replicas":3},"cluster":{"leader":"nats-2","replicas":[
                {"name":"nats-1","current":true},{"name":"nats-3","current":false}]}}"#,
            "WORK    leader nats-2, copies 3, behind: nats-3",
        );
        assert!(judge("WORK", b"what").is_err());
    }
}
