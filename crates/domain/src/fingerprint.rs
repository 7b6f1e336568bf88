use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

/// What stands for a secret wherever it is spoken of: the first 16 lower-case hex digits of
/// SHA-256 over the provider's name, a line end and the secret. Nobody gets from it to the
/// secret, and two providers that share one do not show it.
///
/// ```
/// let print = domain::Fingerprint::of("anthropic", "sk-test");
/// assert_eq!(print, print.to_string().parse().unwrap());
/// assert_ne!(print, domain::Fingerprint::of("other", "sk-test"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

/// Why a string is not a [`Fingerprint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fingerprint {text:?} is not 16 lower-case hex digits")]
pub struct FingerprintError {
    pub text: String,
}

impl Fingerprint {
    pub fn of(provider: &str, secret: &str) -> Self {
        let digest = Sha256::new().chain_update(provider).chain_update("\n").chain_update(secret);
        let mut first = [0; 8];
        first.copy_from_slice(&digest.finalize()[..8]);
        Fingerprint(u64::from_be_bytes(first))
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        let parsed = u64::from_str_radix(text, 16).ok();
        parsed
            .filter(|_| text.len() == 16 && text.bytes().all(digit))
            .map(Fingerprint)
            .ok_or_else(|| FingerprintError { text: text.chars().take(80).collect() })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixteen lower-case hex digits and nothing else.
    #[test]
    fn reads_its_own_writing_only() {
        assert_eq!(Fingerprint(10).to_string(), "000000000000000a");
        for wrong in ["", "a", "+00000000000000a", "000000000000000A", "000000000000000ag"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong:?}");
        }
    }
}
