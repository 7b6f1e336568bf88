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

use stacks::{Address, Network, PrivateKey};

use crate::RelayVersion;

use super::{
    chain::{Chain, Rejection, TxIndex},
    faults::{Gap, NodeFault, take},
    memory::Memory,
    parcel::Parcel,
    payment::{Hold, Payment, PaymentStatus, Stage},
    rate::RateLimit,
    wallet::{Conditions, SendError, Wallet},
};

pub(crate) use super::door::{Desk, Door, Mismatch, Refusal, Terms};

/// Unconfirmed transactions per wallet beyond which none is assigned.
pub(crate) const IN_FLIGHT_MAX: usize = 20;
/// Today's relay keeps so many free.
const HEADROOM_MIN: usize = 2;
/// How long a gap may stay open, after how long what the relay believes of a sender is looked up
/// again, and how long a contended payment is tried.
const HELD_MS: u64 = 900_000;
const REPAIR_MS: u64 = 300_000;
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
    /// What the HTTP side said of the bytes that it took.
    pub(crate) memory: Memory,
    /// Direct posts by sender, and posts that were none by address.
    pub(crate) posts: RateLimit<Address>,
    pub(crate) malformed: RateLimit<String>,
    /// The next nonce of each sender, as it was when the sender was first seen.
    first_seen: HashMap<Address, u64>,
    /// Conflicts given out, with the time of the last.
    pub(crate) conflicts: u64,
    pub(crate) last_conflict_ms: Option<u64>,
    /// When a look at the indexer last showed a hole below what the relay had sent.
    pub(crate) last_gap_ms: Option<u64>,
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
            memory: Memory::default(),
            posts: RateLimit::default(),
            malformed: RateLimit::default(),
            first_seen: HashMap::new(),
            conflicts: 0,
            last_conflict_ms: None,
            last_gap_ms: None,
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
        if desk.faults.relay_cold {
            let stage = held(desk, Hold::Capacity);
            return Ok(self.file(desk, parcel, known, stage));
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
            Stage::Held { expires_ms, why } => {
                let parcel = payment.parcel.clone();
                self.unhold(desk, &parcel, expires_ms, why)
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
            Door::Http(_) => self.memory.knows(&payment.parcel.digest, now_ms),
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
            self.memory.note(parcel.digest, desk.now_ms);
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
        let expected = self.expected(desk, &parcel.sender);
        if *door == Door::Rpc && nonce < account.nonce {
            return Err(Refusal::SenderNonceStale { nonce });
        }
        if *door == Door::Rpc && account.waiting(nonce).is_some() {
            return Err(Refusal::SenderNonceDuplicate { nonce });
        }
        if self.version == RelayVersion::Today && nonce > expected && parcel.sponsored() {
            return match desk.faults.gap {
                Gap::Hold | Gap::Misread => Ok(held(desk, Hold::Gap)),
                Gap::Refuse => Err(Refusal::SenderNonceGap { nonce, expected }),
            };
        }
        self.send(desk, parcel).map(|index| Stage::Sent { index })
    }

    /// Assigns a sponsor nonce and broadcasts; today's relay tries a second time.
    fn send(&mut self, desk: &mut Desk<'_>, parcel: &Parcel) -> Result<TxIndex, Refusal> {
        if !parcel.sponsored() {
            let sent = Wallet::pass_on(desk.chain, parcel, conditions(desk));
            return sent.map_err(|error| self.refused(error, desk.now_ms));
        }
        let turn = self.next_wallet(desk.chain).ok_or(Refusal::PoolFull)?;
        if let Some(fault) = desk.faults.node {
            return self.send_to_faulty(desk, parcel, turn, fault);
        }
        let mut sent = self.try_send(desk, parcel, turn);
        if sent.is_err() && self.version == RelayVersion::Today {
            sent = self.try_send(desk, parcel, turn);
            if sent.is_err() {
                self.look_again(desk, turn);
            }
        }
        sent.map_err(|error| self.refused(error, desk.now_ms))
    }

    /// Takes the wallet's nonce from the indexer, and notices a hole that shows there.
    fn look_again(&mut self, desk: &Desk<'_>, turn: usize) {
        let wallet = &mut self.wallets[turn];
        wallet.resync(desk.chain);
        if !desk.chain.nonces(&wallet.address).missing.is_empty() {
            self.last_gap_ms = Some(desk.now_ms);
        }
    }

    /// A node that is made to misbehave. Today's relay has used the nonce up all the same, and so
    /// leaves a hole; that of March gives it out again.
    fn send_to_faulty(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        turn: usize,
        fault: NodeFault,
    ) -> Result<TxIndex, Refusal> {
        if fault == NodeFault::AnswerLost {
            let sent = self.try_send(desk, parcel, turn);
            let sent = sent.map_err(|error| self.refused(error, desk.now_ms))?;
            // March asks the node again, hears that it has the transaction, and is content.
            let heard = self.version == RelayVersion::March;
            return heard.then_some(sent).ok_or(Refusal::Node(fault));
        }
        let nonce = self.wallets[turn].assign(desk.chain, desk.now_ms);
        if self.version == RelayVersion::March {
            self.wallets[turn].head = nonce;
        }
        Err(match fault {
            NodeFault::BadNonce => self.conflict(Rejection::BadNonce, desk.now_ms),
            NodeFault::TooMuchChaining => Refusal::TooMuchChaining,
            NodeFault::NotEnoughFunds => Refusal::InsufficientFunds,
            fault => Refusal::Node(fault),
        })
    }

    fn refused(&mut self, error: SendError, now_ms: u64) -> Refusal {
        match error {
            SendError::Rejected(Rejection::TooMuchChaining) => Refusal::TooMuchChaining,
            SendError::Rejected(rejection) => self.conflict(rejection, now_ms),
            SendError::Sponsor => Refusal::Unavailable,
        }
    }

    fn try_send(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        turn: usize,
    ) -> Result<TxIndex, SendError> {
        let wallet = &mut self.wallets[turn];
        let nonce = wallet.assign(desk.chain, desk.now_ms);
        let conditions = conditions(desk);
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

    /// The nonce that the relay believes to be the sender's next.
    pub(crate) fn expected(&mut self, desk: &Desk<'_>, sender: &Address) -> u64 {
        let shown = desk.chain.seems_free(sender, 0);
        let first = *self.first_seen.entry(*sender).or_insert(shown);
        if desk.faults.sender_state_stale { first } else { shown }
    }

    fn unhold(
        &mut self,
        desk: &mut Desk<'_>,
        parcel: &Parcel,
        expires_ms: u64,
        why: Hold,
    ) -> Option<Stage> {
        let account = desk.chain.account(&parcel.sender);
        if why == Hold::Capacity && desk.faults.relay_cold {
            return None;
        }
        if desk.now_ms + HELD_MS >= expires_ms + REPAIR_MS {
            self.first_seen.remove(&parcel.sender);
        }
        if parcel.nonce < account.nonce || account.waiting(parcel.nonce).is_some() {
            let error = "Sender nonce was used by another transaction";
            return Some(Stage::Failed { reason: "sender_nonce_stale", error });
        }
        if parcel.nonce == self.expected(desk, &parcel.sender) {
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

    /// Every payment that waits for nonces or room, by sender.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Payment> {
        self.payments.iter().filter(|payment| matches!(payment.stage, Stage::Held { .. }))
    }

    /// How a payment stands.
    pub(crate) fn status(&self, chain: &Chain, index: PaymentIndex) -> PaymentStatus {
        self.payment(index).status(chain)
    }
}

/// Put aside for as long as the relay puts things aside, from now.
fn held(desk: &Desk<'_>, why: Hold) -> Stage {
    Stage::Held { expires_ms: desk.now_ms + HELD_MS, why }
}

fn conditions(desk: &Desk<'_>) -> Conditions {
    Conditions {
        now_ms: desk.now_ms,
        confirm_delay_ms: desk.faults.confirm_delay_ms,
        doomed: desk.faults.chain_abort > 0,
        dropped: desk.faults.dropped > 0,
    }
}
