use async_nats::jetstream::{
    message::StreamMessage,
    stream::{LastRawMessageErrorKind, RawMessageErrorKind},
};
use bytes::Bytes;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Bus, BusError};

/// A message as it lies in a stream.
#[derive(Clone, Debug)]
pub struct Stored {
    pub subject: String,
    pub seq: u64,
    pub body: Bytes,
    /// When the server stored it: milliseconds since 1970.
    pub at_ms: u64,
}

impl Bus {
    /// The newest message over `subject` (wildcards allowed), read from the leader.
    ///
    /// # Errors
    ///
    /// When the stream cannot be asked; no message is `None`.
    pub async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, BusError> {
        let failed = |source| BusError::Read {
            stream: stream.to_owned(),
            subject: subject.to_owned(),
            source,
        };
        let handle = self.handle(stream).await?;
        match self.again_when_lost(|| handle.get_last_raw_message_by_subject(subject)).await {
            Ok(message) => Ok(Some(stored(message))),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The first message over `subject` at or after `seq`, read from the leader.
    ///
    /// # Errors
    ///
    /// When the stream cannot be asked; no message is `None`.
    pub async fn next(
        &self,
        stream: &str,
        subject: &str,
        seq: u64,
    ) -> Result<Option<Stored>, BusError> {
        let failed = |source| BusError::Read {
            stream: stream.to_owned(),
            subject: subject.to_owned(),
            source,
        };
        let handle = self.handle(stream).await?;
        let ask = || handle.raw_message_builder().sequence(seq).next_by_subject(subject).send();
        match self.again_when_lost(ask).await {
            Ok(message) => Ok(Some(stored(message))),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Every message over `subject`, in order, at most `max`.
    ///
    /// # Errors
    ///
    /// As [`Bus::next`].
    pub async fn all(
        &self,
        stream: &str,
        subject: &str,
        max: usize,
    ) -> Result<Vec<Stored>, BusError> {
        let mut found: Vec<Stored> = Vec::new();
        while found.len() < max {
            let from = found.last().map_or(1, |stored| stored.seq + 1);
            let Some(stored) = self.next(stream, subject, from).await? else { break };
            found.push(stored);
        }
        Ok(found)
    }

    /// What the broker's clock shows, in milliseconds since 1970: an answer about a consumer
    /// carries the time at which it was given.
    ///
    /// # Errors
    ///
    /// When the consumer cannot be asked about, or the answer names no time.
    pub async fn time(&self, stream: &str, consumer: &str) -> Result<u64, BusError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            ts: String,
        }
        let failed = |source: async_nats::Error| BusError::Consumer {
            stream: stream.to_owned(),
            consumer: consumer.to_owned(),
            source,
        };
        let subject = format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}");
        let answer = self.client.request(subject, Bytes::new()).await;
        let answer = answer.map_err(|error| failed(error.into()))?;
        // A refusal names no time.
        let answer: Answer =
            serde_json::from_slice(&answer.payload).map_err(|error| failed(error.into()))?;
        let ts = OffsetDateTime::parse(&answer.ts, &Rfc3339).map_err(|error| failed(error.into()));
        let ts = ts?;
        Ok(u64::try_from(ts.unix_timestamp_nanos() / 1_000_000).unwrap_or(0))
    }

    /// Reads once more when the connection is lost: the answer is not coming.
    async fn again_when_lost<T, F: Future<Output = T>>(&self, read: impl Fn() -> F) -> T {
        tokio::select! {
            answer = read() => answer,
            () = self.lost() => read().await,
        }
    }

    pub(crate) async fn handle(
        &self,
        stream: &str,
    ) -> Result<async_nats::jetstream::stream::Stream<()>, BusError> {
        self.jetstream
            .get_stream_no_info(stream)
            .await
            .map_err(|error| BusError::Stream { stream: stream.to_owned(), source: error.into() })
    }
}

fn stored(message: StreamMessage) -> Stored {
    let at = message.time.unix_timestamp_nanos() / 1_000_000;
    Stored {
        subject: message.subject.to_string(),
        seq: message.sequence,
        body: message.payload,
        at_ms: u64::try_from(at).unwrap_or(0),
    }
}
