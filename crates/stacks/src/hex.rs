//! Lower-case hexadecimal, as addresses of bytes travel in JSON.

use std::fmt::Write as _;

/// Why a text is not hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    #[error("read hexadecimal of an odd number of digits ({digits})")]
    OddLength { digits: usize },
    #[error("read a character that is not a hexadecimal digit, at byte {at}")]
    BadDigit { at: usize },
}

/// Two lower-case digits a byte, no prefix.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads digits of either case, with or without a leading `0x`.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let value = |at: usize| match digits[at] {
        digit @ b'0'..=b'9' => Ok(digit - b'0'),
        digit @ b'a'..=b'f' => Ok(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(HexError::BadDigit { at }),
    };
    if !digits.len().is_multiple_of(2) {
        return Err(HexError::OddLength { digits: digits.len() });
    }
    (0..digits.len()).step_by(2).map(|at| Ok(value(at)? << 4 | value(at + 1)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is read back, in either case and with the usual prefix.
    #[test]
    fn reads_what_it_writes() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encode(&bytes);
        assert_eq!(decode(&text), Ok(bytes.clone()));
        assert_eq!(decode(&format!("0x{}", text.to_uppercase())), Ok(bytes));
        assert_eq!(encode(&[]), "");
    }

    /// Half a byte and foreign characters are refused, where they stand.
    #[test]
    fn refuses_what_is_not_hexadecimal() {
        assert_eq!(decode("abc"), Err(HexError::OddLength { digits: 3 }));
        assert_eq!(decode("ab g"), Err(HexError::BadDigit { at: 2 }));
        assert_eq!(decode("é"), Err(HexError::BadDigit { at: 0 }));
    }
}
