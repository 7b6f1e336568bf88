//! When a refresh token is exchanged, and by whom.
//!
//! A token may be good for one exchange only, so the fleet makes one: whoever writes
//! [`RefreshStage::Asked`] under the token's fingerprint asks. What may have been exchanged is
//! unknown and never asked for again; the next credential serves meanwhile.

use std::time::Duration;

use domain::{CredentialStanding, Fingerprint, RefreshRecord, RefreshStage, Refusal, Timestamp};

use super::{Found, Ring, Seen};

/// Whoever asked for longer has vanished: what it asked for is unknown.
pub const ASKED_MAX: Duration = Duration::from_secs(60);
/// After an exchange that certainly was not made, the next one waits so long.
pub const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// A token that was just put there is not exchanged before: where every secret is shorter-lived
/// than the time before which it is exchanged, exchanges would follow each other at once.
pub const FRESH_FOR: Duration = Duration::from_secs(5);

/// What is to be done about an exchange, by what is on record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Write that it is asked for, then ask.
    Claim,
    /// Another asks just now, and has an answer by then.
    Busy { until: Timestamp },
    /// Nobody took the last one; the next is not made before.
    Later { from: Timestamp },
    /// Whoever asked has vanished: write that it is unknown.
    GiveUp,
    /// It is never asked for again.
    Never { why: String },
}

/// What to do about the exchange of a refresh token, `secret` being the one that lies beside it.
pub fn on_exchange_record(
    record: Option<&RefreshRecord>,
    secret: Fingerprint,
    now: Timestamp,
) -> Exchange {
    let Some(record) = record else { return Exchange::Claim };
    let since = now.since(record.at);
    match &record.stage {
        RefreshStage::Asked if since < ASKED_MAX => {
            Exchange::Busy { until: record.at.after(ASKED_MAX) }
        }
        RefreshStage::Asked => Exchange::GiveUp,
        RefreshStage::Put { .. } if since < AGAIN_AFTER => {
            Exchange::Later { from: record.at.after(AGAIN_AFTER) }
        }
        RefreshStage::Put { .. } => Exchange::Claim,
        // A refresh token that was given back is good for the next exchange too.
        RefreshStage::Done { fingerprint } if *fingerprint == secret => Exchange::Claim,
        RefreshStage::Done { fingerprint } => Exchange::Never {
            why: format!(
                "{} exchanged it for {fingerprint}, which is not in this file: the file is a copy",
                record.by
            ),
        },
        RefreshStage::Refused { evidence } => {
            Exchange::Never { why: format!("the provider does not take it: {evidence}") }
        }
        RefreshStage::Unknown { evidence } => {
            Exchange::Never { why: format!("it may have been exchanged already: {evidence}") }
        }
    }
}

impl Ring {
    /// A refresh token may be exchanged from `from` on; never again, if `None`.
    pub fn on_exchange(&mut self, token: Fingerprint, from: Option<Timestamp>) {
        self.exchanges.insert(token, from);
    }

    /// Whether its refresh token may be exchanged now.
    fn may_exchange(&self, slot: usize, now: Timestamp) -> bool {
        let place = &self.slots[slot];
        let Found::Secret(Seen { refresh: Some(token), .. }) = &place.found else { return false };
        place.refresh_before.is_some()
            && match self.exchanges.get(token) {
                None => true,
                Some(from) => from.is_some_and(|from| from <= now),
            }
    }

    /// Whether an exchange is to be hoped for before the secret expires.
    pub(super) fn will_be_exchanged(&self, slot: usize) -> bool {
        let place = &self.slots[slot];
        let Found::Secret(Seen { refresh: Some(token), .. }) = &place.found else { return false };
        place.refresh_before.is_some() && self.exchanges.get(token) != Some(&None)
    }

    /// Whether it is time: the secret expires soon, or the provider says that it has.
    pub(super) fn exchange_due(&self, slot: usize, now: Timestamp) -> bool {
        let place = &self.slots[slot];
        let Found::Secret(seen) = &place.found else { return false };
        let Some(before) = place.refresh_before else { return false };
        let soon = seen.expires.is_some_and(|expires| expires <= now.after(before));
        // A fresh secret helps neither against a person's word nor against an empty account.
        let refused = match self.refused(seen.fingerprint).map(|record| &record.standing) {
            Some(CredentialStanding::Refused { why, .. }) => {
                place.proven && matches!(why, Refusal::Expired | Refusal::Invalid)
            }
            _ => false,
        };
        (soon || self.is_left(seen, now) || refused) && self.may_exchange(slot, now)
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        CredentialConfig, CredentialSource, Epoch, ProviderConfig, RefreshConfig, Scheme,
    };

    use super::*;
    use crate::credential::{Choice, Effect, Loan, Refused};

    const SECOND: Duration = Duration::from_secs(1);

    fn print(secret: &str) -> Fingerprint {
        Fingerprint::of("p", secret)
    }

    fn ring() -> Ring {
        let refresh = RefreshConfig {
            token_url: String::new(),
            client_id: String::new(),
            refresh_pointer: String::new(),
            before: SECOND * 600,
        };
        let credential = CredentialConfig {
            name: "oauth".parse().unwrap(),
            source: CredentialSource::Env { variable: String::new() },
            scheme: Scheme::Bearer,
            refresh: Some(refresh),
        };
        let config = ProviderConfig {
            gate: "p".parse().unwrap(),
            url: String::new(),
            margin: SECOND * 60,
            warn: SECOND * 7_200,
            credentials: vec![credential],
        };
        Ring::new("p".parse().unwrap(), &config)
    }

