use async_nats::jetstream::{
    consumer::{self, pull},
    context::GetStreamErrorKind,
    stream,
};
use time::OffsetDateTime;

use crate::{Bus, BusError};

/// What making something so has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Same,
    Created,
    /// What differed, one line each.
    Updated(Vec<String>),
}

/// What waits at a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Never delivered so far.
    pub pending: u64,
    /// Delivered and not answered, resting ones included.
    pub in_flight: u64,
    pub max_ack_pending: i64,
    pub paused: bool,
    /// Everything up to this stream sequence has been answered.
    pub ack_floor: u64,
}

impl Bus {
    /// Makes the stream as `wanted`, or tells how it differs and mends that.
    ///
    /// # Errors
    ///
    /// When the server refuses: some differences cannot be mended in place.
    pub async fn ensure_stream(&self, wanted: stream::Config) -> Result<Change, BusError> {
        let name = wanted.name.clone();
        let failed = |source| BusError::Stream { stream: name.clone(), source };
        let found = match self.jetstream.get_stream(&wanted.name).await {
            Ok(found) => found.cached_info().config.clone(),
            Err(error) if is_absent(&error) => {
                self.jetstream.create_stream(wanted).await.map_err(|error| failed(error.into()))?;
                return Ok(Change::Created);
            }
            Err(error) => return Err(failed(error.into())),
        };
        let differences = differences(&found, &wanted);
        if differences.is_empty() {
            return Ok(Change::Same);
        }
        self.jetstream.update_stream(wanted).await.map_err(|error| failed(error.into()))?;
        Ok(Change::Updated(differences))
    }

    /// Whether the stream is there.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked.
    pub async fn has_stream(&self, name: &str) -> Result<bool, BusError> {
        match self.jetstream.get_stream(name).await {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(BusError::Stream { stream: name.to_owned(), source: error.into() }),
        }
    }

    /// Makes the consumer as `wanted`. What gatekeepers move while it runs (its limit and
    /// its pause) is left as it stands.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn ensure_consumer(
        &self,
        stream: &str,
        mut wanted: pull::Config,
    ) -> Result<Change, BusError> {
        let name = wanted.durable_name.clone().unwrap_or_default();
        let failed = |source| consumer_error(stream, &name, source);
        let handle = self.handle(stream).await?;
        let found = match handle.consumer_info(&name).await {
            Ok(info) => info.config,
            Err(error) if error.to_string().contains("not found") => {
                handle
                    .create_consumer_strict(wanted)
                    .await
                    .map_err(|error| failed(error.into()))?;
                return Ok(Change::Created);
            }
            Err(error) => return Err(failed(error.into())),
        };
        wanted.max_ack_pending = found.max_ack_pending;
        let differences = pull_differences(&found, &wanted);
        if differences.is_empty() {
            return Ok(Change::Same);
        }
        wanted.pause_until = found.pause_until;
        handle.update_consumer(wanted).await.map_err(|error| failed(error.into()))?;
        Ok(Change::Updated(differences))
    }

    /// Lets a consumer have at most `max` messages delivered and unanswered.
    ///
    /// # Errors
    ///
    /// When the consumer is not there or the server refuses.
    pub async fn limit_consumer(&self, stream: &str, name: &str, max: i64) -> Result<(), BusError> {
        let failed = |source| consumer_error(stream, name, source);
        let handle = self.handle(stream).await?;
        let info = handle.consumer_info(name).await.map_err(|error| failed(error.into()))?;
        let mut config = pull_config(info.config);
        config.max_ack_pending = max;
        handle.update_consumer(config).await.map_err(|error| failed(error.into()))?;
        Ok(())
    }

    /// Pauses a consumer for `hours`; the broker resumes it by itself after that, so that
    /// it has to be done again, and is no substitute for a gate.
    ///
    /// # Errors
    ///
    /// As [`Bus::limit_consumer`].
    pub async fn pause_consumer(
        &self,
        stream: &str,
        name: &str,
        now_ms: u64,
        hours: u64,
    ) -> Result<(), BusError> {
        let failed = |source| consumer_error(stream, name, source);
        let until = i128::from(now_ms + hours * 3_600_000) * 1_000_000;
        let until = OffsetDateTime::from_unix_timestamp_nanos(until)
            .map_err(|error| failed(error.into()))?;
        let handle = self.handle(stream).await?;
        handle.pause_consumer(name, until).await.map_err(|error| failed(error.into()))?;
        Ok(())
    }

    /// # Errors
    ///
    /// As [`Bus::limit_consumer`].
    pub async fn resume_consumer(&self, stream: &str, name: &str) -> Result<(), BusError> {
        let handle = self.handle(stream).await?;
        let resumed = handle.resume_consumer(name).await;
        resumed.map_err(|error| consumer_error(stream, name, error.into()))?;
        Ok(())
    }

    /// What waits at a consumer, as its leader says.
    ///
    /// # Errors
    ///
    /// As [`Bus::limit_consumer`].
    pub async fn backlog(&self, stream: &str, name: &str) -> Result<Backlog, BusError> {
        let handle = self.handle(stream).await?;
        let info = handle
            .consumer_info(name)
            .await
            .map_err(|error| consumer_error(stream, name, error.into()))?;
        Ok(Backlog {
            pending: info.num_pending,
            in_flight: u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX),
            max_ack_pending: info.config.max_ack_pending,
            paused: info.paused,
            ack_floor: info.ack_floor.stream_sequence,
        })
    }
}

