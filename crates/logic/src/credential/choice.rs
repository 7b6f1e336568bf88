use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Cause, CredentialRecord, CredentialStanding, CredentialUse, Epoch, Fingerprint, Refusal,
    Timestamp,
};

use super::{Found, Ring, Seen};

/// What to do for a call that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Ask the leader what is on record of this secret, then choose again.
    Confirm { fingerprint: Fingerprint },
    /// Lend this one.
    Lend(Loan),
    /// Nothing else serves: exchange the refresh token in this place, then choose again.
    Exchange { slot: usize },
    /// The command in this place was never run, and none before it serves; or nothing else serves,
    /// and it was not run since its secret was refused: run it, then choose again.
    Rerun { slot: usize },
    /// None is left. `cause` says why the first one is not.
    Exhausted { cause: Cause, evidence: String },
    /// Not one can be read here.
    Unreadable { cause: Cause, evidence: String },
}

/// A secret as it is lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loan {
    pub slot: usize,
    pub used: CredentialUse,
    /// The sequence of its record; 0 for none.
    pub seq: u64,
    /// The epoch of the provider's gate.
    pub epoch: Epoch,
}

/// Where one credential stands, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is lent for the next call.
    InUse,
    /// It serves when those before it do not.
    Waiting,
    Refused(CredentialRecord),
    /// Its known expiry is past, or nearer than the margin.
    Left {
        expires: Timestamp,
    },
    Unreadable(String),
}

impl Ring {
    /// Which secret a call is made with, `epoch` being that of the provider's gate.
    ///
    /// `confirmed` are the secrets whose record was asked for since the call was to be made;
    /// `tried` those that were refused to this very call, and why.
    pub fn choose(
        &self,
        now: Timestamp,
        epoch: Epoch,
        confirmed: &BTreeSet<Fingerprint>,
        tried: &BTreeMap<Fingerprint, Refusal>,
    ) -> Choice {
        for (slot, place) in self.slots.iter().enumerate() {
            let seen = match &place.found {
                Found::Secret(seen) => seen,
                Found::Unread if place.is_command && place.stale => return Choice::Rerun { slot },
                Found::Unread | Found::Unreadable(_) => continue,
            };
            let fingerprint = seen.fingerprint;
            if tried.contains_key(&fingerprint) || self.is_left(seen, now) {
                continue;
            }
            if !confirmed.contains(&fingerprint) {
                return Choice::Confirm { fingerprint };
            }
            if self.refused(fingerprint).is_some() {
                continue;
            }
            let seq = self.records.get(&fingerprint).map_or(0, |known| known.seq);
            if let Some(used) = self.used(slot) {
                return Choice::Lend(Loan { slot, used, seq, epoch });
            }
        }
        let exchange = (0..self.slots.len()).find(|slot| self.exchange_due(*slot, now));
        if let Some(slot) = exchange {
            return Choice::Exchange { slot };
        }
        match self.slots.iter().position(|slot| slot.is_command && slot.stale) {
            Some(slot) => Choice::Rerun { slot },
            None => self.none_left(now, tried),
        }
    }

    /// Whether one before this place serves, as far as is known.
    pub fn serves_before(&self, slot: usize, now: Timestamp) -> bool {
        let serves =
            |seen: &Seen| !self.is_left(seen, now) && self.refused(seen.fingerprint).is_none();
        self.seen().take_while(|(at, _)| *at < slot).any(|(_, seen)| serves(seen))
    }

    /// Where each credential stands, in their order, as far as is known.
    pub fn states(&self, now: Timestamp) -> Vec<State> {
        let mut in_use = false;
        let state = |slot: &super::Slot| match &slot.found {
            Found::Unread => State::Unreadable("not read".to_owned()),
            Found::Unreadable(why) => State::Unreadable(why.clone()),
            Found::Secret(seen) => match (self.refused(seen.fingerprint), seen.expires) {
                (Some(record), _) => State::Refused(record.clone()),
                (None, Some(expires)) if self.is_left(seen, now) => State::Left { expires },
                _ if std::mem::replace(&mut in_use, true) => State::Waiting,
                _ => State::InUse,
            },
        };
        self.slots.iter().map(state).collect()
    }

