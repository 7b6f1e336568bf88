//! Which credential of a provider is used next.
//!
//! One [`Ring`] for each provider and dispatcher. It is told what was read where the secrets
//! lie, what is on record of them, and what the provider said; it answers which one to lend.
//! It never sees a secret, only fingerprints.
//!
//! | a secret is passed over while             | until                                           |
//! | ----------------------------------------- | ----------------------------------------------- |
//! | it cannot be read                         | it can                                          |
//! | its known expiry is nearer than a margin  | another secret stands in its place              |
//! | it is on record as refused                | a person allows it, or opens the provider's gate |
//! | it was refused here, not yet on record    | the record says more                            |
//!
//! Promises: a refusal that was read is never lent again. A secret is lent only after its
//! record was asked for ([`Choice::Confirm`]), so that no call begins with a secret whose
//! refusal was on record when it began. The order of the list is the only preference, so a new
//! secret in the first place is the next one used. Time never undoes a refusal.

mod choice;
mod exchange;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    CredentialName, CredentialRecord, CredentialSource, CredentialStanding, CredentialUse, Epoch,
    Fingerprint, ProviderConfig, ProviderName, Refusal, Timestamp,
};

pub use choice::{Choice, Loan, State};
pub use exchange::{AGAIN_AFTER, ASKED_MAX, Exchange, FRESH_FOR, on_exchange_record};
pub use told::Told;

/// What was found where a credential lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// Nobody has looked yet.
    #[default]
    Unread,
    Secret(Seen),
    /// Why not.
    Unreadable(String),
}

/// A secret that was read, without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub fingerprint: Fingerprint,
    pub expires: Option<Timestamp>,
    /// Of the refresh token that lies beside it, where one is configured.
    pub refresh: Option<Fingerprint>,
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Store the refusal if the secret's record still is as it was when it was lent; then say
    /// how that ended by [`Ring::on_saved`].
    Record {
        last: u64,
        record: CredentialRecord,
    },
    Tell(Told),
    /// Exchange the refresh token in this place.
    Exchange {
        slot: usize,
    },
    /// Run the command in this place again.
    Rerun {
        slot: usize,
    },
}

/// The credentials of one provider as one dispatcher knows them.
#[derive(Clone, Debug)]
pub struct Ring {
    provider: ProviderName,
    margin: Duration,
    warn: Duration,
    slots: Vec<Slot>,
    /// By fingerprint, what the leader said last.
    records: BTreeMap<Fingerprint, Known>,
    /// Refusals that are not on record yet, and the record that the secret was lent under.
    unsaved: BTreeMap<Fingerprint, (u64, CredentialRecord)>,
    /// The newest opening of the provider's gate: what was refused before it is void.
    opening: Epoch,
    warned: BTreeSet<Fingerprint>,
    told: BTreeSet<(Fingerprint, Epoch)>,
    /// By refresh token: when it may be exchanged; never, if `None`.
    exchanges: BTreeMap<Fingerprint, Option<Timestamp>>,
}

#[derive(Clone, Debug)]
struct Slot {
    name: CredentialName,
    is_command: bool,
    /// How long before it expires it is exchanged; `None` for never.
    refresh_before: Option<Duration>,
    found: Found,
    /// Of a command: what it printed is no good, and it was not run again since.
    stale: bool,
    /// It has served here, or lay there when this process began. What was put there since and
    /// is refused at once is not exchanged: the next one would fare no better, without end.
    proven: bool,
}

#[derive(Clone, Debug, Default)]
struct Known {
    seq: u64,
    record: Option<CredentialRecord>,
}

/// A refusal is told again by whoever reads of it so soon after: its teller may have vanished.
const TOLD_AGAIN_WITHIN: Duration = Duration::from_secs(300);
/// Records of more secrets than that are not remembered one by one.
const RECORDS_MAX: usize = 1_000;

impl Ring {
    pub fn new(provider: ProviderName, config: &ProviderConfig) -> Self {
        let slot = |credential: &domain::CredentialConfig| Slot {
            name: credential.name.clone(),
            is_command: matches!(credential.source, CredentialSource::Command { .. }),
            refresh_before: credential.refresh.as_ref().map(|refresh| refresh.before),
            found: Found::Unread,
            stale: true,
            proven: false,
        };
        Ring {
            provider,
            margin: config.margin,
            warn: config.warn,
            slots: config.credentials.iter().map(slot).collect(),
            records: BTreeMap::new(),
            unsaved: BTreeMap::new(),
            opening: Epoch::default(),
            warned: BTreeSet::new(),
            told: BTreeSet::new(),
            exchanges: BTreeMap::new(),
        }
    }

