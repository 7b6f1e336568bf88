use crate::{
    DecodeError,
    byte_enum::byte_enum,
    reader::{Read, Reader},
};

byte_enum! {
    /// Which form of the public key an account's address hashes.
    "key encoding" KeyEncoding {
        Compressed = 0x00,
        Uncompressed = 0x01,
    }
}

/// The hash mode of a single-signature account, the only one known here.
const P2PKH: u8 = 0x00;

/// What a single-signature account puts into a transaction to pay for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpendingCondition {
    /// The hash of the public key that signs.
    pub signer: [u8; 20],
    pub nonce: u64,
    /// Micro-STX. A sponsored transaction's origin pays none.
    pub fee: u64,
    pub key_encoding: KeyEncoding,
    /// Recovery id, r and s.
    pub signature: [u8; 65],
}

impl SpendingCondition {
    /// The signer hash in a sponsor slot that nobody has filled: the hash of 33 zero bytes, which
    /// is what stacks.js writes. The origin does not sign over it.
    pub const PLACEHOLDER_SIGNER: [u8; 20] = [
        0x29, 0xcf, 0xc6, 0x37, 0x62, 0x55, 0xa7, 0x84, 0x51, 0xee, 0xb4, 0xb1, 0x29, 0xed, 0x8e,
        0xac, 0xff, 0xa2, 0xfe, 0xef,
    ];

    /// A condition that is not signed yet.
    pub const fn unsigned(signer: [u8; 20], nonce: u64, fee: u64) -> Self {
        let key_encoding = KeyEncoding::Compressed;
        SpendingCondition { signer, nonce, fee, key_encoding, signature: [0; 65] }
    }

    /// The condition as the first hash sees it: without what the later hashes add.
    pub(crate) const fn cleared(&self) -> Self {
        let key_encoding = self.key_encoding;
        SpendingCondition { key_encoding, ..SpendingCondition::unsigned(self.signer, 0, 0) }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(P2PKH);
        out.extend(self.signer);
        out.extend(self.nonce.to_be_bytes());
        out.extend(self.fee.to_be_bytes());
        out.push(self.key_encoding.byte());
        out.extend(self.signature);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        match reader.byte()? {
            P2PKH => (),
            byte => return Err(DecodeError::Unknown { what: "hash mode", byte }),
        }
        Ok(SpendingCondition {
            signer: reader.array()?,
            nonce: reader.u64()?,
            fee: reader.u64()?,
            key_encoding: KeyEncoding::read(reader)?,
            signature: reader.array()?,
        })
    }
}
