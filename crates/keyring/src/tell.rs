//! From what the machine has to tell to the event that tells it.

use domain::{ProviderName, Timestamp};
use fleet::Fleet;
use logic::credential::Told;
use wire::event::{CredentialTold, CredentialVerb};

/// Tells it, and logs it with the name and fingerprint, never more.
pub(crate) async fn tell(fleet: &Fleet, provider: &ProviderName, told: Told, now: Timestamp) {
    let event = match told {
        Told::Refused { record } => {
            let event = CredentialTold::refused(&record, fleet.source());
            tracing::warn!(credential = %record.used, by = record.by, "credential refused");
            event
        }
        Told::ExpiresSoon { used, expires } => {
            tracing::warn!(credential = %used, %expires, "credential expires soon");
            Some(CredentialTold::of(&used, CredentialVerb::ExpiresSoon { expires }, now))
        }
        Told::Renewed { used, instead_of } => {
            tracing::info!(credential = %used, "another secret lies in its place");
            Some(CredentialTold::of(&used, CredentialVerb::Renewed { instead_of }, now))
        }
        Told::Refreshed { used, expires } => {
            tracing::info!(credential = %used, "credential refreshed");
            Some(CredentialTold::of(&used, CredentialVerb::Refreshed { expires }, now))
        }
        Told::RefreshFailed { used, why, again } => {
            tracing::warn!(credential = %used, why, again, "credential not refreshed");
            let verb = CredentialVerb::RefreshFailed { why, again };
            Some(CredentialTold::of(&used, verb, now))
        }
        Told::Unreadable { credential, why } => {
            tracing::warn!(%provider, %credential, why, "credential cannot be read");
            Some(CredentialTold {
                provider: provider.clone(),
                credential: Some(credential),
                fingerprint: None,
                verb: CredentialVerb::Unreadable { why },
                source: String::new(),
                at: now,
            })
        }
    };
    if let Some(event) = event {
        fleet.mention(&CredentialTold { source: fleet.source(), ..event }.to_event()).await;
    }
}
