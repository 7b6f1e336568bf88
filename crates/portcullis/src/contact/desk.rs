//! Writing contacts: each is created once, whoever tries how often.

use std::collections::BTreeSet;

use anyhow::Context as _;
use bus::Bus;
use domain::{Config, Key, Timestamp};
use fleet::store::{Cas, compare_and_set};
use stacks::{Address, Network};
use wire::{message::Contact, subject};

use crate::{exit::Ended, file::nearest, payment::record};

/// What contacts are kept under.
pub(super) struct Desk<'a> {
    pub(super) bus: &'a Bus,
    pub(super) network: Network,
    /// What the sensors greet for.
    purposes: BTreeSet<String>,
    known: BTreeSet<Key>,
}

impl<'a> Desk<'a> {
    pub(super) async fn open(bus: &'a Bus, config: &Config) -> anyhow::Result<Desk<'a>> {
        let sensors = || config.directories().map(|(_, sensor)| sensor);
        let networks = config.payer.iter().map(|payer| payer.network.as_str());
        let network = networks.chain(sensors().map(|sensor| sensor.network.as_str())).next();
        let network = network.ok_or_else(|| {
            Ended::usage("the configuration has neither payer nor sensor, so no network is known")
        })?;
        let network = network.parse().context("read the configuration's network")?;
        let purposes = sensors().map(|sensor| sensor.purpose.clone()).collect();
        let known = record::contacts(bus).await?;
        let known = known.iter().filter_map(|found| found.subject.rsplit('.').next()?.parse().ok());
        Ok(Desk { bus, network, purposes, known: known.collect() })
    }

    /// The purpose that was named, if any sensor greets for it; else the only one there is.
    ///
    /// # Errors
    ///
    /// With the purposes that there are: a contact for any other would keep nobody from
    /// greeting.
    pub(super) fn purpose(&self, named: Option<&str>) -> Result<String, String> {
        let all: Vec<&str> = self.purposes.iter().map(String::as_str).collect();
        match (named.map(str::trim), all.as_slice()) {
            (Some(named), []) if !named.is_empty() => Ok(named.to_owned()),
            (Some(named), all) if all.contains(&named) => Ok(named.to_owned()),
            (Some(named), all) => {
                let there = all.join(", ");
                Err(match nearest(named, all.iter().copied()) {
                    Some(near) => format!("no sensor greets for {named:?}; did you mean `{near}`?"),
                    None => format!("no sensor greets for {named:?}; there are: {there}"),
                })
            }
            (None, [only]) => Ok((*only).to_owned()),
            (None, []) => {
                Err("no sensor says what it greets for: name it with --purpose".to_owned())
            }
            (None, all) => Err(format!("name one with --purpose: {}", all.join(", "))),
        }
    }

    pub(super) fn key(&self, address: &Address, purpose: &str) -> Key {
        let network = self.network.to_string();
        Key::of_payee(&network, address.version(), address.hash160(), purpose)
    }

    /// Takes note of it: whether it is new, to the record and to this import.
    pub(super) fn is_new(&mut self, key: Key) -> bool {
        self.known.insert(key)
    }

    /// Creates it, unless it is there. Whether it was ours.
    pub(super) async fn create(
        &self,
        address: &Address,
        purpose: &str,
        how: String,
        at: Timestamp,
    ) -> anyhow::Result<bool> {
        let contact =
            Contact { address: address.to_string(), purpose: purpose.to_owned(), how, at };
        let subject = subject::contact(self.key(address, purpose));
        let written = compare_and_set(self.bus, subject::RECORD, &subject, &contact, 0).await;
        let written = written.with_context(|| format!("write the contact with {address}"))?;
        Ok(matches!(written, Cas::Stored(_)))
    }
}
