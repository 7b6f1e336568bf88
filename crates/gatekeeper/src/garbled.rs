//! The alarm for a gate whose newest message makes no sense.
//!
//! Such a gate reads as CLOSED everywhere. It stays so until a person's command to open
//! writes the next message; nothing is repaired by itself.

use domain::GateName;
use serde_json::json;
use wire::event::GateTold;

use crate::{Keeper, rounds::Memory, standing::look};

/// Tells of the gate, if that is what keeps the view from having it; once for each message.
///
/// # Errors
///
/// When it cannot be read or told.
pub(crate) async fn alarm(
    keeper: &Keeper,
    name: &GateName,
    memory: &mut Memory,
) -> anyhow::Result<()> {
    let look = look(&keeper.fleet.bus, name).await?;
    let Some(look) = look.filter(|look| look.garbled && memory.alarmed != Some(look.seq)) else {
        return Ok(());
    };
    tracing::error!(gate = %name, seq = look.seq, "gate message makes no sense: reads as CLOSED");
    let told = GateTold {
        verb: "garbled",
        gate: name,
        state: Some(&look.gate),
        source: keeper.fleet.source(),
        at: look.gate.at,
        about: Some(look.seq.to_string()),
        more: json!({ "seq": look.seq }),
    };
    keeper.fleet.tell(&told.to_event()).await?;
    memory.alarmed = Some(look.seq);
    Ok(())
}
