//! How a decision is carried out: the gate first, then its incident.

use domain::{Gate, GateState};
use logic::gate::Decision;

use super::{Keeper, Look, Record, enforce};
use crate::{
    exec::Millis,
    fleet::Cas,
    mutant::Mutant,
    words::{Put, PutError, Silent, Subject, Word as _},
};

/// How carrying out a decision ended.
pub(super) enum Carried {
    Done,
    /// Somebody else moved the gate or its incident first: read again, decide again.
    Lost,
}

pub(super) const TRIES: u32 = 50;
const PATIENCE: Millis = 10_000;

pub(super) async fn carry_out(
    keeper: &Keeper,
    look: &Look,
    record: &Record,
    decision: &Decision,
) -> Result<Carried, Silent> {
    if let Some(gate) = &decision.gate {
        if gate.state == GateState::Probing {
            enforce::hold_for_canary(keeper, gate).await?;
        }
        keeper.p.note(|| {
            format!("moves {} {} to {}", gate.name, look.gate.state.word(), gate.state.word())
        });
        if !write(keeper, gate).await? {
            return Ok(Carried::Lost);
        }
    }
    if let Some(incident) = &decision.incident
        && record.write(&keeper.p, incident).await? == Cas::Lost
    {
        return Ok(Carried::Lost);
    }
    Ok(Carried::Done)
}

/// Writes the gate's next message; `false` when another gate message came first.
async fn write(keeper: &Keeper, gate: &Gate) -> Result<bool, Silent> {
    let p = &keeper.p;
    let begun = p.mono_ms();
    loop {
        let put = Put {
            subject: Subject::Gate(gate.name.clone(), gate.epoch),
            body: gate.clone().wrap(),
            expect: p.fence(gate.prev, Mutant::PlainGateWrite),
        };
        let decided = match p.put(put).await {
            Ok(_) => return Ok(true),
            Err(PutError::Moved | PutError::Exists) => true,
            Err(PutError::Unknown) => false,
            Err(PutError::Busy) => {
                if PATIENCE < p.mono_ms() - begun {
                    return Err(Silent);
                }
                p.jitter(1).await;
                continue;
            }
        };
        // It may be our own earlier try that stands there.
        match p.gate_at(&gate.name, gate.epoch).await {
            Ok(Some(found)) => return Ok(*found.value == *gate),
            Ok(None) if decided => return Ok(false),
            _ if PATIENCE < p.mono_ms() - begun => return Err(Silent),
            _ => p.jitter(10).await,
        }
    }
}
