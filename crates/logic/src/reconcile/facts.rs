use domain::Timestamp;

/// What the outside lists of us, newest first, and how far back the list is known whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    pub entries: Vec<T>,
    /// Nothing from this time on is left out; 0 is the whole list. What is older and does not
    /// stand in `entries` may be there all the same.
    pub whole_since: Timestamp,
    /// Why the list ends before it reaches as far back as was asked; `None` where it does.
    pub cut: Option<String>,
}

/// A transaction of one of our wallets in a block of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mined {
    /// The origin nonce that it spent.
    pub nonce: u64,
    /// As the chain knows it: 64 hex digits.
    pub txid: Option<String>,
    /// The time of its block.
    pub at: Option<Timestamp>,
    pub did: Did,
}

/// What a transaction in a block did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// Moved this many sats of sBTC to this address, in its canonical spelling.
    Moved { to: String, sats: u64 },
    /// Spent its nonce; nothing moved.
    Aborted,
    /// Something else than a transfer of sBTC.
    Other { what: String },
    /// The API tells of it in part only.
    Untold { what: String },
}

/// A message of ours as the inbox lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The inbox's id of it.
    pub message: String,
    /// To whom, in the canonical spelling of the Stacks address.
    pub to: String,
    pub at: Option<Timestamp>,
}
