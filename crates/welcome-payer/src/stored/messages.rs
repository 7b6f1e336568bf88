//! The protobuf messages of the payment record. Field numbers are for ever: add, never reuse.

use prost::Message;

/// On `pay.<key>`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PaymentMessage {
    #[prost(string, tag = "1")]
    pub(super) network: String,
    #[prost(string, tag = "2")]
    pub(super) address: String,
    #[prost(uint32, tag = "3")]
    pub(super) version: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) hash160: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) purpose: String,
    #[prost(string, tag = "6")]
    pub(super) source_key: String,
    #[prost(string, tag = "7")]
    pub(super) wallet: String,
    #[prost(string, tag = "8")]
    pub(super) to_btc: String,
    #[prost(string, tag = "9")]
    pub(super) to_stx: String,
    #[prost(string, tag = "10")]
    pub(super) content: String,
    #[prost(uint64, tag = "11")]
    pub(super) amount_sats: u64,
    #[prost(uint64, tag = "12")]
    pub(super) at_ms: u64,
    #[prost(bool, tag = "13")]
    pub(super) unconfirmed_told: bool,
    #[prost(message, repeated, tag = "14")]
    pub(super) history: Vec<NoteMessage>,
    #[prost(message, optional, tag = "15")]
    pub(super) signed: Option<SignedMessage>,
    #[prost(message, optional, tag = "16")]
    pub(super) sent: Option<SentMessage>,
    /// One of the words of `Payment::word`.
    #[prost(string, tag = "17")]
    pub(super) stage: String,
    #[prost(message, optional, tag = "18")]
    pub(super) staged: Option<StagedMessage>,
    #[prost(message, optional, tag = "19")]
    pub(super) doubt: Option<DoubtMessage>,
    #[prost(message, optional, tag = "20")]
    pub(super) settlement: Option<SettlementMessage>,
    #[prost(message, optional, tag = "21")]
    pub(super) rejection: Option<RejectionMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct NoteMessage {
    #[prost(uint64, tag = "1")]
    pub(super) at_ms: u64,
    #[prost(string, tag = "2")]
    pub(super) what: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SignedMessage {
    #[prost(uint64, tag = "1")]
    pub(super) nonce: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) bytes: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) txid: String,
    #[prost(string, tag = "4")]
    pub(super) payment_id: String,
    #[prost(string, tag = "5")]
    pub(super) header: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SentMessage {
    #[prost(uint64, tag = "1")]
    pub(super) first_ms: u64,
    #[prost(uint64, tag = "2")]
    pub(super) last_ms: u64,
    #[prost(uint32, tag = "3")]
    pub(super) posts: u32,
    #[prost(string, tag = "4")]
    pub(super) by: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct StagedMessage {
    #[prost(string, tag = "1")]
    pub(super) payment_id: String,
    #[prost(string, optional, tag = "2")]
    pub(super) check_url: Option<String>,
    #[prost(uint64, tag = "3")]
    pub(super) since_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DoubtMessage {
    #[prost(uint64, tag = "1")]
    pub(super) since_ms: u64,
    #[prost(string, tag = "2")]
    pub(super) cause: String,
    #[prost(string, tag = "3")]
    pub(super) evidence: String,
    #[prost(uint64, optional, tag = "4")]
    pub(super) untold_since_ms: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SettlementMessage {
    #[prost(string, optional, tag = "1")]
    pub(super) txid: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) message: Option<String>,
    /// One of the words of `Proof::word`.
    #[prost(string, tag = "3")]
    pub(super) proof: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RejectionMessage {
    /// Empty for (a): the bytes never left.
    #[prost(string, tag = "1")]
    pub(super) txid: String,
    #[prost(bool, tag = "2")]
    pub(super) aborted: bool,
    #[prost(string, tag = "3")]
    pub(super) why: String,
}

/// On `nonce.<address>`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WalletMessage {
    #[prost(string, tag = "1")]
    pub(super) address: String,
    #[prost(uint64, tag = "2")]
    pub(super) next: u64,
    #[prost(message, repeated, tag = "3")]
    pub(super) unfinished: Vec<UnfinishedMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct UnfinishedMessage {
    #[prost(uint64, tag = "1")]
    pub(super) nonce: u64,
    #[prost(string, tag = "2")]
    pub(super) payment: String,
    #[prost(bool, tag = "3")]
    pub(super) sent: bool,
}
