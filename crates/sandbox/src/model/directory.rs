//! Who is registered: the list that the directory pages through, newest first.
//!
//! Rows need not be right. The real list holds rows without an address, with addresses that no
//! checksum fits, and rows that come twice; so can this one.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use stacks::{Address, Network};

use super::bech32::segwit;

/// The registration time of the first generated agent; older ones follow every ten minutes back.
const FIRST_VERIFIED_MS: u64 = 1_773_219_600_000;
const VERIFIED_STEP_MS: u64 = 600_000;

#[derive(Debug)]
pub(crate) struct Directory {
    seed: u64,
    network: Network,
    made: u64,
    /// Newest last; the order in which they were registered.
    agents: Vec<Agent>,
    /// What a stale cache still shows: a number of registrations, and when it was looked up.
    cached: Option<(usize, u64)>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) stx_address: Option<String>,
    pub(crate) btc_address: Option<String>,
    pub(crate) display_name: String,
    pub(crate) public_key: String,
    pub(crate) verified_ms: u64,
    pub(crate) level: u8,
}

/// A way for a row to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Broken {
    /// No Stacks address.
    MissingAddress,
    /// No Bitcoin address, so no inbox.
    MissingBtc,
    /// The right shape, one character off.
    BadChecksum,
    /// A valid address in lower case.
    LowerCase,
    /// A valid address of the other network.
    Testnet,
    /// The newest agent once more, newly dated.
    Duplicate,
}

impl Directory {
    pub(crate) fn new(agents: usize, seed: u64, network: Network) -> Self {
        let mut directory = Directory { seed, network, made: 0, agents: Vec::new(), cached: None };
        for age in (0..agents as u64).rev() {
            let agent = directory.make(FIRST_VERIFIED_MS.saturating_sub(age * VERIFIED_STEP_MS));
            directory.agents.push(agent);
        }
        directory
    }

    /// Registers one more agent, now.
    pub(crate) fn register(&mut self, now_ms: u64) -> Agent {
        let agent = self.make(now_ms);
        self.push(agent)
    }

    /// Registers what the caller says, right or wrong.
    pub(crate) fn register_as(
        &mut self,
        stx_address: Option<String>,
        btc_address: Option<String>,
        display_name: Option<String>,
        now_ms: u64,
    ) -> Agent {
        let made = self.make(now_ms);
        let display_name = display_name.unwrap_or(made.display_name);
        self.push(Agent { stx_address, btc_address, display_name, ..made })
    }

    /// Registers a row that is wrong in the given way.
    pub(crate) fn register_broken(&mut self, broken: Broken, now_ms: u64) -> Agent {
        let made = self.make(now_ms);
        let address = made.stx_address.clone().unwrap_or_default();
        let stx_address = |address| Agent { stx_address: address, ..made.clone() };
        let agent = match broken {
            Broken::MissingAddress => stx_address(None),
            Broken::MissingBtc => Agent { btc_address: None, ..made },
            Broken::BadChecksum => stx_address(Some(misspelt(&address))),
            Broken::LowerCase => stx_address(Some(address.to_lowercase())),
            Broken::Testnet => stx_address(self.other_network(&address)),
            Broken::Duplicate => {
                let newest = self.agents.last().cloned().unwrap_or(made);
                Agent { verified_ms: now_ms, ..newest }
            }
        };
        self.push(agent)
    }

    /// The rows that a reader sees now, newest first. With a stale cache those of a while ago.
    pub(crate) fn listed(&mut self, stale_ms: u64, now_ms: u64) -> Vec<Agent> {
        let fresh = |(_, at_ms): &(usize, u64)| now_ms.saturating_sub(*at_ms) < stale_ms;
        let (count, at_ms) = self.cached.filter(fresh).unwrap_or((self.agents.len(), now_ms));
        self.cached = Some((count, at_ms));
        self.agents[..count].iter().rev().cloned().collect()
    }

    /// The newest row with this Bitcoin or Stacks address.
    pub(crate) fn find(&self, address: &str) -> Option<&Agent> {
        let is = |field: &Option<String>| field.as_deref() == Some(address);
        self.agents.iter().rev().find(|agent| is(&agent.btc_address) || is(&agent.stx_address))
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.agents.len()
    }

    fn push(&mut self, agent: Agent) -> Agent {
        self.agents.push(agent.clone());
        agent
    }

    /// The next agent of this seed.
    fn make(&mut self, verified_ms: u64) -> Agent {
        let made = self.made;
        self.made += 1;
        let digest = self.draw(made, b"agent");
        let hash160: [u8; 20] = std::array::from_fn(|at| digest[at]);
        let address = Address::new(self.network.p2pkh_version(), hash160).ok();
        Agent {
            stx_address: address.map(|address| address.to_string()),
            btc_address: Some(segwit(&hash160)),
            display_name: name(&digest),
            public_key: format!("02{}", stacks::hex::encode(&self.draw(made, b"key"))),
            verified_ms,
            level: 1 + digest[30] % 2,
        }
    }

