//! Any list over HTTP, read page by page.
//!
//! A page that cannot be read ends the cycle and says why; an item that makes no task is counted
//! and told of, and takes no other along. Where nothing was left over, the next cycle asks only
//! for what has changed. Secrets are read anew for each cycle and go to the configured host
//! alone: a redirect or a next page elsewhere is an error.

use std::time::Duration;

use domain::{HttpConfig, SourceKey};
use kit::{Clock, Instant};
use logic::sensor::{
    CycleReport, Found,
    item::{self, ItemError, PageError, Payload, ShapeError, source_key},
};
use reqwest::{
    Response, StatusCode, Url,
    header::{
        ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    },
    redirect,
};
use serde_json::Value;

use crate::{
    header::{HeaderError, headers},
    told::chain,
    walk::{Sheet, Source, Unread},
    web::{self, BODY_MAX, wait_asked, wish},
};

/// A list that says "unchanged" for longer is read in full all the same.
const BELIEVED_FOR: Duration = Duration::from_secs(3_600);
const REDIRECTS_MAX: usize = 3;

/// By what a list was recognised when it was last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
}

/// What one sensor remembers of its list from one cycle to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// The configuration under which it was read, by its version.
    version: u64,
    marks: Marks,
    read: Option<Instant>,
}

/// One list during one cycle.
#[derive(Debug)]
pub(crate) struct List<'a> {
    client: reqwest::Client,
    config: &'a HttpConfig,
    headers: HeaderMap,
    payload: Payload,
    /// Where the page is that comes next.
    url: Url,
    /// What to ask with, if only a changed list is wanted.
    known: Option<Marks>,
    /// By what the first page can be recognised again.
    marks: Marks,
    pages: u32,
    /// The first item of which no task can be made, and why.
    odd: Option<String>,
}

/// What a task is made of, besides its key.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) payload: String,
}

/// Why a list cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("prepare to ask for the list")]
    Client(#[source] reqwest::Error),
    #[error("make sense of `url`")]
    Url,
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("make sense of `payload`")]
    Payload(#[from] ShapeError),
    #[error("ask for the list")]
    Request(#[source] reqwest::Error),
    #[error("the list answered {status}{}", wish(*.retry_after))]
    Status { status: StatusCode, retry_after: Option<Duration> },
    #[error("the list sent more than {BODY_MAX} bytes")]
    TooBig,
    #[error("read the list as JSON{}", sort(.content_type))]
    Json {
        content_type: Option<String>,
        #[source]
        source: serde_json::Error,
    },
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("the next page is on another host, which is not asked")]
    Elsewhere,
}

/// Headers may be secret, and are for the configured host alone.
#[derive(Debug, thiserror::Error)]
#[error("it redirects to another host or too often: put the URL that it is really at into `url`")]
struct Astray;

fn sort(content_type: &Option<String>) -> String {
    content_type.as_deref().map(|sort| format!(", sent as {sort:?}")).unwrap_or_default()
}

impl Memory {
    /// Learns from a cycle. Only a list of one page of which nothing was left over may be asked
    /// for again by what has changed.
    pub(crate) fn learn(&mut self, version: u64, marks: Marks, report: &CycleReport) {
        let now = Some(Clock.instant());
        let whole = report.pages <= 1 && !report.leaves_over();
        match report.stop {
            logic::sensor::Stop::Unchanged => (),
            _ if whole && marks != Marks::default() => {
                *self = Memory { version, marks, read: now };
            }
            _ => *self = Memory::default(),
        }
    }

    fn marks(&self, version: u64) -> Option<Marks> {
        let young = self.read.is_some_and(|read| read.elapsed() < BELIEVED_FOR);
        (young && self.version == version).then(|| self.marks.clone())
    }
}

