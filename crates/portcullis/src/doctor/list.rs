//! Lists over HTTP: whether a page of each makes tasks, by the code that its sensor goes by.

use std::collections::BTreeSet;

use domain::{HttpConfig, SourceKey};
use logic::sensor::item::{self, Payload};
use reqwest::Url;
use serde_json::Value;

use super::{
    answer::Answer,
    check::{Check, Said},
};
use crate::show::line;

/// So many fields of an answer are named, and so much of a text is shown.
const FIELDS_MAX: usize = 12;
const SHOWN: usize = 120;

/// What came of asking for the first page.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    /// A header cannot be had here, and without it something else would be asked for.
    Unasked(String),
    Asked(Said<Answer>),
}

/// What the items of a page come to.
#[derive(Debug, Default)]
struct Made {
    keys: Vec<SourceKey>,
    /// Items of which no task can be made, and the first of them.
    odd: usize,
    first_odd: Option<String>,
}

pub(crate) fn judge(sensor: &str, config: &HttpConfig, page: &Page) -> Check {
    let (name, url) = (format!("list {sensor}"), &config.url);
    let said = match page {
        Page::Asked(said) => said,
        Page::Unasked(why) => {
            let remedy = format!(
                "it must be readable where `sensor` runs; it is in `headers` of \
                 [sensors.{sensor}.http], and here the list was not asked for"
            );
            return Check::warn(name, format!("{url}: {why}"), remedy);
        }
    };
    let answer = match read(said) {
        Ok(answer) => answer,
        Err(why) => {
            let remedy = format!(
                "ask it yourself: curl '{url}'; it is `url` in [sensors.{sensor}.http], and what \
                 it wants to be told is in `headers`"
            );
            return Check::fail(name, format!("{url}: {why}"), remedy);
        }
    };
    match tasks(config, &answer.body) {
        Ok(made) => weigh(name, sensor, config, answer, &made),
        Err((why, remedy)) => {
            let remedy = format!("{remedy} in [sensors.{sensor}.http]");
            Check::fail(name, format!("{url}: {why}"), remedy)
        }
    }
}

/// The answer if it is 200 and JSON.
fn read(said: &Said<Answer>) -> Result<&Answer, String> {
    let answer = said.as_ref().map_err(Clone::clone)?;
    match (answer.status, answer.body.is_null()) {
        (200, false) => Ok(answer),
        (200, true) => Err(format!("{}: that is no JSON", answer.complaint())),
        _ => Err(answer.complaint()),
    }
}

/// What the sensor would make of it; else why its cycle would fail, and what to correct.
fn tasks(config: &HttpConfig, answer: &Value) -> Result<Made, (String, String)> {
    let items = item::items(answer, &config.items)
        .map_err(|error| (error.to_string(), format!("correct `items`{}", fields(answer))))?;
    next(config, answer).map_err(|why| (why, "correct `next`".to_owned()))?;
    let payload = Payload::read(config.payload.as_deref()).map_err(|error| {
        let why = format!("`payload`: {:#}", anyhow::Error::new(error));
        (why, "correct `payload`".to_owned())
    })?;
    let mut made = Made::default();
    for (at, item) in items.iter().enumerate() {
        let task = item::source_key(&config.key, item).and_then(|key| {
            payload.of(item)?;
            Ok(key)
        });
        match task {
            Ok(key) => made.keys.push(key),
            Err(error) => {
                made.odd += 1;
                let told = || format!("item {} {:#}", at + 1, anyhow::Error::new(error));
                made.first_odd.get_or_insert_with(told);
            }
        }
    }
    Ok(made)
}

/// What stands at the top of an answer, for whoever looks for the list in it.
fn fields(answer: &Value) -> String {
    let Some(fields) = answer.as_object() else { return String::new() };
    let names: Vec<String> =
        fields.keys().take(FIELDS_MAX).map(|name| format!("/{}", line(name, 40))).collect();
    format!(" (the answer has {})", names.join(", "))
}

fn next(config: &HttpConfig, answer: &Value) -> Result<(), String> {
    let Some(pointer) = &config.next else { return Ok(()) };
    let Some(next) = item::next(answer, pointer).map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let url: Url = config.url.parse().map_err(|_| "it is no URL".to_owned())?;
    match url.join(next) {
        Ok(next) if same_host(&url, &next) => Ok(()),
        Ok(_) => Err("the next page is on another host, which is not asked".to_owned()),
        Err(_) => Err(format!("the answer has no URL at `{pointer}`")),
    }
}

/// Whether headers that are for one may be sent to the other.
pub(crate) fn same_host(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn weigh(name: String, sensor: &str, config: &HttpConfig, answer: &Answer, made: &Made) -> Check {
    let url = &config.url;
    let count = made.keys.len() + made.odd;
    let odd = made.first_odd.as_deref().unwrap_or_default();
    let Some(first) = made.keys.first() else {
        if count == 0 {
            let remedy = format!(
                "if there should be something, look at `url` and `items` in \
                 [sensors.{sensor}.http]; whether `key` fits shows with the first item"
            );
            return Check::warn(name, format!("{url}: the list is empty"), remedy);
        }
        let remedy = format!("correct `key` or `payload` in [sensors.{sensor}.http]");
        return Check::fail(
            name,
            format!("{url}: none of {count} items makes a task: {odd}"),
            remedy,
        );
    };
    let first = line(first.as_str(), SHOWN);
    let measured = format!("{url}: {count} items, the first source key is {first}");
    let distinct = made.keys.iter().collect::<BTreeSet<_>>().len();
    if 0 < made.odd {
        let measured = format!("{measured}; {} make no task: {odd}", made.odd);
        let remedy = format!(
            "they are passed over in each cycle; if they should not be, correct `key` or \
             `payload` in [sensors.{sensor}.http]"
        );
        return Check::warn(name, measured, remedy);
    }
    if distinct < count {
        let measured = format!("{measured}; there are only {distinct} different ones");
        let remedy = format!(
            "items of one source key are one task, for ever: if they are not, name what tells \
             them apart in `key` of [sensors.{sensor}.http]"
        );
        return Check::warn(name, measured, remedy);
    }
    Check::ok(name, format!("{measured} ({} ms)", answer.took.as_millis()))
}

#[cfg(test)]
mod tests;
