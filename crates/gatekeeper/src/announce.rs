//! Writes down how many attempts at once each draining gate lets through, for the dispatchers
//! to take seats by.
//!
//! Within an epoch the number only grows, and it is written by compare-and-set over a smaller
//! one only; so gatekeepers that have counted unequally agree on the greatest, and one that
//! lags behind, or has not counted all yet, lowers nothing. A new drain has a new epoch, under
//! which the old number means nothing to anyone.

use std::collections::BTreeMap;

use domain::{DrainPace, Epoch, Gate, GateName, GateState};
use fleet::store::{self, Cas, StoreError};
use wire::subject;

use crate::Keeper;

/// What is known to be written, by gate.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    paces: BTreeMap<GateName, (Epoch, u32)>,
    /// The last trouble that was told, so that it is told once.
    trouble: String,
}

impl Announced {
    /// Writes what has grown since the last time.
    pub(crate) async fn announce(&mut self, keeper: &Keeper, gates: &BTreeMap<GateName, Gate>) {
        let mut trouble = String::new();
        for gate in gates.values().filter(|gate| gate.state == GateState::Draining) {
            if let Err(error) = self.announce_one(keeper, gate).await {
                trouble = format!("{:#}", anyhow::Error::new(error));
            }
        }
        if !trouble.is_empty() && trouble != self.trouble {
            tracing::warn!(error = trouble, "the pace of a drain is not announced");
        }
        self.trouble = trouble;
    }

    async fn announce_one(&mut self, keeper: &Keeper, gate: &Gate) -> Result<(), StoreError> {
        let (bus, config) = (&keeper.fleet.bus, keeper.fleet.config());
        let pace = keeper.with_pace(|pace| pace.pace(&config, &gate.name, Some(gate)));
        let Some(at_once) = pace else { return Ok(()) };
        if self.paces.get(&gate.name).is_some_and(|known| (gate.epoch, at_once) <= *known) {
            return Ok(());
        }
        let on = subject::pace(&gate.name);
        let found = store::read::<DrainPace>(bus, subject::STATE, &on).await?;
        let (last, known) = found
            .map_or((0, None), |found| (found.seq, Some((found.value.epoch, found.value.at_once))));
        let mine = DrainPace { gate: gate.name.clone(), epoch: gate.epoch, at_once };
        if known.is_some_and(|known| (gate.epoch, at_once) <= known) {
            self.paces.extend(known.map(|known| (gate.name.clone(), known)));
            return Ok(());
        }
        match store::compare_and_set(bus, subject::STATE, &on, &mine, last).await? {
            Cas::Stored(_) => {
                tracing::debug!(gate = %gate.name, epoch = %gate.epoch, at_once, "pace announced");
                self.paces.insert(gate.name.clone(), (gate.epoch, at_once));
            }
            // Another gatekeeper's; the next round sees what it wrote.
            Cas::Lost => (),
        }
        Ok(())
    }
}