    fn none_left(&self, now: Timestamp, tried: &BTreeMap<Fingerprint, Refusal>) -> Choice {
        let mut first = None;
        let mut evidence = Vec::new();
        for slot in &self.slots {
            let (why, text) = match &slot.found {
                Found::Unread => (None, "was not read".to_owned()),
                Found::Unreadable(why) => (None, why.clone()),
                Found::Secret(seen) => self.passed_over(seen, now, tried),
            };
            first = first.or(why);
            evidence.push(format!("{}: {text}", slot.name));
        }
        let evidence = evidence.join("; ");
        match first {
            Some(why) => Choice::Exhausted { cause: why.cause(&self.provider), evidence },
            None => Choice::Unreadable {
                cause: Cause::of_provider(&self.provider, "credential-unreadable"),
                evidence,
            },
        }
    }

    fn passed_over(
        &self,
        seen: &Seen,
        now: Timestamp,
        tried: &BTreeMap<Fingerprint, Refusal>,
    ) -> (Option<Refusal>, String) {
        let print = seen.fingerprint;
        if let Some(CredentialRecord {
            standing: CredentialStanding::Refused { why, evidence, .. },
            by,
            at,
            ..
        }) = self.refused(print)
        {
            return (Some(*why), format!("{print} {why} since {at} ({by} was told: {evidence})"));
        }
        if let Some(why) = tried.get(&print) {
            return (Some(*why), format!("{print} {why}, as this call was told"));
        }
        match seen.expires {
            Some(expires) if self.is_left(seen, now) => {
                (Some(Refusal::Expired), format!("{print} expires {expires}"))
            }
            _ => (None, format!("{print} is not known to serve")),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{CredentialConfig, CredentialSource, ProviderConfig, Scheme};

    use super::*;

    fn config() -> ProviderConfig {
        let credential = |name: &str, source| CredentialConfig {
            name: name.parse().unwrap(),
            source,
            scheme: Scheme::ApiKey,
            refresh: None,
        };
        let variable = |name: &str| CredentialSource::Env { variable: name.to_owned() };
        let command = CredentialSource::Command { command: vec!["vault".to_owned()] };
        ProviderConfig {
            gate: "anthropic".parse().unwrap(),
            url: String::new(),
            margin: std::time::Duration::from_secs(60),
            warn: std::time::Duration::ZERO,
            credentials: vec![
                credential("first", variable("A")),
                credential("second", command),
                credential("last", variable("B")),
            ],
        }
    }

    /// A command that was never run has its place in the order: nobody asks for it while one
    /// before it serves, and it is run before one after it is lent.
    #[test]
    fn a_command_is_run_in_its_place() {
        let mut ring = Ring::new("anthropic".parse().unwrap(), &config());
        let prints = ["a", "b"].map(|secret| Fingerprint::of("anthropic", secret));
        let [now, late] = [1_000, 2_000].map(Timestamp::from_millis);
        let expires = Some(late.after(std::time::Duration::from_secs(60)));
        let seen =
            |fingerprint, expires| Found::Secret(Seen { fingerprint, expires, refresh: None });
        ring.on_found(0, seen(prints[0], expires), now);
        ring.on_found(2, seen(prints[1], None), now);
        let (confirmed, tried) = (BTreeSet::from(prints), BTreeMap::new());
        let choose = |ring: &Ring, at| ring.choose(at, Epoch::FIRST, &confirmed, &tried);
        let lends = |choice, at| matches!(choice, Choice::Lend(Loan { slot, .. }) if slot == at);
        assert!(lends(choose(&ring, now), 0) && ring.serves_before(1, now));
        assert!(!ring.serves_before(0, now));
        // It is left for its expiry.
        assert_eq!(choose(&ring, late), Choice::Rerun { slot: 1 });
        assert!(!ring.serves_before(1, late) && ring.serves_before(3, late));
        ring.on_found(1, Found::Unreadable("hangs".to_owned()), late);
        assert!(lends(choose(&ring, late), 2));
    }
}
