//! What the fleet knows of secrets: one record for each fingerprint, in RECORD.

use bus::Bus;
use domain::{CredentialRecord, Fingerprint, ProviderName};
use fleet::store::{self, Cas, StoreError, Versioned};
use wire::subject;

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

/// Stores what is known of a secret now, if its record still is the one of sequence `last`.
///
/// # Errors
///
/// As [`store::compare_and_set`].
pub async fn write(bus: &Bus, record: &CredentialRecord, last: u64) -> Result<Cas, StoreError> {
    let subject = subject::credential(&record.used.provider, record.used.fingerprint);
    store::compare_and_set(bus, subject::RECORD, &subject, record, last).await
}
