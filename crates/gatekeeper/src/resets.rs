//! A CLOSED gate whose causes pass by themselves, by a person's word: when the time has come
//! that was named for them, a canary may go. See [`logic::gate::resets_at`].

use anyhow::Context as _;
use domain::{Cause, Epoch, Gate, Timestamp};
use logic::gate::{on_reset_due, resets_at};

use crate::{
    Keeper,
    caught_up::CaughtUp,
    moves::{self, Carried},
    record::Record,
    rounds::Memory,
    standing::look,
};

/// A time that has come, and whether all that was told by then has been read: it may name a
/// later one, or another cause.
#[derive(Debug)]
pub(crate) struct Due {
    epoch: Epoch,
    at: Timestamp,
    caught_up: CaughtUp,
}

/// Lets a canary go if the time for that has come.
///
/// # Errors
///
/// When something cannot be read or the gate not be moved: the next round will.
pub(crate) async fn probe_when_due(
    keeper: &Keeper,
    gate: &Gate,
    memory: &mut Memory,
) -> anyhow::Result<()> {
    let bus = &keeper.fleet.bus;
    let allowed = |cause: &Cause| gate.resets.iter().any(|reset| reset.cause == *cause);
    if !gate.causes.iter().all(allowed) {
        return Ok(());
    }
    let record = Record::read(bus, &gate.name, gate.incident).await?;
    let Some(at) = resets_at(gate, &record.incident) else { return Ok(()) };
    if keeper.fleet.clock.now() < at {
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
    if !ready {
        return Ok(());
    }
    let Some(look) = look(bus, &gate.name).await? else { return Ok(()) };
    // What was read before the gate may have been another incident's, or an older word.
    let record = Record::read(bus, &gate.name, look.gate.incident).await?;
    // Behind the fence: a person who takes their word back has taken it back.
    let config = fleet::current_config(bus).await.context("read the configuration")?.config;
    let Some(settings) = config.gates.get(&gate.name) else { return Ok(()) };
    let remedy = keeper.remedy(&gate.name);
    let decision =
        on_reset_due(&look.gate, &record.incident, settings, &keeper.stamp(&look, &remedy));
    match moves::carry_out(keeper, &look, &record, &decision, None).await? {
        Carried::Done(_) | Carried::Lost => Ok(()),
    }
}
