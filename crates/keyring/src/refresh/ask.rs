use std::{fmt::Write as _, time::Duration};

use domain::{RefreshConfig, RefreshStage};
use reqwest::{StatusCode, header, redirect};
use serde_json::Value;

use crate::Secret;

/// What a refresh token bought.
#[derive(Clone, Debug)]
pub(super) struct Bought {
    pub(super) secret: Secret,
    pub(super) lives_for: Option<Duration>,
    /// Where the endpoint gives a new one, the old one may be worth nothing any more.
    pub(super) refresh: Option<Secret>,
}

/// Less than the time for which a claim of the exchange holds.
const WITHIN: Duration = Duration::from_secs(20);
/// A longer answer is none of a token endpoint.
const BODY_MAX: usize = 64 * 1024;
const EVIDENCE_MAX: usize = 200;

/// Asks the token endpoint once.
///
/// # Errors
///
/// How the exchange ended instead; never [`RefreshStage::Asked`] or `Done`.
pub(super) async fn ask(config: &RefreshConfig, token: &Secret) -> Result<Bought, RefreshStage> {
    let put = |evidence| RefreshStage::Put { evidence };
    let unknown = |evidence| RefreshStage::Unknown { evidence };
    let client = client(&config.token_url).map_err(|error| put(told(error)))?;
    let request = client
        .post(&config.token_url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token.expose()),
            ("client_id", &config.client_id),
        ]));
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        // Nothing was sent: nobody was there to take it.
        Err(error) if error.is_connect() || error.is_builder() => return Err(put(told(error))),
        Err(error) => return Err(unknown(told(error))),
    };
    let status = answer.status();
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() <= BODY_MAX => bytes.extend(chunk),
            Ok(None) => break,
            Ok(Some(_)) => return Err(unknown(format!("{status} with a body without end"))),
            Err(error) => return Err(unknown(told(error))),
        }
    }
    judge(status, &bytes, token)
}

fn judge(status: StatusCode, bytes: &[u8], token: &Secret) -> Result<Bought, RefreshStage> {
    let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let evidence = || {
        let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let text = format!("{} {} {}", status.as_u16(), word("error"), word("error_description"));
        let text = text.replace(token.expose(), "…");
        let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
        text.chars().take(EVIDENCE_MAX).collect::<String>()
    };
    if status.is_success() {
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let secret = text("access_token").and_then(|text| text.parse().ok());
        let Some(secret) = secret else {
            let evidence = format!("{} without a usable access_token", status.as_u16());
            return Err(RefreshStage::Unknown { evidence });
        };
        let lives_for = body.get("expires_in").and_then(Value::as_u64).map(Duration::from_secs);
        let refresh = text("refresh_token").and_then(|text| text.parse().ok());
        return Ok(Bought { secret, lives_for, refresh });
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(RefreshStage::Put { evidence: evidence() })
        }
        _ if status.is_client_error() && body.get("error").is_some() => {
            Err(RefreshStage::Refused { evidence: evidence() })
        }
        _ => Err(RefreshStage::Unknown { evidence: evidence() }),
    }
}

fn client(url: &str) -> reqwest::Result<reqwest::Client> {
    // Another part of the process may have installed one already: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
        .timeout(WITHIN)
        .redirect(redirect::Policy::none());
    // A bare machine has no certificates, and plain HTTP needs none.
    let builder = match url.starts_with("http://") {
        true => builder.tls_certs_only([]),
        false => builder,
    };
    builder.build()
}

/// What the transport said, without the address.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let sources = std::iter::successors(std::error::Error::source(&error), |e| e.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

/// `application/x-www-form-urlencoded`, with everything encoded that could be read otherwise.
fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (at, (key, value)) in fields.iter().enumerate() {
        if 0 < at {
            text.push('&');
        }
        text.push_str(key);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    text.push(char::from(byte));
                }
                // Writing to a String cannot fail.
                _ => drop(write!(text, "%{byte:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let token: Secret = "rt-secret".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let told = match judge(status, body.as_bytes(), &token) {
            Ok(bought) => {
                format!("bought {:?} {}", bought.lives_for, bought.refresh.is_some())
            }
            Err(stage) => format!("{stage:?}"),
        };
        assert_eq!(told, expected);
        assert!(!told.contains("rt-secret"));
    }

    /// Only a plain refusal is one; whatever may have been exchanged is unknown.
    #[test]
    fn reads_what_the_endpoint_answers() {
        let granted = r#"{"access_token":"new","expires_in":3600,"refresh_token":"rt2"}"#;
        check(200, granted, "bought Some(3600s) true");
        check(200, r#"{"access_token":"new"}"#, "bought None false");
        let refused = r#"{"error":"invalid_grant","error_description":"rt-secret was used"}"#;
        check(400, refused, r#"Refused { evidence: "400 invalid_grant … was used" }"#);
        check(503, "", r#"Put { evidence: "503" }"#);
        check(429, r#"{"error":"slow_down"}"#, r#"Put { evidence: "429 slow_down" }"#);
        check(500, "oops", r#"Unknown { evidence: "500" }"#);
        check(404, "not here", r#"Unknown { evidence: "404" }"#);
        let empty = r#"Unknown { evidence: "200 without a usable access_token" }"#;
        check(200, "{}", empty);
        check(200, r#"{"access_token":"two words"}"#, empty);
    }

    /// A value cannot end its field.
    #[test]
    fn encodes_what_would_be_read_otherwise() {
        assert_eq!(form(&[("a", "b&c=d"), ("e", "1+2/3")]), "a=b%26c%3Dd&e=1%2B2%2F3");
    }
}
