use std::{fmt, str::FromStr};

/// An amount of sBTC, in satoshis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sats(u64);

/// An amount of money in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(u64);

impl Sats {
    pub const ZERO: Sats = Sats(0);

    pub const fn new(sats: u64) -> Self {
        Sats(sats)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn saturating_add(self, other: Sats) -> Sats {
        Sats(self.0.saturating_add(other.0))
    }

    /// What is left without `other`; nothing where that is more.
    #[must_use]
    pub const fn less(self, other: Sats) -> Sats {
        Sats(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Sats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sats", self.0)
    }
}

impl MicroUsd {
    pub const ZERO: MicroUsd = MicroUsd(0);

    pub const fn new(micro_usd: u64) -> Self {
        MicroUsd(micro_usd)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn saturating_add(self, other: MicroUsd) -> MicroUsd {
        MicroUsd(self.0.saturating_add(other.0))
    }

    #[must_use]
    pub const fn saturating_mul(self, times: u64) -> MicroUsd {
        MicroUsd(self.0.saturating_mul(times))
    }

    /// What is left without `other`; nothing where that is more.
    #[must_use]
    pub const fn less(self, other: MicroUsd) -> MicroUsd {
        MicroUsd(self.0.saturating_sub(other.0))
    }
}

/// Why a text is no amount of dollars.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no amount of dollars; write it like \"5.00\", with at most six decimals")]
pub struct MicroUsdError {
    pub text: String,
}

/// Dollars with at most six decimals, a leading `$` or not: `5`, `5.00`, `$0.000125`.
///
/// ```
/// let price: domain::MicroUsd = "0.10".parse().unwrap();
/// assert_eq!((price.get(), price.to_string()), (100_000, "$0.10".to_owned()));
/// assert!("0.1234567".parse::<domain::MicroUsd>().is_err());
/// ```
impl FromStr for MicroUsd {
    type Err = MicroUsdError;

    fn from_str(text: &str) -> Result<Self, MicroUsdError> {
        let wrong = || MicroUsdError { text: text.chars().take(40).collect() };
        let number = text.strip_prefix('$').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || 6 < part.len() {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
        let micro = whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(part));
        micro.map(MicroUsd).ok_or_else(wrong)
    }
}

/// To the cent, and beyond it only what is not zero: `$3.20`, `$0.000125`.
impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % 1_000_000);
        let (cents, beyond) = part.split_at(2);
        write!(f, "${}.{cents}{}", self.0 / 1_000_000, beyond.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dollars read back as they are told, and what is no amount is refused.
    #[test]
    fn dollars_read_back() {
        for (micro, told) in [
            (0, "$0.00"),
            (1, "$0.000001"),
            (125_000, "$0.125"),
            (3_200_000, "$3.20"),
            (u64::MAX, "$18446744073709.551615"),
        ] {
            assert_eq!(MicroUsd(micro).to_string(), told);
            assert_eq!(told.parse(), Ok(MicroUsd(micro)));
        }
        for wrong in ["", "$", ".5", "5.", "-1", "1e3", "1,5", "0.0000001", "18446744073710"] {
            assert!(wrong.parse::<MicroUsd>().is_err(), "{wrong:?}");
        }
    }
}
