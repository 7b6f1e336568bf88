//! One provider: the secrets, the machine that chooses among them, and what it asks for.

mod exchange;
mod exhausted;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    CredentialConfig, CredentialSource, Epoch, Fingerprint, ProviderConfig, ProviderName, Refusal,
    Timestamp,
};
use fleet::{
    Fleet,
    store::{Cas, StoreError},
};
use kit::Instant;
use logic::credential::{Choice, Effect, Found, Loan, Refused, Ring};

use crate::{
    Lent, record,
    source::{self, Reading},
    tell::tell,
};

/// One provider of the configuration.
#[derive(Debug)]
pub(crate) struct Provider {
    name: ProviderName,
    pub(crate) config: ProviderConfig,
    known: Mutex<Known>,
    /// By place in the list, when its command was run last. One runs at a time.
    ran: tokio::sync::Mutex<Vec<Option<Instant>>>,
    /// One exchange at a time.
    exchanging: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    ring: Ring,
    /// By place in the list.
    readings: Vec<Option<Reading>>,
    /// Places whose file others than its owner may read, as was said.
    exposed: BTreeSet<usize>,
}

/// Whether a call waits for an exchange that another dispatcher makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Waits,
    GoesOn,
}

/// The leader is asked for a record so long; after that what is known here must do.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// A command whose secret is no good is run again after so long.
const RUN_EVERY: Duration = Duration::from_secs(30);

impl Provider {
    pub(crate) fn new(name: ProviderName, config: ProviderConfig) -> Self {
        let ring = Ring::new(name.clone(), &config);
        let count = config.credentials.len();
        let known =
            Mutex::new(Known { ring, readings: vec![None; count], exposed: BTreeSet::new() });
        let ran = tokio::sync::Mutex::new(vec![None; count]);
        Provider { name, config, known, ran, exchanging: tokio::sync::Mutex::default() }
    }

    /// Reads anew what lies where the credentials are said to be. A command is run once, when none
    /// before it serves: nobody waits for what is not needed; and again only when what it printed
    /// is no good.
    pub(crate) async fn look(&self, fleet: &Fleet) {
        for (slot, credential) in self.config.credentials.iter().enumerate() {
            if !matches!(credential.source, CredentialSource::Command { .. }) {
                self.read(fleet, slot).await;
            } else if self.lacks(slot, fleet.clock.now()) {
                self.run_unless_within(fleet, slot, RUN_EVERY).await;
            }
        }
    }

    /// Whether this place was not read yet, and none before it serves.
    fn lacks(&self, slot: usize, now: Timestamp) -> bool {
        let known = self.known();
        known.readings.get(slot).is_some_and(Option::is_none)
            && !known.ring.serves_before(slot, now)
    }

    async fn read(&self, fleet: &Fleet, slot: usize) {
        let Some(credential) = self.config.credentials.get(slot) else { return };
        let read = source::read(credential).await;
        if read.is_ok() {
            self.warn_if_exposed(slot, credential);
        }
        let effects = self.known().on_read(slot, &self.name, read, fleet.clock.now());
        self.obey_told(fleet, effects).await;
    }

    fn warn_if_exposed(&self, slot: usize, credential: &CredentialConfig) {
        let CredentialSource::File { path, .. } = &credential.source else { return };
        if source::exposed_to_others(path) != Some(true) {
            self.known().exposed.remove(&slot);
        } else if self.known().exposed.insert(slot) {
            let (file, provider) = (path.display(), &self.name);
            tracing::warn!(%provider, %file, "others than its owner may read it: chmod 600");
        }
    }

    /// Runs a command now.
    pub(crate) async fn run(&self, fleet: &Fleet, slot: usize) {
        self.run_unless_within(fleet, slot, Duration::ZERO).await;
    }

    async fn run_unless_within(&self, fleet: &Fleet, slot: usize, time: Duration) {
        let asked = fleet.clock.instant();
        let mut ran = self.ran.lock().await;
        let Some(last) = ran.get_mut(slot) else { return };
        // Whoever waited here while it ran has what it printed.
        if last.is_some_and(|last| asked <= last || last.elapsed() < time) {
            return;
        }
        self.read(fleet, slot).await;
        *last = Some(fleet.clock.instant());
    }

