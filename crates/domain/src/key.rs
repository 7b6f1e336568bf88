use std::{fmt, fmt::Write as _, str::FromStr};

use sha2::{Digest as _, Sha256};

/// What a piece of work is about, stable for ever: `welcome/<stx address>`. One per effect.
///
/// One to 512 bytes of UTF-8 without control characters. It never becomes a subject;
/// [`SourceKey::key`] does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey(Box<str>);

/// Why a string is not a [`SourceKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceKeyError {
    #[error("source key is empty")]
    Empty,
    #[error("source key has {len} bytes, more than {}", SourceKey::LEN_MAX)]
    TooLong { len: usize },
    #[error("source key contains a control character")]
    Control,
}

/// The subject token of a source key: the first 32 lower-case hex digits of its SHA-256.
///
/// ```
/// use domain::{Key, SourceKey};
///
/// let source: SourceKey = "welcome/SP000000000000000000002Q6VF78".parse()?;
/// let key = source.key();
/// assert_eq!(key.to_string().len(), 32);
/// assert_eq!(key, key.to_string().parse::<Key>().unwrap());
/// # Ok::<(), domain::SourceKeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 16]);

/// Why a string is not a [`Key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key is not 32 lower-case hex digits")]
pub struct KeyError;

impl SourceKey {
    pub const LEN_MAX: usize = 512;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> Key {
        Key::digest(&self.0)
    }
}

impl FromStr for SourceKey {
    type Err = SourceKeyError;

    fn from_str(text: &str) -> Result<Self, SourceKeyError> {
        if text.is_empty() {
            return Err(SourceKeyError::Empty);
        }
        if Self::LEN_MAX < text.len() {
            return Err(SourceKeyError::TooLong { len: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(SourceKeyError::Control);
        }
        Ok(SourceKey(text.into()))
    }
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Key {
    /// The key of one payee and purpose, by which payments and contacts are recorded:
    /// it knows no kind and no template, so that renaming those pays nobody again (M1).
    ///
    /// `version` and `hash160` are the decoded address.
    pub fn of_payee(network: &str, version: u8, hash160: &[u8; 20], purpose: &str) -> Self {
        let mut text = format!("{network}/{version:02x}");
        for byte in hash160 {
            let _ = write!(text, "{byte:02x}");
        }
        let _ = write!(text, "/{purpose}");
        Key::digest(&text)
    }

    fn digest(text: &str) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Key(key)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(KeyError);
        }
        let mut key = [0; 16];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Ok(Key(key))
    }
}

fn hex_digit(digit: u8) -> Result<u8, KeyError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(KeyError),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
