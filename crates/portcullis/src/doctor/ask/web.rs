//! What the services of other people say, each asked with a plain GET.

use std::time::Duration;

use domain::{Config, PayerConfig};
use futures_util::future::join_all;
use kit::Clock;
use stacks::{Address, Network};
use welcome_payer::{Chain, http};

use super::{Said, network_of, told};
use crate::doctor::{
    DoctorArgs,
    answer::Answer,
    outside::{self, Directory},
    wallet::{Account, Key},
};

const ANSWERS_WITHIN: Duration = Duration::from_secs(8);
/// Enough to meet an agent that can be greeted among those that cannot.
const ROWS: u32 = 50;

/// Asks `base` for one path.
pub(super) async fn get(base: &str, path: &str) -> Said<Answer> {
    let client = http::client(base, ANSWERS_WITHIN).map_err(told)?;
    let begun = Clock.instant();
    let response = http::ask(client.get(format!("{base}{path}"))).await;
    let took = begun.elapsed();
    match response.status {
        Some(status) => Ok(Answer { status, body: response.body, text: response.text, took }),
        None => Err(response.complaint()),
    }
}

/// The newest agents of every directory.
pub(super) async fn directories(config: &Config) -> Vec<Directory> {
    let ask = config.directories().map(async |(name, directory)| {
        let url = directory.url.clone();
        let said = get(&url, &format!("/agents?limit={ROWS}&offset=0")).await;
        Directory { sensor: name.to_string(), url, network: network_of(directory), said }
    });
    join_all(ask).await
}

/// Inbox, relay and chain.
pub(super) struct DealtWith {
    pub(super) inbox: outside::Inbox,
    pub(super) relay: outside::Relay,
    pub(super) chain: outside::Chain,
}

pub(super) async fn dealt_with(
    payer: &PayerConfig,
    network: Network,
    agent: Option<(Address, String)>,
) -> DealtWith {
    let (inbox, relay, chain) =
        (payer.inbox_url.clone(), payer.relay_url.clone(), payer.stacks_url.clone());
    let read = async {
        let (_, bitcoin) = agent?;
        let plain = bitcoin.chars().all(|c| c.is_ascii_alphanumeric());
        let path = format!("/inbox/{bitcoin}?view=received&limit=1");
        if plain { Some(get(&inbox, &path).await) } else { None }
    };
    let (said, health, supported, sponsor, info, blocks) = tokio::join!(
        read,
        get(&relay, "/health"),
        get(&relay, "/supported"),
        get(&relay, "/status/sponsor"),
        get(&chain, "/v2/info"),
        get(&chain, "/extended/v2/blocks?limit=1")
    );
    DealtWith {
        inbox: outside::Inbox { url: inbox, said },
        relay: outside::Relay { url: relay, network, health, supported, sponsor },
        chain: outside::Chain { url: chain, network, info, blocks, now: Clock.of_host() },
    }
}

/// The key is read, asked for its address, and dropped.
pub(super) fn key(args: &DoctorArgs, network: Network) -> Key {
    if !args.wallet.given() {
        return Key::NotGiven;
    }
    match args.wallet.key() {
        Ok(key) => Key::Usable { address: key.address(network), mode: mode(args) },
        Err(error) => Key::Unusable(told(error)),
    }
}

fn mode(args: &DoctorArgs) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = args.wallet.wallet_key_file.as_ref()?;
    Some(std::fs::metadata(path).ok()?.permissions().mode())
}

pub(super) async fn account(
    payer: &PayerConfig,
    network: Network,
    address: Option<Address>,
) -> Option<Account> {
    let address = address?;
    let url = &payer.stacks_url;
    let balances = format!("/extended/v1/address/{address}/balances");
    let nonces = async {
        let chain = Chain::new(payer, network, address).map_err(told)?;
        let asked = tokio::time::timeout(ANSWERS_WITHIN * 2, chain.wallet_facts()).await;
        asked.map_err(|_| "the Stacks API is too slow".to_owned())?.map_err(told)
    };
    let (info, balances, nonces) = tokio::join!(get(url, "/v2/info"), get(url, &balances), nonces);
    Some(Account { info, balances, nonces })
}
