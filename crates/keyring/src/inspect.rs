//! The credentials of a provider as they look from here, for people: what lies there, what is
//! on record of it, which one would be lent. Nothing is changed.

use std::collections::BTreeSet;

use bus::Bus;
use domain::{
    CredentialConfig, CredentialSource, CredentialUse, Epoch, Fingerprint, ProviderConfig,
    ProviderName, RefreshRecord, Timestamp,
};
use fleet::store::{self, StoreError};
use logic::credential::{Found, Ring, Seen, State};
use wire::subject;

use crate::{Lent, Secret, record, source};

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
    let mut ring = Ring::new(name.clone(), config);
    ring.on_opening(opening);
    let mut all = Vec::new();
    let mut asked: BTreeSet<Fingerprint> = BTreeSet::new();
    for (slot, credential) in config.credentials.iter().enumerate() {
        let read = source::read(credential).await;
        let seen = read.as_ref().ok().map(|reading| reading.seen(name));
        let found = match &read {
            Ok(reading) => Found::Secret(reading.seen(name)),
            Err(why) => Found::Unreadable(why.clone()),
        };
        ring.on_found(slot, found, now);
        if let Some(Seen { fingerprint, .. }) = seen
            && asked.insert(fingerprint)
        {
            let record = record::read(bus, name, fingerprint).await?;
            ring.on_record(fingerprint, record.map(|found| (found.seq, found.value)), now);
        }
        all.push(Inspected {
            refresh: refresh(bus, name, seen).await?,
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
    Ok(all)
}

async fn refresh(
    bus: &Bus,
    name: &ProviderName,
    seen: Option<Seen>,
) -> Result<Option<RefreshRecord>, StoreError> {
    let Some(token) = seen.and_then(|seen| seen.refresh) else { return Ok(None) };
    let found = store::read(bus, subject::RECORD, &subject::refresh(name, token)).await?;
    Ok(found.map(|found| found.value))
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
