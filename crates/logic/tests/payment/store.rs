//! The record of the model: what survives every crash.

use std::collections::BTreeMap;

use domain::{Budget, Key, Payment, Sats, Spending, Wallet};
use logic::payment::Save;

use crate::world::key;

/// What is saved, and so all that survives a crash.
#[derive(Debug)]
pub struct Store {
    pub payments: BTreeMap<Key, (Payment, u64)>,
    pub wallet: (Wallet, u64),
    pub contacts: Vec<Key>,
    pub spending: (Spending, u64),
    pub budget: Budget,
    /// The greatest that was ever allowed for a day.
    pub day_most: Sats,
    pub gate_open: bool,
    pub signatures: u64,
}

impl Store {
    pub fn new() -> Self {
        let wallet = Wallet {
            address: "SPUS".to_owned(),
            next: 0,
            unfinished: Vec::new(),
            holes: Vec::new(),
            spent: 0,
        };
        let (payments, contacts) = (BTreeMap::new(), Vec::new());
        let spending = (Spending::new("welcome".parse().unwrap()), 0);
        let mut store = Store {
            payments,
            wallet: (wallet, 1),
            contacts,
            spending,
            budget: Budget::default(),
            day_most: Sats::ZERO,
            gate_open: true,
            signatures: 0,
        };
        store.allow(Some(Sats::new(500)), None);
        store
    }

    /// A person applies another budget.
    pub fn allow(&mut self, day: Option<Sats>, total: Option<Sats>) {
        self.budget = Budget { day, total, ..Budget::default() };
        self.day_most = self.day_most.max(day.unwrap_or(Sats::new(u64::MAX)));
    }

    /// A person has the record follow the chain, which somebody else used too.
    pub fn adopt(&mut self, chain_next: u64) {
        self.wallet.0.next = self.wallet.0.next.max(chain_next);
        self.wallet.1 += 1;
    }

    pub fn payment(&self, at: usize) -> Option<&Payment> {
        self.payments.get(&key(at)).map(|(payment, _)| payment)
    }

    /// One atomic batch, each a compare-and-set. `false`: refused.
    pub fn save(
        &mut self,
        save: &Save,
        payment_seq: u64,
        wallet_seq: u64,
        spending_seq: u64,
    ) -> bool {
        let key = save.payment.key();
        let stored = self.payments.get(&key).map_or(0, |(_, seq)| *seq);
        if stored != payment_seq || (save.wallet.is_some() && self.wallet.1 != wallet_seq) {
            return false;
        }
        if save.spending.is_some() && self.spending.1 != spending_seq {
            return false;
        }
        if let Some(spending) = &save.spending {
            self.spending = (spending.clone(), spending_seq + 1);
        }
        self.payments.insert(key, (save.payment.clone(), payment_seq + 1));
        if let Some(wallet) = &save.wallet {
            self.wallet = (wallet.clone(), wallet_seq + 1);
        }
        if save.contact {
            self.contacts.push(key);
        }
        true
    }
}
