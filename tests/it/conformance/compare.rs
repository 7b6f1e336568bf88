//! What counts as the same answer.
//!
//! * What is drawn at random is compared by its shape; and an id that comes again in the recording
//!   must come again in ours, and only then.
//! * Advice to people (its fields, and any long text) need only be there: the sandbox words its
//!   own. What programs read (codes, errors, reasons) is compared to the letter.
//! * The book-keeping of the relay's pool is compared by its fields and types: its figures are
//!   those of another run.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use super::recording::Answer;

/// What a client may act on. The recorded CORS header is not among them.
const HEADERS: [&str; 5] =
    ["content-type", "retry-after", "x-payment-status", "x-payment-id", "x-payment-check-url"];
/// Headers that hold base64 of JSON.
const ENCODED: [&str; 2] = ["payment-required", "payment-response"];
/// Fields that advise people.
const PROSE: [&str; 7] =
    ["hint", "diagnosis", "nextSteps", "help", "parseError", "example", "expectedBody"];
/// A text beyond this is advice too.
const PROSE_FROM: usize = 100;
/// Parts of an answer that hold figures of the relay's pool.
const POOL: [&str; 4] = ["$.stats", "$.state", "$.noncePool", "$.snapshot"];
/// Figures that stand elsewhere and follow from the run.
const MEASURED: [&str; 1] = ["blockHeight"];
/// Lists as long as the moment has it.
const LISTS: [&str; 2] = ["pendingTxs", "occupiedNonces"];
/// Times of the relay's own alarms: there or null by the moment.
const ALARMS: [&str; 1] = ["lastHiroSync"];

/// A place where ours is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// `status`, `header …`, or a path from `$`.
    pub(crate) at: String,
    recorded: String,
    ours: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |text: &str| text.chars().take(160).collect::<String>();
        write!(f, "{}: recorded {}, ours {}", self.at, cut(&self.recorded), cut(&self.ours))
    }
}

/// Compares the answers of one recording, in order.
#[derive(Debug, Default)]
pub(crate) struct Compare {
    /// Our id for each recorded one.
    ours: HashMap<String, String>,
    theirs: HashMap<String, String>,
    found: Vec<Found>,
}

/// JSON in base64.
pub(crate) fn decoded(header: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_STANDARD.decode(header).ok()?).ok()
}

impl Compare {
    /// Where the second answer is not like the first.
    pub(crate) fn answers(&mut self, recorded: &Answer, ours: &Answer) -> Vec<Found> {
        if recorded.status != ours.status {
            self.note("status", &recorded.status.to_string(), &ours.status.to_string());
        }
        for name in HEADERS {
            let at = format!("header {name}");
            match (recorded.header(name), ours.header(name)) {
                (Some(recorded), Some(ours)) => self.text(&at, recorded, ours),
                (None, None) => (),
                (recorded, ours) => {
                    self.note(&at, recorded.unwrap_or("none"), ours.unwrap_or("none"));
                }
            }
        }
        for name in ENCODED {
            let both = [recorded, ours].map(|answer| answer.header(name).and_then(decoded));
            let [recorded, ours] = both.map(|value| value.unwrap_or(Value::Null));
            self.values(&format!("header {name}"), &recorded, &ours);
        }
        self.values("$", &recorded.body, &ours.body);
        std::mem::take(&mut self.found)
    }

    /// A recorded text with our ids in place of the recorded ones.
    pub(crate) fn ours(&self, text: &str) -> String {
        let words = words(text).into_iter();
        words.map(|word| self.ours.get(word).map_or(word, String::as_str)).collect()
    }

    fn values(&mut self, at: &str, recorded: &Value, ours: &Value) {
        let name = at.rsplit('.').next().unwrap_or_default().to_owned();
        if ALARMS.contains(&name.as_str()) && (recorded.is_null() || ours.is_null()) {
            return;
        }
        match (recorded, ours) {
            (Value::Object(recorded), Value::Object(ours)) => self.objects(at, recorded, ours),
            (Value::Array(recorded), Value::Array(ours)) => {
                if recorded.len() != ours.len() && !LISTS.contains(&name.as_str()) {
                    self.note(at, &format!("{recorded:?}"), &format!("{ours:?}"));
                }
                for (recorded, ours) in recorded.iter().zip(ours) {
                    self.values(&format!("{at}[]"), recorded, ours);
                }
            }
            (Value::String(recorded), Value::String(ours)) => {
                let prose = PROSE.contains(&name.as_str()) || recorded.len() > PROSE_FROM;
                let sealed = recorded.len() > PROSE_FROM && is_hex(recorded);
                if sealed || !prose {
                    self.text(at, recorded, ours);
                }
            }
            (Value::Number(recorded), Value::Number(ours)) => {
                let figure = MEASURED.contains(&name.as_str()) || of_the_pool(at, &name);
                if recorded != ours && !figure {
                    self.note(at, &recorded.to_string(), &ours.to_string());
                }
            }
            (recorded, ours) if recorded == ours => (),
            (recorded, ours) => self.note(at, &recorded.to_string(), &ours.to_string()),
        }
    }

    fn objects(&mut self, at: &str, recorded: &Map<String, Value>, ours: &Map<String, Value>) {
        if at.ends_with("expectedBody") {
            return;
        }
        for (name, value) in recorded {
            match ours.get(name) {
                Some(our_value) => self.values(&format!("{at}.{name}"), value, our_value),
                None => self.note(&format!("{at}.{name}"), &value.to_string(), "no such field"),
            }
        }
        for (name, value) in ours.iter().filter(|(name, _)| !recorded.contains_key(*name)) {
            self.note(&format!("{at}.{name}"), "no such field", &value.to_string());
        }
    }

