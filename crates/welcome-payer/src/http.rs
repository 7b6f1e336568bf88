//! One HTTP exchange: bounded in time and size, never redirected, and any answer is an answer.

use std::time::Duration;

use reqwest::{RequestBuilder, header::HeaderMap, redirect};
use serde_json::Value;

/// A body is read up to here; what is longer is garbled.
const BODY_MAX: usize = 2 * 1024 * 1024;

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// `None`: no HTTP answer.
    pub status: Option<u16>,
    pub headers: HeaderMap,
    /// Null when it was no JSON.
    pub body: Value,
    pub text: String,
    /// What the transport said when there was no answer.
    pub trouble: String,
}

/// A client for the services of one base URL.
///
/// Redirects are not followed: a payment goes to the host that was configured.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn client(base: &str, timeout: Duration) -> reqwest::Result<reqwest::Client> {
    builder(base, timeout).build()
}

/// The same, for whoever has to ask in another name or to follow redirects.
pub fn builder(base: &str, timeout: Duration) -> reqwest::ClientBuilder {
    // Another part of the process may have installed one already: it is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .user_agent(concat!("portcullis-welcome-payer/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .redirect(redirect::Policy::none());
    // A bare machine has no certificates, and plain HTTP needs none.
    match base.starts_with("http://") {
        true => builder.tls_certs_only([]),
        false => builder,
    }
}

/// Asks and reads the whole answer.
pub async fn ask(request: RequestBuilder) -> Response {
    match exchange(request).await {
        Ok(response) => response,
        Err(error) => {
            let error = error.without_url();
            let sources = std::iter::successors(std::error::Error::source(&error), |e| e.source());
            let trouble =
                sources.fold(error.to_string(), |text, source| format!("{text}: {source}"));
            Response { trouble, ..Response::default() }
        }
    }
}

async fn exchange(request: RequestBuilder) -> reqwest::Result<Response> {
    let mut answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if BODY_MAX < bytes.len() + chunk.len() {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Response { status: Some(status), headers, body, text, trouble: String::new() })
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Why this is not the answer that was hoped for.
    pub fn complaint(&self) -> String {
        match self.status {
            None => format!("no answer: {}", self.trouble),
            Some(status) => {
                let start: String =
                    self.text.chars().filter(|c| !c.is_control()).take(200).collect();
                format!("{status} {start}")
            }
        }
    }
}
