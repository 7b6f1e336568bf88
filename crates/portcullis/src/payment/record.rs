//! The record, read whole: the newest of every subject of one sort.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use bus::{Bus, FeedStart};
use domain::{Payment, Wallet};
use wire::{DecodeError, Wire, message::Contact, subject};

/// The newest on one subject.
#[derive(Debug)]
pub(crate) struct Newest<T> {
    pub(crate) subject: String,
    pub(crate) value: Result<T, DecodeError>,
}

/// Between two messages of one reading. Longer is a broker that does not answer.
const SILENCE: Duration = Duration::from_secs(10);

pub(crate) async fn payments(bus: &Bus) -> anyhow::Result<Vec<Newest<Payment>>> {
    newest(bus, "pay.*").await.context("read the payments")
}

pub(crate) async fn wallets(bus: &Bus) -> anyhow::Result<Vec<Newest<Wallet>>> {
    newest(bus, "nonce.*").await.context("read the wallets' nonces")
}

pub(crate) async fn contacts(bus: &Bus) -> anyhow::Result<Vec<Newest<Contact>>> {
    newest(bus, "contact.*").await.context("read the contacts")
}

/// Read as of now: what is stored meanwhile may be in it or not.
async fn newest<T: Wire>(bus: &Bus, over: &str) -> anyhow::Result<Vec<Newest<T>>> {
    let Some(last) = bus.last(subject::RECORD, over).await? else { return Ok(Vec::new()) };
    let mut feed = bus.feed(subject::RECORD, vec![over.to_owned()], FeedStart::Newest).await?;
    let mut found = BTreeMap::new();
    loop {
        let Some(stored) = feed.next_within(SILENCE).await? else {
            bail!("NATS fell silent after {} of them", found.len());
        };
        let (seq, subject) = (stored.seq, stored.subject);
        found.insert(subject.clone(), Newest { subject, value: T::decode(&stored.body) });
        if last.seq <= seq {
            return Ok(found.into_values().collect());
        }
    }
}
