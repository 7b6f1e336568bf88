//! The world as a pure machine: synchronous, with the time as an argument.
//!
//! * [`chain`]: accounts, mempool, blocks; [`parcel`]: submitted bytes, read and verified;
//! * [`relay`], [`door`], [`wallet`], [`payment`]: the sponsor relay with its nonce pool;
//! * [`memory`], [`identifiers`]: what the relay has said before, and says again;
//! * [`inbox`], [`directory`]: what AIBTC keeps;
//! * [`anthropic`]: a language model, its credentials and what it bills;
//! * [`faults`], [`script`]: the knobs; [`ledger`], [`stats`]: what is judged and counted.

pub(crate) mod anthropic;
mod bech32;
pub(crate) mod chain;
pub(crate) mod directory;
mod door;
pub(crate) mod faults;
pub(crate) mod identifiers;
mod ids;
pub(crate) mod inbox;
pub(crate) mod ledger;
pub(crate) mod memory;
pub(crate) mod parcel;
pub(crate) mod payment;
mod proof;
mod rate;
pub(crate) mod relay;
pub(crate) mod script;
pub(crate) mod stats;
#[cfg(test)]
mod tests;
pub(crate) mod wallet;

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use stacks::{KeyError, PrivateKey, TxId, hex};

use crate::{Options, RelayVersion};

pub(crate) use bech32::segwit;

use anthropic::Anthropic;
use chain::{Chain, TxIndex, TxState};
use directory::Directory;
use faults::{Faults, FaultsError, Gap, Generation};
use identifiers::Identifiers;
use ids::Ids;
use inbox::{Delivery, Inbox, Letter, Message};
use ledger::{Ledger, Settled};
use parcel::Parcel;
use payment::{PaymentStatus, Stage};
use rate::RateLimit;
use relay::{Desk, Door, Mismatch, PaymentIndex, Refusal, Relay, Terms};
use stats::Stats;

/// More stuck nonces than this are no worse.
const STUCK_MAX: u64 = 1_000;

/// Everything there is, at one moment.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) now_ms: u64,
    pub(crate) chain: Chain,
    pub(crate) relay: Relay,
    pub(crate) directory: Directory,
    pub(crate) inbox: Inbox,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) ids: Ids,
    pub(crate) identifiers: Identifiers,
    pub(crate) anthropic: Anthropic,
    stats: Stats,
    seen: HashSet<[u8; 32]>,
    headers: RateLimit<[u8; 32]>,
    accepted_since_heal: u64,
}

/// Why knobs could not be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetError {
    #[error(transparent)]
    Faults(#[from] FaultsError),
    #[error("stick a nonce of wallet {wallet} where there are {count}")]
    NoSuchWallet { wallet: usize, count: usize },
}

/// Why a transaction buys no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unredeemable {
    NotFound,
    NotConfirmed,
    Mismatch(Mismatch),
}

/// How a stuck nonce comes free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Heal {
    /// The planted transactions confirm.
    #[default]
    Confirm,
    /// They vanish; their nonces are free again.
    Drop,
}

impl World {
    pub(crate) fn new(options: Options, now_ms: u64) -> Result<World, KeyError> {
        let keys = (0..options.wallets.max(1)).map(|index| sponsor_key(options.seed, index));
        let mut world = World {
            now_ms,
            chain: Chain::new(options.block_ms, options.sender_sats, now_ms),
            relay: Relay::new(options.relay, keys.collect::<Result<_, _>>()?, options.network),
            directory: Directory::new(options.agents, options.seed, options.network),
            inbox: Inbox::default(),
            ledger: Ledger::default(),
            faults: Faults { stuck_count: options.stuck_nonce.into(), ..Faults::default() },
            ids: Ids::new(options.seed),
            identifiers: Identifiers::default(),
            anthropic: Anthropic::default(),
            stats: Stats::default(),
            seen: HashSet::new(),
            headers: RateLimit::default(),
            accepted_since_heal: 0,
            options,
        };
        world.stick();
        Ok(world)
    }

    /// Everything back to the beginning, apart from the time.
    pub(crate) fn reset(&mut self) -> Result<(), KeyError> {
        *self = World::new(self.options.clone(), self.now_ms)?;
        Ok(())
    }

