//! When a refresh token is exchanged, and by whom.
//!
//! A token may be good for one exchange only, so the fleet makes one: whoever writes
//! [`RefreshStage::Asked`] under the token's fingerprint asks. What may have been exchanged is
//! unknown and never asked for again; the next credential serves meanwhile.

use std::time::Duration;

use domain::{Fingerprint, RefreshRecord, RefreshStage, Timestamp};

use super::{Found, Ring, Seen};

/// Whoever asked for longer has vanished: what it asked for is unknown.
pub const ASKED_MAX: Duration = Duration::from_secs(60);
/// After an exchange that certainly was not made, the next one waits so long.
pub const AGAIN_AFTER: Duration = Duration::from_secs(60);

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
    pub(super) fn may_exchange(&self, slot: usize, now: Timestamp) -> bool {
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

    /// Whether it is time: the secret expires soon, or was refused.
    pub(super) fn exchange_due(&self, slot: usize, now: Timestamp) -> bool {
        let place = &self.slots[slot];
        let Found::Secret(seen) = &place.found else { return false };
        let Some(before) = place.refresh_before else { return false };
        let soon = seen.expires.is_some_and(|expires| expires <= now.after(before));
        let wanted = soon || self.refused(seen.fingerprint).is_some();
        wanted && self.may_exchange(slot, now)
    }
}
