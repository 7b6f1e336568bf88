use std::fmt;

use bip32::{DerivationPath, XPrv};
use bip39::{Language, Mnemonic};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};

use crate::{Address, KeyEncoding, Network, hash, hex};

/// A secret that signs for one account. Nothing prints it.
#[derive(Clone)]
pub struct PrivateKey(SigningKey);

/// The key that others see, always meant in its compressed form unless an encoding says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// Why there is no key. Says nothing of what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("read a private key: not hexadecimal")]
    Hex,
    #[error("read a private key of {len} bytes: neither 32, nor 33 of which the last is 01")]
    Length { len: usize },
    #[error("read a private key of 33 bytes of which the last is not 01")]
    Suffix,
    #[error("read a private key that is zero or not below the order of the curve")]
    Range,
    #[error("read a mnemonic")]
    Mnemonic(#[source] bip39::Error),
    #[error("derive the key of account {account}")]
    Account { account: u32 },
}

impl PrivateKey {
    /// Reads 32 bytes of hexadecimal, or the 33 that wallets write, which end in `01`.
    ///
    /// Both mean the compressed public key. (stacks.js takes 32 bytes to mean the uncompressed
    /// one, which is another account.)
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let bytes = hex::decode(text).map_err(|_| KeyError::Hex)?;
        let secret = match (bytes.len(), bytes.last()) {
            (32, _) => &bytes[..],
            (33, Some(1)) => &bytes[..32],
            (33, _) => return Err(KeyError::Suffix),
            (len, _) => return Err(KeyError::Length { len }),
        };
        SigningKey::from_slice(secret).map(PrivateKey).map_err(|_| KeyError::Range)
    }

    /// The key of an account of a wallet: English words, no passphrase,
    /// `m/44'/5757'/0'/0/<account>`.
    pub fn from_mnemonic(words: &str, account: u32) -> Result<Self, KeyError> {
        let mnemonic = Mnemonic::parse_in(Language::English, words).map_err(KeyError::Mnemonic)?;
        let refused = KeyError::Account { account };
        let path = format!("m/44'/5757'/0'/0/{account}");
        let path: DerivationPath = path.parse().map_err(|_| refused.clone())?;
        let derived = XPrv::derive_from_path(&mnemonic.to_seed(""), &path).map_err(|_| refused)?;
        Ok(PrivateKey(derived.private_key().clone()))
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// The single-signature account that this key signs for.
    pub fn address(&self, network: Network) -> Address {
        Address::p2pkh(network, &self.public_key())
    }

    /// Recovery id, then r and s. Deterministic (RFC 6979), s in the lower half.
    pub(crate) fn sign(&self, digest: &[u8; 32]) -> [u8; 65] {
        let (signature, recovery) = self.0.sign_prehash_recoverable(digest);
        let mut bytes = [0; 65];
        bytes[0] = recovery.to_byte();
        bytes[1..].copy_from_slice(&signature.to_bytes());
        bytes
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

impl PublicKey {
    /// The key that made a signature over `digest`, if any did.
    pub(crate) fn recover(digest: &[u8; 32], signature: &[u8; 65]) -> Option<Self> {
        let recovery = RecoveryId::from_byte(signature[0])?;
        let signature = Signature::from_slice(&signature[1..]).ok()?;
        VerifyingKey::recover_from_prehash(digest, &signature, recovery).ok().map(PublicKey)
    }

    /// The 33 bytes of the compressed form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_sec1_point(true).as_bytes().to_vec()
    }

    /// What an address holds of this key.
    pub fn hash160(&self) -> [u8; 20] {
        self.hash160_as(KeyEncoding::Compressed)
    }

    pub(crate) fn hash160_as(&self, encoding: KeyEncoding) -> [u8; 20] {
        let compressed = encoding == KeyEncoding::Compressed;
        hash::hash160(self.0.to_sec1_point(compressed).as_bytes())
    }
}
