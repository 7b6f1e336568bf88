use std::fmt;

use crate::{Cause, Key, Reservation, Sats, SourceKey, Timestamp};

/// Who is paid: an address that was decoded once, with what it decoded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// `mainnet` or `testnet`.
    pub network: String,
    /// The address as people write it.
    pub address: String,
    pub version: u8,
    pub hash160: [u8; 20],
}

/// What is delivered with the payment, exactly as it is posted each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The agent's Bitcoin address, by which the inbox is found.
    pub to_btc: String,
    /// The agent's Stacks address, to which the payment goes.
    pub to_stx: String,
    pub content: String,
}

/// One payment: what our record knows of it. One per payee and purpose, for ever.
///
/// The key is [`Payee::key`] of the purpose; no record at all means that nothing was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub payee: Payee,
    /// Why the payee is paid, e.g. `welcome`. A payee is paid at most once for each (M1).
    pub purpose: String,
    /// What the task that first asked for it is about.
    pub source_key: SourceKey,
    /// The address that pays.
    pub wallet: String,
    pub letter: Letter,
    pub amount: Sats,
    /// When the stage was last written.
    pub at: Timestamp,
    pub stage: PaymentStage,
    /// `relay.unconfirmed` was told of it; that happens once.
    pub unconfirmed_told: bool,
    /// What happened to it, oldest first.
    pub history: Vec<PaymentNote>,
    /// What is held for it: from its signature until it is settled or rejected, and never
    /// longer or twice.
    pub reserved: Option<Reservation>,
}

/// How far a payment has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentStage {
    /// To be paid. Nothing is signed.
    Intent,
    /// The bytes are stored and have not left this process: that is stored first.
    Signed(Signed),
    /// The bytes are about to leave, or have left.
    Sent(Signed, Sent),
    /// Accepted by the inbox, which delivers once the relay confirms: ask, do not send.
    Staged(Signed, Sent, Staged),
    /// The bytes left, and what became of them is not known.
    Unknown(Signed, Sent, Doubt),
    /// Paid, or found to have been. Final. Without bytes: a message of ours was there before.
    Settled(Option<Signed>, Settlement),
    /// These bytes never paid and never will.
    Rejected(Option<Signed>, Rejection),
}

/// A signed transfer. Two of one origin nonce can never both settle.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The origin nonce.
    pub nonce: u64,
    /// The transaction with its empty sponsor slot.
    pub bytes: Vec<u8>,
    /// As computed here; the sponsor changes it, so the chain knows another.
    pub txid: String,
    /// Our payment identifier, which lets the relay recognise a repetition.
    pub payment_id: String,
    /// The value of the payment header, posted the same each time.
    pub header: String,
}

/// The posts of one signed transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub first: Timestamp,
    pub last: Timestamp,
    /// Counted before each post, so that a crash counts one too many, never one too few.
    pub posts: u32,
    /// Which process posted last, or was about to.
    pub by: String,
}

/// An acceptance that is not yet a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// The relay's id of the payment.
    pub payment_id: String,
    pub check_url: Option<String>,
    pub since: Timestamp,
}

/// Why it is not known what became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub since: Timestamp,
    pub cause: Cause,
    pub evidence: String,
    /// Since when nobody has been able to tell, not even the chain.
    pub untold_since: Option<Timestamp>,
    /// Before this time the bytes are not posted again, by whichever task: the other side has
    /// asked us to wait.
    pub not_before: Option<Timestamp>,
}

/// That a payment was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// As the chain knows it, where it was told.
    pub txid: Option<String>,
    /// The inbox's id of the message; `None` when it was paid for and never delivered.
    pub message: Option<String>,
    pub proof: Proof,
}

