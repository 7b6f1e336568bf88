//! The sponsor relay: its wallets, its memory of payments, and what it does with one more.
//!
//! The stuck nonce shows itself in three ways, and none of them is written down here as such:
//! they follow from how each version picks and releases nonces.
//!
//! | version | after a conflict | one stuck nonce | many |
//! | --- | --- | --- | --- |
//! | March | gives the same nonce out again | everybody is refused | everybody is refused |
//! | today | steps over it, tries once more, then resyncs | accepted behind a hole: pending for ever | refused |

use std::collections::HashMap;

use stacks::{Address, Network, Principal, PrivateKey};

use crate::RelayVersion;

use super::{
    chain::{Chain, Rejection, TxIndex},
    faults::{Faults, Gap, take},
    ids::Ids,
    parcel::Parcel,
    payment::{Payment, PaymentStatus, Stage},
    rate::RateLimit,
    wallet::{Conditions, SendError, Wallet},
};

/// How long a repeat of the same bytes gets the first answer over HTTP (wire facts: dedup).
const REMEMBERED_MS: u64 = 300_000;
/// Unconfirmed transactions per wallet beyond which none is assigned.
pub(crate) const IN_FLIGHT_MAX: usize = 20;
/// Today's relay keeps so many free.
const HEADROOM_MIN: usize = 2;
/// How long a gap may stay open, and how long a contended payment is tried.
const HELD_MS: u64 = 300_000;
const CONTENDED_MS: u64 = 25_000;
const CONTENDED_RETRY_MS: u64 = 5_000;

#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) version: RelayVersion,
    pub(crate) wallets: Vec<Wallet>,
    turn: usize,
    payments: Vec<Payment>,
    by_digest: HashMap<[u8; 32], usize>,
    by_id: HashMap<String, usize>,
    /// When the HTTP side last recorded a success for these bytes.
    remembered: HashMap<[u8; 32], u64>,
    /// Direct posts by sender.
    pub(crate) posts: RateLimit<Address>,
    /// Conflicts given out, with the time of the last.
    pub(crate) conflicts: u64,
    pub(crate) last_conflict_ms: Option<u64>,
}

/// By which door a payment comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `POST /relay`, `POST /settle`, and the inbox of March: checks what is to be paid, unless
    /// the bytes are remembered.
    Http(Terms),
    /// The service binding that today's inbox uses: looks at sender nonces first, remembers bytes
    /// as long as their payment, and does not look at whom they pay.
    Rpc,
}

/// What a payment has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Compared without regard to case, as the relay does.
    pub(crate) recipient: String,
    pub(crate) amount_min: u128,
}

impl Terms {
    pub(crate) fn check(&self, parcel: &Parcel) -> Result<(), Mismatch> {
        self.compare(&parcel.recipient, parcel.amount)
    }

    pub(crate) fn compare(&self, recipient: &Principal, amount: u128) -> Result<(), Mismatch> {
        if !recipient.to_string().eq_ignore_ascii_case(&self.recipient) {
            return Err(Mismatch::Recipient);
        }
        (amount >= self.amount_min).then_some(()).ok_or(Mismatch::Amount)
    }
}

/// How a payment differs from its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Recipient,
    Amount,
}

/// Why the relay did not take a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Mismatch(Mismatch),
    NonceConflict(Rejection),
    TooMuchChaining,
    /// No wallet has room.
    PoolFull,
    SenderNonceStale {
        nonce: u64,
    },
    SenderNonceDuplicate {
        nonce: u64,
    },
    SenderNonceGap {
        nonce: u64,
        expected: u64,
    },
    InsufficientFunds,
    RateLimited,
    /// A 5xx before anything was done.
    Unavailable,
    /// These bytes were given up before, and are no better now.
    FailedAgain,
}

/// What surrounds one submission.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) chain: &'a mut Chain,
    pub(crate) faults: &'a mut Faults,
    pub(crate) ids: &'a mut Ids,
    pub(crate) now_ms: u64,
}

/// Where a payment is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PaymentIndex(usize);

impl Relay {
    pub(crate) fn new(version: RelayVersion, keys: Vec<PrivateKey>, network: Network) -> Self {
        Relay {
            version,
            wallets: keys.into_iter().map(|key| Wallet::new(key, network)).collect(),
            turn: 0,
            payments: Vec::new(),
            by_digest: HashMap::new(),
            by_id: HashMap::new(),
            remembered: HashMap::new(),
            posts: RateLimit::default(),
            conflicts: 0,
            last_conflict_ms: None,
        }
    }

