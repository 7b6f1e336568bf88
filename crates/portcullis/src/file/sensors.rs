mod http;
mod schedule;

use std::{collections::BTreeMap, time::Duration};

use domain::{DirectoryConfig, Kind, SensorConfig, SensorName, Template};
use serde_json::Value;
use stacks::Network;

use super::{
    exclude,
    notes::Notes,
    payer::url,
    section::{Section, Word},
};

/// A sensor of the file.
pub(super) struct SensorRead {
    pub(super) kind: Option<Word<Kind>>,
    pub(super) network: Option<Word<Network>>,
    pub(super) config: Option<SensorConfig>,
}

/// What a sensor may look at.
const KINDS: [&str; 3] = ["directory", "http", "schedule"];
/// The inbox takes no longer message: UTF-16 units, as its route counts them.
const MESSAGE_MAX: usize = 500;

pub(super) fn read(
    root: &mut Section<'_>,
    notes: &mut Notes<'_>,
) -> BTreeMap<SensorName, SensorRead> {
    let mut sensors = BTreeMap::new();
    for (name, mut section) in root.named("sensors", notes) {
        let span = section.span.clone();
        let there = KINDS.iter().filter(|kind| section.has(kind)).count();
        let directory = section.section("directory", notes);
        let http = section.section("http", notes);
        let schedule = section.section("schedule", notes);
        if there != 1 {
            let looks = if there == 0 { "has nothing to look at" } else { "is more than one" };
            let advice = "give it one of directory = { … }, http = { … } and schedule = { … }";
            notes.problem(&span, format!("sensor `{}` {looks}; {advice}", name.value));
        }
        section.finish(notes);
        let sensor = match (directory, http, schedule) {
            (Some(directory), _, _) => read_directory(directory, notes),
            (None, Some(list), _) => http::read(list, notes),
            (None, None, Some(calendar)) => schedule::read(calendar, notes),
            (None, None, None) => continue,
        };
        match name.value.parse::<SensorName>() {
            Ok(name) => {
                sensors.insert(name, sensor);
            }
            Err(error) => notes.problem(&name.span, format!("[sensors.{}]: {error}", name.value)),
        }
    }
    sensors
}

fn read_directory(mut section: Section<'_>, notes: &mut Notes<'_>) -> SensorRead {
    let section = &mut section;
    let kind = section.required("kind", "\"welcome\"", notes);
    let kind = kind.and_then(|word| section.parse::<Kind>("kind", &word, notes));
    let url = url(section, "url", "https://aibtc.com/api", notes);
    let network = exclude::network(section, notes);
    let every =
        section.duration("every", Duration::from_secs(300), Duration::from_millis(100), notes);
    let none = "the sensor would never create anything; remove the sensor instead";
    let cap_cycle = section.number("cap_cycle", 1, none, notes);
    let cap_day = section.number("cap_day", 1, none, notes);
    let exclude = exclude::addresses(section, network.as_ref().map(|word| word.value), notes);
    let purpose = purpose(section, notes);
    let message = message(section, notes);
    let config = match (&kind, &network, message) {
        (Some(kind), Some(network), Some(message)) => {
            Some(SensorConfig::Directory(DirectoryConfig {
                kind: kind.value.clone(),
                url,
                network: network.value.to_string(),
                every,
                cap_cycle: cap_cycle.unwrap_or(10),
                cap_day: cap_day.unwrap_or(100),
                exclude,
                purpose,
                message,
            }))
        }
        _ => None,
    };
    let read = SensorRead { kind, network, config };
    section.finish(notes);
    read
}

/// JSON whose texts are templates over the fields that there are.
fn payload(
    section: &mut Section<'_>,
    is_field: fn(&str) -> bool,
    notes: &mut Notes<'_>,
) -> Option<String> {
    let word = section.text("payload", notes)?;
    let within = section.within();
    let mut texts = match serde_json::from_str::<Value>(word.value) {
        Ok(value) => vec![value],
        Err(error) => {
            let text = format!("`payload`{within} is not JSON ({error})");
            let advice = "write it like '{ \"id\": \"{id}\" }'";
            notes.problem(&word.span, format!("{text}; {advice}"));
            return None;
        }
    };
    while let Some(value) = texts.pop() {
        match value {
            Value::Array(values) => texts.extend(values),
            Value::Object(entries) => texts.extend(entries.into_iter().map(|(_, value)| value)),
            Value::String(text) if text.contains(['{', '}']) => match text.parse::<Template>() {
                Ok(template) => {
                    for unknown in template.fields().filter(|field| !is_field(field)) {
                        let text = format!("`payload`{within} names `{unknown}`");
                        let known = "a firing has {time}, {date} and {sensor}";
                        notes.problem(&word.span, format!("{text}; {known}"));
                    }
                }
                Err(error) => {
                    notes.problem(&word.span, format!("{text:?} in `payload`{within}: {error}"));
                }
            },
            _ => (),
        }
    }
    Some(word.value.to_owned())
}

/// The purpose is half of the key by which a payee is paid at most once.
fn purpose(section: &mut Section<'_>, notes: &mut Notes<'_>) -> String {
    let Some(word) = section.text("purpose", notes) else { return "welcome".to_owned() };
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if word.value.is_empty() || 48 < word.value.len() || !word.value.chars().all(fine) {
        let text = format!("`purpose = {:?}`{}", word.value, section.within());
        notes.problem(&word.span, format!("{text} is no name; use 1 to 48 of a-z, 0-9 and '-'"));
    }
    word.value.to_owned()
}

fn message(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let word = section.required("message", "\"Hello {name}, welcome!\"", notes)?;
    let length = word.value.encode_utf16().count();
    if word.value.trim().is_empty() {
        let text = format!("`message`{} is empty; say what the agent is to read", section.within());
        notes.problem(&word.span, text);
    } else if MESSAGE_MAX < length {
        let text = format!("`message`{} has {length} characters", section.within());
        notes.problem(&word.span, format!("{text}; the inbox takes at most {MESSAGE_MAX}"));
    }
    Some(word.value.to_owned())
}
