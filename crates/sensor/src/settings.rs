//! What one directory sensor is told to do, checked before each cycle.

use std::collections::BTreeSet;

use domain::{Config, DirectoryConfig, Kind, SensorConfig, SensorName, SourceKey, Task, Timestamp};
use logic::sensor::{Payee, Plan};
use serde_json::json;
use stacks::{Address, AddressError, Network, NetworkError};

use crate::{
    desk::Post,
    letter::{LetterError, message},
    page::{Agent, payee},
};

/// Pages that one cycle reads at most: ten thousand agents.
pub(crate) const PAGES_MAX: u32 = 100;

/// The settings of one directory sensor. All of them make sense.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: SensorName,
    /// The version of the configuration that they are from.
    pub(crate) version: u64,
    pub(crate) network: Network,
    pub(crate) directory: DirectoryConfig,
    excluded: BTreeSet<Payee>,
}

/// Why a sensor cannot work with its configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the configuration has no sensor {0}")]
    NoSensor(SensorName),
    #[error("the configuration has no kind {0}")]
    NoKind(Kind),
    #[error("understand the network of the configuration")]
    Network(#[from] NetworkError),
    /// Greeting whom the list was to exclude would be worse than greeting nobody.
    #[error("understand {text:?} in the exclusion list")]
    Excluded {
        text: String,
        #[source]
        source: AddressError,
    },
    #[error("make a message of the configured text")]
    Letter(#[from] LetterError),
    #[error("make a source key of purpose {purpose:?}: it is empty, too long, or has a '/'")]
    Purpose { purpose: String },
}

impl Settings {
    /// The settings of `name`.
    ///
    /// # Errors
    ///
    /// When there is something in them that could make the sensor greet the wrong one, or
    /// say the wrong thing.
    pub(crate) fn of(name: &SensorName, config: &Config) -> Result<Settings, SettingsError> {
        let Some(SensorConfig::Directory(directory)) = config.sensors.get(name) else {
            return Err(SettingsError::NoSensor(name.clone()));
        };
        if !config.kinds.contains_key(&directory.kind) {
            return Err(SettingsError::NoKind(directory.kind.clone()));
        }
        message(&directory.message, None)?;
        let purpose = &directory.purpose;
        if purpose.contains('/') || format!("{purpose}/S").parse::<SourceKey>().is_err() {
            return Err(SettingsError::Purpose { purpose: purpose.clone() });
        }
        let excluded = |text: &String| match text.trim().parse::<Address>() {
            Ok(address) => Ok(payee(&address)),
            Err(source) => Err(SettingsError::Excluded { text: text.clone(), source }),
        };
        Ok(Settings {
            name: name.clone(),
            version: config.version,
            network: directory.network.parse()?,
            excluded: directory.exclude.iter().map(excluded).collect::<Result<_, _>>()?,
            directory: directory.clone(),
        })
    }

    pub(crate) fn post(&self) -> Post {
        Post {
            sensor: self.name.clone(),
            kind: self.directory.kind.clone(),
            version: self.version,
            cap_day: self.directory.cap_day,
        }
    }

    /// What a cycle may do. While the gates let nothing be created, one page is enough to
    /// tell who is waiting to be greeted.
    pub(crate) fn plan(&self, admits: bool) -> Plan {
        Plan {
            pages_max: if admits { PAGES_MAX } else { 1 },
            cap_cycle: self.directory.cap_cycle,
            excluded: self.excluded.clone(),
        }
    }

    /// What the task of an agent is about.
    ///
    /// # Errors
    ///
    /// When the purpose cannot stand in a source key.
    pub(crate) fn source_key(&self, address: &Address) -> Result<SourceKey, SettingsError> {
        let purpose = &self.directory.purpose;
        format!("{purpose}/{address}")
            .parse()
            .map_err(|_| SettingsError::Purpose { purpose: purpose.clone() })
    }

    /// The key under which contact with an agent is recorded, whoever made it (M1).
    pub(crate) fn contact(&self, payee: Payee) -> domain::Key {
        let DirectoryConfig { network, purpose, .. } = &self.directory;
        domain::Key::of_payee(network, payee.version, &payee.hash160, purpose)
    }

    /// The task that greets an agent.
    ///
    /// # Errors
    ///
    /// When the configured text cannot be sent.
    pub(crate) fn task(&self, agent: &Agent, at: Timestamp) -> Result<Task, SettingsError> {
        let DirectoryConfig { kind, network, purpose, message: text, .. } = &self.directory;
        let payload = json!({
            "address": agent.address.to_string(),
            "btc_address": agent.btc_address,
            "name": agent.name,
            "message": message(text, agent.name.as_deref())?,
            "purpose": purpose,
            "network": network,
        });
        Ok(Task {
            kind: kind.clone(),
            source_key: self.source_key(&agent.address)?,
            created_by: format!("sensor/{}", self.name),
            created_at: at,
            contact: Some(self.contact(payee(&agent.address))),
            payload: payload.to_string(),
            not_before: None,
            expires_at: None,
            follows: None,
        })
    }
}

#[cfg(test)]
mod tests;
