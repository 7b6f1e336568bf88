//! What the relay's HTTP side keeps of what it said: answers by transaction, and receipts.
//!
//! An answer is kept as it was given. A payment that was pending then is told as pending for as
//! long as the answer is kept, whatever the chain says by now.

use std::collections::HashMap;

use super::relay::PaymentIndex;

/// How long a repeat of the same bytes gets the first answer (wire facts: dedup).
const REMEMBERED_MS: u64 = 300_000;
/// How long a receipt can be read: 30 days.
pub(crate) const RECEIPT_MS: u64 = 30 * 24 * 3_600 * 1_000;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    by_digest: HashMap<[u8; 32], Entry>,
    receipts: HashMap<String, Receipt>,
}

#[derive(Clone, Debug)]
struct Entry {
    at_ms: u64,
    said: Option<Said>,
}

/// What a success was told as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The block, if it was confirmed by then.
    pub(crate) height: Option<u64>,
    /// `POST /relay` gives one, `POST /settle` does not.
    pub(crate) receipt: Option<String>,
}

/// The proof of payment that `POST /relay` hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) payment: PaymentIndex,
    pub(crate) confirmed: bool,
    pub(crate) created_ms: u64,
}

impl Memory {
    /// Notes that these bytes were taken.
    pub(crate) fn note(&mut self, digest: [u8; 32], now_ms: u64) {
        self.by_digest.insert(digest, Entry { at_ms: now_ms, said: None });
    }

    /// The first answer stands.
    pub(crate) fn say(&mut self, digest: [u8; 32], said: &Said) {
        if let Some(entry) = self.by_digest.get_mut(&digest) {
            entry.said.get_or_insert_with(|| said.clone());
        }
    }

    /// What came to nothing is not remembered.
    pub(crate) fn forget(&mut self, digest: &[u8; 32]) {
        self.by_digest.remove(digest);
    }

    pub(crate) fn knows(&self, digest: &[u8; 32], now_ms: u64) -> bool {
        self.entry(digest, now_ms).is_some()
    }

    /// What was said of these bytes, if it still counts.
    pub(crate) fn said(&self, digest: &[u8; 32], now_ms: u64) -> Option<&Said> {
        self.entry(digest, now_ms)?.said.as_ref()
    }

    fn entry(&self, digest: &[u8; 32], now_ms: u64) -> Option<&Entry> {
        let entry = self.by_digest.get(digest)?;
        (now_ms.saturating_sub(entry.at_ms) < REMEMBERED_MS).then_some(entry)
    }

    pub(crate) fn hand_out(&mut self, id: String, receipt: Receipt) {
        self.receipts.insert(id, receipt);
    }

    pub(crate) fn receipt(&self, id: &str, now_ms: u64) -> Option<&Receipt> {
        let receipt = self.receipts.get(id)?;
        (now_ms.saturating_sub(receipt.created_ms) < RECEIPT_MS).then_some(receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first answer is the one that is kept, for five minutes, and a failure leaves none.
    #[test]
    fn the_first_answer_stands_for_five_minutes() {
        let (mut memory, digest) = (Memory::default(), [1; 32]);
        memory.say(digest, &Said { height: Some(1), receipt: None });
        assert!(!memory.knows(&digest, 0));
        memory.note(digest, 1_000);
        assert_eq!((memory.knows(&digest, 1_000), memory.said(&digest, 1_000)), (true, None));
        let pending = Said { height: None, receipt: Some("r".into()) };
        memory.say(digest, &pending);
        memory.say(digest, &Said { height: Some(7), receipt: None });
        assert_eq!(memory.said(&digest, 300_999), Some(&pending));
        assert!(!memory.knows(&digest, 301_000));
        memory.forget(&digest);
        assert!(!memory.knows(&digest, 1_000));
    }
}
