//! What the services say of themselves, heard at every node: who sees, who is blind, and for
//! how long.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::task::JoinSet;
use wire::{Wire as _, message::Beat};

use super::NODES;
use crate::harness::{Servers, world::connect};

pub(super) struct Beats {
    heard: Arc<Mutex<BTreeMap<String, Heard>>>,
    _ears: JoinSet<()>,
}

/// Times are milliseconds since 1970, by the services' clock.
#[derive(Clone, Debug, Default)]
struct Heard {
    /// Every beat that said it sees, in order.
    seeing: Vec<u64>,
    /// The newest beat that said it is blind.
    blind: u64,
}

impl Beats {
    /// Listens at each node, so that a cut keeps nothing from being heard.
    pub(super) async fn hear(servers: &Servers) -> Beats {
        let heard: Arc<Mutex<BTreeMap<String, Heard>>> = Arc::default();
        let mut ears = JoinSet::new();
        for node in 0..NODES {
            let bus = connect(&servers.url_of(node)).await;
            let mut inbox = bus.subscribe("beat.>").await.unwrap();
            let heard = heard.clone();
            ears.spawn(async move {
                while let Ok(said) = inbox.next().await {
                    let Ok(beat) = Beat::decode(&said.body) else { continue };
                    let mut heard = heard.lock().unwrap();
                    let name = format!("{}/{}", beat.service, beat.id);
                    let (heard, at) = (heard.entry(name).or_default(), beat.at.as_millis());
                    if !beat.blind.is_empty() {
                        heard.blind = heard.blind.max(at);
                    } else if heard.seeing.last().is_none_or(|last| *last < at) {
                        heard.seeing.push(at);
                    }
                }
            });
        }
        Beats { heard, _ears: ears }
    }

    /// How many services have said that they see since `at`, and not that they are blind
    /// after that.
    pub(super) fn seeing_since(&self, at: u64) -> usize {
        self.count(|heard| {
            heard.seeing.last().is_some_and(|last| at < *last && heard.blind < *last)
        })
    }

    /// How many services have said that they are blind since `at`, and not that they see
    /// after that.
    pub(super) fn blind_since(&self, at: u64) -> usize {
        self.count(|heard| at < heard.blind && heard.seeing.last() < Some(&heard.blind))
    }

    fn count(&self, so: impl Fn(&Heard) -> bool) -> usize {
        self.heard.lock().unwrap().values().filter(|heard| so(heard)).count()
    }

    /// The longest time that each service said nothing or was blind for, since `at`: what a
    /// service needs to see again, with up to one second between two beats.
    pub(super) fn gaps_since(&self, at: u64) -> BTreeMap<String, u64> {
        let gap = |heard: &Heard| {
            let beats: Vec<_> = heard.seeing.iter().filter(|beat| at <= **beat + 2_000).collect();
            beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
        };
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(name, heard)| (name.clone(), gap(heard))).collect()
    }
}
