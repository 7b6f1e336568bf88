use crate::{PrivateKey, SpendingCondition, Transaction};

/// Why nobody can pay for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SponsorError {
    #[error("sponsor a transaction that its origin pays for")]
    NotSponsored,
}

/// Fills and signs the sponsor's slot, as a relay does, whatever it held before.
///
/// The origin's signature is kept and not checked; a relay asks
/// [`Transaction::verify_origin`] first.
///
/// # Errors
///
/// If the origin did not ask for a sponsor: it would have to sign anew.
pub fn sponsor(
    transaction: &Transaction,
    key: &PrivateKey,
    nonce: u64,
    fee: u64,
) -> Result<Transaction, SponsorError> {
    let signer = key.public_key().hash160();
    let condition = SpendingCondition::unsigned(signer, nonce, fee);
    let mut sponsored = transaction.clone();
    sponsored.sponsor = transaction.sponsor.map(|_| condition);
    let digest = sponsored.sponsor_presign_sighash().ok_or(SponsorError::NotSponsored)?;
    let signature = key.sign(&digest);
    sponsored.sponsor = Some(SpendingCondition { signature, ..condition });
    Ok(sponsored)
}