    fn draw(&self, made: u64, what: &[u8]) -> [u8; 32] {
        let seeded = Sha256::new().chain_update(self.seed.to_be_bytes());
        seeded.chain_update(made.to_be_bytes()).chain_update(what).finalize().into()
    }

    fn other_network(&self, address: &str) -> Option<String> {
        let other = match self.network {
            Network::Mainnet => Network::Testnet,
            Network::Testnet => Network::Mainnet,
        };
        let address: Address = address.parse().ok()?;
        let there = Address::new(other.p2pkh_version(), *address.hash160()).ok()?;
        Some(there.to_string())
    }
}

/// The last character replaced: the shape stays, the checksum fails.
fn misspelt(address: &str) -> String {
    let mut characters: Vec<char> = address.chars().collect();
    if let Some(last) = characters.last_mut() {
        *last = if *last == 'A' { 'B' } else { 'A' };
    }
    characters.into_iter().collect()
}

/// Two words, as the directory names its agents.
fn name(digest: &[u8; 32]) -> String {
    const FIRST: [&str; 16] = [
        "Amber", "Brave", "Calm", "Deft", "Eager", "Frosty", "Gentle", "Hidden", "Ionic", "Jade",
        "Keen", "Lunar", "Mellow", "Noble", "Opal", "Quiet",
    ];
    const SECOND: [&str; 16] = [
        "Anchor", "Badger", "Comet", "Dune", "Ember", "Falcon", "Grove", "Heron", "Iris", "Jackal",
        "Kestrel", "Lynx", "Mantis", "Nebula", "Otter", "Puma",
    ];
    let word = |words: &[&'static str; 16], byte: u8| words[usize::from(byte % 16)];
    format!("{} {}", word(&FIRST, digest[20]), word(&SECOND, digest[21]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(agents: usize) -> Directory {
        Directory::new(agents, 7, Network::Mainnet)
    }

    /// One seed gives one world; every generated address passes the checksum.
    #[test]
    fn agents_follow_from_the_seed() {
        let (mut one, mut two) = (directory(30), directory(30));
        assert_eq!(one.listed(0, 0), two.listed(0, 0));
        for agent in one.listed(0, 0) {
            let address: Address = agent.stx_address.unwrap().parse().unwrap();
            assert_eq!(agent.btc_address.unwrap(), segwit(address.hash160()));
            assert_eq!(address.network(), Some(Network::Mainnet));
        }
        let other = Directory::new(30, 8, Network::Mainnet).listed(0, 0);
        assert_ne!(one.listed(0, 0), other);
    }

    /// The list is newest first, and who registers later comes before all others.
    #[test]
    fn newest_first() {
        let mut directory = directory(3);
        let registered = directory.register(FIRST_VERIFIED_MS + 1);
        let listed = directory.listed(0, 0);
        assert_eq!(listed[0], registered);
        assert!(listed.is_sorted_by(|newer, older| newer.verified_ms > older.verified_ms));
    }

    /// Each broken row is wrong in its own way, and in that way only.
    #[test]
    fn broken_rows_are_broken() {
        let mut directory = directory(2);
        let mut stx = |broken| directory.register_broken(broken, 0).stx_address;
        let parse = |text: Option<String>| text.unwrap().parse::<Address>();
        assert_eq!(stx(Broken::MissingAddress), None);
        assert_eq!(parse(stx(Broken::BadChecksum)), Err(stacks::AddressError::Checksum));
        let lower = stx(Broken::LowerCase).unwrap();
        assert!(lower.parse::<Address>().is_err());
        assert!(lower.to_uppercase().parse::<Address>().is_ok());
        let testnet = parse(stx(Broken::Testnet)).unwrap();
        assert_eq!(testnet.network(), Some(Network::Testnet));
        assert!(directory.register_broken(Broken::MissingBtc, 0).btc_address.is_none());
        let newest = directory.listed(0, 0)[0].stx_address.clone();
        assert_eq!(directory.register_broken(Broken::Duplicate, 9).stx_address, newest);
    }

    /// A stale cache hides who came since, until it is old enough.
    #[test]
    fn a_stale_list_lags() {
        let mut directory = directory(1);
        assert_eq!(directory.listed(1_000, 0).len(), 1);
        directory.register(10);
        assert_eq!(directory.listed(1_000, 999).len(), 1);
        assert_eq!(directory.listed(1_000, 1_000).len(), 2);
        directory.register(1_001);
        assert_eq!(directory.listed(0, 1_002).len(), 3);
    }
}
