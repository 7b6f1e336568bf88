use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use domain::{Config, PayerConfig};
use logic::payment::{IN_FLIGHT_MAX, Limits};
use stacks::{Address, Network, PrivateKey};
use tokio::sync::Semaphore;

use crate::{chain::Chain, inbox::Inbox};

/// How long a request stays with a staged payment before it is answered as pending.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Everything that one version of the configuration says of paying.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The version of the configuration.
    pub(crate) version: u64,
    pub(crate) network: Network,
    /// Our own address.
    pub(crate) wallet: Address,
    pub(crate) inbox: Inbox,
    pub(crate) chain: Chain,
    pub(crate) limits: Limits,
    /// As many requests are worked at once as payments may be under way.
    pub(crate) permits: Arc<Semaphore>,
}

impl Tools {
    /// # Errors
    ///
    /// When the configuration has no payer, or one that cannot be used.
    pub(crate) fn new(config: &Config, key: &PrivateKey) -> anyhow::Result<Self> {
        let payer = config.payer.as_ref().context("the configuration has no table [payer]")?;
        let network: Network = payer.network.parse().context("read payer.network")?;
        let wallet = key.address(network);
        let permits = usize::try_from(payer.in_flight).unwrap_or(IN_FLIGHT_MAX);
        Ok(Tools {
            version: config.version,
            network,
            wallet,
            inbox: Inbox::new(payer, network, wallet).context("prepare to ask the inbox")?,
            chain: Chain::new(payer, network, wallet).context("prepare to ask the chain")?,
            limits: limits(payer),
            permits: Arc::new(Semaphore::new(permits.clamp(1, IN_FLIGHT_MAX))),
        })
    }
}

fn limits(payer: &PayerConfig) -> Limits {
    Limits {
        amount_max: payer.amount_max,
        in_flight: payer.in_flight,
        unconfirmed_after: payer.unconfirmed_after,
        unresolved_after: payer.unresolved_after,
        ask_every: payer.ask_every,
        patience: PATIENCE,
        poll_every: POLL_EVERY,
    }
}
