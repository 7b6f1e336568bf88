//! The chain: accounts, what waits in the node's mempool, and blocks.
//!
//! Decides which broadcasts the node takes and which transactions a block confirms. Promises that
//! of all transactions with one origin nonce at most one is ever confirmed, that nonces are
//! confirmed in order without holes, and that an invisible (planted) transaction shows itself to
//! nobody but those who collide with it.

use std::collections::{BTreeMap, HashMap};

use stacks::{Address, Principal, TxId};

/// The node refuses more unconfirmed transactions than this on one account (wire facts: pool).
pub(crate) const CHAINED_MAX: usize = 25;
/// A gap can be as wide as a nonce; so many of its nonces are listed.
const MISSING_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) height: u64,
    block_ms: u64,
    next_block_ms: u64,
    starting_sats: u128,
    accounts: HashMap<Address, Account>,
    txs: Vec<Tx>,
    by_txid: HashMap<TxId, TxIndex>,
    /// Invariant: sorted; the transactions that no block has taken yet.
    waiting: Vec<TxIndex>,
}

/// Where a transaction is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TxIndex(usize);

#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The next nonce to be confirmed.
    pub(crate) nonce: u64,
    pub(crate) sats: u128,
    /// The node's mempool by nonce, as origin or as sponsor.
    pending: BTreeMap<u64, Slot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Tx(TxIndex),
    /// The same, and the indexer says that it was dropped.
    Dropped(TxIndex),
    /// Somebody's transaction that only the node has. Confirmed only when released.
    Planted {
        released: bool,
    },
}

/// A sponsored sBTC transfer on its way or on the chain.
#[derive(Clone, Debug)]
pub(crate) struct Tx {
    pub(crate) txid: TxId,
    pub(crate) sender: Address,
    pub(crate) origin_nonce: u64,
    pub(crate) sponsor: Address,
    pub(crate) sponsor_nonce: u64,
    /// The sponsor's, in microSTX.
    pub(crate) fee: u64,
    pub(crate) recipient: Principal,
    pub(crate) amount: u128,
    pub(crate) memo: Option<Vec<u8>>,
    pub(crate) broadcast_ms: u64,
    /// No block before this time takes it.
    pub(crate) eligible_ms: u64,
    /// The indexer has dropped it; the node has not, and a block will take it.
    pub(crate) dropped: bool,
    /// The contract will fail although the sender has the funds.
    pub(crate) doomed: bool,
    pub(crate) state: TxState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxState {
    Pending,
    Confirmed { height: u64, at_ms: u64 },
    Aborted { height: u64, at_ms: u64 },
}

/// Why the node did not take a broadcast. The texts are the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("transaction rejected: BadNonce")]
    BadNonce,
    #[error("transaction rejected: ConflictingNonceInMempool")]
    ConflictingNonceInMempool,
    #[error("transaction rejected: TooMuchChaining")]
    TooMuchChaining,
}

/// An account's nonces as the indexer (the Stacks API) tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonces {
    pub(crate) executed: Option<u64>,
    pub(crate) mempool: Vec<u64>,
    pub(crate) missing: Vec<u64>,
    pub(crate) possible_next: u64,
}