    pub(crate) fn payment(&self, index: PaymentIndex) -> &Payment {
        &self.payments[index.0]
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<PaymentIndex> {
        self.by_id.get(id).copied().map(PaymentIndex)
    }

    /// Takes a payment, or the repeat of one. An accepted payment is not a settled one.
    pub(crate) fn submit(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        door: &Door,
    ) -> Result<PaymentIndex, Refusal> {
        let known = self.by_digest.get(&parcel.digest).copied();
        if let Some(index) = known.filter(|index| self.remembers(*index, door, desk.now_ms)) {
            return Ok(PaymentIndex(index));
        }
        if let Door::Http(terms) = door {
            terms.check(parcel).map_err(Refusal::Mismatch)?;
        }
        if take(&mut desk.faults.relay_5xx) {
            return Err(Refusal::Unavailable);
        }
        if desk.chain.account(&parcel.sender).sats < parcel.amount {
            return Err(Refusal::InsufficientFunds);
        }
        let stage = self.stage(desk, parcel, door);
        // The service binding forgets nothing: what it knows here, it gave up before.
        let gave_up = known.is_some() && *door == Door::Rpc;
        let stage = match stage {
            Err(Refusal::NonceConflict(_)) if gave_up => return Err(Refusal::FailedAgain),
            Err(Refusal::NonceConflict(_))
                if *door == Door::Rpc && desk.faults.queue_contention =>
            {
                Stage::Contended { since_ms: desk.now_ms, tried_ms: desk.now_ms }
            }
            stage => stage?,
        };
        Ok(self.file(desk, parcel, known, stage))
    }

    /// Carries on with what waits: gaps that have closed, nonces that have come free.
    pub(crate) fn advance(&mut self, desk: &mut Desk<'_>) {
        for index in 0..self.payments.len() {
            if let Some(stage) = self.next_stage(desk, index) {
                self.payments[index].stage = stage;
            }
        }
    }

    fn next_stage(&mut self, desk: &mut Desk<'_>, index: usize) -> Option<Stage> {
        let payment = &self.payments[index];
        match payment.stage {
            Stage::Held { expires_ms } => {
                let parcel = payment.parcel.clone();
                self.unhold(desk, &parcel, expires_ms)
            }
            Stage::Contended { since_ms, tried_ms } => {
                let parcel = payment.parcel.clone();
                self.retry(desk, &parcel, since_ms, tried_ms)
            }
            Stage::Sent { .. } | Stage::Failed { .. } => None,
        }
    }

    fn remembers(&self, index: usize, door: &Door, now_ms: u64) -> bool {
        let payment = &self.payments[index];
        match door {
            Door::Rpc => !matches!(payment.stage, Stage::Failed { .. }),
            Door::Http(_) => {
                let at_ms = self.remembered.get(&payment.parcel.digest);
                at_ms.is_some_and(|at_ms| now_ms.saturating_sub(*at_ms) < REMEMBERED_MS)
            }
        }
    }

    fn file(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        known: Option<usize>,
        stage: Stage,
    ) -> PaymentIndex {
        let index = known.unwrap_or(self.payments.len());
        match self.payments.get_mut(index) {
            Some(payment) => payment.stage = stage.clone(),
            None => {
                let id = desk.ids.payment();
                self.by_id.insert(id.clone(), index);
                self.by_digest.insert(parcel.digest, index);
                self.payments.push(Payment {
                    id,
                    parcel: parcel.clone(),
                    submitted_ms: desk.now_ms,
                    stage: stage.clone(),
                });
            }
        }
        if matches!(stage, Stage::Sent { .. }) {
            self.remembered.insert(parcel.digest, desk.now_ms);
        }
        PaymentIndex(index)
    }

    /// What becomes of bytes that are not remembered.
    fn stage(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        door: &Door,
    ) -> Result<Stage, Refusal> {
        let nonce = parcel.nonce;
        let account = desk.chain.account(&parcel.sender);
        let expected = desk.chain.seems_free(&parcel.sender, 0);
        if *door == Door::Rpc && nonce < account.nonce {
            return Err(Refusal::SenderNonceStale { nonce });
        }
        if *door == Door::Rpc && account.waiting(nonce).is_some() {
            return Err(Refusal::SenderNonceDuplicate { nonce });
        }
        if self.version == RelayVersion::Today && nonce > expected {
            return match desk.faults.gap {
                Gap::Hold => Ok(Stage::Held { expires_ms: desk.now_ms + HELD_MS }),
                Gap::Refuse => Err(Refusal::SenderNonceGap { nonce, expected }),
            };
        }
        self.send(desk, parcel).map(|index| Stage::Sent { index })
    }

    /// Assigns a sponsor nonce and broadcasts; today's relay tries a second time.
    fn send(&mut self, desk: &mut Desk<'_>, parcel: &Parcel) -> Result<TxIndex, Refusal> {
        let turn = self.next_wallet(desk.chain).ok_or(Refusal::PoolFull)?;
        let mut sent = self.try_send(desk, parcel, turn);
        if sent.is_err() && self.version == RelayVersion::Today {
            sent = self.try_send(desk, parcel, turn);
            if sent.is_err() {
                self.wallets[turn].resync(desk.chain);
            }
        }
        sent.map_err(|error| match error {
            SendError::Rejected(Rejection::TooMuchChaining) => Refusal::TooMuchChaining,
            SendError::Rejected(rejection) => self.conflict(rejection, desk.now_ms),
            SendError::Sponsor => Refusal::Unavailable,
        })
    }

    fn try_send(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        turn: usize,
    ) -> Result<TxIndex, SendError> {
        let wallet = &mut self.wallets[turn];
        let nonce = wallet.assign(desk.chain, desk.now_ms);
        let conditions = Conditions {
            now_ms: desk.now_ms,
            confirm_delay_ms: desk.faults.confirm_delay_ms,
            doomed: desk.faults.chain_abort > 0,
            dropped: desk.faults.dropped > 0,
        };
        let sent = wallet.send(desk.chain, parcel, nonce, conditions);
        match (&sent, self.version) {
            (Ok(_), _) => {
                take(&mut desk.faults.chain_abort);
                take(&mut desk.faults.dropped);
            }
            (Err(SendError::Rejected(Rejection::BadNonce)), _) => wallet.resync(desk.chain),
            // The nonce that the node refused is given to the next one: this is the loop.
            (Err(_), RelayVersion::March) => wallet.head = nonce,
            (Err(_), RelayVersion::Today) => wallet.head = nonce + 1,
        }
        sent
    }

    fn conflict(&mut self, rejection: Rejection, now_ms: u64) -> Refusal {
        self.conflicts += 1;
        self.last_conflict_ms = Some(now_ms);
        Refusal::NonceConflict(rejection)
    }

    /// Round robin over the wallets that have room.
    fn next_wallet(&mut self, chain: &Chain) -> Option<usize> {
        let room = match self.version {
            RelayVersion::March => IN_FLIGHT_MAX,
            RelayVersion::Today => IN_FLIGHT_MAX - HEADROOM_MIN,
        };
        let count = self.wallets.len();
        let mut turns = (0..count).map(|step| (self.turn + step) % count);
        let found =
            turns.find(|turn| chain.nonces(&self.wallets[*turn].address).mempool.len() < room)?;
        self.turn = (found + 1) % count;
        Some(found)
    }

    fn unhold(&mut self, desk: &mut Desk<'_>, parcel: &Parcel, expires_ms: u64) -> Option<Stage> {
        let account = desk.chain.account(&parcel.sender);
        if parcel.nonce < account.nonce || account.waiting(parcel.nonce).is_some() {
            let error = "Sender nonce was used by another transaction";
            return Some(Stage::Failed { reason: "sender_nonce_stale", error });
        }
        if parcel.nonce == desk.chain.seems_free(&parcel.sender, 0) {
            return self.send(desk, parcel).ok().map(|index| Stage::Sent { index });
        }
        let error = "Sender nonce gap was not filled in time";
        (expires_ms <= desk.now_ms).then_some(Stage::Failed { reason: "sender_nonce_gap", error })
    }

    fn retry(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        since_ms: u64,
        tried_ms: u64,
    ) -> Option<Stage> {
        if desk.now_ms < tried_ms + CONTENDED_RETRY_MS {
            return None;
        }
        Some(match self.send(desk, parcel) {
            Ok(index) => Stage::Sent { index },
            Err(_) if desk.now_ms < since_ms + CONTENDED_MS => {
                Stage::Contended { since_ms, tried_ms: desk.now_ms }
            }
            Err(_) => Stage::Failed { reason: "sponsor_failure", error: "Nonce conflict" },
        })
    }

    /// How a payment stands.
    pub(crate) fn status(&self, chain: &Chain, index: PaymentIndex) -> PaymentStatus {
        self.payment(index).status(chain)
    }
}
