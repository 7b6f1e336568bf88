//! An event in words: what happened, to what, and the rest of it, each in its column.

mod credential;

use domain::Timestamp;
use serde_json::Value;
use wire::event::AttemptTold;

use crate::show::{clock, line};

/// What one event says.
struct Words {
    /// `payment sent`.
    what: String,
    /// What it is about: a source key, a gate, a sensor.
    about: String,
    /// Which time: the attempt, the cycle.
    number: Option<u64>,
    more: Vec<String>,
}

/// As long as the longest, `gate canary-failed`.
const WHAT: usize = 18;
/// A kind and an address whole, where there is room for it.
const ABOUT: usize = 54;
/// A kind and both ends of an address.
const ABOUT_NARROW: usize = 24;
/// A terminal that is not wider than this gets addresses shortened.
const NARROW: usize = 140;

/// One event on one line: when, what, about what, and why. At most `width` characters, if
/// that is given.
pub(crate) fn told_line(
    event: &Value,
    subject: &str,
    at: Timestamp,
    width: Option<usize>,
) -> String {
    let words = Words::of(event, subject);
    let narrow = width.is_some_and(|width| width <= NARROW);
    let column = if narrow { ABOUT_NARROW } else { ABOUT };
    let number = words.number.map(|number| format!(" #{number}")).unwrap_or_default();
    let room = column.saturating_sub(number.chars().count());
    let about = if narrow { middle_out(&words.about, room) } else { words.about };
    let about = format!("{about}{number}");
    let more = words.more.iter().filter(|part| !part.is_empty()).map(String::as_str);
    let more = more.collect::<Vec<_>>().join("  ");
    let text = format!("{}  {:WHAT$}  {about:column$}  {more}", clock(at), words.what);
    line(&text.replace('\n', " "), width.unwrap_or(usize::MAX))
}

impl Words {
    fn of(event: &Value, subject: &str) -> Words {
        let short = subject.strip_prefix("event.").unwrap_or(subject);
        let mut tokens = short.split('.');
        let (noun, verb) = (tokens.next().unwrap_or_default(), tokens.next().unwrap_or_default());
        let attempt = AttemptTold::from_json(event.to_string().as_bytes()).ok();
        let data = Data(&event["data"]);
        match (attempt, noun) {
            (Some(told), _) => Words::attempt(&told),
            (None, "gate") if data.has("gate") => Words::gate(verb, &data),
            (None, "payment") if data.has("source_key") => Words::payment(verb, &data),
            (None, "credential") if data.has("provider") => Words::credential(verb, &data),
            (None, "sensor") if data.has("sensor") => Words::cycle(verb, &data),
            _ => {
                let data =
                    if data.0.is_null() { "not readable".into() } else { data.0.to_string() };
                Words { what: String::new(), about: short.into(), number: None, more: vec![data] }
            }
        }
    }

    fn attempt(told: &AttemptTold) -> Words {
        let mut more = Vec::new();
        if let Some(cause) = &told.cause {
            let charged = if told.charged { "charged" } else { "not charged" };
            more.push(format!("{cause} ({charged})"));
        }
        more.extend(told.gate.as_ref().map(|gate| format!("gate {gate}")));
        if !told.canary.is_empty() {
            let gates: Vec<&str> = told.canary.iter().map(|gate| gate.as_str()).collect();
            more.push(format!("canary of {}", gates.join(", ")));
        }
        more.extend([told.effect.clone(), told.evidence.clone()]);
        Words {
            what: format!("task {}", told.verb.word()),
            about: told.source_key.to_string(),
            number: Some(told.attempt.into()),
            more,
        }
    }

    fn gate(verb: &str, data: &Data<'_>) -> Words {
        let more = match verb {
            "joined" => {
                let late = data.0["straggler"] == true;
                vec![
                    data.failure(),
                    data.text("new_cause").map_or_else(
                        || format!("incident {}", data.number("incident").unwrap_or_default()),
                        |cause| format!("now also for {cause}"),
                    ),
                    if late { "admitted before the opening".to_owned() } else { String::new() },
                ]
            }
            "counted" => {
                let count = |name| data.number(name).unwrap_or_default();
                vec![
                    format!("{} of {} tasks failed so", count("tasks"), count("of")),
                    data.failure(),
                ]
            }
            _ => data.standing(verb),
        };
        let about = data.text("gate").unwrap_or_default().to_owned();
        Words { what: format!("gate {verb}"), about, number: None, more }
    }

    fn payment(verb: &str, data: &Data<'_>) -> Words {
        // Why comes first: it is what a narrow terminal must still show.
        let mut more: Vec<String> =
            ["cause", "why"].iter().filter_map(|name| data.text(name)).map(str::to_owned).collect();
        more.extend(data.number("nonce").map(|nonce| format!("nonce {nonce}")));
        more.extend(data.number("sats").map(|sats| format!("{sats} sats")));
        let posts = data.number("posts").filter(|posts| 1 < *posts);
        more.extend(posts.map(|posts| format!("sent {posts} times")));
        for (name, label) in [
            ("payment_id", "payment "),
            ("proof", ""),
            ("txid", "txid "),
            ("spent_by", "nonce spent by "),
            ("evidence", ""),
        ] {
            more.extend(data.text(name).map(|text| format!("{label}{text}")));
        }
        let about = data.text("source_key").unwrap_or_default().to_owned();
        Words { what: format!("payment {verb}"), about, number: None, more }
    }