    /// Lets time pass: blocks are mined, and the relay carries on with what waits.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        for index in self.chain.advance(self.now_ms) {
            self.note_mined(index);
        }
        let (relay, mut desk) = self.desk();
        relay.advance(&mut desk);
        if self.faults.deliver_unpolled {
            for payment in self.inbox.staged() {
                self.deliver(payment);
            }
        }
    }

    /// Whether the inbox waits for a poll before it delivers.
    pub(crate) fn staged(&self) -> bool {
        self.faults.inbox_staged.unwrap_or(self.options.relay == RelayVersion::Today)
    }

    /// How the inbox words its failures.
    pub(crate) fn generation(&self) -> Generation {
        self.faults.generation.unwrap_or(match self.options.relay {
            RelayVersion::March => Generation::March,
            RelayVersion::Today => Generation::Typed,
        })
    }

    /// A payment through the inbox, with the letter that it buys.
    pub(crate) fn post(
        &mut self,
        parcel: &Parcel,
        letter: Letter,
        terms: Terms,
    ) -> Result<PaymentIndex, Refusal> {
        let door = match self.options.relay {
            RelayVersion::March => Door::Http(terms),
            RelayVersion::Today => Door::Rpc,
        };
        let payment = self.submit(parcel, &door)?;
        self.inbox.stage(payment, letter);
        let held = matches!(self.relay.payment(payment).stage, Stage::Held { .. });
        match held && self.faults.gap == Gap::Misread {
            true => Err(Refusal::Misread),
            false => Ok(payment),
        }
    }

    /// A payment to the relay.
    pub(crate) fn submit(&mut self, parcel: &Parcel, door: &Door) -> Result<PaymentIndex, Refusal> {
        let waiting = self.chain.txs().count();
        let (relay, mut desk) = self.desk();
        let submitted = relay.submit(&mut desk, parcel, door);
        if self.chain.txs().count() > waiting {
            self.note_accepted();
        }
        submitted
    }

    pub(crate) fn status(&self, payment: PaymentIndex) -> PaymentStatus {
        self.relay.status(&self.chain, payment)
    }

    /// Stores the message of a payment, if it is confirmed and pays for it.
    pub(crate) fn deliver(&mut self, payment: PaymentIndex) -> Option<Delivery> {
        let PaymentStatus::Confirmed { txid, .. } = self.status(payment) else { return None };
        let letter = self.inbox.letter(payment)?.clone();
        let paid = self.relay.payment(payment);
        let terms = self.terms(&letter.to_stx);
        terms.check(&paid.parcel).ok()?;
        let (from, sats, payment_id) =
            (paid.parcel.sender, paid.parcel.amount, Some(paid.id.clone()));
        let id = self.ids.message(self.now_ms);
        let sent_ms = self.now_ms;
        Some(self.store(Message { id, from, letter, txid, payment_id, sats, sent_ms }))
    }

    /// Stores a message for a confirmed transaction that has bought none, payment or no payment.
    pub(crate) fn redeem(&mut self, txid: &TxId, letter: Letter) -> Result<Delivery, Unredeemable> {
        let tx = self.chain.by_txid(txid).ok_or(Unredeemable::NotFound)?;
        if !matches!(tx.state, TxState::Confirmed { .. }) {
            return Err(Unredeemable::NotConfirmed);
        }
        let terms = self.terms(&letter.to_stx);
        terms.compare(&tx.recipient, tx.amount).map_err(Unredeemable::Mismatch)?;
        let (from, sats, txid) = (tx.sender, tx.amount, tx.txid);
        let id = self.ids.message(self.now_ms);
        let sent_ms = self.now_ms;
        Ok(self.store(Message { id, from, letter, txid, payment_id: None, sats, sent_ms }))
    }

    fn store(&mut self, message: Message) -> Delivery {
        let delivery = self.inbox.store(message);
        if let Delivery::Stored(message) = &delivery {
            self.ledger.deliver(message.txid, &message.id);
        }
        delivery
    }

    /// What a message to this agent costs, and whom it pays, by what the inbox says.
    pub(crate) fn terms(&self, stx_address: &str) -> Terms {
        let amount = self.faults.amount_override.as_ref().and_then(|text| text.parse().ok());
        let recipient = self.faults.pay_to_override.clone();
        Terms {
            recipient: recipient.unwrap_or_else(|| stx_address.to_owned()),
            amount_min: amount.unwrap_or(inbox::PRICE),
        }
    }

    /// Sets the named knobs; sticking and unsticking nonces happens at once.
    pub(crate) fn set_faults(&mut self, named: Map<String, Value>) -> Result<(), SetError> {
        let faults = self.faults.merged(named)?;
        let (wallet, count) = (faults.stuck_wallet, self.relay.wallets.len());
        if wallet >= count {
            return Err(SetError::NoSuchWallet { wallet, count });
        }
        let before = std::mem::replace(&mut self.faults, faults).stuck_count;
        match self.faults.stuck_count {
            0 if before > 0 => self.heal(Heal::Confirm, true),
            _ => self.stick(),
        }
        Ok(())
    }

    /// Frees the stuck nonces. Without `resync` the relay has to find that out by itself.
    pub(crate) fn heal(&mut self, how: Heal, resync: bool) {
        match how {
            Heal::Confirm => self.chain.release_planted(),
            Heal::Drop => self.chain.drop_planted(),
        }
        if resync {
            self.resync();
        }
        self.faults.stuck_count = 0;
        self.accepted_since_heal = 0;
    }

    /// What the relay's operator can do: take the nonces from the indexer.
    pub(crate) fn resync(&mut self) {
        for wallet in &mut self.relay.wallets {
            wallet.resync(&self.chain);
        }
    }

    /// Plants what is missing to the number of nonces that are to be stuck.
    fn stick(&mut self) {
        let wanted = self.faults.stuck_count.min(STUCK_MAX);
        let missing = wanted.saturating_sub(self.chain.planted());
        let wallet = &self.relay.wallets[self.faults.stuck_wallet];
        let first = self.chain.seems_free(&wallet.address, wallet.head);
        self.chain.plant(wallet.address, first, missing);
    }

    pub(crate) fn stuck(&self) -> bool {
        self.chain.planted() > 0
    }

    /// A healed nonce that sticks again after so many accepted broadcasts.
    fn note_accepted(&mut self) {
        self.accepted_since_heal += 1;
        let due = self.accepted_since_heal >= self.faults.flap_after;
        if due && !self.stuck() && faults::take(&mut self.faults.flap) {
            self.faults.stuck_count = 1;
            self.stick();
        }
    }

    fn note_mined(&mut self, index: TxIndex) {
        let tx = self.chain.tx(index);
        match tx.state {
            TxState::Pending => (),
            TxState::Aborted { .. } => self.stats.aborted += 1,
            TxState::Confirmed { height, at_ms } => {
                self.stats.settled += 1;
                self.ledger.settle(Settled {
                    sender: tx.sender,
                    recipient: tx.recipient.clone(),
                    amount: tx.amount,
                    origin_nonce: tx.origin_nonce,
                    txid: tx.txid,
                    height,
                    at_ms,
                    message: None,
                });
            }
        }
    }

    pub(crate) fn note_directory_get(&mut self) {
        self.stats.directory_gets += 1;
    }

    pub(crate) fn note_unpaid_post(&mut self) {
        self.stats.unpaid_posts += 1;
    }

    pub(crate) fn note_redeem_post(&mut self) {
        self.stats.redeem_posts += 1;
    }

    pub(crate) fn begin_paid_post(&mut self) {
        let stats = &mut self.stats;
        stats.paid_posts += 1;
        stats.in_flight_paid_posts += 1;
        stats.max_in_flight_paid_posts =
            stats.max_in_flight_paid_posts.max(stats.in_flight_paid_posts);
        stats.first_paid_post_ms.get_or_insert(self.now_ms);
        stats.last_paid_post_ms = Some(self.now_ms);
        stats.paid_posts_while_stuck += u64::from(self.chain.planted() > 0);
    }

    /// Whether a payment header comes too often. A refusal takes nothing else from it.
    pub(crate) fn header_exceeded(&mut self, header: &[u8]) -> bool {
        let digest = Sha256::digest(header).into();
        self.headers.exceeded(digest, self.faults.inbox_rate_limit, self.now_ms)
    }

    pub(crate) fn note_parcel(&mut self, parcel: &Parcel) {
        self.seen.insert(parcel.digest);
    }

    pub(crate) fn end_paid_post(&mut self) {
        self.stats.in_flight_paid_posts = self.stats.in_flight_paid_posts.saturating_sub(1);
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            distinct_payments: self.seen.len(),
            relay_conflicts: self.relay.conflicts,
            stuck: self.stuck(),
            now_ms: self.now_ms,
            height: self.chain.height,
            ..self.stats.clone()
        }
    }

    fn desk(&mut self) -> (&mut Relay, Desk<'_>) {
        let World { relay, chain, faults, ids, now_ms, .. } = self;
        (relay, Desk { chain, faults, ids, now_ms: *now_ms })
    }
}

fn sponsor_key(seed: u64, index: usize) -> Result<PrivateKey, KeyError> {
    let seeded = Sha256::new().chain_update(b"sandbox sponsor").chain_update(seed.to_be_bytes());
    let digest = seeded.chain_update((index as u64).to_be_bytes()).finalize();
    PrivateKey::from_hex(&hex::encode(&digest))
}
