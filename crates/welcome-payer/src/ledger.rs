//! The payer's part of the record: payments, its wallet, what was spent, contact.
//!
//! Every write is a compare-and-set on what was read, and what belongs together is written in
//! one atomic batch.

use std::time::Duration;

use bus::{Bus, Expect, Put, PutError};
use domain::{Key, Kind, Payment, Spending, Wallet};
use fleet::{
    Fleet,
    store::{Cas, StoreError, Versioned, compare_and_set, read},
};
use logic::payment::Save;
use wire::{Wire, message::Contact, subject};

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Saved {
    /// Stored; the sequences from now on.
    Stored(Seqs),
    /// Somebody else wrote first; nothing of ours is stored.
    Lost,
}

/// What a write expects: the sequences under which its parts were read, 0 for what was not
/// there. Those of parts that it does not write do not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seqs {
    pub(crate) payment: u64,
    pub(crate) wallet: u64,
    pub(crate) spending: u64,
}

/// Why the record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("read `{subject}` from the record")]
    Read { subject: String, source: StoreError },
    #[error("go by what lies on `{subject}`: it is another's")]
    Misplaced { subject: String },
    #[error("write the record of wallet {address}")]
    Wallet { address: String, source: StoreError },
    #[error("write payment {key}")]
    Write { key: Key, source: PutError },
}

/// For how long a write is tried before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    fleet: Fleet,
}

impl Ledger {
    pub(crate) fn new(fleet: Fleet) -> Self {
        Ledger { fleet }
    }

    pub(crate) async fn payment(
        &self,
        key: Key,
    ) -> Result<Option<Versioned<Payment>>, LedgerError> {
        let found: Option<Versioned<Payment>> = self.get(subject::payment(key)).await?;
        match found {
            Some(found) if found.value.key() != key => {
                Err(LedgerError::Misplaced { subject: subject::payment(key) })
            }
            found => Ok(found),
        }
    }

    pub(crate) async fn wallet(
        &self,
        address: &str,
    ) -> Result<Option<Versioned<Wallet>>, LedgerError> {
        self.get(subject::nonce(address)).await
    }

    /// What a kind has spent; nothing at all before its first payment.
    pub(crate) async fn spending(&self, kind: &Kind) -> Result<Versioned<Spending>, LedgerError> {
        let subject = subject::spending(kind);
        match self.get::<Spending>(subject.clone()).await? {
            None => Ok(Versioned { value: Spending::new(kind.clone()), seq: 0 }),
            Some(found) if found.value.kind == *kind => Ok(found),
            Some(_) => Err(LedgerError::Misplaced { subject }),
        }
    }

    /// Earlier contact with a payee, whoever made it.
    pub(crate) async fn contact(&self, key: Key) -> Result<Option<Contact>, LedgerError> {
        Ok(self.get(subject::contact(key)).await?.map(|found| found.value))
    }

    /// Begins a wallet's record. `Stored`: it stands there as `wallet`, which may also be the
    /// same beginning by another payer, and is as good.
    pub(crate) async fn begin_wallet(&self, wallet: &Wallet) -> Result<Cas, LedgerError> {
        self.keep_wallet(wallet, 0).await
    }

    /// Writes a wallet's record alone, over the one read at `seq`.
    pub(crate) async fn keep_wallet(&self, wallet: &Wallet, seq: u64) -> Result<Cas, LedgerError> {
        let (bus, subject) = (&self.fleet.bus, subject::nonce(&wallet.address));
        let kept = compare_and_set(bus, subject::RECORD, &subject, wallet, seq).await;
        kept.map_err(|source| LedgerError::Wallet { address: wallet.address.clone(), source })
    }

