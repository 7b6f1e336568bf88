//! Every transition is told, whoever made it and whatever happened right after (T2).
//!
//! Whoever moves a gate tells so. A gatekeeper killed in between does not, nor does a command
//! line that closed a gate because no gatekeeper answered. The gate log says what must have
//! been told, and EVENTS what was.

use std::time::Duration;

use domain::{Actor, Epoch, Gate};
use serde_json::Value;
use wire::subject;

use crate::{Keeper, rounds::Memory, standing::at_epoch, tell};

/// How far back transitions are looked at.
const EPOCHS_BACK: u64 = 8;
/// Older ones may have left EVENTS, and nobody waits for them.
const OLD: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long whoever moved the gate has for telling so.
const THEIR_TURN: Duration = Duration::from_secs(2);

/// Tells what was not told of the gate, once its newest transition is no longer fresh.
///
/// # Errors
///
/// When it cannot be read or told.
pub(crate) async fn after_a_while(
    keeper: &Keeper,
    gate: &Gate,
    memory: &mut Memory,
) -> anyhow::Result<()> {
    let known = memory.told.is_some_and(|told| gate.epoch <= told);
    if known || keeper.fleet.clock.now().since(gate.at) < THEIR_TURN {
        return Ok(());
    }
    missing(keeper, gate).await?;
    memory.told = Some(gate.epoch);
    Ok(())
}

/// Tells every recent transition of the gate that was not told.
///
/// # Errors
///
/// When it cannot be read or told.
pub(crate) async fn missing(keeper: &Keeper, gate: &Gate) -> anyhow::Result<()> {
    let now = keeper.fleet.clock.now();
    let oldest = gate.epoch.get().saturating_sub(EPOCHS_BACK).max(Epoch::FIRST.get());
    let mut before: Option<Gate> = None;
    for epoch in oldest..=gate.epoch.get() {
        let found = at_epoch(&keeper.fleet.bus, &gate.name, Epoch::new(epoch)).await?;
        let Some((_, message)) = found else { continue };
        // The first epoch tells that the gate was made, which `apply` has shown.
        let moved = before.as_ref().is_some_and(|before| {
            before.state != message.state || matches!(message.by, Actor::Person(_))
        });
        if moved && now.since(message.at) < OLD && !was_told(keeper, &message).await? {
            tracing::debug!(gate = %gate.name, epoch, "a transition was not told yet");
            keeper.fleet.tell(&tell::transition(keeper.teller(), &message)).await?;
        }
        before = Some(message);
    }
    Ok(())
}

/// Whether a move into this state was told of this epoch or of a later one.
async fn was_told(keeper: &Keeper, gate: &Gate) -> anyhow::Result<bool> {
    let subject = subject::event_gate(tell::transition_verb(gate), &gate.name);
    let last = keeper.fleet.bus.last(subject::EVENTS, &subject).await?;
    let epoch = last.and_then(|last| told_epoch(&last.body));
    Ok(epoch.is_some_and(|told| gate.epoch.get() <= told))
}

fn told_epoch(event: &[u8]) -> Option<u64> {
    let event: Value = serde_json::from_slice(event).ok()?;
    event["data"]["epoch"].as_u64()
}
