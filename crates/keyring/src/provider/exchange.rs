use std::time::Duration;

use domain::{CredentialUse, Fingerprint};
use fleet::Fleet;
use logic::credential::{Effect, Told};

use super::{Patience, Provider};
use crate::refresh::{Exchanged, Exchanger};

/// How often it is looked whether another dispatcher's exchange is in the file.
const LOOK_EVERY: Duration = Duration::from_millis(300);

impl Provider {
    /// Exchanges the refresh token in a place, and takes in how that ended.
    pub(crate) async fn exchange(&self, fleet: &Fleet, slot: usize, patience: Patience) {
        let Some(credential) = self.config.credentials.get(slot) else { return };
        let before = self.refresh_token(slot);
        let _alone = self.exchanging.lock().await;
        // Whoever waited for the lock may find it done.
        self.read(fleet, slot).await;
        let reading = self.known().readings.get(slot).cloned().flatten();
        let (Some(token), Some(reading)) = (self.refresh_token(slot), reading) else { return };
        if before != Some(token) {
            return;
        }
        let exchanger = Exchanger { fleet, provider: &self.name, credential, reading: &reading };
        let ended = loop {
            match exchanger.exchange().await {
                Exchanged::Busy { until } if patience == Patience::Waits => {
                    if self.comes_until(fleet, slot, token, until).await {
                        return;
                    }
                }
                ended => break ended,
            }
        };
        let used = CredentialUse {
            provider: self.name.clone(),
            credential: credential.name.clone(),
            fingerprint: reading.secret.fingerprint(&self.name),
        };
        let told = match ended {
            Exchanged::Done { fingerprint, expires } => {
                self.read(fleet, slot).await;
                Some(Told::Refreshed { used: CredentialUse { fingerprint, ..used }, expires })
            }
            Exchanged::Busy { until } => {
                self.known().ring.on_exchange(token, Some(until));
                None
            }
            Exchanged::Later { from, why } => {
                self.known().ring.on_exchange(token, Some(from));
                why.map(|why| Told::RefreshFailed { used, why, again: true })
            }
            Exchanged::Never { why } => {
                self.known().ring.on_exchange(token, None);
                Some(Told::RefreshFailed { used, why, again: false })
            }
        };
        self.obey_told(fleet, told.map(Effect::Tell).into_iter().collect()).await;
    }

    /// Waits until another token lies in the file, at most so long.
    async fn comes_until(
        &self,
        fleet: &Fleet,
        slot: usize,
        token: Fingerprint,
        until: domain::Timestamp,
    ) -> bool {
        while fleet.clock.now() < until {
            fleet.clock.sleep(LOOK_EVERY).await;
            let secret = self.secret(slot);
            self.read(fleet, slot).await;
            if self.refresh_token(slot) != Some(token) || self.secret(slot) != secret {
                return true;
            }
        }
        false
    }

    fn refresh_token(&self, slot: usize) -> Option<Fingerprint> {
        let known = self.known();
        let token = known.readings.get(slot)?.as_ref()?.refresh.as_ref()?;
        Some(token.fingerprint(&self.name))
    }

    fn secret(&self, slot: usize) -> Option<Fingerprint> {
        let known = self.known();
        Some(known.readings.get(slot)?.as_ref()?.secret.fingerprint(&self.name))
    }
}
