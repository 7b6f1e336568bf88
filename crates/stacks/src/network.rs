use std::{fmt, str::FromStr};

/// Which of the two Stacks chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    Mainnet,
    Testnet,
}

/// A text that names no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {text:?} as a network: neither mainnet nor testnet")]
pub struct NetworkError {
    text: String,
}

impl Network {
    /// The name of the chain as x402 writes it (CAIP-2).
    pub const fn caip2(self) -> &'static str {
        match self {
            Network::Mainnet => "stacks:1",
            Network::Testnet => "stacks:2147483648",
        }
    }

    /// The network of a CAIP-2 name, if it is one of ours.
    pub fn from_caip2(text: &str) -> Option<Self> {
        [Network::Mainnet, Network::Testnet].into_iter().find(|network| network.caip2() == text)
    }

    /// The first byte of a transaction.
    pub const fn version_byte(self) -> u8 {
        match self {
            Network::Mainnet => 0x00,
            Network::Testnet => 0x80,
        }
    }

    /// The four bytes after it.
    pub const fn chain_id(self) -> u32 {
        match self {
            Network::Mainnet => 0x0000_0001,
            Network::Testnet => 0x8000_0000,
        }
    }

    /// The address version of a single-signature account (`SP` or `ST`).
    pub const fn p2pkh_version(self) -> u8 {
        match self {
            Network::Mainnet => 22,
            Network::Testnet => 26,
        }
    }

    /// The address version of a multi-signature account (`SM` or `SN`).
    pub const fn p2sh_version(self) -> u8 {
        match self {
            Network::Mainnet => 20,
            Network::Testnet => 21,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        match text {
            "mainnet" => Ok(Network::Mainnet),
            "testnet" => Ok(Network::Testnet),
            _ => Err(NetworkError { text: text.into() }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Network::Mainnet => "mainnet",
            Network::Testnet => "testnet",
        })
    }
}
