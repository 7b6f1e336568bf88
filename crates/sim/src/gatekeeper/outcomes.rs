//! What attempts report: failures that close gates, and canaries that prove one can open.

use std::rc::Rc;

use domain::{Admission, Cause, Epoch, GateName, GateState};
use logic::gate::{
    CompletedSeen, FailureSeen, Home, counted_before, home, on_completed, on_failure,
};

use super::{
    Keeper, Look, Record,
    moves::{self, Carried, TRIES},
};
use crate::{
    bus::Of,
    exec::Millis,
    mutant::Mutant,
    queue::Reply,
    words::{Silent, Told, Word as _},
};

const PULL_FOR: Millis = 2_000;

pub(super) async fn take_all(keeper: Rc<Keeper>) {
    loop {
        let Some(delivered) = keeper.p.pull(Of::Outcomes, PULL_FOR).await else { continue };
        let Some(stored) = keeper.p.delivered_event(delivered.seq) else { continue };
        let Some(told) = Told::take(&stored.body) else { continue };
        let reply = match settle(&keeper, &told).await {
            Ok(()) => Reply::Done,
            Err(Silent) => Reply::PutBack(100 << delivered.times.min(8)),
        };
        // Not confirmed: it will be delivered again.
        let _ = keeper.p.answer(Of::Outcomes, delivered.seq, reply).await;
    }
}

async fn settle(keeper: &Keeper, told: &Told) -> Result<(), Silent> {
    match told.verb {
        "completed" => {
            for gate in &told.canary {
                completed(keeper, gate, told).await?;
            }
        }
        "failed" => {
            let Some(cause) = &told.cause else { return Ok(()) };
            let blame = keeper.p.config().blame(&told.kind, cause);
            let allowed = keeper.allowed(&blame);
            let seen = FailureSeen { allowed, ..failure(told, cause, blame) };
            for gate in seen.concerns() {
                failed(keeper, &gate, &seen).await?;
            }
        }
        _ => (),
    }
    Ok(())
}

pub(super) fn failure(told: &Told, cause: &Cause, blame: domain::Blame) -> FailureSeen {
    FailureSeen {
        event: told.id(),
        kind: told.kind.clone(),
        task: told.source_key.key(),
        source_key: told.source_key.clone(),
        attempt: told.attempt,
        cause: cause.clone(),
        blame,
        admitted: told.admitted.clone(),
        canary: told.canary.clone(),
        at: told.at,
        evidence: told.evidence.clone(),
        resets_at: told.resets_at,
        allowed: Vec::new(),
    }
}

/// What a completed attempt proves about one gate.
pub(super) async fn completed(keeper: &Keeper, name: &GateName, told: &Told) -> Result<(), Silent> {
    for _ in 0..TRIES {
        let Some(look) = keeper.look(name).await? else { return Ok(()) };
        let (mut admitted, mut canary) = (told.admitted.clone(), told.canary.clone());
        if keeper.p.mutated(Mutant::StragglerMoves) {
            (admitted, canary) = (as_of_now(&look, &admitted), vec![name.clone()]);
        }
        let seen = CompletedSeen { admitted, canary };
        let decision = on_completed(&look.gate, &seen, &keeper.stamp(&look));
        let record = Record::empty(name, look.gate.incident);
        match moves::carry_out(keeper, &look, &record, &decision).await? {
            Carried::Done => return Ok(()),
            Carried::Lost => keeper.p.jitter(1).await,
        }
    }
    Err(Silent)
}

/// What a failed attempt does to one gate.
pub(super) async fn failed(
    keeper: &Keeper,
    name: &GateName,
    seen: &FailureSeen,
) -> Result<(), Silent> {
    let p = &keeper.p;
    for _ in 0..TRIES {
        let Some(look) = keeper.look(name).await? else { return Ok(()) };
        let mut seen = seen.clone();
        if p.mutated(Mutant::StragglerMoves) {
            seen.admitted = as_of_now(&look, &seen.admitted);
        }
        if let Some(number) = counted_before(&look.gate, &seen)
            && Record::read(p, name, number).await?.incident.has(&seen.event)
        {
            return Ok(());
        }
        let record = match home(&look.gate, &seen) {
            Home::None => Record::empty(name, look.gate.incident),
            Home::Incident(number) => Record::read(p, name, number).await?,
            Home::From(epoch) => {
                p.count("stragglers");
                match closed_since(keeper, &look, epoch).await? {
                    Some(number) => Record::read(p, name, number).await?,
                    None => return Ok(()),
                }
            }
        };
        let Ok(decision) = on_failure(&look.gate, &record.incident, &seen, &keeper.stamp(&look))
        else {
            p.jitter(1).await;
            continue;
        };
        match moves::carry_out(keeper, &look, &record, &decision).await? {
            Carried::Done => return Ok(()),
            Carried::Lost => p.jitter(1).await,
        }
    }
    Err(Silent)
}

/// The incident of the first closing at or after `epoch`, before the newest opening.
async fn closed_since(keeper: &Keeper, look: &Look, epoch: Epoch) -> Result<Option<u64>, Silent> {
    let mut epoch = epoch.max(Epoch::FIRST);
    while epoch <= look.gate.opening {
        if let Some(found) = keeper.p.gate_at(&look.gate.name, epoch).await?
            && found.value.state == GateState::Closed
        {
            return Ok(Some(found.value.incident));
        }
        epoch = epoch.next();
    }
    Ok(None)
}

/// As if every attempt had been admitted just now.
fn as_of_now(look: &Look, admitted: &[Admission]) -> Vec<Admission> {
    let mut admitted = admitted.to_vec();
    for admission in admitted.iter_mut().filter(|it| it.gate == look.gate.name) {
        admission.epoch = look.gate.epoch;
    }
    admitted
}
