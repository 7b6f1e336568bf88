//! A payment up to the signed transaction, and not one step further.
//!
//! It asks whom the payer would ask, in the same order and by the same code: who the agent is,
//! whether there was contact, where the gates stand, what the inbox wants, where the nonces
//! are, what the wallet has. Then it signs, decodes what it has signed, and lets go of it.
//!
//! Promises: nothing is sent but a post without a payment, which delivers nothing; nothing is
//! written; no nonce is taken; neither the key nor the signed bytes leave this module, since
//! whoever has the bytes can make the payment happen.

mod asked;
mod directory;
mod show;
mod transfer;

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Options};
use domain::{Config, DirectoryConfig, Handler, Key, Letter, PayerConfig};
use stacks::{Address, Network, PrivateKey};

use crate::{Args, Chain, SERVICE, inbox::Inbox};

pub use show::{object, text};
pub use transfer::Transfer;

/// What a rehearsal came to.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    pub network: Network,
    /// Our own address.
    pub wallet: Address,
    pub payee: Address,
    /// What was looked at, in order.
    pub looked: Vec<Looked>,
    /// What was signed; `None` where it did not come to that.
    pub transfer: Option<Transfer>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    pub what: &'static str,
    pub found: Found,
    pub said: String,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Fine,
    /// A rule of ours refuses the payment.
    Refused,
    /// Somebody does not answer, or not in a form that can be read.
    Silent,
    /// There is no such agent.
    Unknown,
    /// Nobody was asked.
    NotAsked,
}

/// Why there was no rehearsal.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Unreachable(String),
}

impl RehearseError {
    /// The exit status for it.
    pub const fn code(&self) -> u8 {
        match self {
            RehearseError::Usage(_) => 2,
            RehearseError::Unreachable(_) => 4,
        }
    }
}

impl Rehearsal {
    /// Whether the payment would be made.
    pub fn would_be_paid(&self) -> bool {
        self.code() == 0
    }

    /// The exit status: 0, or that of the first thing that speaks against it.
    pub fn code(&self) -> u8 {
        let code = |looked: &Looked| match looked.found {
            Found::Fine | Found::NotAsked => None,
            Found::Refused => Some(3),
            Found::Silent => Some(4),
            Found::Unknown => Some(5),
        };
        let unsigned = if self.transfer.is_some() { 0 } else { 1 };
        self.looked.iter().find_map(code).unwrap_or(unsigned)
    }
}

/// What every step of a rehearsal goes by.
pub(crate) struct Scene<'a> {
    pub(crate) config: &'a Config,
    pub(crate) payer: &'a PayerConfig,
    /// The sensor that would find the agent.
    pub(crate) directory: &'a DirectoryConfig,
    pub(crate) network: Network,
    pub(crate) key: &'a PrivateKey,
    pub(crate) wallet: Address,
    pub(crate) payee: Address,
    /// Under which the payment would be recorded.
    pub(crate) payment: Key,
    /// `None`: record and gates are not asked.
    pub(crate) bus: Option<&'a Bus>,
    pub(crate) inbox: Inbox,
    pub(crate) chain: Chain,
}

/// For the first connection: somebody waits at a terminal.
const PATIENCE: Duration = Duration::from_secs(5);

/// `welcome-payer --dry-run`: by the configuration in force.
///
/// # Errors
///
/// When there is no key, NATS does not answer, or nothing was applied.
pub async fn by_args(args: &Args, address: &str) -> Result<Rehearsal, RehearseError> {
    let key = args.wallet.key().map_err(|error| RehearseError::Usage(format!("{error:#}")))?;
    let options = Options { patience: PATIENCE, ..fleet::options(&args.nats, SERVICE) };
    let joined = async {
        let bus = Bus::connect(&options).await.context("reach NATS")?;
        let applied = fleet::current_config(&bus).await.context("read the configuration")?;
        Ok::<_, anyhow::Error>((bus, applied.config))
    };
    let (bus, config) =
        joined.await.map_err(|error| RehearseError::Unreachable(format!("{error:#}")))?;
    rehearse(&config, &key, Some(&bus), address).await
}

