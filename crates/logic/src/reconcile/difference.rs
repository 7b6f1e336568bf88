use std::collections::{BTreeMap, BTreeSet};

use domain::{Key, Payment};

/// What came out of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The worst first.
    pub differences: Vec<Difference>,
    /// What nobody can vouch for, since a source did not say: one sentence each.
    pub not_compared: Vec<String>,
    /// Settled so recently that the world need not show it yet.
    pub fresh: BTreeSet<Key>,
    /// How many payments were compared, by the word of their stage.
    pub payments: BTreeMap<&'static str, usize>,
    /// Transfers of the window that the chain lists, and what they moved.
    pub transfers: usize,
    pub sats_moved: u64,
    /// Messages of the window that the inbox lists.
    pub messages: usize,
}

/// One way in which record, inbox and chain disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub kind: Kind,
    /// Whom it concerns, where it is somebody.
    pub agent: Option<String>,
    pub wallet: String,
    pub key: Option<Key>,
    pub nonce: Option<u64>,
    /// As the chain knows it.
    pub txid: Option<String>,
    /// What differs, in a sentence.
    pub what: String,
    /// What a person does about it, with the exact command where there is one.
    pub remedy: String,
}

/// The ways of disagreeing, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The chain moved sBTC to one agent more often than our record has payments for it.
    PaidTwice,
    /// The chain moved sBTC to an agent of whom the record knows nothing.
    UnknownTransfer,
    /// The record calls it rejected, and the chain has the transfer.
    PaidThoughRejected,
    /// The record calls it settled, and the chain has no such transfer.
    NotOnChain,
    /// The record calls it settled, and the chain has aborted it.
    AbortedOnChain,
    /// The chain moved another amount than the record says.
    AmountDiffers,
    /// The chain has used nonces that the record does not know.
    RecordBehind,
    /// The chain waits for a nonce that nobody holds.
    NonceHole,
    /// Paid, and nothing was delivered for it.
    Undelivered,
    /// The record names a message, and the inbox lists none to this agent.
    MessageGone,
    /// The inbox lists a message of ours to an agent of whom the record knows nothing.
    UnknownMessage,
    /// Signed or sent, and not over for a long time.
    Unfinished,
    /// Settled without a contact on record, so that only the payment keeps us from greeting again.
    NoContact,
}

impl Kind {
    pub const ALL: [Kind; 13] = [
        Kind::PaidTwice,
        Kind::UnknownTransfer,
        Kind::PaidThoughRejected,
        Kind::NotOnChain,
        Kind::AbortedOnChain,
        Kind::AmountDiffers,
        Kind::RecordBehind,
        Kind::NonceHole,
        Kind::Undelivered,
        Kind::MessageGone,
        Kind::UnknownMessage,
        Kind::Unfinished,
        Kind::NoContact,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Kind::PaidTwice => "paid-twice",
            Kind::UnknownTransfer => "unknown-transfer",
            Kind::PaidThoughRejected => "paid-though-rejected",
            Kind::NotOnChain => "not-on-chain",
            Kind::AbortedOnChain => "aborted-on-chain",
            Kind::AmountDiffers => "amount-differs",
            Kind::RecordBehind => "record-behind",
            Kind::NonceHole => "nonce-hole",
            Kind::Undelivered => "undelivered",
            Kind::MessageGone => "message-gone",
            Kind::UnknownMessage => "unknown-message",
            Kind::Unfinished => "unfinished",
            Kind::NoContact => "no-contact",
        }
    }
}

impl Difference {
    /// One that concerns a payment.
    pub(super) fn of(kind: Kind, payment: &Payment, what: String, remedy: String) -> Self {
        Difference {
            kind,
            agent: Some(payment.payee.address.clone()),
            wallet: payment.wallet.clone(),
            key: Some(payment.key()),
            nonce: payment.signed().map(|signed| signed.nonce),
            txid: None,
            what,
            remedy,
        }
    }
}