    fn cycle(verb: &str, data: &Data<'_>) -> Words {
        let count = |name| data.number(name).unwrap_or_default();
        let skipped = data.0["skipped"].as_object().into_iter().flatten();
        let skipped = skipped.map(|(reason, count)| (reason.as_str(), count.as_u64().unwrap_or(0)));
        let made = [("created", count("created")), ("perhaps created", count("unknown"))];
        let parts = made.into_iter().chain(skipped).filter(|(_, count)| 0 < *count);
        let parts: Vec<String> = parts.map(|(what, count)| format!("{count} {what}")).collect();
        let sum = if parts.is_empty() { "" } else { " = " };
        let mut more = vec![format!("{} seen{sum}{}", count("seen"), parts.join(" + "))];
        more.extend(data.text("failed").map(|why| format!("FAILED: {why}")));
        let gates = data.text("gates").filter(|gates| !gates.starts_with("OPEN"));
        more.extend(gates.map(str::to_owned));
        Words {
            what: format!("sensor {verb}"),
            about: data.text("sensor").unwrap_or_default().to_owned(),
            number: data.number("cycle"),
            more,
        }
    }
}

/// What an event carries; strangers may have written it.
struct Data<'a>(&'a Value);

impl Data<'_> {
    fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str().filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    /// `relay.nonce-conflict at welcome/SP… #1`.
    fn failure(&self) -> String {
        let cause = self.text("cause").unwrap_or("failed");
        let key = self.text("source_key").unwrap_or("?");
        format!("{cause} at {key} #{}", self.number("attempt").unwrap_or_default())
    }

    /// How a gate stands, who moved it there, and why.
    fn standing(&self, verb: &str) -> Vec<String> {
        let causes = self.0["causes"].as_array().into_iter().flatten();
        let causes: Vec<&str> = causes.filter_map(Value::as_str).collect();
        let waiting = self.number("waiting").map(|count| format!("{count} waiting"));
        let by = self.text("by").filter(|_| verb != "still-closed");
        let parts = [
            self.text("told").map(str::to_owned),
            Some(causes.join(", ")),
            by.map(|by| format!("by {by}")),
            waiting,
            self.text("note").map(str::to_owned),
        ];
        parts.into_iter().flatten().collect()
    }
}

/// Both ends of a text that is longer than `max`: an address is known by its ends.
fn middle_out(text: &str, max: usize) -> String {
    const TAIL: usize = 8;
    let count = text.chars().count();
    if count <= max || max <= TAIL {
        return text.to_owned();
    }
    let head = text.chars().take(max - TAIL - 1);
    head.chain(['…']).chain(text.chars().skip(count - TAIL)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ADDRESS: &str = "SP28CG3Z9T0BGD3CEWRBGYZVVKR4VNCMRFSN6GZ7R";

    fn told(subject: &str, data: Value, width: Option<usize>) -> String {
        let at = Timestamp::from_millis(1_773_219_600_000);
        told_line(&json!({ "data": data }), subject, at, width)
    }

    /// An event that is no JSON of ours is told as that, and no line ever breaks.
    #[test]
    fn garbage_stays_on_one_line() {
        let at = Timestamp::from_millis(1_773_219_600_000);
        let line = told_line(&Value::Null, "event.failure.x", at, None);
        assert!(line.contains("failure.x") && line.ends_with("not readable"), "{line}");
        let line = told("event.payment.sent", json!({ "a": "b\nc" }), None);
        assert!(line.contains("payment.sent") && line.ends_with(r#"{"a":"b\nc"}"#), "{line}");
        let evidence = json!({ "source_key": "w/1", "evidence": "one\ntwo" });
        let line = told("event.payment.unknown", evidence, None);
        assert!(line.ends_with("one two"), "{line}");
    }

    /// A payment, a cycle and a joined failure are lines that a person reads, columns aligned.
    #[test]
    fn lines_are_words() {
        let payment = json!({
            "source_key": format!("welcome/{ADDRESS}"), "nonce": 3, "sats": 100, "posts": 2,
            "by": "13e1", "wallet": "SP1",
        });
        let cycle = json!({
            "sensor": "aibtc-directory", "cycle": 7, "seen": 60, "created": 0, "unknown": 0,
            "skipped": { "in flight": 59, "completed": 1 }, "failed": null,
            "gates": "relay CLOSED (blocking) since noon",
        });
        let joined = json!({
            "gate": "relay", "incident": 2, "cause": "relay.unavailable", "attempt": 4,
            "source_key": "welcome/x", "straggler": true, "told": "CLOSED (blocking)",
        });
        let lines = [
            told("event.payment.sent", payment, Some(100)),
            told("event.sensor.cycle.aibtc-directory", cycle, Some(100)),
            told("event.gate.joined.relay", joined, None),
        ];
        assert_eq!(
            lines[0],
            "09:00:00  payment sent        welcome/SP28CG3…FSN6GZ7R  nonce 3  100 sats  sent 2 times"
        );
        assert_eq!(
            lines[1],
            "09:00:00  sensor cycle        aibtc-directory #7        60 seen = 1 completed + 59 in \
             flight  relay…"
        );
        let (before, after) = lines[2].split_once("relay  ").unwrap();
        assert_eq!(before, "09:00:00  gate joined         ");
        assert_eq!(
            after.trim_start(),
            "relay.unavailable at welcome/x #4  incident 2  admitted before the opening"
        );
    }

    /// On a terminal no line is longer than it is wide; elsewhere nothing is cut away.
    #[test]
    fn lines_fit() {
        let key = format!("welcome/{ADDRESS}");
        let data = json!({ "source_key": key, "cause": "x", "evidence": "y".repeat(300) });
        for width in [80, 100, 139, 140, 141, 200] {
            let line = told("event.payment.unknown", data.clone(), Some(width));
            assert_eq!(line.chars().count(), width, "{line}");
            assert_eq!(line.contains(ADDRESS), 140 < width, "{line}");
        }
        assert!(told("event.payment.unknown", data, None).ends_with(&"y".repeat(300)));
    }
}
