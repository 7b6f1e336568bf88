use std::{fmt, str::FromStr};

use crate::hex::{self, HexError};

/// The hash that names a transaction.
///
/// A sponsored transaction changes its id when the sponsor signs, so the id of an origin-signed
/// one is not what the chain will call it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub [u8; 32]);

/// Why a text is not a transaction id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxIdError {
    #[error("read a transaction id")]
    Hex(#[source] HexError),
    #[error("read a transaction id of {len} bytes, not 32")]
    Length { len: usize },
}

impl FromStr for TxId {
    type Err = TxIdError;

    /// Digits of either case, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, TxIdError> {
        let bytes = hex::decode(text).map_err(TxIdError::Hex)?;
        let len = bytes.len();
        bytes.try_into().map(TxId).map_err(|_| TxIdError::Length { len })
    }
}

impl fmt::Display for TxId {
    /// Lower case, no prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both spellings that the services use name the same id; shorter ones name none.
    #[test]
    fn reads_both_spellings() {
        let text = "ab".repeat(32);
        let id: TxId = text.parse().unwrap();
        assert_eq!(format!("0x{}", text.to_uppercase()).parse(), Ok(id));
        assert_eq!(id.to_string(), text);
        assert_eq!("abab".parse::<TxId>(), Err(TxIdError::Length { len: 2 }));
        assert!(matches!("zz".parse::<TxId>(), Err(TxIdError::Hex(_))));
    }
}
