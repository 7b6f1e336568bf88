use domain::{Cause, Epoch};
use fleet::Fleet;
use wire::event::{CredentialTold, CredentialVerb};

use super::Provider;

impl Provider {
    /// Tells that none of its credentials serves: once for each epoch of its gate.
    pub(crate) async fn tell_exhausted(&self, fleet: &Fleet, cause: &Cause, evidence: &str) {
        let gate = fleet.gates.standing(&self.config.gate);
        let epoch = gate.map_or(Epoch::default(), |standing| standing.gate.epoch);
        tracing::error!(provider = %self.name, %cause, evidence, "no credential is left");
        let told = CredentialTold {
            provider: self.name.clone(),
            credential: None,
            fingerprint: None,
            verb: CredentialVerb::Exhausted {
                cause: cause.clone(),
                evidence: evidence.to_owned(),
                epoch,
            },
            source: fleet.source(),
            at: fleet.clock.now(),
        };
        fleet.mention(&told.to_event()).await;
    }
}
