//! Looking at what is there without moving it: for whoever only wants to know.

use async_nats::jetstream::{consumer::pull, stream};

use crate::{
    Bus, BusError,
    provision::{consumer_error, differences, is_absent, pull_differences},
};

/// The server at the other end, as it introduced itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    pub id: String,
    pub name: String,
    pub version: String,
    /// The cluster it belongs to, if it is no single server.
    pub cluster: Option<String>,
}

impl Bus {
    /// Who answers on this connection.
    pub fn server(&self) -> Server {
        let info = self.client.server_info();
        Server {
            id: info.server_id,
            name: info.server_name,
            version: info.version,
            cluster: info.cluster.filter(|name| !name.is_empty()),
        }
    }

    /// How the stream differs from `wanted`, one line each; `None` where there is no such
    /// stream. Nothing is changed, and a `wanted` of 0 replicas takes any number.
    ///
    /// # Errors
    ///
    /// When the server cannot be asked.
    pub async fn compare_stream(
        &self,
        wanted: &stream::Config,
    ) -> Result<Option<Vec<String>>, BusError> {
        match self.jetstream.get_stream(&wanted.name).await {
            Ok(found) => Ok(Some(differences(&found.cached_info().config, wanted))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => {
                Err(BusError::Stream { stream: wanted.name.clone(), source: error.into() })
            }
        }
    }

    /// The same for a consumer. What gatekeepers move while it runs does not count.
    ///
    /// # Errors
    ///
    /// As [`Bus::compare_stream`].
    pub async fn compare_consumer(
        &self,
        stream: &str,
        wanted: &pull::Config,
    ) -> Result<Option<Vec<String>>, BusError> {
        let name = wanted.durable_name.clone().unwrap_or_default();
        let handle = self.handle(stream).await?;
        match handle.consumer_info(&name).await {
            Ok(info) => Ok(Some(pull_differences(&info.config, wanted))),
            Err(error) if error.to_string().contains("not found") => Ok(None),
            Err(error) => Err(consumer_error(stream, &name, error.into())),
        }
    }
}
