//! The directory over HTTP.

use std::time::Duration;

use logic::sensor::Payee;
use reqwest::{StatusCode, redirect};
use stacks::Network;

use crate::{
    page::{Agent, Page, Row},
    told::chain,
    walk::{Sheet, Source, Unread},
    web::{self, BODY_MAX, wait_asked, wish},
};

/// As many as the directory gives at once (wire facts: directory).
const LIMIT: u64 = 100;

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

impl Directory {
    /// A client of its own for each scan, so that a changed certificate store or a moved host
    /// is noticed.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub(crate) fn new(url: &str, network: Network) -> Result<Self, PageError> {
        let client = web::client(url, redirect::Policy::limited(3)).map_err(PageError::Client)?;
        Ok(Directory { client, url: url.trim_end_matches('/').to_owned(), network })
    }

    /// Reads the page that begins at `offset`.
    ///
    /// # Errors
    ///
    /// Whatever it is, the scan ends with it: see [`PageError`].
    async fn read(&self, offset: u64) -> Result<Page, PageError> {
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
        let body = web::body(&mut response).await.map_err(failed)?;
        let body = body.ok_or(PageError::TooBig { offset })?;
        Page::read(&body, self.network, offset)
            .map_err(|source| PageError::Shape { offset, source })
    }
}

impl Source for Directory {
    type Key = Payee;
    type Work = Agent;

    async fn page(&mut self, offset: u64) -> Result<Sheet<Payee, Agent>, Unread> {
        let page = self.read(offset).await.map_err(|error| Unread::Failed {
            why: chain(&error),
            retry_after: error.retry_after(),
        })?;
        let rows = page.rows.into_iter().map(|row| (row.found(), agent(row))).collect();
        Ok(Sheet { rows, has_more: page.has_more })
    }
}

fn agent(row: Row) -> Option<Agent> {
    match row {
        Row::Agent(agent) => return Some(agent),
        Row::Bad { why } => tracing::debug!(why, "bad address in the directory"),
        Row::Foreign { address } => {
            tracing::debug!(%address, "address of another network in the directory");
        }
        Row::Missing => (),
    }
    None
}