    /// What lies in a place was read anew, or its command was run.
    pub fn on_found(&mut self, slot: usize, found: Found, now: Timestamp) -> Vec<Effect> {
        let Some(place) = self.slots.get_mut(slot) else { return Vec::new() };
        place.stale = false;
        if place.found == found {
            return Vec::new();
        }
        let before = std::mem::replace(&mut place.found, found);
        let same = matches!(
            (&before, &self.slots[slot].found),
            (Found::Secret(before), Found::Secret(now)) if before.fingerprint == now.fingerprint
        );
        self.slots[slot].proven = before == Found::Unread || (same && self.slots[slot].proven);
        let used = self.used(slot);
        if let (Found::Secret(_), Found::Secret(Seen { refresh: Some(token), .. })) =
            (&before, &self.slots[slot].found)
        {
            // However short its life is, a fresh one is not exchanged at once for the next.
            let from = self.exchanges.entry(*token).or_insert(Some(now));
            *from = from.map(|from| from.max(now.after(FRESH_FOR)));
        }
        match (&before, &self.slots[slot].found, used) {
            (Found::Unread, Found::Secret(_), _) => Vec::new(),
            (Found::Secret(before), Found::Secret(seen), _)
                if before.fingerprint == seen.fingerprint =>
            {
                Vec::new()
            }
            (_, Found::Secret(_), Some(used)) => {
                let instead_of = match before {
                    Found::Secret(before) => Some(before.fingerprint),
                    _ => None,
                };
                vec![Effect::Tell(Told::Renewed { used, instead_of })]
            }
            (_, Found::Unreadable(why), _) => {
                let credential = self.slots[slot].name.clone();
                vec![Effect::Tell(Told::Unreadable { credential, why: why.clone() })]
            }
            _ => Vec::new(),
        }
    }

    /// The leader was asked what is on record of a secret; `None` for nothing.
    pub fn on_record(
        &mut self,
        fingerprint: Fingerprint,
        record: Option<(u64, CredentialRecord)>,
        now: Timestamp,
    ) -> Vec<Effect> {
        let seq = record.as_ref().map_or(0, |(seq, _)| *seq);
        if self.records.get(&fingerprint).is_some_and(|known| seq < known.seq) {
            return Vec::new();
        }
        if self.unsaved.get(&fingerprint).is_some_and(|(last, _)| *last < seq) {
            // Somebody else wrote since it was lent: that stands.
            self.unsaved.remove(&fingerprint);
        }
        if RECORDS_MAX <= self.records.len() {
            let found: BTreeSet<_> = self.seen().map(|(_, seen)| seen.fingerprint).collect();
            self.records.retain(|known, _| found.contains(known));
        }
        let record = record.map(|(_, record)| record);
        let fresh = record.clone().filter(|record| now.since(record.at) < TOLD_AGAIN_WITHIN);
        self.records.insert(fingerprint, Known { seq, record });
        fresh.and_then(|record| self.tell_refused(record)).into_iter().collect()
    }

    /// The provider's gate was opened last under this epoch.
    pub fn on_opening(&mut self, epoch: Epoch) {
        self.opening = self.opening.max(epoch);
    }

    /// The provider took what it was lent.
    pub fn on_served(&mut self, loan: &Loan) {
        let Some(place) = self.slots.get_mut(loan.slot) else { return };
        if matches!(&place.found, Found::Secret(seen) if seen.fingerprint == loan.used.fingerprint)
        {
            place.proven = true;
        }
    }

    /// The provider refused what it was lent.
    ///
    /// The refusal counts under the record that the secret was lent under. Has a person
    /// allowed it since, the refusal is a straggler and moves nothing.
    pub fn on_refused(&mut self, loan: &Loan, refused: Refused) -> Vec<Effect> {
        let Refused { why, evidence, by, at } = refused;
        let fingerprint = loan.used.fingerprint;
        let mut effects = Vec::new();
        if self.records.get(&fingerprint).is_none_or(|known| known.seq <= loan.seq) {
            let standing = CredentialStanding::Refused { why, evidence, epoch: loan.epoch };
            let record = CredentialRecord { used: loan.used.clone(), standing, by, at };
            self.unsaved.insert(fingerprint, (loan.seq, record.clone()));
            effects.push(Effect::Record { last: loan.seq, record });
        }
        let found = self.slots.get(loan.slot).map(|slot| &slot.found);
        let in_place =
            matches!(found, Some(Found::Secret(seen)) if seen.fingerprint == fingerprint);
        if in_place {
            self.slots[loan.slot].stale = true;
        }
        effects
    }

