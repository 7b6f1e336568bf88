use std::fmt;

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
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