impl<'a> List<'a> {
    /// # Errors
    ///
    /// When something in the configuration means nothing, or a secret cannot be read.
    pub(crate) fn new(
        config: &'a HttpConfig,
        version: u64,
        memory: &Memory,
    ) -> Result<List<'a>, ListError> {
        let follow = redirect::Policy::custom(|attempt| {
            let near = attempt.previous().last().is_some_and(|from| same_host(from, attempt.url()));
            match near && attempt.previous().len() <= REDIRECTS_MAX {
                true => attempt.follow(),
                false => attempt.error(Astray),
            }
        });
        Ok(List {
            client: web::client(&config.url, follow).map_err(ListError::Client)?,
            config,
            headers: headers(&config.headers)?,
            payload: Payload::read(config.payload.as_deref())?,
            url: config.url.parse().map_err(|_| ListError::Url)?,
            known: memory.marks(version),
            marks: Marks::default(),
            pages: 0,
            odd: None,
        })
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks.clone()
    }

    /// The first item of which no task can be made, and why.
    pub(crate) fn odd(&self) -> Option<&str> {
        self.odd.as_deref()
    }

    async fn read(&mut self) -> Result<Option<Value>, ListError> {
        let failed = |source: reqwest::Error| ListError::Request(source.without_url());
        let mut headers = self.headers.clone();
        // What one page says of itself is nothing about the others.
        let known = if self.pages == 0 { self.known.clone() } else { None };
        if let Some(marks) = &known {
            set(&mut headers, IF_NONE_MATCH, marks.etag.as_ref());
            set(&mut headers, IF_MODIFIED_SINCE, marks.modified.as_ref());
        }
        let asked = self.client.get(self.url.clone()).headers(headers);
        let mut response = asked.send().await.map_err(failed)?;
        match response.status() {
            StatusCode::OK => (),
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(None),
            status => {
                return Err(ListError::Status { status, retry_after: wait_asked(&response) });
            }
        }
        if self.pages == 0 {
            self.marks = marks(&response);
        }
        let content_type = text(&response, reqwest::header::CONTENT_TYPE.as_str());
        let body = web::body(&mut response).await.map_err(failed)?.ok_or(ListError::TooBig)?;
        let read = serde_json::from_slice(&body);
        read.map(Some).map_err(|source| ListError::Json { content_type, source })
    }

    fn rows(&mut self, answer: &Value) -> Result<Vec<Row>, ListError> {
        let items = item::items(answer, &self.config.items)?;
        Ok(items.iter().enumerate().map(|(at, item)| self.row(at, item)).collect())
    }

    fn row(&mut self, at: usize, item: &Value) -> Row {
        let made = source_key(&self.config.key, item)
            .and_then(|key| Ok((key, Item { payload: self.payload.of(item)? })));
        let error = match made {
            Ok((key, item)) => return (Found::Good(key), Some(item)),
            Err(error) => error,
        };
        self.odd.get_or_insert_with(|| format!("item {} {}", at + 1, chain(&error)));
        let found = match error {
            ItemError::NoField { .. } | ItemError::KeyType { .. } | ItemError::Empty { .. } => {
                Found::NoKey
            }
            ItemError::Key(_) => Found::BadKey,
            ItemError::NoPayload { .. } | ItemError::TooBig { .. } => Found::BadPayload,
        };
        (found, None)
    }

    /// Where the next page is, if there is one.
    fn next(&self, answer: &Value) -> Result<Option<Url>, ListError> {
        let Some(pointer) = &self.config.next else { return Ok(None) };
        let Some(next) = item::next(answer, pointer)? else { return Ok(None) };
        let next = self
            .url
            .join(next)
            .map_err(|_| PageError::NotNext { pointer: pointer.clone(), found: "no URL" })?;
        if same_host(&self.url, &next) { Ok(Some(next)) } else { Err(ListError::Elsewhere) }
    }

    async fn sheet(&mut self) -> Result<Option<Sheet<SourceKey, Item>>, ListError> {
        let Some(answer) = self.read().await? else { return Ok(None) };
        let rows = self.rows(&answer)?;
        let next = self.next(&answer)?;
        let has_more = next.is_some();
        self.pages += 1;
        self.url = next.unwrap_or_else(|| self.url.clone());
        Ok(Some(Sheet { rows, has_more }))
    }
}

type Row = (Found<SourceKey>, Option<Item>);

impl Source for List<'_> {
    type Key = SourceKey;
    type Work = Item;

    async fn page(&mut self, _: u64) -> Result<Sheet<SourceKey, Item>, Unread> {
        match self.sheet().await {
            Ok(Some(sheet)) => Ok(sheet),
            Ok(None) => Err(Unread::Unchanged),
            Err(error) => {
                let retry_after = match error {
                    ListError::Status { retry_after, .. } => retry_after,
                    _ => None,
                };
                Err(Unread::Failed { why: chain(&error), retry_after })
            }
        }
    }
}

fn same_host(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host_str() == other.host_str()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn marks(response: &Response) -> Marks {
    let header = |name: HeaderName| response.headers().get(name).cloned();
    Marks { etag: header(ETAG), modified: header(LAST_MODIFIED) }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value.clone());
    }
}

fn text(response: &Response, name: &str) -> Option<String> {
    let text = response.headers().get(name)?.to_str().ok()?;
    Some(text.chars().take(100).collect())
}

#[cfg(test)]
mod tests;
