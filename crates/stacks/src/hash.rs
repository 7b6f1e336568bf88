//! The three hashes of the chain.

use ripemd::Ripemd160;
use sha2::{Digest as _, Sha256, Sha512_256};

/// What a public key is hashed to in an address: RIPEMD-160 of SHA-256.
pub(crate) fn hash160(bytes: &[u8]) -> [u8; 20] {
    Ripemd160::digest(Sha256::digest(bytes)).into()
}

/// What transactions and signatures are hashed with.
pub(crate) fn sha512_256(bytes: &[u8]) -> [u8; 32] {
    Sha512_256::digest(bytes).into()
}

/// The four checksum bytes of an address.
pub(crate) fn checksum(version: u8, hash160: &[u8; 20]) -> [u8; 4] {
    let inner = Sha256::new().chain_update([version]).chain_update(hash160).finalize();
    let outer: [u8; 32] = Sha256::digest(inner).into();
    [outer[0], outer[1], outer[2], outer[3]]
}