/// Rehearses the payment of one agent. Without a bus, record and gates are not asked.
///
/// # Errors
///
/// When the address is none, or the configuration pays nobody.
pub async fn rehearse(
    config: &Config,
    key: &PrivateKey,
    bus: Option<&Bus>,
    address: &str,
) -> Result<Rehearsal, RehearseError> {
    let scene = scene(config, key, bus, address)
        .map_err(|error| RehearseError::Usage(format!("{error:#}")))?;
    let mut looked = vec![asked::payee(&scene)];
    let mut transfer = None;
    // Whoever is no payee of ours is not even asked for terms.
    if looked[0].found == Found::Fine {
        let (row, agent) = directory::find(&scene).await;
        looked.push(row);
        looked.push(asked::record(&scene).await);
        looked.push(asked::gates(&scene).await);
        if let Some(letter) = agent.map(|agent| letter(&scene, agent)) {
            transfer = Box::pin(transferred(&scene, &letter, &mut looked)).await;
        }
    }
    let Scene { network, wallet, payee, .. } = scene;
    Ok(Rehearsal { network, wallet, payee, looked, transfer })
}

/// From the terms to the signature.
async fn transferred(
    scene: &Scene<'_>,
    letter: &Letter,
    looked: &mut Vec<Looked>,
) -> Option<Transfer> {
    looked.push(asked::messages(scene, letter).await);
    let (row, chosen) = asked::terms(scene, letter).await;
    looked.push(row);
    let (row, nonce) = asked::nonce(scene).await;
    looked.push(row);
    let (chosen, nonce) = (chosen?, nonce?);
    looked.push(asked::balance(scene, chosen.amount).await);
    match transfer::signed(scene, &chosen, nonce) {
        Ok(transfer) => Some(transfer),
        Err(error) => {
            looked.push(Looked::new("signature", Found::Refused, format!("{error:#}")));
            None
        }
    }
}

fn scene<'a>(
    config: &'a Config,
    key: &'a PrivateKey,
    bus: Option<&'a Bus>,
    address: &str,
) -> anyhow::Result<Scene<'a>> {
    let payer = config.payer.as_ref().context("the configuration has no table [payer]")?;
    let network: Network = payer.network.parse().context("read payer.network")?;
    let payee: Address = address
        .parse()
        .with_context(|| format!("read {:?} as a Stacks address", shown(address)))?;
    let directory = paid_sensor(config).context("no sensor finds agents for the payer")?;
    let wallet = key.address(network);
    Ok(Scene {
        config,
        payer,
        directory,
        network,
        key,
        wallet,
        payee,
        payment: Key::of_payee(
            &payer.network,
            payee.version(),
            payee.hash160(),
            &directory.purpose,
        ),
        bus,
        inbox: Inbox::new(payer, network, wallet).context("prepare to ask the inbox")?,
        chain: Chain::new(payer, network, wallet).context("prepare to ask the chain")?,
    })
}

/// The first sensor whose kind the payer handles.
fn paid_sensor(config: &Config) -> Option<&DirectoryConfig> {
    let mut sensors = config.directories().map(|(_, directory)| directory);
    sensors.find(|directory| {
        let kind = config.kinds.get(&directory.kind);
        kind.is_some_and(
            |kind| matches!(&kind.handler, Handler::Service { name } if name.as_str() == SERVICE),
        )
    })
}

/// The letter as the sensor would have it written, near enough for the inbox's terms.
fn letter(scene: &Scene<'_>, agent: directory::Agent) -> Letter {
    let name = agent.name.unwrap_or_else(|| "agent".to_owned());
    Letter {
        to_btc: agent.bitcoin,
        to_stx: scene.payee.to_string(),
        content: scene.directory.message.replace("{name}", &name),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

impl Looked {
    pub(crate) fn new(what: &'static str, found: Found, said: impl Into<String>) -> Looked {
        Looked { what, found, said: said.into() }
    }
}
