use std::{collections::BTreeSet, time::Duration};

use domain::{Key, Payment, PaymentStage, Timestamp, Wallet};

use crate::payment::WalletFacts;

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

/// Everything that is compared.
///
/// Read in this order, while the payer may be at work: first the world, from `asked` on; then
/// payments and wallets; then contacts. So the record knows whatever the world can show, and
/// only what was settled since `asked` may be missing there.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When the world began to be asked.
    pub asked: Timestamp,
    /// What is older was asked for by nobody.
    pub since: Timestamp,
    /// For so long a settled payment may be missing in the chain's and the inbox's lists.
    pub settles_within: Duration,
    /// Unfinished for longer than this is told.
    pub finishes_within: Duration,
    /// All that there are of the network.
    pub payments: Vec<Payment>,
    pub contacts: Contacts,
    pub wallets: Vec<Book>,
}

/// Who counts as having heard from us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// By payee and purpose.
    pub keys: BTreeSet<Key>,
    /// By address alone, in its canonical spelling, whatever the purpose.
    pub agents: BTreeSet<String>,
}

/// One of our wallets: its record, and what the world says; an `Err` says why it does not.
#[derive(Clone, Debug)]
pub struct Book {
    pub record: Wallet,
    pub nonces: Result<WalletFacts, String>,
    pub mined: Result<Listed<Mined>, String>,
    pub sent: Result<Listed<SentMessage>, String>,
}

/// Two clocks may differ by this much: ours, and that of blocks or of the inbox.
const SKEW: Duration = Duration::from_secs(2 * 3_600);

/// From when on the world's lists are needed, to compare what was asked for: what was settled
/// within the window may have been paid before it.
pub fn horizon(payments: &[Payment], wallets: &[Wallet], since: Timestamp) -> Timestamp {
    let compared = payments.iter().filter(|payment| {
        let held = wallets.iter().flat_map(|wallet| &wallet.unfinished);
        since <= payment.at
            || unfinished(payment)
            || held.into_iter().any(|holder| holder.payment == payment.key())
    });
    let oldest = compared.map(begun).min().unwrap_or(since).min(since);
    Timestamp::from_millis(oldest.as_millis().saturating_sub(millis(SKEW)))
}

/// When a payment began: nothing of it can be in the world before.
pub(super) fn begun(payment: &Payment) -> Timestamp {
    payment.history.first().map_or(payment.at, |note| note.at).min(payment.at)
}

/// Bytes are signed, and their fate is open.
pub(super) const fn unfinished(payment: &Payment) -> bool {
    matches!(
        payment.stage,
        PaymentStage::Signed(..)
            | PaymentStage::Sent(..)
            | PaymentStage::Staged(..)
            | PaymentStage::Unknown(..)
    )
}

impl<T> Listed<T> {
    /// Whether what is not in the list does not exist, for something that began then.
    pub(super) fn covers(&self, begun: Timestamp) -> bool {
        let whole = self.whole_since.as_millis();
        whole == 0 || whole.saturating_add(millis(SKEW)) <= begun.as_millis()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
