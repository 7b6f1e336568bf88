use std::{sync::Arc, time::Duration};

use bus::{Bus, BusError, Options};
use domain::{Config, Gate, GateName, HolderId};
use kit::{Clock, HealthArgs, NatsArgs};
use wire::{SCHEMA, message::AppliedConfig, subject};

use crate::{Gates, store::StoreError};

/// One running service's place in the fleet. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub bus: Bus,
    pub clock: Clock,
    /// What kind of service this is: `dispatcher`.
    pub service: &'static str,
    /// Which one it is, fresh for each process.
    pub id: HolderId,
    pub gates: Gates,
    /// Where this service says how it is; nowhere unless told by [`Fleet::saying`].
    pub health: HealthArgs,
}

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("reach NATS")]
    Bus(#[from] BusError),
    #[error("read the configuration")]
    Store(#[from] StoreError),
    #[error(
        "the bus has not been set up for Portcullis: run `portcullis apply -f portcullis.toml` first"
    )]
    NotSetUp,
    #[error(
        "the bus was set up for schema {found} and this program needs {SCHEMA}: run \
         `portcullis apply -f portcullis.toml` with this version of Portcullis first"
    )]
    OldSchema { found: u32 },
    #[error(
        "the bus was set up for schema {found} and this program only knows {SCHEMA}: install \
         the version of Portcullis that applied it"
    )]
    NewSchema { found: u32 },
}

impl Fleet {
    /// Connects, loads the configuration in force, and goes by the broker's time from then on.
    ///
    /// # Errors
    ///
    /// When NATS cannot be reached, or was never set up, or for another version; each says
    /// what to do.
    pub async fn join(nats: &NatsArgs, service: &'static str) -> Result<Fleet, JoinError> {
        let clock = Clock;
        let id = HolderId::of(kit::fresh_number());
        let bus = Bus::connect(&options(nats, &format!("{service}/{id}"))).await?;
        let config = patient_config(&bus, PATIENCE).await?;
        crate::time::begin(&bus).await;
        let gates = Gates::new(Arc::new(config.config));
        tracing::info!(
            %id,
            version = env!("CARGO_PKG_VERSION"),
            config = config_version(&gates),
            "joined the fleet"
        );
        Ok(Fleet { bus, clock, service, id, gates, health: HealthArgs::default() })
    }

    /// Says with each beat how this service is, in the file that `health` names.
    #[must_use]
    pub fn saying(self, health: &HealthArgs) -> Fleet {
        Fleet { health: health.clone(), ..self }
    }

    /// The configuration in force, as far as this service knows.
    pub fn config(&self) -> Arc<Config> {
        self.gates.config()
    }

    /// Who tells an event.
    pub fn source(&self) -> String {
        format!("{}/{}", self.service, self.id)
    }
}

/// For how long a service that starts waits for a bus that is there and does not answer: its
/// nodes may be choosing a leader just now, or this one be cut off from the others.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The configuration in force, once the bus can say it, tried for so long. That it was never set
/// up, or for another version, waits for nobody.
///
/// # Errors
///
/// As [`current_config`].
pub async fn patient_config(bus: &Bus, patience: Duration) -> Result<AppliedConfig, JoinError> {
    let begun = Clock.instant();
    loop {
        match current_config(bus).await {
            Err(error @ (JoinError::Bus(_) | JoinError::Store(StoreError::Bus(_))))
                if begun.elapsed() < patience =>
            {
                tracing::warn!(
                    error = crate::gates::chain(&error),
                    "the configuration cannot be read yet"
                );
                bus.leave().await;
                Clock.sleep(AGAIN_AFTER).await;
            }
            read => return read,
        }
    }
}

fn config_version(gates: &Gates) -> u64 {
    gates.config().version
}

/// How to connect, from the flags that every program has.
pub fn options(nats: &NatsArgs, name: &str) -> Options {
    Options {
        servers: nats.nats_url.clone(),
        credentials: nats.nats_creds.clone(),
        name: name.to_owned(),
        patience: PATIENCE,
    }
}

/// Reads every configuration from the oldest that the closing of `gate` cites to the one in force,
/// oldest first. One that was stored and never came into force is among them: nobody can tell any
/// more.
///
/// # Errors
///
/// As [`current_config`], and when one of them cannot be read.
pub async fn configs_since_closing(bus: &Bus, gate: &Gate) -> Result<Vec<Config>, JoinError> {
    let in_force = current_config(bus).await?.config;
    let oldest = gate.resets.iter().map(|reset| reset.version).min();
    let mut configs = Vec::new();
    for number in oldest.unwrap_or(in_force.version)..in_force.version {
        let subject = subject::config(number);
        let found = crate::store::read::<AppliedConfig>(bus, subject::RECORD, &subject).await?;
        configs.extend(found.map(|found| found.value.config));
    }
    configs.push(in_force);
    Ok(configs)
}

/// Reads the newest configuration: the gate `_config` names its version.
///
/// # Errors
///
/// When the bus was never set up, or for another schema than this program's.
pub async fn current_config(bus: &Bus) -> Result<AppliedConfig, JoinError> {
    let head = match bus.last(subject::WORK, &subject::gate_log(&GateName::config())).await {
        Ok(Some(head)) => head,
        Ok(None) => return Err(JoinError::NotSetUp),
        Err(error) if error.is_absent() => return Err(JoinError::NotSetUp),
        Err(error) => return Err(error.into()),
    };
    let version = subject::parse_gate(&head.subject).map_or(0, |(_, epoch)| epoch.get());
    let applied =
        crate::store::read::<AppliedConfig>(bus, subject::RECORD, &subject::config(version))
            .await?
            .ok_or(JoinError::NotSetUp)?
            .value;
    match applied.schema {
        found if found < SCHEMA => Err(JoinError::OldSchema { found }),
        found if SCHEMA < found => Err(JoinError::NewSchema { found }),
        _ => Ok(applied),
    }
}
