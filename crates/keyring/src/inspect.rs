//! The credentials of a provider as they look from here, for people: what lies there, what is
//! on record of it, which one would be lent. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use bus::Bus;
use domain::{
    CredentialConfig, CredentialRecord, CredentialSource, CredentialUse, Epoch, Fingerprint,
    ProviderConfig, ProviderName, RefreshRecord, Timestamp,
};
use fleet::store::{self, StoreError, Versioned};
use logic::credential::{Found, Ring, Seen, State};
use wire::subject;

use crate::{
    Lent, Secret, record,
    source::{self, Reading},
};

/// One credential, seen from here.
#[derive(Clone, Debug)]
pub struct Inspected {
    pub config: CredentialConfig,
    /// What was read, without the secret; `None` where nothing could be.
    pub seen: Option<Seen>,
    pub state: State,
    /// Others than its owner may read the file.
    pub exposed: bool,
    /// What became of the refresh token that lies beside it.
    pub refresh: Option<RefreshRecord>,
    secret: Option<Secret>,
    provider: ProviderName,
}

/// What is on record of what was read.
#[derive(Default)]
struct Records {
    standing: BTreeMap<Fingerprint, Versioned<CredentialRecord>>,
    /// By the fingerprint of the refresh token.
    refresh: BTreeMap<Fingerprint, RefreshRecord>,
}

/// Reads every credential of a provider where this process runs, and what is on record.
///
/// `opening` is the newest opening of the provider's gate.
///
/// # Errors
///
/// When the record cannot be asked.
pub async fn inspect(
    bus: &Bus,
    name: &ProviderName,
    config: &ProviderConfig,
    opening: Epoch,
    now: Timestamp,
) -> Result<Vec<Inspected>, StoreError> {
    let read = readings(config).await;
    let records = records(bus, name, &read).await?;
    Ok(assemble(name, config, read, &records, (opening, now)))
}

/// Reads every credential of a provider where this process runs, and asks no record.
pub async fn inspect_unrecorded(
    name: &ProviderName,
    config: &ProviderConfig,
    now: Timestamp,
) -> Vec<Inspected> {
    let read = readings(config).await;
    assemble(name, config, read, &Records::default(), (Epoch::default(), now))
}

async fn readings(config: &ProviderConfig) -> Vec<Result<Reading, String>> {
    let mut read = Vec::new();
    for credential in &config.credentials {
        read.push(source::read(credential).await);
    }
    read
}

async fn records(
    bus: &Bus,
    name: &ProviderName,
    read: &[Result<Reading, String>],
) -> Result<Records, StoreError> {
    let mut records = Records::default();
    for reading in read.iter().flatten() {
        let seen = reading.seen(name);
        if let Some(found) = record::read(bus, name, seen.fingerprint).await? {
            records.standing.insert(seen.fingerprint, found);
        }
        let Some(token) = seen.refresh else { continue };
        let subject = subject::refresh(name, token);
        if let Some(found) = store::read(bus, subject::RECORD, &subject).await? {
            records.refresh.insert(token, found.value);
        }
    }
    Ok(records)
}

fn assemble(
    name: &ProviderName,
    config: &ProviderConfig,
    read: Vec<Result<Reading, String>>,
    records: &Records,
    (opening, now): (Epoch, Timestamp),
) -> Vec<Inspected> {
    let mut ring = Ring::new(name.clone(), config);
    ring.on_opening(opening);
    let mut all = Vec::new();
    let mut asked: BTreeSet<Fingerprint> = BTreeSet::new();
    for (slot, (credential, read)) in config.credentials.iter().zip(read).enumerate() {
        let seen = read.as_ref().ok().map(|reading| reading.seen(name));
        let found = match &read {
            Ok(reading) => Found::Secret(reading.seen(name)),
            Err(why) => Found::Unreadable(why.clone()),
        };
        ring.on_found(slot, found, now);
        if let Some(Seen { fingerprint, .. }) = seen
            && asked.insert(fingerprint)
        {
            let record = records.standing.get(&fingerprint);
            let record = record.map(|found| (found.seq, found.value.clone()));
            ring.on_record(fingerprint, record, now);
        }
        let token = seen.and_then(|seen| seen.refresh);
        all.push(Inspected {
            refresh: token.and_then(|token| records.refresh.get(&token).cloned()),
            config: credential.clone(),
            seen,
            state: State::Waiting,
            exposed: match &credential.source {
                CredentialSource::File { path, .. } => {
                    source::exposed_to_others(path) == Some(true)
                }
                _ => false,
            },
            secret: read.ok().map(|reading| reading.secret),
            provider: name.clone(),
        });
    }
    for (one, state) in all.iter_mut().zip(ring.states(now)) {
        one.state = state;
    }
    all
}

impl Inspected {
    /// The secret itself, to ask the provider with; `None` where none could be read.
    pub fn lend(&self) -> Option<Lent> {
        Some(Lent {
            secret: self.secret.clone()?,
            scheme: self.config.scheme,
            used: CredentialUse {
                provider: self.provider.clone(),
                credential: self.config.name.clone(),
                fingerprint: self.seen?.fingerprint,
            },
        })
    }
}
