//! One question to the Messages API: bounded in time and size, never redirected.

use std::{sync::OnceLock, time::Duration};

use domain::{Scheme, Timestamp};
use reqwest::{
    Client, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::answer::wait;
use crate::credential::Lent;

/// An answer is read up to here; what is longer is garbled.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// How long a connection may take: after that the request certainly never left.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// So much of an answer that is no JSON is kept, in characters.
const START_MAX: usize = 200;
/// The version of the API that is spoken here.
const VERSION: &str = "2023-06-01";
/// Without it the API takes no OAuth token.
const OAUTH_BETA: &str = "oauth-2025-04-20";

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reached {
    Heard(Heard),
    /// It certainly never left.
    NotSent(String),
    /// Nor was it tried to send it: there was no time left.
    NoTime,
    /// It may have been answered, and billed.
    Lost(String),
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// Null when it was no JSON, or too long.
    pub(super) body: Value,
    /// How it begins.
    pub(super) start: String,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

/// The connections of this dispatcher to language models, kept open between questions.
#[derive(Debug, Default)]
pub(crate) struct Web {
    plain: OnceLock<Result<Client, String>>,
    tls: OnceLock<Result<Client, String>>,
}

/// A question, and how long it may take.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) url: &'a str,
    pub(super) body: Vec<u8>,
    pub(super) within: Duration,
    pub(super) now: Timestamp,
}

impl Web {
    /// A bare machine has no certificates, and plain HTTP needs none.
    fn client(&self, url: &str) -> Result<&Client, String> {
        let (kept, tls) = match url.starts_with("http://") {
            true => (&self.plain, false),
            false => (&self.tls, true),
        };
        kept.get_or_init(|| build(tls).map_err(|error| told(&error))).as_ref().map_err(Clone::clone)
    }

    /// Asks once. The secret goes into a header and nowhere else.
    pub(super) async fn ask(&self, question: Question<'_>, lent: &Lent) -> Reached {
        if question.within.is_zero() {
            return Reached::NoTime;
        }
        let client = match self.client(question.url) {
            Ok(client) => client,
            Err(error) => return Reached::NotSent(error),
        };
        let url = format!("{}/v1/messages", question.url.trim_end_matches('/'));
        let sent =
            client.post(url).headers(headers(lent)).body(question.body).timeout(question.within);
        match sent.send().await {
            Ok(answer) => heard(answer, question.now, lent.secret.expose()).await,
            Err(error) if error.is_connect() || error.is_builder() => {
                Reached::NotSent(told(&error.without_url()))
            }
            Err(error) => Reached::Lost(told(&error.without_url())),
        }
    }
}

fn build(tls: bool) -> reqwest::Result<Client> {
    // Another part of the process may have installed one already: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_WITHIN)
        .redirect(redirect::Policy::none());
    if tls { builder.build() } else { builder.tls_certs_only([]).build() }
}

fn headers(lent: &Lent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if lent.scheme == Scheme::Bearer {
        headers.insert("anthropic-beta", HeaderValue::from_static(OAUTH_BETA));
    }
    headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (name, secret) = lent.header();
    headers.insert(name, secret);
    headers
}

/// Reads an answer to its end. Whoever repeats the secret in it, as proxies do, is not repeated.
async fn heard(mut answer: Response, now: Timestamp, secret: &str) -> Reached {
    let status = answer.status().as_u16();
    let text = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = wait(text("retry-after"), &resets(answer.headers(), now));
    let request_id = text("request-id").map(|id| id.chars().take(80).collect());
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= BODY_MAX => {
                bytes.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => {
                bytes.truncate(START_MAX);
                break;
            }
            Ok(None) => break,
            // A success whose text is lost was billed; a failure is one without its words, too.
            Err(error) if status == 200 => return Reached::Lost(told(&error.without_url())),
            Err(_) => break,
        }
    }
    let text = String::from_utf8_lossy(&bytes).replace(secret, "…");
    let start = text.chars().take(START_MAX).collect();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reached::Heard(Heard { status, body, start, request_id, retry_after })
}

/// For each limit that is told of: whether it is used up, and in what time it is reset.
fn resets(headers: &HeaderMap, now: Timestamp) -> Vec<(bool, Duration)> {
    const LIMITS: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];
    let text = |limit: &str, what: &str| {
        let value = headers.get(format!("anthropic-ratelimit-{limit}-{what}"))?;
        value.to_str().ok()
    };
    let reset = |limit: &&str| {
        let at = OffsetDateTime::parse(text(limit, "reset")?, &Rfc3339).ok()?;
        let at = u64::try_from(at.unix_timestamp()).ok()?;
        let within = Timestamp::from_millis(at.saturating_mul(1_000)).since(now);
        Some((text(limit, "remaining") == Some("0"), within))
    };
    LIMITS.iter().filter_map(reset).collect()
}

/// An error with what led to it.
fn told(error: &reqwest::Error) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[cfg(test)]
mod tests {
    use domain::{CredentialUse, Fingerprint};

    use super::*;

    /// An OAuth token is sent with the word that the API wants beside it, a key without, and
    /// neither is printed.
    #[test]
    fn a_secret_stands_in_one_header() {
        let lent = |scheme| Lent {
            secret: "t0ken".parse().unwrap(),
            scheme,
            used: CredentialUse {
                provider: "anthropic".parse().unwrap(),
                credential: "any".parse().unwrap(),
                fingerprint: Fingerprint::of("anthropic", "t0ken"),
            },
        };
        let [bearer, key] = [Scheme::Bearer, Scheme::ApiKey].map(|scheme| headers(&lent(scheme)));
        assert_eq!(
            (&bearer["authorization"], &bearer["anthropic-beta"]),
            (&HeaderValue::from_static("Bearer t0ken"), &HeaderValue::from_static(OAUTH_BETA))
        );
        assert_eq!(
            (&key["x-api-key"], key.get("anthropic-beta")),
            (&HeaderValue::from_static("t0ken"), None)
        );
        assert!(!format!("{bearer:?}{key:?}").contains("t0ken"));
    }

    /// The limit that is used up says how long to wait; the others do not count.
    #[test]
    fn reads_when_limits_are_reset() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "1970-01-01T00:01:40Z"),
            ("anthropic-ratelimit-tokens-remaining", "5"),
            ("anthropic-ratelimit-tokens-reset", "1970-01-01T01:00:00Z"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let resets = resets(&headers, Timestamp::from_millis(40_000));
        assert_eq!(wait(None, &resets), Some(Duration::from_secs(60)));
        assert_eq!(wait(Some("7"), &resets), Some(Duration::from_secs(7)));
        assert_eq!(wait(Some("soon"), &[]), None);
    }

    /// Who has no time left to ask has not found the provider unreachable.
    #[tokio::test]
    async fn no_time_is_not_silence() {
        let lent = Lent {
            secret: "t0ken".parse().unwrap(),
            scheme: Scheme::ApiKey,
            used: CredentialUse {
                provider: "anthropic".parse().unwrap(),
                credential: "any".parse().unwrap(),
                fingerprint: Fingerprint::of("anthropic", "t0ken"),
            },
        };
        let (url, now) = ("http://127.0.0.1:1", Timestamp::from_millis(0));
        let question = Question { url, body: Vec::new(), within: Duration::ZERO, now };
        assert_eq!(Web::default().ask(question, &lent).await, Reached::NoTime);
    }
}
