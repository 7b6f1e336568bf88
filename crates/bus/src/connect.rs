use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::{ConnectOptions, Event, client::Client, jetstream};
use tokio::sync::watch;

use crate::{
    BusError,
    roam::{Turns, pause},
};

/// A connection to NATS. Cheap to clone; reconnects by itself for ever.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    /// Counts the connections that were lost.
    losses: watch::Receiver<u64>,
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
const PING_EVERY: Duration = Duration::from_secs(1);
/// A server that takes a connection and says nothing is left for the next one.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);

impl Bus {
    /// Connects to one of the servers; each is tried at least once.
    ///
    /// # Errors
    ///
    /// When no connection stands within [`Options::patience`], or the credentials file
    /// cannot be read.
    pub async fn connect(options: &Options) -> Result<Bus, BusError> {
        let begun = tokio::time::Instant::now();
        let turns = Arc::new(Turns::new());
        let mut untried = options.servers.split(',').count();
        loop {
            untried = untried.saturating_sub(1);
            match Self::try_connect(options, &turns).await {
                Err(BusError::Connect { .. })
                    if 0 < untried || begun.elapsed() < options.patience =>
                {
                    tokio::time::sleep(pause(3, fastrand::f64())).await;
                }
                result => return result,
            }
        }
    }

    async fn try_connect(options: &Options, turns: &Arc<Turns>) -> Result<Bus, BusError> {
        let (lost, losses) = watch::channel(0);
        let (turns, lost) = (turns.clone(), Arc::new(lost));
        let mut connect = ConnectOptions::new()
            .name(&options.name)
            .ping_interval(PING_EVERY)
            .connection_timeout(HANDSHAKE_WITHIN)
            .request_timeout(Some(ANSWER_WITHIN))
            .reconnect_delay_callback(|attempt| pause(attempt, fastrand::f64()))
            .reconnect_to_server_callback(move |pool, _| std::future::ready(turns.choose(&pool)))
            .event_callback(move |event| {
                note(&event);
                if matches!(event, Event::Disconnected) {
                    lost.send_modify(|count| *count += 1);
                }
                std::future::ready(())
            });
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
        Ok(Bus { client, jetstream, losses })
    }

    /// Leaves this server for another one, as when it takes clients and answers nothing:
    /// cut off from its cluster it would do so for ever.
    pub async fn leave(&self) {
        let _ = self.client.force_reconnect().await;
    }

    /// Waits until this connection is lost: then what was asked over it is not answered.
    pub(crate) async fn lost(&self) {
        let mut losses = self.losses.clone();
        losses.mark_unchanged();
        if losses.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
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
