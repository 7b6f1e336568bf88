//! What a shell can get wrong, and what it then saves.

use domain::{PaymentStage as Stage, Spending, Timestamp};
use logic::payment::{Save, release};

/// What a shell can get wrong. The promises must notice each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// The bytes leave before they are stored.
    SendBeforeSave,
    /// A payment in doubt is signed again with a new nonce.
    SignAgain,
    /// A post without an answer counts as not sent.
    TimeoutIsFailure,
    /// The nonce of a payment in doubt passes to the next one.
    LendNonce,
    /// What the relay calls failed is taken for never paid.
    RelayFailedIsProof,
    /// Whether sending is allowed is not asked.
    NoLeave,
    /// What is signed is not reserved.
    Unreserved,
    /// What others have reserved meanwhile is written over.
    BlindSpending,
    /// What is in doubt is no longer reserved.
    DoubtReleased,
    /// What was reserved yesterday is forgotten.
    ForgetsAtMidnight,
}

impl Sabotage {
    /// A shell that does not keep the spending as it is told to.
    pub fn miscount(self, save: &mut Save, before: &Spending, now: Timestamp) {
        let in_doubt = matches!(save.payment.stage, Stage::Unknown(..));
        match self {
            Sabotage::Unreserved => (save.spending, save.payment.reserved) = (None, None),
            Sabotage::DoubtReleased if in_doubt => {
                if let Some(held) = save.payment.reserved.take() {
                    save.spending = Some(release(before, held.amount, now));
                }
            }
            Sabotage::ForgetsAtMidnight => {
                if let Some(after) = save.spending.as_mut().filter(|after| before.day < after.day) {
                    after.reserved = after.reserved.less(before.reserved);
                }
            }
            _ => (),
        }
    }
}
