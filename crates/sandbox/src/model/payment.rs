use stacks::TxId;

use super::{
    chain::{Chain, TxIndex, TxState},
    parcel::Parcel,
};

/// A payment that the relay accepted, under the id that it gave it.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    /// `pay_` and 32 hex digits.
    pub(crate) id: String,
    pub(crate) parcel: Parcel,
    pub(crate) submitted_ms: u64,
    pub(crate) stage: Stage,
}

/// How far the relay has got with a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Put aside until `expires_ms`.
    Held { expires_ms: u64, why: Hold },
    /// The node refused the sponsor's nonce; tried again until `since_ms` is too long ago.
    Contended { since_ms: u64, tried_ms: u64 },
    /// In the node's mempool, or in a block.
    Sent { index: TxIndex },
    /// Given up. The bytes may be submitted again.
    Failed { reason: &'static str, error: &'static str },
}

/// What a payment that was put aside waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Ahead of its turn: the sender's missing nonces.
    Gap,
    /// A wallet.
    Capacity,
}

/// What `payment-status` says (wire facts: pending and settlement polling).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PaymentStatus {
    Queued { held: bool, error: Option<&'static str> },
    Mempool { txid: TxId },
    Confirmed { txid: TxId, height: u64, at_ms: u64 },
    Failed { txid: Option<TxId>, reason: &'static str, error: &'static str },
}

impl Payment {
    pub(crate) fn status(&self, chain: &Chain) -> PaymentStatus {
        match &self.stage {
            Stage::Held { .. } => PaymentStatus::Queued { held: true, error: None },
            Stage::Contended { .. } => PaymentStatus::Queued {
                held: false,
                error: Some("Broadcast contention: Nonce conflict"),
            },
            Stage::Failed { reason, error } => PaymentStatus::Failed { txid: None, reason, error },
            Stage::Sent { index } => {
                let tx = chain.tx(*index);
                match tx.state {
                    TxState::Pending => PaymentStatus::Mempool { txid: tx.txid },
                    TxState::Confirmed { height, at_ms } => {
                        PaymentStatus::Confirmed { txid: tx.txid, height, at_ms }
                    }
                    TxState::Aborted { .. } => PaymentStatus::Failed {
                        txid: Some(tx.txid),
                        reason: "chain_abort",
                        error: "Transaction aborted on chain",
                    },
                }
            }
        }
    }
}

impl PaymentStatus {
    pub(crate) const fn txid(&self) -> Option<TxId> {
        match self {
            PaymentStatus::Queued { .. } => None,
            PaymentStatus::Mempool { txid } | PaymentStatus::Confirmed { txid, .. } => Some(*txid),
            PaymentStatus::Failed { txid, .. } => *txid,
        }
    }

    /// Nothing that the relay does will change it any more.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, PaymentStatus::Confirmed { .. } | PaymentStatus::Failed { .. })
    }
}
