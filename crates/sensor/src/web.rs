//! What every list over HTTP has in common: a client, a bound on time and size, and what an
//! answer wishes for.

use std::time::Duration;

use kit::Clock;
use reqwest::{Response, header::RETRY_AFTER, redirect};

use crate::page::retry_after;

pub(crate) const BODY_MAX: usize = logic::sensor::item::PAGE_MAX;
/// No answer from outside keeps a sensor waiting for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A client of its own for each scan, so that a changed certificate store or a moved host is
/// noticed.
///
/// # Errors
///
/// When TLS cannot be set up.
pub(crate) fn client(url: &str, redirects: redirect::Policy) -> reqwest::Result<reqwest::Client> {
    // Another part of the process may have installed one already: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("portcullis-sensor/", env!("CARGO_PKG_VERSION")))
        .timeout(logic::sensor::item::PAGE_WITHIN)
        .redirect(redirects);
    // A bare machine has no certificates, and plain HTTP needs none.
    match url.starts_with("http://") {
        true => builder.tls_certs_only([]),
        false => builder,
    }
    .build()
}

/// The body of an answer, unless it is too big.
pub(crate) async fn body(response: &mut Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if BODY_MAX < body.len() + chunk.len() {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// How long an answer asks to be left alone, within reason.
pub(crate) fn wait_asked(response: &Response) -> Option<Duration> {
    let header = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    retry_after(header, Clock.now()).map(|wait| wait.min(RETRY_AFTER_MAX))
}

/// The same in words, behind what was answered.
pub(crate) fn wish(retry_after: Option<Duration>) -> String {
    retry_after
        .map(|wait| format!(", to be asked again in {} s", wait.as_secs()))
        .unwrap_or_default()
}
