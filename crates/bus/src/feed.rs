use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures_util::StreamExt as _;

use crate::{Bus, BusError, Stored};

/// Reads a stream in order without changing anything in it, surviving reconnects.
pub struct Feed {
    messages: pull::Ordered,
    stream: String,
}

/// Where a [`Feed`] starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStart {
    /// With what is stored from now on.
    New,
    /// With everything stored since: milliseconds since 1970.
    Since(u64),
    /// With everything there is.
    All,
    /// With the newest on each subject, in the order in which they were stored.
    Newest,
}

impl Bus {
    /// # Errors
    ///
    /// When the stream is not there or may not be read.
    pub async fn feed(
        &self,
        stream: &str,
        subjects: Vec<String>,
        start: FeedStart,
    ) -> Result<Feed, BusError> {
        let failed = |source| BusError::Stream { stream: stream.to_owned(), source };
        let deliver_policy = match start {
            FeedStart::New => DeliverPolicy::New,
            FeedStart::All => DeliverPolicy::All,
            FeedStart::Newest => DeliverPolicy::LastPerSubject,
            FeedStart::Since(ms) => {
                let nanos = i128::from(ms) * 1_000_000;
                let start_time = time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
                    .map_err(|error| failed(error.into()))?;
                DeliverPolicy::ByStartTime { start_time }
            }
        };
        let config = pull::OrderedConfig {
            filter_subjects: subjects,
            deliver_policy,
            ..pull::OrderedConfig::default()
        };
        let consumer = self
            .jetstream
            .create_consumer_on_stream(config, stream)
            .await
            .map_err(|error| failed(error.into()))?;
        let messages = consumer.messages().await.map_err(|error| failed(error.into()))?;
        Ok(Feed { messages, stream: stream.to_owned() })
    }
}

impl Feed {
    /// Waits for the next message. Cancel-safe; an error is not the end.
    ///
    /// # Errors
    ///
    /// When the connection is disturbed: what was known may be stale, ask again.
    /// [`BusError::Ended`] when it will not recover by itself: make a new feed.
    pub async fn next(&mut self) -> Result<Stored, BusError> {
        let Some(next) = self.messages.next().await else {
            return Err(BusError::Ended { subject: self.stream.clone() });
        };
        let read =
            |source| BusError::Read { stream: self.stream.clone(), subject: String::new(), source };
        let message = next.map_err(|error| read(error.into()))?;
        let info = message.info().map_err(read)?;
        let at = info.published.unix_timestamp_nanos() / 1_000_000;
        Ok(Stored {
            subject: message.subject.to_string(),
            seq: info.stream_sequence,
            body: message.payload.clone(),
            at_ms: u64::try_from(at).unwrap_or(0),
        })
    }

    /// As [`Feed::next`], but `None` when nothing comes within `wait`.
    ///
    /// # Errors
    ///
    /// As [`Feed::next`].
    pub async fn next_within(&mut self, wait: Duration) -> Result<Option<Stored>, BusError> {
        match tokio::time::timeout(wait, self.next()).await {
            Ok(next) => next.map(Some),
            Err(_) => Ok(None),
        }
    }
}
