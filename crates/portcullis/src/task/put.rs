//! Bringing a task into the queue by a person's word, behind the same fence as a sensor (G1).

use std::collections::BTreeMap;

use bus::Bus;
use domain::{Config, Kind, Task};
use fleet::{
    create::{Created, create},
    gate_log,
};
use kit::Clock;
use wire::subject;

use crate::look::{self, Seen};

/// How the task came to stand in the queue, or why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    Created,
    /// One of the same source key waits or runs already.
    Already,
    Not(String),
}

/// A moving gate log is read again so often before it is left to the person.
const TRIES: u32 = 10;

/// Why no task of `kind` may be created now, if so.
pub(super) async fn held(
    bus: &Bus,
    config: &Config,
    kind: &Kind,
) -> anyhow::Result<Option<String>> {
    let mut gates = BTreeMap::new();
    for need in config.needs(kind) {
        gates.insert(need.clone(), Seen::read(bus, &need).await?);
    }
    let held = look::held_by(config, &gates, kind, None);
    let gates: Vec<&str> = held.iter().map(|(gate, _)| gate.as_str()).collect();
    Ok(match gates.as_slice() {
        [] => None,
        gates => Some(format!("nothing is created while a gate is closed: {}", gates.join(", "))),
    })
}

/// Creates `task`, unless a gate that its kind needs is closed.
pub(super) async fn queue(bus: &Bus, config: &Config, task: &Task) -> anyhow::Result<Queued> {
    for _ in 0..TRIES {
        // The token first, then the states: what moves in between makes the create fail.
        let token = gate_log::token(bus).await?;
        if let Some(held) = held(bus, config, &task.kind).await? {
            return Ok(Queued::Not(held));
        }
        match create(bus, task, token).await {
            Created::Created(_) => return Ok(Queued::Created),
            Created::InFlight => return Ok(Queued::Already),
            Created::Refused(why) => return Ok(Queued::Not(why)),
            Created::Unknown => {
                if bus.last(subject::WORK, &subject::task(&task.kind, task.key())).await?.is_some()
                {
                    return Ok(Queued::Created);
                }
            }
            Created::FenceMoved => (),
        }
        Clock.sleep(Bus::jitter()).await;
    }
    Ok(Queued::Not("the gate log moves too fast to write behind it; try again".to_owned()))
}
