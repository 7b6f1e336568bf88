use std::net::SocketAddr;

use stacks::Network;

use crate::{Options, RelayVersion};

/// The stand-in world that moves no money: AIBTC directory and inbox, sponsor relay, Stacks API.
///
/// All services share one address; see `GET /sandbox/faults` for the ways to break them.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub struct Args {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "SANDBOX_LISTEN", default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,

    /// How many agents are registered at the start
    #[arg(long, default_value_t = 60)]
    pub agents: usize,

    /// Worlds of one seed are alike
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Which published relay to imitate
    #[arg(long, value_enum, default_value = "march")]
    pub relay: RelayVersion,

    /// How many sponsor wallets the relay has
    #[arg(long, default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub wallets: usize,

    /// Milliseconds between two blocks
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub block_ms: u64,

    /// The sBTC of every account at the start, in sats
    #[arg(long, default_value_t = 1_000_000)]
    pub sender_sats: u64,

    /// mainnet or testnet
    #[arg(long, default_value = "mainnet")]
    pub network: Network,

    /// The relay's next nonce is stuck from the start, as in March 2026
    #[arg(long)]
    pub stuck_nonce: bool,

    /// Only ask the sandbox that runs there: exit 0 when it answers, else 1
    #[arg(long)]
    pub check_health: bool,

    #[command(flatten)]
    pub logs: kit::LogArgs,
}

impl Args {
    /// The world that these arguments ask for.
    pub const fn options(&self) -> Options {
        Options {
            agents: self.agents,
            seed: self.seed,
            relay: self.relay,
            wallets: self.wallets,
            block_ms: self.block_ms,
            sender_sats: self.sender_sats,
            network: self.network,
            stuck_nonce: self.stuck_nonce,
        }
    }
}
