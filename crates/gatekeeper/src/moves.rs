//! How a decision is carried out: the gate first, then its incident, then the telling.
//!
//! Each is a compare-and-set on what the decision was made from. Killed in between, nothing is
//! lost: a failure is not acknowledged before all three are done, and its next delivery finds
//! what is missing; what a person or a round moved is told again by [`crate::retell`].

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, PutError};
use domain::{Gate, GateState};
use fleet::{gate_log, store::Cas};
use kit::Clock;
use logic::gate::{Decision, Told};
use wire::{Wire as _, event::AttemptTold, subject};

use crate::{Keeper, enforce, record::Record, retell, standing::Look, tell};

/// How carrying out a decision ended.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) enum Carried {
    /// Done; so the gate stands now.
    Done(Box<Gate>),
    /// Somebody else moved the gate or its incident first: read again, decide again.
    Lost,
}

/// How often a decision is made again after a lost race.
pub(crate) const TRIES: u32 = 50;
/// For how long a gate message is tried to be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// Carries out what was decided from `look` and `record`; `about` is the attempt that it
/// is about, if any.
///
/// # Errors
///
/// When something could not be written or told; deciding again completes it.
pub(crate) async fn carry_out(
    keeper: &Keeper,
    look: &Look,
    record: &Record,
    decision: &Decision,
    about: Option<&AttemptTold>,
) -> anyhow::Result<Carried> {
    let bus = &keeper.fleet.bus;
    if let Some(gate) = &decision.gate {
        if gate.state == GateState::Probing {
            // Before the message: no dispatcher may see PROBING at the speed of OPEN.
            enforce::hold_for_canary(keeper, gate).await.context("slow down for the canary")?;
        }
        let written = write(bus, gate).await;
        if !written.with_context(|| format!("move gate {}", gate.name))? {
            return Ok(Carried::Lost);
        }
        note(&look.gate, gate);
    }
    if let Some(incident) = &decision.incident {
        let written = record.write(bus, incident.clone()).await.context("write the incident")?;
        if written == Cas::Lost {
            return Ok(Carried::Lost);
        }
    }
    let stands = decision.gate.as_ref().unwrap_or(&look.gate);
    for told in &decision.told {
        if decision.gate.is_none() && *told == Told::Closed {
            // An earlier delivery closed it, at an epoch that may have passed since.
            retell::missing(keeper, &look.gate).await?;
            continue;
        }
        // Only a closing that was just written has cited what is in force.
        let record = decision.incident.as_ref().filter(|_| decision.gate.is_some());
        let event = tell::event(keeper.teller(), stands, record, told, about);
        keeper.fleet.tell(&event).await.context("tell what happened")?;
    }
    Ok(Carried::Done(Box::new(stands.clone())))
}

/// Waits a moment before a decision is made again, so that two gatekeepers part.
pub(crate) async fn step_aside() {
    Clock.sleep(Bus::jitter()).await;
}

/// Writes the gate's next message; `false` when another gate message came first.
///
/// A write without an answer is looked up and tried again: under the same fence at most one
/// of the tries is stored.
async fn write(bus: &Bus, gate: &Gate) -> Result<bool, PutError> {
    let begun = Clock.instant();
    loop {
        let error = match gate_log::append(bus, gate).await {
            Ok(_) => return Ok(true),
            Err(error) => error,
        };
        let decided = match error {
            PutError::Moved { .. } | PutError::Exists { .. } => true,
            PutError::Unknown { .. } => false,
            PutError::Busy { .. } | PutError::Refused { code: 503, .. } => {
                if PATIENCE < begun.elapsed() {
                    return Err(error);
                }
                step_aside().await;
                continue;
            }
            PutError::Refused { .. } => return Err(error),
        };
        // It may be our own earlier try that stands there.
        let found = bus.last(subject::WORK, &subject::gate(&gate.name, gate.epoch)).await;
        match found {
            Ok(Some(found)) => return Ok(found.body == gate.encode()),
            Ok(None) if decided => return Ok(false),
            Ok(None) | Err(_) if PATIENCE < begun.elapsed() => return Err(error),
            Ok(None) | Err(_) => Clock.sleep(Bus::jitter() * 10).await,
        }
    }
}

fn note(before: &Gate, gate: &Gate) {
    let (name, epoch, by) = (&gate.name, gate.epoch, &gate.by);
    let (from, to) = (before.state.word(), gate.state.word());
    if gate.state == GateState::Closed {
        tracing::warn!(gate = %name, %epoch, from, to, %by, note = gate.note, "gate closed");
    } else {
        tracing::info!(gate = %name, %epoch, from, to, %by, note = gate.note, "gate moved");
    }
}