impl Chain {
    pub(crate) fn new(block_ms: u64, starting_sats: u64, now_ms: u64) -> Self {
        let block_ms = block_ms.max(1);
        Chain {
            height: 100_000,
            block_ms,
            next_block_ms: now_ms + block_ms,
            starting_sats: starting_sats.into(),
            accounts: HashMap::new(),
            txs: Vec::new(),
            by_txid: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    pub(crate) fn account(&self, address: &Address) -> Account {
        self.accounts.get(address).cloned().unwrap_or_else(|| self.fresh())
    }

    pub(crate) fn account_mut(&mut self, address: Address) -> &mut Account {
        let fresh = self.fresh();
        self.accounts.entry(address).or_insert(fresh)
    }

    fn fresh(&self) -> Account {
        Account { nonce: 0, sats: self.starting_sats, pending: BTreeMap::new() }
    }

    pub(crate) fn tx(&self, index: TxIndex) -> &Tx {
        &self.txs[index.0]
    }

    pub(crate) fn by_txid(&self, txid: &TxId) -> Option<&Tx> {
        self.by_txid.get(txid).map(|index| self.tx(*index))
    }

    /// Every transaction that the node ever took, oldest first.
    pub(crate) fn txs(&self) -> impl DoubleEndedIterator<Item = &Tx> {
        self.txs.iter()
    }

    pub(crate) fn next_block_ms(&self) -> u64 {
        self.next_block_ms
    }

    /// Puts a transaction into the node's mempool.
    pub(crate) fn broadcast(&mut self, tx: Tx) -> Result<TxIndex, Rejection> {
        self.admits(&tx.sender, tx.origin_nonce)?;
        self.admits(&tx.sponsor, tx.sponsor_nonce)?;
        let index = TxIndex(self.txs.len());
        let slot = if tx.dropped { Slot::Dropped(index) } else { Slot::Tx(index) };
        self.account_mut(tx.sender).pending.insert(tx.origin_nonce, slot);
        self.account_mut(tx.sponsor).pending.insert(tx.sponsor_nonce, slot);
        self.by_txid.insert(tx.txid, index);
        self.txs.push(tx);
        self.waiting.push(index);
        Ok(index)
    }

    /// Whether the node would take this nonce of this account now. A nonce ahead of its turn is
    /// taken, and waits.
    pub(crate) fn admits(&self, address: &Address, nonce: u64) -> Result<(), Rejection> {
        let account = self.account(address);
        if nonce < account.nonce {
            return Err(Rejection::BadNonce);
        }
        if account.pending.contains_key(&nonce) {
            return Err(Rejection::ConflictingNonceInMempool);
        }
        match account.pending.len() < CHAINED_MAX {
            true => Ok(()),
            false => Err(Rejection::TooMuchChaining),
        }
    }

    /// Lets `count` more nonces, from `first` on, sit in the node's mempool unseen.
    pub(crate) fn plant(&mut self, address: Address, first: u64, count: u64) {
        let account = self.account_mut(address);
        let mut nonce = first.max(account.nonce);
        for _ in 0..count {
            while account.pending.contains_key(&nonce) {
                nonce += 1;
            }
            account.pending.insert(nonce, Slot::Planted { released: false });
        }
    }

    /// How many planted transactions still block something.
    pub(crate) fn planted(&self) -> u64 {
        let slots = self.accounts.values().flat_map(|account| account.pending.values());
        slots.filter(|slot| matches!(slot, Slot::Planted { released: false })).count() as u64
    }

    /// Lets the planted transactions confirm: at once, or when those before them have.
    pub(crate) fn release_planted(&mut self) {
        for account in self.accounts.values_mut() {
            for slot in account.pending.values_mut() {
                if let Slot::Planted { released } = slot {
                    *released = true;
                }
            }
        }
        self.mine_released();
    }

    /// Forgets the planted transactions: their nonces are free again.
    pub(crate) fn drop_planted(&mut self) {
        for account in self.accounts.values_mut() {
            account.pending.retain(|_, slot| !matches!(slot, Slot::Planted { .. }));
        }
    }

    /// Mines every block that is due, and says what they took.
    pub(crate) fn advance(&mut self, now_ms: u64) -> Vec<TxIndex> {
        let mut mined = Vec::new();
        while self.next_block_ms <= now_ms {
            let at_ms = self.next_block_ms;
            self.height += 1;
            self.next_block_ms += self.block_ms;
            mined.extend(self.mine(at_ms));
            if self.idle_until_ms() > now_ms {
                // Nothing can happen any more before `now`: the rest of the blocks are empty.
                let empty =
                    (now_ms + self.block_ms).saturating_sub(self.next_block_ms) / self.block_ms;
                self.height += empty;
                self.next_block_ms += empty * self.block_ms;
            }
        }
        mined
    }

    /// The earliest time at which a waiting transaction may become minable by waiting alone.
    fn idle_until_ms(&self) -> u64 {
        let last_block_ms = self.next_block_ms.saturating_sub(self.block_ms);
        let eligible = self.waiting.iter().map(|index| self.tx(*index).eligible_ms);
        eligible.filter(|at_ms| *at_ms > last_block_ms).min().unwrap_or(u64::MAX)
    }

    /// One block: takes what can be taken until nothing more can.
    fn mine(&mut self, at_ms: u64) -> Vec<TxIndex> {
        let mut mined = Vec::new();
        loop {
            self.mine_released();
            let ready = self.waiting.iter().position(|index| self.minable(*index, at_ms));
            let Some(position) = ready else { return mined };
            let index = self.waiting.remove(position);
            self.execute(index, at_ms);
            mined.push(index);
        }
    }

    fn mine_released(&mut self) {
        for account in self.accounts.values_mut() {
            while account.pending.get(&account.nonce) == Some(&Slot::Planted { released: true }) {
                account.pending.remove(&account.nonce);
                account.nonce += 1;
            }
        }
    }

    fn minable(&self, index: TxIndex, at_ms: u64) -> bool {
        let tx = self.tx(index);
        tx.broadcast_ms < at_ms
            && tx.eligible_ms <= at_ms
            && self.account(&tx.sender).nonce == tx.origin_nonce
            && self.account(&tx.sponsor).nonce == tx.sponsor_nonce
    }

    /// Spends both nonces and, if the contract agrees, moves the sBTC.
    fn execute(&mut self, index: TxIndex, at_ms: u64) {
        let tx = self.tx(index).clone();
        for (address, nonce) in [(tx.sender, tx.origin_nonce), (tx.sponsor, tx.sponsor_nonce)] {
            let account = self.account_mut(address);
            account.pending.remove(&nonce);
            account.nonce = nonce.saturating_add(1);
        }
        let to_self = tx.recipient == Principal::Standard(tx.sender);
        let pays = !tx.doomed && !to_self && self.account(&tx.sender).sats >= tx.amount;
        let height = self.height;
        self.txs[index.0].state = match pays {
            true => TxState::Confirmed { height, at_ms },
            false => TxState::Aborted { height, at_ms },
        };
        if pays {
            self.account_mut(tx.sender).sats -= tx.amount;
            if let Principal::Standard(recipient) = tx.recipient {
                self.account_mut(recipient).sats += tx.amount;
            }
        }
    }

    /// What the indexer says of an account: planted transactions are not in it.
    pub(crate) fn nonces(&self, address: &Address) -> Nonces {
        let account = self.account(address);
        let mempool: Vec<u64> = account.visible().collect();
        let next = mempool.iter().max().map_or(account.nonce, |last| last.saturating_add(1));
        let missing = (account.nonce..next).filter(|nonce| !mempool.contains(nonce));
        Nonces {
            executed: account.nonce.checked_sub(1),
            missing: missing.take(MISSING_MAX).collect(),
            possible_next: next,
            mempool,
        }
    }

    /// The first nonce, from `from` on, that the indexer believes to be free.
    pub(crate) fn seems_free(&self, address: &Address, from: u64) -> u64 {
        let account = self.account(address);
        let mut nonce = from.max(account.nonce);
        while account.pending.get(&nonce).is_some_and(|slot| slot.is_visible()) {
            nonce += 1;
        }
        nonce
    }
}

impl Slot {
    /// Whether the indexer shows it.
    const fn is_visible(self) -> bool {
        !matches!(self, Slot::Planted { released: false } | Slot::Dropped(_))
    }
}

impl Account {
    /// The nonces of the mempool that the indexer knows.
    fn visible(&self) -> impl Iterator<Item = u64> {
        let known = self.pending.iter().filter(|(_, slot)| slot.is_visible());
        known.map(|(nonce, _)| *nonce)
    }

    /// The transaction that waits with this nonce.
    pub(crate) fn waiting(&self, nonce: u64) -> Option<TxIndex> {
        match self.pending.get(&nonce) {
            Some(Slot::Tx(index) | Slot::Dropped(index)) => Some(*index),
            _ => None,
        }
    }
}
