//! The hashes that are signed, and whether they were.
//!
//! The origin signs as if no sponsor existed: a slot of zeros stands for the sponsor, and the auth
//! byte in its hash is the standard one. The sponsor signs on top of the origin's signature. So a
//! relay can choose nonce and fee without touching what the origin signed.

use crate::{
    PublicKey, SpendingCondition, Transaction, hash,
    transaction::{AUTH_SPONSORED, AUTH_STANDARD},
};

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("verify a signature that no key can have made")]
    NoKey,
    #[error("verify a signature that another key made")]
    OtherKey,
    #[error("verify the sponsor of a transaction that has none")]
    NotSponsored,
}

impl Transaction {
    /// Whether the key of [`origin_address`](Self::origin_address) signed this.
    ///
    /// # Errors
    ///
    /// If it did not.
    pub fn verify_origin(&self) -> Result<(), VerifyError> {
        verify(&self.origin, &self.origin_presign_sighash())
    }

    /// Whether the key in the sponsor's slot signed this, over the origin's signature.
    ///
    /// # Errors
    ///
    /// If it did not, or if there is no such slot.
    pub fn verify_sponsor(&self) -> Result<(), VerifyError> {
        let sponsor = self.sponsor.as_ref().ok_or(VerifyError::NotSponsored)?;
        let digest = self.sponsor_presign_sighash().ok_or(VerifyError::NotSponsored)?;
        verify(sponsor, &digest)
    }

    /// The hash of everything but signatures, fees, nonces and who the sponsor is.
    pub fn initial_sighash(&self) -> [u8; 32] {
        let sentinel = SpendingCondition::unsigned([0; 20], 0, 0);
        let cleared = Transaction {
            origin: self.origin.cleared(),
            sponsor: self.sponsor.map(|_| sentinel),
            ..self.clone()
        };
        cleared.txid().0
    }

    /// The digest that the origin signs.
    pub fn origin_presign_sighash(&self) -> [u8; 32] {
        presign(&self.initial_sighash(), AUTH_STANDARD, &self.origin)
    }

    /// What the sponsor's digest starts from.
    pub fn origin_postsign_sighash(&self) -> [u8; 32] {
        let mut bytes = self.origin_presign_sighash().to_vec();
        bytes.push(self.origin.key_encoding.byte());
        bytes.extend(self.origin.signature);
        hash::sha512_256(&bytes)
    }

    /// The digest that the sponsor signs; `None` if the transaction wants no sponsor.
    pub fn sponsor_presign_sighash(&self) -> Option<[u8; 32]> {
        let sponsor = self.sponsor.as_ref()?;
        Some(presign(&self.origin_postsign_sighash(), AUTH_SPONSORED, sponsor))
    }
}

fn presign(before: &[u8; 32], auth: u8, condition: &SpendingCondition) -> [u8; 32] {
    let mut bytes = before.to_vec();
    bytes.push(auth);
    bytes.extend(condition.fee.to_be_bytes());
    bytes.extend(condition.nonce.to_be_bytes());
    hash::sha512_256(&bytes)
}

fn verify(condition: &SpendingCondition, digest: &[u8; 32]) -> Result<(), VerifyError> {
    let key = PublicKey::recover(digest, &condition.signature).ok_or(VerifyError::NoKey)?;
    if key.hash160_as(condition.key_encoding) != condition.signer {
        return Err(VerifyError::OtherKey);
    }
    Ok(())
}