    /// Writes a payment, and with it what changes together with it. All or nothing.
    ///
    /// A write without an answer is looked up and tried again: with the same expectations it
    /// can be stored once only.
    pub(crate) async fn save(&self, save: &Save, seqs: Seqs) -> Result<Saved, LedgerError> {
        let key = save.payment.key();
        let begun = self.fleet.clock.instant();
        loop {
            let puts = self.puts(save, seqs).await?;
            let count = u64::try_from(puts.len()).unwrap_or(u64::MAX);
            let error = match self.write(puts).await {
                // The members of a batch lie one after the other, the payment first.
                Ok(last) => return Ok(stored(save, last + 1 - count, seqs)),
                Err(error) => error,
            };
            let open = matches!(error, PutError::Moved { .. } | PutError::Unknown { .. });
            if open && let Some(ended) = self.look_up(save, seqs).await {
                return Ok(ended);
            }
            let hopeless = matches!(error, PutError::Refused { code, .. } if !passing(code));
            if hopeless || PATIENCE < begun.elapsed() {
                return Err(LedgerError::Write { key, source: error });
            }
            self.fleet.clock.sleep(Bus::jitter() * 5).await;
        }
    }

    async fn puts(&self, save: &Save, seqs: Seqs) -> Result<Vec<Put>, LedgerError> {
        let key = save.payment.key();
        let mut puts = vec![put(subject::payment(key), save.payment.encode(), seqs.payment)];
        if let Some(wallet) = &save.wallet {
            puts.push(put(subject::nonce(&wallet.address), wallet.encode(), seqs.wallet));
        }
        if let Some(spending) = &save.spending {
            puts.push(put(subject::spending(&spending.kind), spending.encode(), seqs.spending));
        }
        if save.contact && self.contact(key).await?.is_none() {
            let contact = Contact {
                address: save.payment.payee.address.clone(),
                purpose: save.payment.purpose.clone(),
                how: save.payment.history.last().map(|note| note.what.clone()).unwrap_or_default(),
                at: save.payment.at,
            };
            puts.push(put(subject::contact(key), contact.encode(), 0));
        }
        Ok(puts)
    }

    async fn write(&self, mut puts: Vec<Put>) -> Result<u64, PutError> {
        match (puts.len(), puts.pop()) {
            (1, Some(put)) => self.fleet.bus.put(put).await,
            (_, last) => {
                puts.extend(last);
                self.fleet.bus.put_all(puts).await
            }
        }
    }

    /// How our write ended, where that can be seen; `None` while nothing has changed.
    async fn look_up(&self, save: &Save, seqs: Seqs) -> Option<Saved> {
        let found = self.payment(save.payment.key()).await.ok()?;
        if let Some(found) = &found
            && found.value == save.payment
        {
            return Some(stored(save, found.seq, seqs));
        }
        if found.map_or(0, |found| found.seq) != seqs.payment {
            return Some(Saved::Lost);
        }
        if let Some(wallet) = &save.wallet {
            let found = self.wallet(&wallet.address).await.ok()?;
            if found.map_or(0, |found| found.seq) != seqs.wallet {
                return Some(Saved::Lost);
            }
        }
        let spending = save.spending.as_ref()?;
        let found = self.spending(&spending.kind).await.ok()?;
        (found.seq != seqs.spending).then_some(Saved::Lost)
    }

    async fn get<T: Wire>(&self, subject: String) -> Result<Option<Versioned<T>>, LedgerError> {
        let found = read(&self.fleet.bus, subject::RECORD, &subject).await;
        found.map_err(|source| LedgerError::Read { subject, source })
    }
}

fn put(subject: String, body: Vec<u8>, last: u64) -> Put {
    Put { subject, body, expect: Expect::Last(last), id: None }
}

/// Where each part lies, the payment at `first`: in the order of [`Ledger::puts`].
fn stored(save: &Save, first: u64, before: Seqs) -> Saved {
    let wallet = first + u64::from(save.wallet.is_some());
    Saved::Stored(Seqs {
        payment: first,
        wallet: save.wallet.as_ref().map_or(before.wallet, |_| wallet),
        spending: save.spending.as_ref().map_or(before.spending, |_| wallet + 1),
    })
}

/// The server's codes for what passes: no leader, too many batches under way.
const fn passing(code: u64) -> bool {
    matches!(code, 503 | 10_176 | 10_008)
}