    fn text(&mut self, at: &str, recorded: &str, ours: &str) {
        let (theirs_masked, their_ids) = masked(at, recorded);
        let (ours_masked, our_ids) = masked(at, ours);
        if theirs_masked != ours_masked {
            self.note(at, recorded, ours);
            return;
        }
        if at.ends_with("requestId") {
            return;
        }
        for (their_id, our_id) in their_ids.into_iter().zip(our_ids) {
            let known = self.ours.entry(their_id.clone()).or_insert_with(|| our_id.clone());
            let same = *known == our_id;
            let back = self.theirs.entry(our_id.clone()).or_insert_with(|| their_id.clone());
            if !same || *back != their_id {
                self.note(at, &format!("{their_id} again, or anew"), &our_id);
            }
        }
    }

    fn note(&mut self, at: &str, recorded: &str, ours: &str) {
        let (recorded, ours) = (recorded.to_owned(), ours.to_owned());
        self.found.push(Found { at: at.to_owned(), recorded, ours });
    }
}

/// What a stuck nonce must not show in is no mere figure.
fn of_the_pool(at: &str, name: &str) -> bool {
    name != "conflictsDetected" && POOL.iter().any(|part| at.starts_with(part))
}

/// A text with what is random replaced by its shape, and the ids among that.
fn masked(at: &str, text: &str) -> (String, Vec<String>) {
    if is_time(text) {
        return ("<time>".into(), Vec::new());
    }
    if at.ends_with("sponsorAddress") && text.starts_with('S') {
        return ("<address>".into(), Vec::new());
    }
    let text = without_port(text);
    let (mut mask, mut ids) = (String::new(), Vec::new());
    for word in words(&text) {
        let shape = shape(word);
        mask.push_str(shape.unwrap_or(word));
        if shape.is_some_and(|shape| shape != "<bytes>") {
            ids.push(word.to_owned());
        }
    }
    (mask, ids)
}

/// What a word is an instance of, if it was drawn at random.
fn shape(word: &str) -> Option<&'static str> {
    let digits = |prefix: &str| word.strip_prefix(prefix).filter(|rest| is_hex(rest));
    if digits("pay_").is_some_and(|rest| rest.len() == 32) {
        return Some("<payment>");
    }
    if word.starts_with("msg_") {
        return Some("<message>");
    }
    if digits("0x").is_some_and(|rest| rest.len() == 64) {
        return Some("0x<txid>");
    }
    let dashes = word.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>();
    if word.len() == 36 && dashes == [8, 13, 18, 23] {
        return Some("<uuid>");
    }
    match word.len() {
        64 if is_hex(word) => Some("<txid>"),
        40.. if is_hex(word) => Some("<bytes>"),
        _ => None,
    }
}

/// The words of a text and what lies between them.
fn words(text: &str) -> Vec<&str> {
    let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = of_word(first);
        let end = rest.find(|c| of_word(c) != inside).unwrap_or(rest.len());
        parts.push(&rest[..end]);
        rest = &rest[end..];
    }
    parts
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(c, wanted): (char, char)| match wanted {
        'd' => c.is_ascii_digit(),
        wanted => c == wanted,
    };
    text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(fits)
}

/// Loopback addresses without their port.
fn without_port(text: &str) -> String {
    const HOST: &str = "http://127.0.0.1:";
    match text.find(HOST) {
        Some(at) => {
            let rest = text[at + HOST.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{}<base>{}", &text[..at], rest.strip_prefix("/relay-host").unwrap_or(rest))
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(recorded: &Value, ours: &Value) -> Vec<String> {
        let mut compare = Compare::default();
        compare.values("$", recorded, ours);
        compare.found.into_iter().map(|found| found.at).collect()
    }

    /// A comparison that finds everything alike would defend nothing: codes, types, missing and
    /// added fields are found, and random values are not.
    #[test]
    fn what_differs_is_found() {
        let id = "60817308-c13e-4dc6-9f0e-3fc53f08ed7e";
        let recorded = json!({"code": "A", "retryAfter": 1, "requestId": id, "blockHeight": 7,
            "queue": {"at": "2026-11-21T21:13:10.540Z", "help": "x"}, "list": [1]});
        let mut ours = recorded.clone();
        ours["requestId"] = json!("00000000-0000-4000-8000-000000000000");
        ours["blockHeight"] = json!(9);
        ours["queue"] = json!({"at": "2020-01-01T00:00:00.000Z", "help": "other words"});
        assert_eq!(found(&recorded, &ours), Vec::<String>::new());
        for (name, value) in [
            ("code", json!("B")),
            ("retryAfter", json!(2)),
            ("retryAfter", json!("1")),
            ("requestId", json!("no uuid")),
            ("queue", json!({"help": "x"})),
            ("list", json!([])),
            ("more", json!(null)),
        ] {
            let mut ours = recorded.clone();
            ours[name] = value.clone();
            assert_eq!(found(&recorded, &ours).len(), 1, "{name} {value}");
        }
    }

    /// An id that comes again must come again in ours, and a new one must be new.
    #[test]
    fn ids_correspond() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let ids = |one: &str, two: &str| json!({"one": one, "two": two});
        assert!(found(&ids(&a, &a), &ids(&b, &b)).is_empty());
        assert!(found(&ids(&a, &b), &ids(&b, &a)).is_empty());
        assert_eq!(found(&ids(&a, &a), &ids(&a, &b)), ["$.two"]);
        assert_eq!(found(&ids(&a, &b), &ids(&b, &b)), ["$.two"]);
    }
}