pub(crate) fn is_absent(error: &async_nats::jetstream::context::GetStreamError) -> bool {
    match error.kind() {
        GetStreamErrorKind::JetStream(error) => error.code() == 404,
        _ => false,
    }
}

pub(crate) fn consumer_error(stream: &str, name: &str, source: async_nats::Error) -> BusError {
    BusError::Consumer { stream: stream.to_owned(), consumer: name.to_owned(), source }
}

/// The settings of a consumer in the form in which they can be sent back.
fn pull_config(found: consumer::Config) -> pull::Config {
    pull::Config {
        durable_name: found.durable_name,
        name: found.name,
        description: found.description,
        deliver_policy: found.deliver_policy,
        ack_policy: found.ack_policy,
        ack_wait: found.ack_wait,
        max_deliver: found.max_deliver,
        filter_subject: found.filter_subject,
        filter_subjects: found.filter_subjects,
        replay_policy: found.replay_policy,
        max_ack_pending: found.max_ack_pending,
        num_replicas: found.num_replicas,
        max_waiting: found.max_waiting,
        metadata: found.metadata,
        pause_until: found.pause_until,
        ..pull::Config::default()
    }
}

/// What `wanted` asks of a consumer that `found` does not have.
pub(crate) fn pull_differences(found: &consumer::Config, wanted: &pull::Config) -> Vec<String> {
    let mut lines = Vec::new();
    if found.ack_wait != wanted.ack_wait {
        lines.push(format!("ack_wait: {:?} -> {:?}", found.ack_wait, wanted.ack_wait));
    }
    if found.filter_subject != wanted.filter_subject
        || found.filter_subjects != wanted.filter_subjects
    {
        lines.push("filter subjects".to_owned());
    }
    lines
}

/// What `wanted` asks for that `found` does not have. Where it asks for nothing, whatever the
/// server has filled in is right.
pub(crate) fn differences(found: &stream::Config, wanted: &stream::Config) -> Vec<String> {
    let mut wanted = wanted.clone();
    if wanted.num_replicas == 0 {
        wanted.num_replicas = found.num_replicas;
    }
    if wanted.duplicate_window.is_zero() {
        wanted.duplicate_window = found.duplicate_window;
    }
    let mut lines = Vec::new();
    let mut compare = |name: &str, found: String, wanted: String| {
        if found != wanted {
            lines.push(format!("{name}: {found} -> {wanted}"));
        }
    };
    macro_rules! fields {
        ($($field:ident)*) => {
            $(compare(
                stringify!($field),
                format!("{:?}", found.$field),
                format!("{:?}", wanted.$field),
            );)*
        };
    }
    fields!(subjects retention discard discard_new_per_subject max_messages_per_subject max_age
        num_replicas duplicate_window allow_rollup deny_delete deny_purge republish allow_direct
        allow_atomic_publish);
    lines
}
