//! Winning and freeing the right to be the one task that a probing gate lets through.

use bus::Stored;
use domain::{Admission, Canary, Epoch, GateName, Key, Kind, KindConfig};
use fleet::store::{self, Cas, StoreError};
use logic::attempt::{Admitted, HOLD, may_free, win_canary};
use wire::{Wire as _, subject};

use super::{Answer, Errand, Flow};
use crate::desk::Desk;

/// The most links of a canary's record that are looked at.
const LINKS_MAX: usize = 1_000;

/// A canary that was won and is in no claim yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Won {
    pub(super) gate: GateName,
    pub(super) epoch: Epoch,
}

impl Errand {
    /// Wins the canary of each gate for `attempt`, or puts the task back.
    pub(super) async fn win_canaries(
        &self,
        kind: &KindConfig,
        gates: &[GateName],
        admission: &Admitted,
        attempt: u32,
        won: &mut Vec<Won>,
    ) -> Flow {
        let Admitted::Yes { admitted, .. } = admission else { return Flow::Continue(()) };
        for gate in gates {
            if won.iter().any(|won| won.gate == *gate) {
                continue;
            }
            let Some(epoch) = epoch_of(admitted, gate) else { return Flow::Continue(()) };
            match self.win_canary(kind, gate, epoch, attempt).await {
                Ok(true) => won.push(Won { gate: gate.clone(), epoch }),
                Ok(false) => {
                    tracing::debug!(%gate, %epoch, "another task is the canary");
                    return Flow::Break(Answer::PutBack(HOLD));
                }
                Err(error) => return Flow::Break(self.after(error).await),
            }
        }
        Flow::Continue(())
    }

    async fn win_canary(
        &self,
        kind: &KindConfig,
        gate: &GateName,
        epoch: Epoch,
        attempt: u32,
    ) -> Result<bool, StoreError> {
        let desk = &self.desk;
        let record = subject::canary(gate, epoch);
        let found = store::read::<Canary>(&desk.fleet.bus, subject::RECORD, &record).await?;
        let mine = Canary {
            gate: gate.clone(),
            epoch,
            kind: self.kind.clone(),
            task: self.key,
            source_key: self.task.source_key.clone(),
            attempt,
            holder: desk.me().clone(),
            begun: desk.fleet.clock.now(),
            released: false,
        };
        if !win_canary(found.as_ref().map(|found| &found.value), &mine, kind.lease) {
            return Ok(false);
        }
        let last = found.map_or(0, |found| found.seq);
        let cas =
            store::compare_and_set(&desk.fleet.bus, subject::RECORD, &record, &mine, last).await?;
        Ok(matches!(cas, Cas::Stored(_)))
    }
}

/// Frees what was won of a gate that has moved since.
pub(super) async fn forget_outdated(
    desk: &Desk,
    kind: &Kind,
    key: Key,
    won: &mut Vec<Won>,
    admission: &Admitted,
) {
    let stands = |won: &Won| match admission {
        Admitted::Yes { admitted, .. } => epoch_of(admitted, &won.gate) == Some(won.epoch),
        Admitted::No { .. } => true,
    };
    if won.iter().all(stands) {
        return;
    }
    let outdated: Vec<Won> = won.extract_if(.., |won| !stands(won)).collect();
    free(desk, kind, key, &outdated).await;
}

/// Gives back canaries of the task `key` that tried nothing, so that the next may have them.
pub(super) async fn free(desk: &Desk, kind: &Kind, key: Key, won: &[Won]) {
    for Won { gate, epoch } in won {
        if let Err(error) = free_one(desk, (kind, key), gate, *epoch).await {
            desk.grumble("free a canary", error);
        }
    }
}

async fn free_one(
    desk: &Desk,
    task: (&Kind, Key),
    gate: &GateName,
    epoch: Epoch,
) -> Result<(), StoreError> {
    let bus = &desk.fleet.bus;
    let record = subject::canary(gate, epoch);
    let stored = bus.all(subject::RECORD, &record, LINKS_MAX).await?;
    let decode = |stored: &Stored| Some((Canary::decode(&stored.body).ok()?, stored.seq));
    let links: Vec<(Canary, u64)> = stored.iter().filter_map(decode).collect();
    let (canaries, seqs): (Vec<Canary>, Vec<u64>) = links.into_iter().unzip();
    let (Some(newest), Some(&seq)) = (canaries.last(), seqs.last()) else { return Ok(()) };
    if !may_free(&canaries, desk.me(), task) {
        return Ok(());
    }
    let freed = Canary { released: true, ..newest.clone() };
    match store::compare_and_set(bus, subject::RECORD, &record, &freed, seq).await? {
        Cas::Stored(_) => tracing::info!(%gate, %epoch, "canary given back"),
        Cas::Lost => (),
    }
    Ok(())
}

pub(super) fn epoch_of(admitted: &[Admission], gate: &GateName) -> Option<Epoch> {
    admitted.iter().find(|admission| admission.gate == *gate).map(|admission| admission.epoch)
}
