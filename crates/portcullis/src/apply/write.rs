//! The writes of an apply: each gate's first message, the configuration, and last of all the
//! message that puts it in force.

use anyhow::Context as _;
use bus::{Bus, PutError};
use domain::{Gate, GateName};
use fleet::{
    gate_log,
    store::{self, Cas},
};
use kit::Clock;
use logic::gate::{self, Stamp};
use wire::{message::AppliedConfig, subject};

use crate::exit::Ended;

/// How one write to the gate log ended.
pub(super) enum Written {
    /// The new token.
    At(u64),
    /// Something came first, or nobody knows: read everything again.
    ReadAgain,
}

/// How often a write that met another under way is tried again.
const BUSY_TRIES: u32 = 50;
/// How many numbers of cut-off or lost applies are skipped.
const SKIPPED_MAX: u64 = 1_000;

/// The first message of a gate that has none: OPEN, in the applying person's name.
pub(super) async fn first_gate(
    bus: &Bus,
    name: &GateName,
    by: &str,
    remedy: &str,
    token: u64,
) -> anyhow::Result<Written> {
    let stamp = Stamp { now: Clock.now(), prev: token, remedy };
    append(bus, &gate::first(name.clone(), by, &stamp)).await
}

/// Puts a stored version in force. Every create under an older one is refused from here on.
pub(super) async fn in_force(
    bus: &Bus,
    applied: &AppliedConfig,
    token: u64,
) -> anyhow::Result<Written> {
    let stamp = Stamp { now: Clock.now(), prev: token, remedy: "" };
    append(bus, &gate::config(applied.config.version, &applied.by, &stamp)).await
}

async fn append(bus: &Bus, gate: &Gate) -> anyhow::Result<Written> {
    for _ in 0..BUSY_TRIES {
        match gate_log::append(bus, gate).await {
            Ok(seq) => return Ok(Written::At(seq)),
            Err(PutError::Busy { .. }) => Clock.sleep(Bus::jitter()).await,
            Err(error) if error.lost_race() => return Ok(Written::ReadAgain),
            Err(PutError::Unknown { .. } | PutError::Refused { code: 503, .. }) => {
                Clock.sleep(Bus::jitter() * 20).await;
                return Ok(Written::ReadAgain);
            }
            Err(error) => return Err(error).context("write the gate log"),
        }
    }
    Ok(Written::ReadAgain)
}

/// Stores the configuration under the first free number after `version`, and says which.
///
/// An apply that was cut off, or that lost to another, leaves a number behind that never
/// came into force. If it says the same it is taken over, else it is passed by.
pub(super) async fn store(
    bus: &Bus,
    wanted: &AppliedConfig,
    version: u64,
) -> anyhow::Result<AppliedConfig> {
    for number in version + 1..=version + SKIPPED_MAX {
        let mut applied = wanted.clone();
        applied.config.version = number;
        let subject = subject::config(number);
        let written = store::compare_and_set(bus, subject::RECORD, &subject, &applied, 0).await;
        if let Cas::Stored(_) = written.context("store the configuration")? {
            return Ok(applied);
        }
        let found = store::read::<AppliedConfig>(bus, subject::RECORD, &subject).await;
        // What cannot be read is nobody's any more; its number stays taken.
        if let Ok(Some(found)) = found
            && found.value.config == applied.config
            && found.value.schema == applied.schema
            && found.value.by == applied.by
            && found.value.note == applied.note
        {
            return Ok(found.value);
        }
    }
    let text = format!("no free number for the configuration after {version}");
    Err(Ended::refused(text).into())
}
