//! `portcullis watch`: what is told, as it is told, one line an event.

mod words;

pub(crate) use words::told_line;

use std::time::Duration;

use bus::{Bus, BusError, FeedStart, Stored};
use clap::Args;
use domain::Timestamp;
use kit::Clock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wire::subject;

use crate::{args::BusArgs, exit::Ended, file::parse_duration, out::Out, reach};

#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// Which events, such as `failure`, `gate.closed`, `failure.welcome.>`; all if left out
    #[arg(default_value = "event.>", hide_default_value = true, value_parser = filter)]
    pub subject: String,

    /// Begin with what was told since then, such as `10m` ago
    #[arg(long, value_name = "DURATION", value_parser = since)]
    pub since: Option<Duration>,

    #[command(flatten)]
    pub bus: BusArgs,
}

/// Where reading goes on after a break.
struct Place {
    seq: u64,
    at_ms: u64,
}

const AFTER_A_BREAK: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: &WatchArgs, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let out = &Out::new(args.bus.json);
    let bus = &reach::bus(&args.bus.nats, "watch").await?;
    if !bus.has_stream(subject::EVENTS).await? {
        return Err(fleet::JoinError::NotSetUp.into());
    }
    let now = Clock.now();
    let begin = |since: Duration| {
        let back = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        FeedStart::Since(now.as_millis().saturating_sub(back))
    };
    let mut start = args.since.map_or(FeedStart::New, begin);
    let mut place = Place { seq: 0, at_ms: now.as_millis() };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            followed = follow(bus, args, start, &mut place, out) => {
                let error = followed?;
                out.talk(&format!("disturbed, reading on: {error}"));
                start = FeedStart::Since(place.at_ms);
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = Clock.sleep(AFTER_A_BREAK) => (),
        }
    }
}

/// Tells every event until the feed is of no more use. An error of its own is the output's.
async fn follow(
    bus: &Bus,
    args: &WatchArgs,
    start: FeedStart,
    place: &mut Place,
    out: &Out,
) -> anyhow::Result<BusError> {
    let mut feed = match bus.feed(subject::EVENTS, vec![args.subject.clone()], start).await {
        Ok(feed) => feed,
        Err(error) => return Ok(error),
    };
    loop {
        match feed.next().await {
            Ok(stored) => {
                // After a break the feed begins with what was told in the same moment.
                if place.seq < stored.seq {
                    (place.seq, place.at_ms) = (stored.seq, stored.at_ms);
                    tell(&stored, out)?;
                }
            }
            Err(error @ BusError::Ended { .. }) => return Ok(error),
            Err(error) => {
                out.talk(&format!("disturbed, reading on: {error}"));
                Clock.sleep(AFTER_A_BREAK).await;
            }
        }
    }
}

fn tell(stored: &Stored, out: &Out) -> anyhow::Result<()> {
    let at = Timestamp::from_millis(stored.at_ms);
    let event = serde_json::from_slice::<Value>(&stored.body);
    if out.json {
        let event = event.unwrap_or_else(|_| {
            let raw = String::from_utf8_lossy(&stored.body).into_owned();
            json!({ "subject": stored.subject, "garbled": true, "raw": raw })
        });
        out.object(&event)?;
    } else {
        let event = event.unwrap_or(Value::Null);
        out.data(&told_line(&event, &stored.subject, at, out.width()))?;
    }
    Ok(())
}

/// What a person types for a subject: the leading `event.` and the trailing `>` may be left
/// out.
fn filter(text: &str) -> Result<String, Ended> {
    let text = text.trim_end_matches('.');
    let token = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        matches!(word, "*" | ">") || (!word.is_empty() && word.chars().all(plain))
    };
    if text == "event" {
        return Ok("event.>".to_owned());
    }
    let rest = text.strip_prefix("event.").unwrap_or(text);
    let words: Vec<&str> = rest.split('.').collect();
    let inner = words.len().saturating_sub(1);
    if !words.iter().all(|word| token(word)) || words[..inner].contains(&">") {
        return Err(Ended::usage("no such events; write it like `failure` or `gate.closed`"));
    }
    let open = words.last().is_some_and(|last| *last != ">") && !text.starts_with("event.");
    Ok(format!("event.{rest}{}", if open { ".>" } else { "" }))
}

fn since(text: &str) -> Result<Duration, Ended> {
    let text = text.trim_start_matches('-');
    parse_duration(text).ok_or_else(|| Ended::usage("write a number and a unit: 30s, 10m, 2h, 1d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What people type becomes a subject under `event.`, and nothing else can.
    #[test]
    fn filters() {
        let check = |typed: &str, subject: &str| assert_eq!(filter(typed).unwrap(), subject);
        check("event.>", "event.>");
        check(">", "event.>");
        check("failure", "event.failure.>");
        check("failure.welcome", "event.failure.welcome.>");
        check("gate.closed.", "event.gate.closed.>");
        check("event.gate.closed.relay", "event.gate.closed.relay");
        check("task.*.welcome.>", "event.task.*.welcome.>");
        for bad in ["", "a b", "a..b", "a.>.b", "event..x", "ä"] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
    }
}
