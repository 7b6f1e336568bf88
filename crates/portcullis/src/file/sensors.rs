use std::{collections::BTreeMap, time::Duration};

use domain::{DirectoryConfig, Kind, SensorConfig, SensorName};
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

/// The inbox takes no longer message: UTF-16 units, as its route counts them.
const MESSAGE_MAX: usize = 500;

pub(super) fn read(
    root: &mut Section<'_>,
    notes: &mut Notes<'_>,
) -> BTreeMap<SensorName, SensorRead> {
    let mut sensors = BTreeMap::new();
    for (name, mut section) in root.named("sensors", notes) {
        let span = section.span.clone();
        let directory = section.section("directory", notes);
        if directory.is_none() && !section.has("directory") {
            let text =
                format!("sensor `{}` has nothing to look at; add directory = {{ … }}", name.value);
            notes.problem(&span, text);
        }
        section.finish(notes);
        let Some(directory) = directory else { continue };
        let sensor = read_directory(directory, notes);
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
