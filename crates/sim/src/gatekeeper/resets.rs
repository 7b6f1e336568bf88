//! A CLOSED gate whose causes pass by themselves, by a person's word: when the time has come
//! that was named for them, a canary may go.

use domain::{Config, Epoch, Gate, GateName, Incident, Timestamp};
use logic::gate::{on_reset_due, resets_at};

use super::{
    Keeper, Record,
    caught_up::CaughtUp,
    moves::{self, Carried},
    rounds::Memory,
};
use crate::{mutant::Mutant, words::Silent};

/// A time that has come, and whether all that was told by then has been read.
pub(super) struct Due {
    epoch: Epoch,
    at: Timestamp,
    caught_up: CaughtUp,
}

/// Lets a canary go if the time for that has come.
pub(super) async fn probe_when_due(
    keeper: &Keeper,
    gate: &Gate,
    memory: &mut Memory,
) -> Result<(), Silent> {
    let p = &keeper.p;
    if gate.resets.is_empty() {
        return Ok(());
    }
    let record = Record::read(p, &gate.name, gate.incident).await?;
    let Some(at) = resets_at(gate, &as_believed(keeper, &record)) else { return Ok(()) };
    if p.now() < at {
        return Ok(());
    }
    let same = |due: &Due| (due.epoch, due.at) == (gate.epoch, at);
    let mut due = memory.due.take().filter(same).unwrap_or_else(|| Due {
        epoch: gate.epoch,
        at,
        caught_up: CaughtUp::default(),
    });
    let ready = due.caught_up.all_read(keeper).await?;
    memory.due = Some(due);
    if !ready && !p.mutated(Mutant::ResetsUnread) {
        return Ok(());
    }
    let Some(look) = keeper.look(&gate.name).await? else { return Ok(()) };
    // What was read before the gate may have been another incident's, or an older word.
    let record = Record::read(p, &gate.name, look.gate.incident).await?;
    // The configuration of a seed stays the same, yet it is asked for, and that may fail.
    if p.gate_now(&GateName::config()).await?.is_none() {
        return Ok(());
    }
    let configs = [Config::clone(&p.config())];
    let believed = as_believed(keeper, &record);
    let decision = on_reset_due(&look.gate, &believed, &configs, &keeper.stamp(&look));
    if decision.gate.is_none() {
        memory.due = None;
    }
    let carried = moves::carry_out(keeper, &look, &record, &decision).await?;
    if decision.gate.is_some() && matches!(carried, Carried::Done) {
        p.count("canaries by a word given beforehand");
    }
    Ok(())
}

/// The record as it reads; a gatekeeper with a fault takes each failure for the word that it has
/// passed.
fn as_believed(keeper: &Keeper, record: &Record) -> Incident {
    let mut incident = record.incident.clone();
    if keeper.p.mutated(Mutant::ResetsTooSoon) {
        incident.failures.iter_mut().for_each(|failure| failure.resets_at = Some(failure.at));
    }
    incident
}
