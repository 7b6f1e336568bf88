//! What really happened: the judge of "never paid twice".

use std::collections::{BTreeMap, BTreeSet};

use stacks::{Address, Principal, TxId};

/// Every transfer that the chain confirmed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    transfers: Vec<Settled>,
}

/// sBTC that moved, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) sender: Address,
    pub(crate) recipient: Principal,
    pub(crate) amount: u128,
    pub(crate) origin_nonce: u64,
    pub(crate) txid: TxId,
    pub(crate) height: u64,
    pub(crate) at_ms: u64,
    /// The message that it bought, once the inbox has stored it.
    pub(crate) message: Option<String>,
}

impl Ledger {
    pub(crate) fn settle(&mut self, settled: Settled) {
        self.transfers.push(settled);
    }

    /// Notes that the inbox stored a message for a transfer.
    pub(crate) fn deliver(&mut self, txid: TxId, message: &str) {
        for settled in self.transfers.iter_mut().filter(|settled| settled.txid == txid) {
            settled.message = Some(message.to_owned());
        }
    }

    /// In the order of confirmation.
    pub(crate) fn transfers(&self) -> &[Settled] {
        &self.transfers
    }

    /// How many distinct recipients were paid, by whomever.
    pub(crate) fn welcomed(&self) -> usize {
        self.transfers.iter().map(|settled| &settled.recipient).collect::<BTreeSet<_>>().len()
    }

    /// Recipients whom one sender paid more than once.
    pub(crate) fn paid_twice(&self) -> BTreeSet<&Principal> {
        let mut counts = BTreeMap::new();
        for settled in &self.transfers {
            *counts.entry((settled.sender, &settled.recipient)).or_insert(0_u64) += 1;
        }
        let repeated = counts.into_iter().filter(|(_, count)| *count > 1);
        repeated.map(|((_, recipient), _)| recipient).collect()
    }

    /// How many transfers bought a message.
    pub(crate) fn messages(&self) -> usize {
        self.transfers.iter().filter(|settled| settled.message.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> Address {
        Address::new(22, [byte; 20]).unwrap()
    }

    fn settled(sender: u8, recipient: u8, origin_nonce: u64) -> Settled {
        Settled {
            sender: address(sender),
            recipient: address(recipient).into(),
            amount: 100,
            origin_nonce,
            txid: TxId([u8::try_from(origin_nonce).unwrap(); 32]),
            height: 1,
            at_ms: 0,
            message: None,
        }
    }

    /// Two senders may each pay one recipient; one sender paying it again is what is counted.
    #[test]
    fn judges_by_sender_and_recipient() {
        let mut ledger = Ledger::default();
        ledger.settle(settled(1, 9, 0));
        ledger.settle(settled(2, 9, 0));
        ledger.settle(settled(1, 8, 1));
        assert_eq!((ledger.welcomed(), ledger.paid_twice().len()), (2, 0));

        ledger.settle(settled(1, 9, 2));
        assert_eq!((ledger.welcomed(), ledger.paid_twice().len()), (2, 1));

        ledger.deliver(TxId([2; 32]), "msg_1");
        assert_eq!(ledger.messages(), 1);
    }
}