/// How a payment is known to have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The inbox answered the post with the delivered message.
    Delivered,
    /// The inbox had delivered for this payment before.
    AlreadyRedeemed,
    /// The message stands in the inbox's list.
    Listed,
    /// The chain has the transfer, and the inbox delivered for it when asked.
    Redeemed,
    /// The chain has the transfer, and the inbox will not deliver for it.
    Chain,
    /// A message of ours was there before anything was signed.
    EarlierMessage,
}

/// Why signed bytes will never pay. Nothing else rejects a payment (M2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// (a) The bytes never left this process; the nonce was given back.
    Unsent { why: String },
    /// (b) The chain shows the origin nonce spent by something else, deep enough. `aborted`:
    /// by these bytes, and the transfer in them did not take place. `told`: a task was told of
    /// it; that happens before the payment begins anew, once.
    SpentElsewhere { txid: String, aborted: bool, why: String, told: bool },
}

/// One line of a payment's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentNote {
    pub at: Timestamp,
    pub what: String,
}

/// The nonces of one wallet and who holds them. Written in one batch with the payment that
/// takes or leaves one, so that no crash leaves a nonce without an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    pub address: String,
    /// The next nonce to be signed.
    pub next: u64,
    /// Invariant: at most one is not sent.
    pub unfinished: Vec<Unfinished>,
    /// Nonces below `next` that nobody holds and the chain waits for, lowest first. The next
    /// payment fills the first.
    pub holes: Vec<u64>,
    /// The chain has been seen to have spent every nonce below this. Another answer of it may be
    /// older than that; what it misses is no hole.
    pub spent: u64,
}

/// A payment that holds a nonce: until it is rejected, or settled and past in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub nonce: u64,
    pub payment: Key,
    /// Its bytes may have left.
    pub sent: bool,
    /// When it was settled on the word of the inbox or the relay; the chain has not been seen
    /// to use its nonce since.
    pub settled: Option<Timestamp>,
    /// What it pays: the wallet must have it until the chain is past the nonce.
    pub amount: Sats,
}

impl Payee {
    /// The key of the payment, and of the contact, for `purpose`.
    pub fn key(&self, purpose: &str) -> Key {
        Key::of_payee(&self.network, self.version, &self.hash160, purpose)
    }
}

impl Payment {
    /// How many lines of history are kept: the first and the newest.
    pub const HISTORY_MAX: usize = 64;

    pub fn key(&self) -> Key {
        self.payee.key(&self.purpose)
    }

    /// The signed bytes, if there are any.
    pub const fn signed(&self) -> Option<&Signed> {
        match &self.stage {
            PaymentStage::Intent => None,
            PaymentStage::Signed(signed)
            | PaymentStage::Sent(signed, _)
            | PaymentStage::Staged(signed, _, _)
            | PaymentStage::Unknown(signed, _, _) => Some(signed),
            PaymentStage::Settled(signed, _) | PaymentStage::Rejected(signed, _) => signed.as_ref(),
        }
    }

    pub const fn settled(&self) -> bool {
        matches!(self.stage, PaymentStage::Settled(..))
    }

    pub const fn word(&self) -> &'static str {
        match self.stage {
            PaymentStage::Intent => "intent",
            PaymentStage::Signed(..) => "signed",
            PaymentStage::Sent(..) => "sent",
            PaymentStage::Staged(..) => "staged",
            PaymentStage::Unknown(..) => "unknown",
            PaymentStage::Settled(..) => "settled",
            PaymentStage::Rejected(..) => "rejected",
        }
    }
}

impl Proof {
    pub const fn word(self) -> &'static str {
        match self {
            Proof::Delivered => "delivered",
            Proof::AlreadyRedeemed => "already-redeemed",
            Proof::Listed => "listed",
            Proof::Redeemed => "redeemed",
            Proof::Chain => "chain",
            Proof::EarlierMessage => "earlier-message",
        }
    }
}

/// Without the bytes and the header: whoever has those can make the payment happen.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("nonce", &self.nonce)
            .field("txid", &self.txid)
            .field("payment_id", &self.payment_id)
            .finish_non_exhaustive()
    }
}
