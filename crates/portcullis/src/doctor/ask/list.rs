//! The first page of each list over HTTP, asked for as its sensor would: in its name, with its
//! headers as they are now, to the configured host alone, up to its bound on size.

use domain::{Config, HeaderConfig, HeaderValue as Value, HttpConfig, SensorConfig};
use futures_util::future::join_all;
use kit::Clock;
use logic::sensor::item::{PAGE_MAX, PAGE_WITHIN};
use reqwest::{
    Response, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use welcome_payer::http;

use super::{Said, told};
use crate::doctor::{
    answer::Answer,
    check::Check,
    list::{self, Page, same_host},
};

const NAME: &str = concat!("portcullis-sensor/", env!("CARGO_PKG_VERSION"));
const REDIRECTS_MAX: usize = 3;

/// Headers may be secret, and are for the configured host alone.
#[derive(Debug, thiserror::Error)]
#[error("it redirects to another host or too often: put the URL that it is really at into `url`")]
struct Astray;

/// What is sent, and what of it may be shown nowhere.
#[derive(Default)]
struct Sent {
    headers: HeaderMap,
    secret: Vec<String>,
}

/// One line for each sensor that reads a list.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let lists = config.sensors.iter().filter_map(|(name, sensor)| match sensor {
        SensorConfig::Http(list) => Some((name, list)),
        SensorConfig::Directory(_) | SensorConfig::Schedule(_) => None,
    });
    join_all(lists.map(async |(name, list)| check(name.as_str(), list).await)).await
}

async fn check(sensor: &str, config: &HttpConfig) -> Check {
    let sent = match sent(&config.headers) {
        Ok(sent) => sent,
        Err(why) => return list::judge(sensor, config, &Page::Unasked(why)),
    };
    list::judge(sensor, config, &Page::Asked(page(config, sent).await))
}

/// An error says where a value was looked for, never what was found.
fn sent(configured: &[HeaderConfig]) -> Result<Sent, String> {
    let mut sent = Sent::default();
    for header in configured {
        let name = &header.name;
        let parsed: HeaderName =
            name.parse().map_err(|_| format!("`{name}` is no name of a header"))?;
        let (text, place) = match &header.value {
            Value::Plain(text) => (text.clone(), "`value`".to_owned()),
            Value::File(path) => {
                let read = std::fs::read_to_string(path);
                (read.map_err(|error| format!("{path}, for `{name}`: {error}"))?, path.clone())
            }
            Value::Env(variable) => (variable_of(name, variable)?, variable.clone()),
        };
        let value = header.sent(&text).and_then(|sent| HeaderValue::from_str(&sent).ok());
        let mut value = value.ok_or_else(|| {
            format!("what lies at {place} is empty, or no value of the header `{name}`")
        })?;
        if !matches!(header.value, Value::Plain(_)) {
            value.set_sensitive(true);
            sent.secret.push(text.trim().to_owned());
        }
        sent.headers.append(parsed, value);
    }
    Ok(sent)
}

#[expect(clippy::disallowed_methods, reason = "the configuration names which variable it is")]
fn variable_of(name: &str, variable: &str) -> Result<String, String> {
    std::env::var(variable).map_err(|_| format!("variable {variable}, for `{name}`, is not set"))
}

async fn page(config: &HttpConfig, sent: Sent) -> Said<Answer> {
    let follow = redirect::Policy::custom(|attempt| {
        let near = attempt.previous().last().is_some_and(|from| same_host(from, attempt.url()));
        match near && attempt.previous().len() <= REDIRECTS_MAX {
            true => attempt.follow(),
            false => attempt.error(Astray),
        }
    });
    let url: Url = config.url.parse().map_err(|_| "it is no URL".to_owned())?;
    let client = http::builder(&config.url, PAGE_WITHIN).user_agent(NAME).redirect(follow);
    let client = client.build().map_err(told)?;
    let failed = |error: reqwest::Error| format!("no answer: {}", told(error.without_url()));
    let begun = Clock.instant();
    let mut response = client.get(url).headers(sent.headers).send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let bytes = bytes(&mut response).await.map_err(failed)?;
    let bytes = bytes.ok_or_else(|| format!("it sends more than {PAGE_MAX} bytes"))?;
    // A service may repeat what it was sent, also as JSON may write it.
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    for secret in &sent.secret {
        text = text.replace(secret, "…").replace(&secret.replace('/', "\\/"), "…");
    }
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { status, body, text, took: begun.elapsed() })
}

async fn bytes(response: &mut Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if PAGE_MAX < bytes.len() + chunk.len() {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
