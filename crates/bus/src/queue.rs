use std::time::Duration;

use async_nats::jetstream::{
    self, AckKind,
    consumer::{PullConsumer, pull},
};
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::{Bus, BusError};

/// A durable pull consumer that `apply` has made.
#[derive(Clone, Debug)]
pub struct Queue {
    consumer: PullConsumer,
    stream: String,
    name: String,
}

/// One message, still owed an answer.
///
/// Dropped unanswered, it is delivered again when the consumer's ack wait runs out.
#[derive(Debug)]
#[must_use = "a delivery must be answered"]
pub struct Delivery {
    pub subject: String,
    pub body: Bytes,
    /// Its sequence in the stream.
    pub seq: u64,
    /// How often it has been delivered, this time included.
    pub delivered: u64,
    /// Whether it was stored under a fence over this subject, as its headers say.
    pub fenced_over: Option<String>,
    raw: jetstream::Message,
}

impl Bus {
    /// Binds to a consumer without asking the server about the stream.
    ///
    /// # Errors
    ///
    /// When the consumer is not there or cannot be asked.
    pub async fn queue(&self, stream: &str, name: &str) -> Result<Queue, BusError> {
        let consumer: PullConsumer =
            self.jetstream.get_consumer_from_stream(name, stream).await.map_err(|error| {
                BusError::Consumer {
                    stream: stream.to_owned(),
                    consumer: name.to_owned(),
                    source: error.into(),
                }
            })?;
        Ok(Queue { consumer, stream: stream.to_owned(), name: name.to_owned() })
    }
}

impl Queue {
    /// What is there now, at most `max`; empty at once when there is nothing.
    ///
    /// # Errors
    ///
    /// When the pull could not be sent or was answered with an error.
    pub async fn fetch(&self, max: usize) -> Result<Vec<Delivery>, BusError> {
        let pull = self.consumer.fetch().max_messages(max);
        let batch = pull.messages().await.map_err(|error| self.failed(error.into()))?;
        self.collect(batch).await
    }

    /// Waits up to `wait` for one message.
    ///
    /// # Errors
    ///
    /// As [`Queue::fetch`].
    pub async fn wait(&self, wait: Duration) -> Result<Option<Delivery>, BusError> {
        let pull = self.consumer.batch().max_messages(1).expires(wait);
        let batch = pull.messages().await.map_err(|error| self.failed(error.into()))?;
        Ok(self.collect(batch).await?.pop())
    }

    async fn collect(&self, mut batch: pull::Batch) -> Result<Vec<Delivery>, BusError> {
        let mut deliveries = Vec::new();
        while let Some(message) = batch.next().await {
            match message {
                Ok(message) => deliveries.push(self.delivery(message)?),
                // What was delivered before the error is still ours to answer.
                Err(error) if deliveries.is_empty() => return Err(self.failed(error)),
                Err(error) => {
                    tracing::debug!(consumer = self.name, %error, "pull ended early");
                    break;
                }
            }
        }
        Ok(deliveries)
    }

    fn delivery(&self, raw: jetstream::Message) -> Result<Delivery, BusError> {
        let info = raw.info().map_err(|error| self.failed(error))?;
        let (seq, delivered) = (info.stream_sequence, u64::try_from(info.delivered).unwrap_or(1));
        let fenced_over = raw
            .headers
            .as_ref()
            .and_then(|headers| headers.get("Nats-Expected-Last-Subject-Sequence-Subject"))
            .map(|over| over.as_str().to_owned());
        Ok(Delivery {
            subject: raw.subject.to_string(),
            body: raw.payload.clone(),
            seq,
            delivered,
            fenced_over,
            raw,
        })
    }

    fn failed(&self, source: async_nats::Error) -> BusError {
        BusError::Consumer { stream: self.stream.clone(), consumer: self.name.clone(), source }
    }
}

impl Delivery {
    /// Done: never deliver it again. Returns once the server has confirmed.
    ///
    /// # Errors
    ///
    /// When no confirmation came; then it is delivered again, or not.
    pub async fn done(self) -> Result<(), BusError> {
        let acked = self.raw.double_ack().await;
        acked.map_err(|source| BusError::Answer { subject: self.subject, source })
    }

    /// Not now: deliver it again after `wait`.
    ///
    /// # Errors
    ///
    /// When the answer could not be sent; then it comes again after the ack wait.
    pub async fn put_back(self, wait: Duration) -> Result<(), BusError> {
        let acked = self.raw.ack_with(AckKind::Nak(Some(wait))).await;
        acked.map_err(|source| BusError::Answer { subject: self.subject, source })
    }

    /// Still at work on it: start the ack wait anew.
    ///
    /// # Errors
    ///
    /// When it could not be sent.
    pub async fn progress(&self) -> Result<(), BusError> {
        let acked = self.raw.ack_with(AckKind::Progress).await;
        acked.map_err(|source| BusError::Answer { subject: self.subject.clone(), source })
    }

    /// Leaves it to whoever holds it now: this process answers nothing.
    pub fn leave(self) {}
}
