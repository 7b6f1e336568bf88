//! The directory over HTTP.

use std::time::Duration;

use kit::Clock;
use reqwest::{Response, StatusCode, header::RETRY_AFTER, redirect};
use stacks::Network;

use crate::page::{Page, retry_after};

/// For one page, from the request to its last byte.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A page of a hundred agents has about 100 kB.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// As many as the directory gives at once (wire facts: directory).
const LIMIT: u64 = 100;
/// No answer from outside keeps a sensor waiting for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The agents of one AIBTC directory, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    client: reqwest::Client,
    /// The base of its API, e.g. `https://aibtc.com/api`.
    url: String,
    network: Network,
}

/// Why a page could not be read. None of them says anything about the agents in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    #[error("prepare to ask the directory")]
    Client(#[source] reqwest::Error),
    #[error("ask the directory for agents from {offset} on")]
    Request {
        offset: u64,
        #[source]
        source: reqwest::Error,
    },
    #[error("directory answered {status} for agents from {offset} on{}", wish(*.retry_after))]
    Status { offset: u64, status: StatusCode, retry_after: Option<Duration> },
    #[error("directory sent more than {BODY_MAX} bytes for agents from {offset} on")]
    TooBig { offset: u64 },
    #[error("make sense of the directory's agents from {offset} on")]
    Shape {
        offset: u64,
        #[source]
        source: serde_json::Error,
    },
}

impl PageError {
    /// How long the directory asks to be left alone, within reason.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            PageError::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn wish(retry_after: Option<Duration>) -> String {
    retry_after
        .map(|wait| format!(", to be asked again in {} s", wait.as_secs()))
        .unwrap_or_default()
}

impl Directory {
    /// A client of its own for each scan, so that a changed certificate store or a moved host
    /// is noticed.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub(crate) fn new(url: &str, network: Network) -> Result<Self, PageError> {
        // Another part of the process may have installed one already: it is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("portcullis-sensor/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::limited(3));
        // A bare machine has no certificates, and plain HTTP needs none.
        let builder = match url.starts_with("http://") {
            true => builder.tls_certs_only([]),
            false => builder,
        };
        let client = builder.build().map_err(PageError::Client)?;
        Ok(Directory { client, url: url.trim_end_matches('/').to_owned(), network })
    }

    /// Reads the page that begins at `offset`.
    ///
    /// # Errors
    ///
    /// Whatever it is, the scan ends with it: see [`PageError`].
    pub(crate) async fn page(&self, offset: u64) -> Result<Page, PageError> {
        let failed =
            |source: reqwest::Error| PageError::Request { offset, source: source.without_url() };
        let asked = self
            .client
            .get(format!("{}/agents", self.url))
            .query(&[("limit", LIMIT), ("offset", offset)]);
        let mut response = asked.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            let (status, retry_after) = (response.status(), wait_asked(&response));
            return Err(PageError::Status { offset, status, retry_after });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if BODY_MAX < body.len() + chunk.len() {
                return Err(PageError::TooBig { offset });
            }
            body.extend_from_slice(&chunk);
        }
        Page::read(&body, self.network, offset)
            .map_err(|source| PageError::Shape { offset, source })
    }
}

fn wait_asked(response: &Response) -> Option<Duration> {
    let header = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    retry_after(header, Clock.now()).map(|wait| wait.min(RETRY_AFTER_MAX))
}
