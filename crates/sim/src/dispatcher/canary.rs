//! Winning and freeing the right to be the one task that a probing gate lets through.

use domain::{Admission, Canary, Epoch, GateName, Key, Kind, KindConfig};
use logic::attempt::{Admitted, HOLD, may_free, win_canary};

use super::{
    Desk,
    attempt::{Answer, Errand, Flow},
};
use crate::{
    fleet::Cas,
    words::{Silent, Subject, Word as _},
};

/// A canary that was won and is in no claim yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Won {
    pub(super) gate: GateName,
    pub(super) epoch: Epoch,
}

impl Errand {
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
            match self.win(kind, gate, epoch, attempt).await {
                Ok(true) => won.push(Won { gate: gate.clone(), epoch }),
                Ok(false) => return Flow::Break(Answer::PutBack(HOLD)),
                Err(Silent) => {
                    return Flow::Break(Answer::PutBack(std::time::Duration::from_secs(2)));
                }
            }
        }
        Flow::Continue(())
    }

    async fn win(
        &self,
        kind: &KindConfig,
        gate: &GateName,
        epoch: Epoch,
        attempt: u32,
    ) -> Result<bool, Silent> {
        let record = Subject::Canary(gate.clone(), epoch);
        let found = self.p().get::<Canary>(record.clone()).await?;
        let mine = Canary {
            gate: gate.clone(),
            epoch,
            kind: self.kind.clone(),
            task: self.key,
            source_key: self.task.source_key.clone(),
            attempt,
            holder: self.desk.me.clone(),
            begun: self.p().now(),
            released: false,
        };
        if !win_canary(found.as_ref().map(|found| &*found.value), &mine, kind.lease) {
            return Ok(false);
        }
        let last = found.map_or(0, |found| found.seq);
        let cas = self.p().compare_and_set(&record, &mine, last).await?;
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
    for won in won {
        // What fails here is freed when the task comes again.
        let _ = free_one(desk, (kind, key), won).await;
    }
}

async fn free_one(desk: &Desk, task: (&Kind, Key), won: &Won) -> Result<(), Silent> {
    let record = Subject::Canary(won.gate.clone(), won.epoch);
    let stored = desk.p.canary_links(record.clone()).await?;
    let links: Vec<Canary> =
        stored.iter().filter_map(|link| Some(Canary::clone(&*Canary::take(&link.body)?))).collect();
    let (Some(newest), Some(seq)) = (links.last(), stored.last().map(|link| link.seq)) else {
        return Ok(());
    };
    if !may_free(&links, &desk.me, task) {
        return Ok(());
    }
    let freed = Canary { released: true, ..newest.clone() };
    desk.p.compare_and_set(&record, &freed, seq).await?;
    desk.p.count("canaries given back");
    Ok(())
}

pub(super) fn epoch_of(admitted: &[Admission], gate: &GateName) -> Option<Epoch> {
    admitted.iter().find(|admission| admission.gate == *gate).map(|admission| admission.epoch)
}