    /// Which secret the next call is made with, and that secret.
    pub(crate) fn choose(
        &self,
        fleet: &Fleet,
        confirmed: &BTreeSet<Fingerprint>,
        tried: &BTreeMap<Fingerprint, Refusal>,
    ) -> (Choice, Option<Lent>) {
        let gate = fleet.gates.standing(&self.config.gate).map(|standing| standing.gate);
        let epoch = gate.as_ref().map_or(Epoch::default(), |gate| gate.epoch);
        let mut known = self.known();
        known.ring.on_opening(gate.map_or(Epoch::default(), |gate| gate.opening));
        let choice = known.ring.choose(fleet.clock.now(), epoch, confirmed, tried);
        let lent = match &choice {
            Choice::Lend(loan) => self.lend(&known, loan),
            _ => None,
        };
        (choice, lent)
    }

    fn lend(&self, known: &Known, loan: &Loan) -> Option<Lent> {
        let secret = known.readings.get(loan.slot)?.as_ref()?.secret.clone();
        let scheme = self.config.credentials.get(loan.slot)?.scheme;
        Some(Lent { secret, scheme, used: loan.used.clone() })
    }

    /// Asks the leader what is on record of a secret.
    pub(crate) async fn confirm(&self, fleet: &Fleet, fingerprint: Fingerprint) {
        let read = record::read(&fleet.bus, &self.name, fingerprint);
        let found = match tokio::time::timeout(CONFIRM_WITHIN, read).await {
            Ok(Ok(found)) => found.map(|found| (found.seq, found.value)),
            Ok(Err(error)) => return self.not_confirmed(&error),
            Err(_) => return self.not_confirmed(&"no answer"),
        };
        let effects = self.known().ring.on_record(fingerprint, found, fleet.clock.now());
        self.obey_told(fleet, effects).await;
    }

    fn not_confirmed(&self, error: &dyn std::fmt::Display) {
        let provider = &self.name;
        tracing::warn!(%provider, %error, "what is on record of a credential cannot be read");
    }

    /// The provider took what it was lent.
    pub(crate) fn served(&self, loan: &Loan) {
        self.known().ring.on_served(loan);
    }

    /// The provider refused what it was lent.
    pub(crate) async fn refused(&self, fleet: &Fleet, loan: &Loan, refused: Refused) {
        let effects = self.known().ring.on_refused(loan, refused);
        self.obey(fleet, effects).await;
    }

    /// What time brings.
    pub(crate) async fn on_time(&self, fleet: &Fleet) {
        let effects = self.known().ring.due(fleet.clock.now());
        self.obey(fleet, effects).await;
    }

    async fn obey(&self, fleet: &Fleet, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell(_) => self.obey_told(fleet, vec![effect]).await,
                Effect::Record { last, record } => {
                    let stored = record::write(&fleet.bus, &record, last).await;
                    self.saved(fleet, record.used.fingerprint, stored).await;
                }
                Effect::Exchange { slot } => self.exchange(fleet, slot, Patience::GoesOn).await,
                Effect::Rerun { slot } => self.run_unless_within(fleet, slot, RUN_EVERY).await,
            }
        }
    }

    /// Of what only is to be told.
    async fn obey_told(&self, fleet: &Fleet, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Tell(told) = effect {
                tell(fleet, &self.name, told, fleet.clock.now()).await;
            }
        }
    }

    async fn saved(
        &self,
        fleet: &Fleet,
        fingerprint: Fingerprint,
        stored: Result<Cas, StoreError>,
    ) {
        let stored = match stored {
            Ok(Cas::Stored(seq)) => Some(seq),
            Ok(Cas::Lost) => None,
            Err(error) => {
                let provider = &self.name;
                tracing::warn!(%provider, %fingerprint, %error, "refusal not stored yet");
                return;
            }
        };
        let effects = self.known().ring.on_saved(fingerprint, stored);
        self.obey_told(fleet, effects).await;
        if stored.is_none() {
            self.confirm(fleet, fingerprint).await;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn on_read(
        &mut self,
        slot: usize,
        provider: &ProviderName,
        read: Result<Reading, String>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let found = match &read {
            Ok(reading) => Found::Secret(reading.seen(provider)),
            Err(why) => Found::Unreadable(why.clone()),
        };
        if let Some(place) = self.readings.get_mut(slot) {
            *place = read.ok();
        }
        self.ring.on_found(slot, found, now)
    }
}
