use std::time::Duration;

use async_nats::{HeaderMap, client::Request};
use serde::Deserialize;

use crate::{Bus, connect::ANSWER_WITHIN};

/// What a write takes for granted. The broker refuses it, atomically, if that is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing; repeating it does no harm.
    Nothing,
    /// The last sequence on this very subject, 0 for none: a compare-and-set.
    Last(u64),
    /// The last sequence over another subject, spelled exactly so by every writer: a fence.
    Fence { over: String, last: u64 },
}

/// One write.
#[derive(Clone, Debug)]
pub struct Put {
    pub subject: String,
    pub body: Vec<u8>,
    pub expect: Expect,
    /// Names the fact: the stream stores one message for each id within its window.
    pub id: Option<String>,
}

/// Why a write is not known to be stored.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// What was expected is not so. Nothing was stored; read again and decide again.
    #[error("write `{subject}`: something else was written first")]
    Moved { subject: String },
    /// Another checked write was just under way. Nothing was stored; try again.
    #[error("write `{subject}`: another write was under way")]
    Busy { subject: String },
    /// The subject already holds its one message. Nothing was stored.
    #[error("write `{subject}`: it is already there")]
    Exists { subject: String },
    /// It may have been stored, or be stored yet.
    #[error("write `{subject}`: no answer, it may have been stored")]
    Unknown { subject: String },
    /// The server said no for another reason. Nothing was stored.
    #[error("write `{subject}`: refused with {code}: {text}")]
    Refused { subject: String, code: u64, text: String },
}

/// Our own code for what the client does not even send.
const TOO_LARGE: u64 = 413;
/// The server's, for what exceeds the stream's largest message.
const TOO_LARGE_FOR_STREAM: u64 = 10_054;

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl PutError {
    /// Nothing was stored, and nothing of this size ever will be: trying again is in vain.
    pub const fn too_large(&self) -> bool {
        matches!(self, PutError::Refused { code: TOO_LARGE | TOO_LARGE_FOR_STREAM, .. })
    }

    /// Nothing was stored, and reading again may let it through.
    pub const fn lost_race(&self) -> bool {
        matches!(self, PutError::Moved { .. } | PutError::Busy { .. } | PutError::Exists { .. })
    }
}

impl Bus {
    /// Writes one message and returns its sequence.
    ///
    /// # Errors
    ///
    /// See [`PutError`]; only [`PutError::Unknown`] leaves open whether it was stored.
    pub async fn put(&self, put: Put) -> Result<u64, PutError> {
        let headers = headers(&put, None);
        self.send(put.subject, headers, put.body).await
    }

    /// Writes all or none, each with its own expectation; returns the last one's sequence.
    ///
    /// At most one write for each subject. All must lie in one stream that allows batches.
    ///
    /// # Errors
    ///
    /// As [`Bus::put`].
    pub async fn put_all(&self, puts: Vec<Put>) -> Result<u64, PutError> {
        let batch = format!("{:032x}", fastrand::u128(..));
        let count = puts.len();
        let mut last = 0;
        for (at, put) in puts.into_iter().enumerate() {
            let mark = Mark { batch: &batch, number: at + 1, commit: at + 1 == count };
            let headers = headers(&put, Some(mark));
            last = self.send(put.subject, headers, put.body).await?;
        }
        Ok(last)
    }

    async fn send(
        &self,
        subject: String,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<u64, PutError> {
        let request =
            Request::new().headers(headers).payload(body.into()).timeout(Some(ANSWER_WITHIN));
        let answered = tokio::select! {
            answered = self.client.send_request(subject.clone(), request) => answered,
            // Whoever asks the next server learns sooner than by waiting.
            () = self.lost() => return Err(PutError::Unknown { subject }),
        };
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
                // The stream has no leader just now, or does not exist: nobody stored it.
                return Err(PutError::Refused {
                    subject,
                    code: 503,
                    text: "no stream takes this subject just now".to_owned(),
                });
            }
            Err(error) if error.kind() == async_nats::RequestErrorKind::MaxPayloadExceeded => {
                let text = "more than the server takes in one message".to_owned();
                return Err(PutError::Refused { subject, code: TOO_LARGE, text });
            }
            Err(_) => return Err(PutError::Unknown { subject }),
        };
        // A member of a batch before the last is acknowledged with an empty body.
        if answer.payload.is_empty() {
            return Ok(0);
        }
        match serde_json::from_slice::<Ack>(&answer.payload) {
            Ok(Ack { error: None, seq }) => Ok(seq),
            Ok(Ack { error: Some(error), .. }) => Err(refused(subject, error)),
            Err(_) => Err(PutError::Unknown { subject }),
        }
    }

    /// Publishes without storing, and without knowing whether anyone hears it.
    pub async fn say(&self, subject: String, body: Vec<u8>) {
        if let Err(error) = self.client.publish(subject.clone(), body.into()).await {
            tracing::debug!(subject, %error, "not said");
        }
    }

    /// How long a caller should wait before trying a [`PutError::Busy`] write again.
    pub fn jitter() -> Duration {
        Duration::from_micros(fastrand::u64(1_000..20_000))
    }
}

/// The server's error codes, as its API reports them.
fn refused(subject: String, error: ApiError) -> PutError {
    match error.err_code {
        10_071 => PutError::Moved { subject },
        10_164 => PutError::Busy { subject },
        10_077 => PutError::Exists { subject },
        code => PutError::Refused { subject, code, text: error.description },
    }
}

struct Mark<'a> {
    batch: &'a str,
    number: usize,
    commit: bool,
}

fn headers(put: &Put, mark: Option<Mark<'_>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match &put.expect {
        Expect::Nothing => (),
        Expect::Last(last) => {
            headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string());
        }
        Expect::Fence { over, last } => {
            headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string());
            headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", over.as_str());
        }
    }
    if let Some(id) = &put.id {
        headers.insert("Nats-Msg-Id", id.as_str());
    }
    if let Some(mark) = mark {
        headers.insert("Nats-Batch-Id", mark.batch);
        headers.insert("Nats-Batch-Sequence", mark.number.to_string());
        if mark.commit {
            headers.insert("Nats-Batch-Commit", "1");
        }
    }
    headers
}
