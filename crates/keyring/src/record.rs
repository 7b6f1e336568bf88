//! What the fleet knows of secrets: one record for each fingerprint, in RECORD.

use bus::{Bus, Expect, Put};
use domain::{CredentialRecord, Fingerprint, ProviderName};
use fleet::store::{self, Cas, StoreError, Versioned};
use wire::{Wire as _, subject};

/// What is on record of a secret, from the leader.
///
/// # Errors
///
/// When the stream cannot be asked, or what lies there makes no sense.
pub async fn read(
    bus: &Bus,
    provider: &ProviderName,
    fingerprint: Fingerprint,
) -> Result<Option<Versioned<CredentialRecord>>, StoreError> {
    store::read(bus, subject::RECORD, &subject::credential(provider, fingerprint)).await
}

/// Stores a person's word that a secret serves after all, if its record still is the one of
/// sequence `last`, and once more in the operators' audit: both or neither.
///
/// # Errors
///
/// As [`store::compare_and_set`].
pub async fn allow(bus: &Bus, record: &CredentialRecord, last: u64) -> Result<Cas, StoreError> {
    let (provider, fingerprint) = (&record.used.provider, record.used.fingerprint);
    let audit = Put {
        subject: subject::act_on_credential(provider, fingerprint, last),
        body: record.encode(),
        expect: Expect::Last(0),
        id: None,
    };
    let subject = subject::credential(provider, fingerprint);
    store::compare_and_set_with(bus, subject::RECORD, &subject, record, last, &[audit]).await
}

/// Stores what is known of a secret now, if its record still is the one of sequence `last`.
///
/// # Errors
///
/// As [`store::compare_and_set`].
pub async fn write(bus: &Bus, record: &CredentialRecord, last: u64) -> Result<Cas, StoreError> {
    let subject = subject::credential(&record.used.provider, record.used.fingerprint);
    store::compare_and_set(bus, subject::RECORD, &subject, record, last).await
}
