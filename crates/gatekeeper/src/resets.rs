//! A CLOSED gate whose causes pass by themselves, by a person's word: when the time has come
//! that was named for them, a canary may go. See [`logic::gate::resets_at`].

use anyhow::Context as _;
use domain::{Epoch, Gate, Incident, Timestamp};
use logic::gate::{on_reset_due, resets_at, taken_back};

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

/// Lets a canary go if the time for that has come; whether the gate has moved.
///
/// # Errors
///
/// When something cannot be read or the gate not be moved: the next round will.
pub(crate) async fn probe_when_due(
    keeper: &Keeper,
    gate: &Gate,
    memory: &mut Memory,
) -> anyhow::Result<bool> {
    let bus = &keeper.fleet.bus;
    if gate.resets.is_empty() {
        return Ok(false);
    }
    let record = Record::read(bus, &gate.name, gate.incident).await?;
    let Some(at) = resets_at(gate, &record.incident) else { return Ok(false) };
    if keeper.fleet.clock.now() < at {
        return Ok(false);
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
        return Ok(false);
    }
    let Some(look) = look(bus, &gate.name).await? else { return Ok(false) };
    // What was read before the gate may have been another incident's, or an older word.
    let record = Record::read(bus, &gate.name, look.gate.incident).await?;
    // Behind the fence: a person who takes their word back has taken it back.
    let configs = fleet::configs_since_closing(bus, &look.gate).await;
    let configs = configs.context("read the configurations since the closing")?;
    let remedy = keeper.remedy(&gate.name);
    let decision =
        on_reset_due(&look.gate, &record.incident, &configs, &keeper.stamp(&look, &remedy));
    if decision.gate.is_none() {
        // Whatever stands in the way, what is told until it is gone is read before a canary goes.
        memory.due = None;
    }
    Ok(match moves::carry_out(keeper, &look, &record, &decision, None).await? {
        Carried::Done(_) => decision.gate.is_some(),
        Carried::Lost => true,
    })
}

/// When a canary goes by itself, as far as is known, to be told; `None`: a person is asked.
pub(crate) async fn to_tell(keeper: &Keeper, gate: &Gate, record: &Incident) -> Option<Timestamp> {
    let at = resets_at(gate, record)?;
    match fleet::configs_since_closing(&keeper.fleet.bus, gate).await {
        Ok(configs) => taken_back(gate, &configs).is_none().then_some(at),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::warn!(gate = %gate.name, error, "whether it resets is not known");
            None
        }
    }
}
