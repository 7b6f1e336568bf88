use clap::ValueEnum;
use serde::Serialize;
use stacks::Network;

/// What kind of world to build. A reset builds the same one again.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many agents are registered at the start.
    pub agents: usize,
    /// Names, addresses and identifiers follow from it; two worlds of one seed are alike.
    pub seed: u64,
    /// Which published relay this one imitates.
    pub relay: RelayVersion,
    /// How many sponsor wallets the relay takes in turn. At least one.
    pub wallets: usize,
    /// Time between two blocks, in milliseconds. At least one.
    pub block_ms: u64,
    /// The sBTC of every account that nobody has set, in sats.
    pub sender_sats: u64,
    /// Of every address, term and transaction. AIBTC's own inbox takes mainnet addresses only;
    /// this one follows the network, so that all else can be tried on testnet too.
    pub network: Network,
    /// Begin with one nonce of the relay stuck in the node's mempool.
    pub stuck_nonce: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            agents: 60,
            seed: 1,
            relay: RelayVersion::March,
            wallets: 1,
            block_ms: 200,
            sender_sats: 1_000_000,
            network: Network::Mainnet,
            stuck_nonce: false,
        }
    }
}

/// The two published relays whose answers were recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayVersion {
    /// v1.17.4, of March 2026: one stuck nonce refuses everybody.
    March,
    /// v1.31.0: one stuck nonce is stepped over, so payments are accepted and never confirm.
    Today,
}

impl RelayVersion {
    /// What `/health` calls itself.
    pub const fn number(self) -> &'static str {
        match self {
            RelayVersion::March => "1.17.4",
            RelayVersion::Today => "1.31.0",
        }
    }
}
