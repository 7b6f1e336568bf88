use std::{path::PathBuf, time::Duration};

use async_nats::{ConnectOptions, Event, client::Client, jetstream};

use crate::BusError;

/// A connection to NATS. Cheap to clone; reconnects by itself for ever.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// Servers, separated by commas.
    pub servers: String,
    pub credentials: Option<PathBuf>,
    /// Who connects, as the server's monitoring shows it.
    pub name: String,
    /// How long to keep trying before the first connection stands.
    pub patience: Duration,
}

/// No answer within this is *unknown* for a write and an error for a read.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A frozen server is noticed after about three of these.
const PING_EVERY: Duration = Duration::from_secs(2);

impl Bus {
    /// # Errors
    ///
    /// When no connection stands within [`Options::patience`], or the credentials file
    /// cannot be read.
    pub async fn connect(options: &Options) -> Result<Bus, BusError> {
        let begun = tokio::time::Instant::now();
        loop {
            match Self::try_connect(options).await {
                Err(BusError::Connect { .. }) if begun.elapsed() < options.patience => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                result => return result,
            }
        }
    }

    async fn try_connect(options: &Options) -> Result<Bus, BusError> {
        let mut connect = ConnectOptions::new()
            .name(&options.name)
            .ping_interval(PING_EVERY)
            .connection_timeout(ANSWER_WITHIN)
            .request_timeout(Some(ANSWER_WITHIN))
            .event_callback(|event| async move { note(&event) });
        if let Some(path) = &options.credentials {
            connect = connect.credentials_file(path).await.map_err(|source| {
                BusError::Credentials { path: path.display().to_string(), source }
            })?;
        }
        let servers: Vec<&str> = options.servers.split(',').map(str::trim).collect();
        let client = connect
            .connect(servers)
            .await
            .map_err(|source| BusError::Connect { servers: options.servers.clone(), source })?;
        let jetstream =
            jetstream::ContextBuilder::new().timeout(ANSWER_WITHIN).build(client.clone());
        Ok(Bus { client, jetstream })
    }

    /// Whether the connection stands as far as the client knows; a frozen server is only
    /// noticed after some seconds.
    pub fn connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Sends what is still buffered. For a clean exit.
    pub async fn flush(&self) {
        let _ = tokio::time::timeout(ANSWER_WITHIN, self.client.flush()).await;
    }
}

/// A refused permission shows only here: to the caller it looks like a timeout.
fn note(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("disconnected from NATS"),
        Event::ServerError(error) => tracing::error!(%error, "NATS server refused"),
        Event::SlowConsumer(subscription) => {
            tracing::warn!(subscription, "too slow, messages were dropped");
        }
        other => tracing::debug!(event = %other, "NATS"),
    }
}
