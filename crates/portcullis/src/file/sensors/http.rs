use std::time::Duration;

use domain::{HeaderConfig, HeaderValue, HttpConfig, Kind, SensorConfig, Template};

use super::{SensorRead, payload};
use crate::file::{
    notes::Notes,
    section::{Section, Word},
};

/// Names that only something secret has, as a header or in a URL.
const SECRET: [&str; 8] =
    ["authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "api_key"];

pub(super) fn read(mut section: Section<'_>, notes: &mut Notes<'_>) -> SensorRead {
    let section = &mut section;
    let kind = section.required("kind", "\"ticket\"", notes);
    let kind = kind.and_then(|word| section.parse::<Kind>("kind", &word, notes));
    let url = url(section, notes);
    let items = pointer(section, "items", notes);
    let next = pointer(section, "next", notes);
    let key = key(section, notes);
    let payload = payload(section, |_| true, notes);
    let every =
        section.duration("every", Duration::from_secs(300), Duration::from_millis(100), notes);
    let none = "the sensor would never create anything; remove the sensor instead";
    let cap_cycle = section.number("cap_cycle", 1, none, notes);
    let cap_day = section.number("cap_day", 1, none, notes);
    let headers = headers(section, notes);
    section.finish(notes);
    let config = match (&kind, url, key) {
        (Some(kind), Some(url), Some(key)) => Some(SensorConfig::Http(HttpConfig {
            kind: kind.value.clone(),
            url,
            items: items.unwrap_or_default(),
            next,
            key,
            payload,
            every,
            cap_cycle: cap_cycle.unwrap_or(10),
            cap_day: cap_day.unwrap_or(100),
            headers,
        })),
        _ => None,
    };
    SensorRead { kind, network: None, config }
}

fn url(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<String> {
    const EXAMPLE: &str = "\"https://tickets.example/api/open\"";
    let word = section.required("url", EXAMPLE, notes)?;
    let within = section.within();
    let rest = word.value.strip_prefix("https://").or_else(|| word.value.strip_prefix("http://"));
    let Some(rest) = rest.filter(|rest| {
        !rest.starts_with(['/', '?', ':'])
            && !rest.is_empty()
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#')
    }) else {
        let text = format!("`url = {:?}`{within} is not where a list is", word.value);
        notes.problem(&word.span, format!("{text}; write it like {EXAMPLE}"));
        return None;
    };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let query = word.value.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let secret = |pair: &str| is_secret(pair.split('=').next().unwrap_or_default());
    // Not repeated here: what is wrong with it is that it can be read.
    if host.contains('@') || query.split('&').any(secret) {
        let text = format!("`url`{within} has something secret in it");
        let advice = "send it as a header: headers = [{ name = \"…\", file = \"…\" }]";
        notes.problem(&word.span, format!("{text}, and everybody can read it; {advice}"));
        return None;
    }
    Some(word.value.to_owned())
}

fn pointer(section: &mut Section<'_>, key: &'static str, notes: &mut Notes<'_>) -> Option<String> {
    let word = section.text(key, notes)?;
    let escaped = |step: &str| step.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if word.value.is_empty() || word.value.starts_with('/') && escaped(word.value) {
        return Some(word.value.to_owned()).filter(|pointer| key == "items" || !pointer.is_empty());
    }
    let text = format!("`{key} = {:?}`{} is no JSON pointer", word.value, section.within());
    notes.problem(&word.span, format!("{text}; write it like \"/data/{key}\""));
    None
}

/// Half of what makes an item be worked on once, so nothing in it may be left to chance.
fn key(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Template> {
    let word = section.required("key", "\"ticket/{id}\"", notes)?;
    let key = section.parse::<Template>("key", &word, notes)?;
    let text = format!("`key = {:?}`{}", word.value, section.within());
    if key.value.fields().next().is_none() {
        let why = "names no field, so all items would be one task; write it like \"ticket/{id}\"";
        notes.problem(&word.span, format!("{text} {why}"));
    } else if key.value.runs_together() {
        let why = "has fields that could run into one another; put a '/' between them";
        notes.problem(&word.span, format!("{text} {why}"));
    }
    Some(key.value)
}

fn headers(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Vec<HeaderConfig> {
    let mut headers = Vec::new();
    for mut header in section.sections("headers", notes) {
        let name = header.required("name", "\"authorization\"", notes);
        let prefix = header.text("prefix", notes);
        let plain = header.text("value", notes);
        let file = header.text("file", notes);
        let variable = header.text("env", notes);
        header.finish(notes);
        let Some(name) = name else { continue };
        let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.value.is_empty() || !name.value.chars().all(token) {
            let text = format!("{:?} in `headers` is no name of a header", name.value);
            notes.problem(&name.span, format!("{text}; write it like \"authorization\""));
        }
        let value = match (plain, file, variable) {
            (Some(plain), None, None) => {
                refuse_secret(&name, &plain, notes);
                HeaderValue::Plain(plain.value.to_owned())
            }
            (None, Some(file), None) => HeaderValue::File(file.value.to_owned()),
            (None, None, Some(variable)) => HeaderValue::Env(variable.value.to_owned()),
            _ => {
                let text = format!("the header `{}` has no value, or more than one", name.value);
                let advice = "name one of `file`, `env` and `value`";
                notes.problem(&name.span, format!("{text}; {advice}"));
                continue;
            }
        };
        let prefix = prefix.map(|word| word.value.to_owned()).unwrap_or_default();
        headers.push(HeaderConfig { name: name.value.to_ascii_lowercase(), prefix, value });
    }
    headers
}

fn refuse_secret(name: &Word<&str>, value: &Word<&str>, notes: &mut Notes<'_>) {
    if is_secret(name.value) {
        let text = format!("the value of the header `{}` is secret", name.value);
        let advice = "put it into a file, or a variable of the sensor, and name that: \
                      file = \"/run/secrets/…\" or env = \"…\"";
        notes.problem(&value.span, format!("{text}, and everybody can read it here; {advice}"));
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "key" || SECRET.iter().any(|secret| name.contains(secret))
}
