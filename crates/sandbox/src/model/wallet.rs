//! A sponsor wallet: its key and the relay's idea of its next nonce.

use stacks::{Address, Network, PrivateKey, Transaction};

use super::{
    chain::{Chain, Rejection, Tx, TxIndex, TxState},
    parcel::Parcel,
};

/// The fee of every sponsored transaction, in microSTX, as recorded.
pub(crate) const FEE: u64 = 3_000;

#[derive(Debug)]
pub(crate) struct Wallet {
    key: PrivateKey,
    pub(crate) address: Address,
    /// The next nonce to assign, as far as the relay knows.
    pub(crate) head: u64,
    pub(crate) assigned: u64,
    pub(crate) last_assigned: Option<(u64, u64)>,
    pub(crate) sent: u64,
}

/// Why a wallet did not get a payment into the node's mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("sponsor the transaction")]
    Sponsor,
}

/// What a broadcast is subject to, whoever makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) now_ms: u64,
    pub(crate) confirm_delay_ms: u64,
    pub(crate) doomed: bool,
    pub(crate) dropped: bool,
}

impl Wallet {
    pub(crate) fn new(key: PrivateKey, network: Network) -> Self {
        let address = key.address(network);
        Wallet { key, address, head: 0, assigned: 0, last_assigned: None, sent: 0 }
    }

    /// Takes the next nonce that looks free to the relay.
    pub(crate) fn assign(&mut self, chain: &Chain, now_ms: u64) -> u64 {
        // The relay does not ask the chain here: a head that fell behind is assigned as it stands.
        let behind = self.head < chain.account(&self.address).nonce;
        let nonce = if behind { self.head } else { chain.seems_free(&self.address, self.head) };
        self.head = nonce + 1;
        self.assigned += 1;
        self.last_assigned = Some((nonce, now_ms));
        nonce
    }

    /// Sets the head to what the indexer shows, which a planted transaction does not move.
    pub(crate) fn resync(&mut self, chain: &Chain) {
        self.head = chain.seems_free(&self.address, 0);
    }

    /// Sponsors with this nonce and broadcasts.
    pub(crate) fn send(
        &mut self,
        chain: &mut Chain,
        parcel: &Parcel,
        nonce: u64,
        conditions: Conditions,
    ) -> Result<TxIndex, SendError> {
        // Signing is slow; the node would refuse for the nonces alone.
        chain.admits(&parcel.sender, parcel.nonce)?;
        chain.admits(&self.address, nonce)?;
        let txid = self.sealed(parcel, nonce)?.txid();
        let index = chain.broadcast(Tx {
            txid,
            sender: parcel.sender,
            origin_nonce: parcel.nonce,
            sponsor: self.address,
            sponsor_nonce: nonce,
            fee: FEE,
            recipient: parcel.recipient.clone(),
            amount: parcel.amount,
            memo: parcel.memo.clone(),
            broadcast_ms: conditions.now_ms,
            eligible_ms: conditions.now_ms.saturating_add(conditions.confirm_delay_ms),
            dropped: conditions.dropped,
            doomed: conditions.doomed,
            state: TxState::Pending,
        })?;
        self.sent += 1;
        Ok(index)
    }

    /// Broadcasts what its sender pays the fee of: no wallet of the relay has a part in it.
    pub(crate) fn pass_on(
        chain: &mut Chain,
        parcel: &Parcel,
        conditions: Conditions,
    ) -> Result<TxIndex, SendError> {
        chain.admits(&parcel.sender, parcel.nonce)?;
        Ok(chain.broadcast(Tx {
            txid: parcel.tx.txid(),
            sender: parcel.sender,
            origin_nonce: parcel.nonce,
            sponsor: parcel.sender,
            sponsor_nonce: parcel.nonce,
            fee: parcel.tx.origin.fee,
            recipient: parcel.recipient.clone(),
            amount: parcel.amount,
            memo: parcel.memo.clone(),
            broadcast_ms: conditions.now_ms,
            eligible_ms: conditions.now_ms.saturating_add(conditions.confirm_delay_ms),
            dropped: conditions.dropped,
            doomed: conditions.doomed,
            state: TxState::Pending,
        })?)
    }

    /// The transaction with the sponsor's part: the same for the same nonce.
    pub(crate) fn sealed(&self, parcel: &Parcel, nonce: u64) -> Result<Transaction, SendError> {
        stacks::sponsor(&parcel.tx, &self.key, nonce, FEE).map_err(|_| SendError::Sponsor)
    }
}