    fn lies(ring: &mut Ring, secret: &str, token: &str, expires: u64, now: Timestamp) {
        let expires = Some(Timestamp::from_millis(expires));
        let seen = Seen { fingerprint: print(secret), expires, refresh: Some(print(token)) };
        ring.on_found(0, Found::Secret(seen), now);
    }

    fn lend(ring: &Ring, now: Timestamp) -> Choice {
        let confirmed = (0..9).map(|n| print(&n.to_string())).collect();
        ring.choose(now, Epoch::FIRST, &confirmed, &std::collections::BTreeMap::new())
    }

    fn refuse(ring: &mut Ring, loan: &Loan, why: Refusal, at: Timestamp) {
        let refused = Refused { why, evidence: String::new(), by: String::new(), at };
        ring.on_refused(loan, refused);
    }

    fn exchanges(ring: &mut Ring, now: Timestamp) -> bool {
        ring.due(now).iter().any(|effect| matches!(effect, Effect::Exchange { .. }))
    }

    const FAR: u64 = 1_000_000_000;

    /// It is exchanged before it expires, and not at once again when the next one lives no
    /// longer; never again once that is known to be in vain.
    #[test]
    fn before_it_expires() {
        let (mut ring, now) = (ring(), Timestamp::from_millis(0));
        lies(&mut ring, "1", "a", 700_000, now);
        assert!(!exchanges(&mut ring, now));
        let now = Timestamp::from_millis(100_000);
        assert!(exchanges(&mut ring, now));
        lies(&mut ring, "2", "b", 130_000, now);
        assert!(!exchanges(&mut ring, now) && matches!(lend(&ring, now), Choice::Exhausted { .. }));
        let now = now.after(FRESH_FOR);
        assert!(exchanges(&mut ring, now) && lend(&ring, now) == Choice::Exchange { slot: 0 });
        ring.on_exchange(print("b"), None);
        assert!(!exchanges(&mut ring, now) && matches!(lend(&ring, now), Choice::Exhausted { .. }));
    }

    /// A refused one is exchanged where that can help; what that bought is not exchanged for
    /// being refused too, so that exchanges do not follow each other without end.
    #[test]
    fn when_it_is_refused() {
        for why in Refusal::ALL {
            let (mut ring, now) = (ring(), Timestamp::from_millis(0));
            lies(&mut ring, "1", "a", FAR, now);
            let Choice::Lend(loan) = lend(&ring, now) else { panic!("{why}") };
            refuse(&mut ring, &loan, why, now);
            let helps = matches!(why, Refusal::Expired | Refusal::Invalid);
            assert_eq!(exchanges(&mut ring, now), helps, "{why}");
            lies(&mut ring, "2", "b", FAR, now);
            let Choice::Lend(loan) = lend(&ring, now) else { panic!("{why}") };
            refuse(&mut ring, &loan, why, now);
            let now = now.after(FRESH_FOR * 2);
            assert!(!exchanges(&mut ring, now), "{why}");
            assert!(matches!(lend(&ring, now), Choice::Exhausted { .. }), "{why}");
        }
    }

    /// One that has served is exchanged when the provider says that it has expired.
    #[test]
    fn one_that_has_served_is_exchanged() {
        let (mut ring, now) = (ring(), Timestamp::from_millis(0));
        lies(&mut ring, "1", "a", FAR, now);
        lies(&mut ring, "2", "b", FAR, now);
        let Choice::Lend(loan) = lend(&ring, now) else { panic!() };
        ring.on_served(&loan);
        refuse(&mut ring, &loan, Refusal::Expired, now);
        assert!(exchanges(&mut ring, now.after(FRESH_FOR)));
    }

    /// What is on record of an exchange decides who asks; what may have been asked for is never
    /// asked for again.
    #[test]
    fn the_record_decides() {
        let record = |stage| RefreshRecord {
            provider: "p".parse().unwrap(),
            credential: "oauth".parse().unwrap(),
            fingerprint: print("a"),
            stage,
            by: "d".to_owned(),
            at: Timestamp::from_millis(0),
        };
        let told = |stage, seconds: u64| {
            let now = Timestamp::from_millis(seconds * 1_000);
            format!("{:?}", on_exchange_record(Some(&record(stage)), print("1"), now))
        };
        let evidence = || "x".to_owned();
        let done = |secret| RefreshStage::Done { fingerprint: print(secret) };
        assert!(told(RefreshStage::Asked, 1).starts_with("Busy"));
        assert_eq!(told(RefreshStage::Asked, 60), "GiveUp");
        assert!(told(RefreshStage::Put { evidence: evidence() }, 1).starts_with("Later"));
        assert_eq!(told(RefreshStage::Put { evidence: evidence() }, 60), "Claim");
        assert_eq!(told(done("1"), 1), "Claim");
        assert!(told(done("2"), 9_999).starts_with("Never"));
        assert!(told(RefreshStage::Refused { evidence: evidence() }, 9_999).starts_with("Never"));
        assert!(told(RefreshStage::Unknown { evidence: evidence() }, 9_999).starts_with("Never"));
        assert_eq!(on_exchange_record(None, print("1"), record(done("1")).at), Exchange::Claim);
    }
}
