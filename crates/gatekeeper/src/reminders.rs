//! A closed gate is not forgotten: it reminds after 1 h, after 4 h, then daily, with what waits.

use std::time::Duration;

use domain::Gate;
use serde_json::{Value, json};
use wire::{event::GateTold, subject};

use crate::{Keeper, record::Record, resets, rounds::Memory, tell, waiting};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const VERB: &str = "still-closed";

/// Tells that the gate is still closed, if that is due and nobody has told it.
///
/// # Errors
///
/// When it cannot be told.
pub(crate) async fn remind(
    keeper: &Keeper,
    gate: &Gate,
    memory: &mut Memory,
) -> anyhow::Result<()> {
    let closed_for = keeper.fleet.clock.now().since(gate.since);
    let due = (gate.incident, due(closed_for));
    if due.1 == 0 || memory.reminded == Some(due) {
        return Ok(());
    }
    if last_told(keeper, gate).await?.is_some_and(|told| due <= told) {
        memory.reminded = Some(due);
        return Ok(());
    }
    let record = Record::read(&keeper.fleet.bus, &gate.name, gate.incident).await?;
    let resets_at = resets::to_tell(keeper, gate, &record.incident).await;
    let oldest = waiting::oldest(keeper, &gate.name).await;
    let mut more = json!({
        "reminder": due.1,
        "closed_for_secs": closed_for.as_secs(),
        "waiting": waiting::count(keeper, &gate.name).await,
        "oldest_waiting": oldest.map(|at| at.to_string()),
        "resets_at": resets_at.map(|at| at.to_string()),
    });
    tell::merge(&mut more, tell::incident_json(&record.incident));
    let told = GateTold {
        verb: VERB,
        gate: &gate.name,
        state: Some(gate),
        source: keeper.fleet.source(),
        at: keeper.fleet.clock.now(),
        about: Some(format!("{}/{}", due.0, due.1)),
        more,
    };
    keeper.fleet.tell(&told.to_event()).await?;
    let hours = closed_for.as_secs() / HOUR;
    tracing::warn!(gate = %gate.name, since = %gate.since, hours, "gate is still closed");
    memory.reminded = Some(due);
    Ok(())
}

/// The number of the newest reminder that is due; 0 for none yet.
fn due(closed_for: Duration) -> u64 {
    match closed_for.as_secs() {
        secs if secs < HOUR => 0,
        secs if secs < 4 * HOUR => 1,
        secs => 2 + secs / DAY,
    }
}

/// Incident and number of the last reminder that anyone told.
async fn last_told(keeper: &Keeper, gate: &Gate) -> anyhow::Result<Option<(u64, u64)>> {
    let subject = subject::event_gate(VERB, &gate.name);
    let last = keeper.fleet.bus.last(subject::EVENTS, &subject).await?;
    let Some(last) = last else { return Ok(None) };
    let event: Value = serde_json::from_slice(&last.body).unwrap_or_default();
    let number = |field: &str| event["data"][field].as_u64();
    Ok(number("incident").zip(number("reminder")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reminders come at 1 h, 4 h, and then with each day.
    #[test]
    fn after_an_hour_four_hours_and_daily() {
        let hours = [0, 1, 2, 4, 23, 24, 47, 48, 240];
        let due = hours.map(|hours| super::due(Duration::from_secs(hours * HOUR)));
        assert_eq!(due, [0, 1, 1, 2, 2, 3, 3, 4, 12]);
    }
}
