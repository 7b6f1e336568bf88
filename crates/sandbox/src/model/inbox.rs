//! The inbox: letters that wait for their payment, and messages that were delivered.
//!
//! A message is stored when its payment is confirmed, pays its recipient, and is enough; never
//! before. One confirmed transaction buys one message, whoever asks and how often.

use std::collections::HashMap;

use stacks::{Address, TxId};

use super::relay::PaymentIndex;

/// The price of a message, in sats.
pub(crate) const PRICE: u128 = 100;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// What was posted, by the payment that came with it. The first letter of a payment stands.
    letters: HashMap<PaymentIndex, Letter>,
    messages: Vec<Message>,
    by_txid: HashMap<TxId, usize>,
}

/// What is to be delivered once it is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) to_btc: String,
    pub(crate) to_stx: String,
    pub(crate) content: String,
}

/// What was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) from: Address,
    pub(crate) letter: Letter,
    pub(crate) txid: TxId,
    /// None when the transaction itself was shown in place of a payment.
    pub(crate) payment_id: Option<String>,
    pub(crate) sats: u128,
    pub(crate) sent_ms: u64,
}

/// What storing a message came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Stored(Message),
    /// The transaction has bought this message before.
    Already(String),
}

impl Inbox {
    /// Keeps a letter until its payment is confirmed.
    pub(crate) fn stage(&mut self, payment: PaymentIndex, letter: Letter) {
        self.letters.entry(payment).or_insert(letter);
    }

    pub(crate) fn letter(&self, payment: PaymentIndex) -> Option<&Letter> {
        self.letters.get(&payment)
    }

    /// The payments that letters wait for, or waited for, oldest first.
    pub(crate) fn staged(&self) -> Vec<PaymentIndex> {
        let mut payments: Vec<PaymentIndex> = self.letters.keys().copied().collect();
        payments.sort_unstable();
        payments
    }

    /// The message that this transaction bought.
    pub(crate) fn bought_by(&self, txid: &TxId) -> Option<&Message> {
        self.by_txid.get(txid).map(|index| &self.messages[*index])
    }

    /// Stores a message, unless its transaction has bought one.
    pub(crate) fn store(&mut self, message: Message) -> Delivery {
        if let Some(existing) = self.bought_by(&message.txid) {
            return Delivery::Already(existing.id.clone());
        }
        self.by_txid.insert(message.txid, self.messages.len());
        self.messages.push(message.clone());
        Delivery::Stored(message)
    }

    /// Newest first, those that `keep` keeps.
    pub(crate) fn messages(&self, keep: impl Fn(&Message) -> bool) -> Vec<&Message> {
        self.messages.iter().rev().filter(|message| keep(message)).collect()
    }
}
