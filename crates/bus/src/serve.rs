use std::time::Duration;

use async_nats::{Subject, Subscriber, client::Request};
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::{Bus, BusError};

/// A subscription to what is said on the bus, stored or not.
pub struct Inbox {
    subscriber: Subscriber,
    subject: String,
}

/// Something said.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub subject: String,
    pub body: Bytes,
    /// The sequence under which a stream stored it, where the broker repeats stored messages.
    pub seq: Option<u64>,
    reply: Option<Subject>,
}

/// Something asked: whoever took it should answer.
#[derive(Debug)]
pub struct Question {
    pub subject: String,
    pub body: Bytes,
    reply: Subject,
    bus: Bus,
}

impl Bus {
    /// Hears everything on `subject` from now on.
    ///
    /// # Errors
    ///
    /// When the subscription could not be sent.
    pub async fn subscribe(&self, subject: &str) -> Result<Inbox, BusError> {
        let subscribed = self.client.subscribe(subject.to_owned()).await;
        self.inbox(subject, subscribed)
    }

    /// Takes a share of what is asked on `subject`; each question goes to one of the group.
    ///
    /// # Errors
    ///
    /// As [`Bus::subscribe`].
    pub async fn serve(&self, subject: &str, group: &str) -> Result<Inbox, BusError> {
        let subscribed = self.client.queue_subscribe(subject.to_owned(), group.to_owned()).await;
        self.inbox(subject, subscribed)
    }

    fn inbox(
        &self,
        subject: &str,
        subscribed: Result<Subscriber, async_nats::SubscribeError>,
    ) -> Result<Inbox, BusError> {
        let subscriber = subscribed.map_err(|error| BusError::Subscribe {
            subject: subject.to_owned(),
            source: error.into(),
        })?;
        Ok(Inbox { subscriber, subject: subject.to_owned() })
    }

    /// Asks and waits for one answer.
    ///
    /// # Errors
    ///
    /// [`BusError::NobodyAnswers`] when nothing was even delivered; with
    /// [`BusError::TimedOut`] it may have been, and acted upon.
    pub async fn ask(
        &self,
        subject: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Bytes, BusError> {
        let request = Request::new().payload(body.into()).timeout(Some(within));
        let subject = subject.to_owned();
        match self.client.send_request(subject.clone(), request).await {
            Ok(answer) => Ok(answer.payload),
            Err(error) => Err(match error.kind() {
                async_nats::RequestErrorKind::NoResponders => BusError::NobodyAnswers { subject },
                async_nats::RequestErrorKind::TimedOut => BusError::TimedOut { subject },
                _ => BusError::Ask { subject, source: error.into() },
            }),
        }
    }
}

impl Inbox {
    /// Waits for the next message. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the subscription has ended for good.
    pub async fn next(&mut self) -> Result<Incoming, BusError> {
        let message = self
            .subscriber
            .next()
            .await
            .ok_or_else(|| BusError::Ended { subject: self.subject.clone() })?;
        let seq = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get("Nats-Sequence"))
            .and_then(|seq| seq.as_str().parse().ok());
        Ok(Incoming {
            subject: message.subject.to_string(),
            body: message.payload,
            seq,
            reply: message.reply,
        })
    }

    /// Waits for the next question; what asks for no answer is passed over.
    ///
    /// # Errors
    ///
    /// As [`Inbox::next`].
    pub async fn question(&mut self, bus: &Bus) -> Result<Question, BusError> {
        loop {
            let Incoming { subject, body, reply, .. } = self.next().await?;
            if let Some(reply) = reply {
                return Ok(Question { subject, body, reply, bus: bus.clone() });
            }
            tracing::warn!(subject, "a question without a place for the answer, ignored");
        }
    }
}

impl Question {
    pub async fn answer(self, body: Vec<u8>) {
        if let Err(error) = self.bus.client.publish(self.reply, body.into()).await {
            tracing::warn!(subject = self.subject, %error, "answer not sent");
        }
    }
}
