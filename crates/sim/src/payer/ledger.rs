//! The payer's part of the record: what belongs together is written in one atomic batch.

use domain::{Key, Payment};
use logic::payment::Save;

use super::Desk;
use crate::{
    exec::Millis,
    words::{Body, Expect, Put, PutError, Silent, Subject, Versioned, Word as _},
};

/// How a batch ended.
pub(super) enum Saved {
    Stored { payment_seq: u64, wallet_seq: u64 },
    Lost,
}

const PATIENCE: Millis = 20_000;

impl Desk {
    pub(super) async fn payment(&self, key: Key) -> Result<Option<Versioned<Payment>>, Silent> {
        self.p.get(Subject::Payment(key)).await
    }

    pub(super) async fn contact(&self, key: Key) -> Result<bool, Silent> {
        Ok(self.p.last(Subject::Contact(key)).await?.is_some())
    }

    /// Writes a payment, and with it what changes together with it. All or nothing.
    pub(super) async fn save(
        &self,
        save: &Save,
        payment_seq: u64,
        wallet_seq: u64,
    ) -> Result<Saved, Silent> {
        let begun = self.p.mono_ms();
        loop {
            let puts = self.puts(save, payment_seq, wallet_seq).await?;
            let count = u64::try_from(puts.len()).unwrap_or(u64::MAX);
            let error = match self.p.put_all(puts).await {
                Ok(last) => return Ok(stored(save, last + 1 - count, wallet_seq)),
                Err(error) => error,
            };
            let open = matches!(error, PutError::Moved | PutError::Unknown);
            if open && let Some(ended) = self.look_up(save, payment_seq, wallet_seq).await {
                return Ok(ended);
            }
            if PATIENCE < self.p.mono_ms() - begun {
                return Err(Silent);
            }
            self.p.jitter(5).await;
        }
    }

    async fn puts(&self, save: &Save, payment: u64, wallet: u64) -> Result<Vec<Put>, Silent> {
        let key = save.payment.key();
        let put = |subject, body, last| Put { subject, body, expect: Expect::Last(last) };
        let mut puts = vec![put(Subject::Payment(key), save.payment.clone().wrap(), payment)];
        if let Some(changed) = &save.wallet {
            puts.push(put(Subject::Wallet, changed.clone().wrap(), wallet));
        }
        if save.contact && !self.contact(key).await? {
            let how = save.payment.history.last().map(|note| note.what.clone());
            puts.push(put(Subject::Contact(key), Body::Contact(how.unwrap_or_default()), 0));
        }
        Ok(puts)
    }

    async fn look_up(&self, save: &Save, payment_seq: u64, wallet_seq: u64) -> Option<Saved> {
        let found = self.payment(save.payment.key()).await.ok()?;
        if let Some(found) = &found
            && *found.value == save.payment
        {
            return Some(stored(save, found.seq, wallet_seq));
        }
        if found.map_or(0, |found| found.seq) != payment_seq {
            return Some(Saved::Lost);
        }
        save.wallet.as_ref()?;
        let found = self.wallet().await.ok()?;
        (found.map_or(0, |found| found.seq) != wallet_seq).then_some(Saved::Lost)
    }
}

fn stored(save: &Save, payment_seq: u64, wallet_seq: u64) -> Saved {
    let wallet_seq = save.wallet.as_ref().map_or(wallet_seq, |_| payment_seq + 1);
    Saved::Stored { payment_seq, wallet_seq }
}