    /// How storing a refusal ended: under which sequence, or `None` if somebody else wrote
    /// first, and then the record is to be read.
    pub fn on_saved(&mut self, fingerprint: Fingerprint, stored: Option<u64>) -> Vec<Effect> {
        let Some((_, record)) = self.unsaved.remove(&fingerprint) else { return Vec::new() };
        let Some(seq) = stored else { return Vec::new() };
        let newer = self.records.get(&fingerprint).is_some_and(|known| seq < known.seq);
        if !newer {
            self.records.insert(fingerprint, Known { seq, record: Some(record.clone()) });
        }
        self.tell_refused(record).into_iter().collect()
    }

    /// What time brings: warnings, exchanges, commands whose secret runs out, and refusals
    /// that still are to be stored.
    pub fn due(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects: Vec<Effect> = Vec::new();
        for (last, record) in self.unsaved.values() {
            effects.push(Effect::Record { last: *last, record: record.clone() });
        }
        for slot in 0..self.slots.len() {
            effects.extend(self.warning(slot, now));
            if self.exchange_due(slot, now) {
                effects.push(Effect::Exchange { slot });
            }
            let place = &self.slots[slot];
            let serves = match &place.found {
                Found::Secret(seen) => self.refused(seen.fingerprint).is_none(),
                _ => false,
            };
            if place.is_command && !serves {
                effects.push(Effect::Rerun { slot });
            }
        }
        effects
    }

    fn warning(&mut self, slot: usize, now: Timestamp) -> Option<Effect> {
        let Found::Secret(seen) = &self.slots[slot].found else { return None };
        let (fingerprint, expires) = (seen.fingerprint, seen.expires?);
        let soon = now < expires && expires <= now.after(self.warn);
        if !soon || self.refused(fingerprint).is_some() || self.will_be_exchanged(slot) {
            return None;
        }
        let used = self.used(slot)?;
        let fresh = self.warned.insert(fingerprint);
        fresh.then_some(Effect::Tell(Told::ExpiresSoon { used, expires }))
    }

    /// Once for each opening of the gate, in this process.
    fn tell_refused(&mut self, record: CredentialRecord) -> Option<Effect> {
        let CredentialStanding::Refused { epoch, .. } = &record.standing else { return None };
        let fresh = self.told.insert((record.used.fingerprint, *epoch));
        fresh.then_some(Effect::Tell(Told::Refused { record }))
    }

    /// Every secret that was read, with its place.
    fn seen(&self) -> impl Iterator<Item = (usize, &Seen)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| match &slot.found {
            Found::Secret(seen) => Some((at, seen)),
            _ => None,
        })
    }

    fn used(&self, slot: usize) -> Option<CredentialUse> {
        let place = self.slots.get(slot)?;
        let Found::Secret(seen) = &place.found else { return None };
        Some(CredentialUse {
            provider: self.provider.clone(),
            credential: place.name.clone(),
            fingerprint: seen.fingerprint,
        })
    }

    /// Whether it is left for its known expiry.
    fn is_left(&self, seen: &Seen, now: Timestamp) -> bool {
        seen.expires.is_some_and(|expires| expires <= now.after(self.margin))
    }

    /// The refusal of a secret that stands.
    fn refused(&self, fingerprint: Fingerprint) -> Option<&CredentialRecord> {
        let stands = |record: &&CredentialRecord| match record.standing {
            CredentialStanding::Refused { epoch, .. } => self.opening <= epoch,
            CredentialStanding::Allowed { .. } => false,
        };
        let known = self.records.get(&fingerprint).and_then(|known| known.record.as_ref());
        let unsaved = self.unsaved.get(&fingerprint).map(|(_, record)| record);
        unsaved.filter(stands).or_else(|| known.filter(stands))
    }
}

/// What a provider said of a secret that it did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub why: Refusal,
    /// What it answered, shortened, without secrets.
    pub evidence: String,
    /// Whoever was refused.
    pub by: String,
    pub at: Timestamp,
}
