use std::{fmt, sync::Arc};

use domain::{Fingerprint, ProviderName};

/// A secret. Its `Debug` shows nothing, and it has no `Display`.
///
/// ```
/// let secret: keyring::Secret = "sk-test".parse()?;
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// assert!("two words".parse::<keyring::Secret>().is_err());
/// # Ok::<(), keyring::SecretError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

/// Why a text cannot be a secret that is sent in a header. It never repeats the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretError {
    Empty,
    TooLong { bytes: usize },
    BadByte { at: usize },
}

/// More is no token that anybody issues.
const LEN_MAX: usize = 16 * 1024;

impl Secret {
    /// The secret itself, for the request that it is lent for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn fingerprint(&self, provider: &ProviderName) -> Fingerprint {
        Fingerprint::of(provider.as_str(), &self.0)
    }
}

impl std::str::FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if LEN_MAX < text.len() {
            return Err(SecretError::TooLong { bytes: text.len() });
        }
        match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
            Some(at) => Err(SecretError::BadByte { at }),
            None => Ok(Secret(text.into())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::Empty => f.write_str("it is empty"),
            SecretError::TooLong { bytes } => {
                write!(f, "it has {bytes} bytes, more than {LEN_MAX}")
            }
            SecretError::BadByte { at } => write!(
                f,
                "byte {} is a space, a control character or not ASCII, which no header may carry",
                at + 1
            ),
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What no header may carry is refused, without a word of it.
    #[test]
    fn only_what_a_header_may_carry() {
        for wrong in ["", "a b", "a\nb", "a\r", "sk-\u{e4}", "a\u{0}b", &"x".repeat(20_000)] {
            let told = wrong.parse::<Secret>().unwrap_err().to_string();
            assert!(wrong.is_empty() || !told.contains(wrong), "{told}");
        }
        let secret: Secret = "sk-ant-oat01_x.y~z==".parse().unwrap();
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(…) Some(Secret(…))");
    }
}
