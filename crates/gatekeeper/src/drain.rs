//! The end of a drain: nothing is left in the queue of what waited at the opening.

use bus::Bus;
use domain::{Gate, GateName, Task, TaskState};
use fleet::store::{StoreError, read};
use logic::{
    attempt::waited_for,
    gate::on_backlog_gone,
    pace::{backlog_gone, held_elsewhere},
};
use wire::{Wire as _, subject};

use crate::{
    Keeper,
    moves::{self, Carried},
    record::Record,
    standing::{at_epoch, look},
};

/// Opens a DRAINING gate once its backlog is gone. A race that is lost is left to the next
/// round.
///
/// # Errors
///
/// When the queue cannot be walked or the gate not be moved.
pub(crate) async fn open_when_gone(keeper: &Keeper, gate: &Gate) -> anyhow::Result<()> {
    let bus = &keeper.fleet.bus;
    let Some((opening, _)) = at_epoch(bus, &gate.name, gate.opening).await? else {
        tracing::error!(gate = %gate.name, epoch = %gate.opening, "the opening is not in the log");
        return Ok(());
    };
    if !gone(keeper, &gate.name, opening.seq).await? {
        return Ok(());
    }
    let Some(look) = look(bus, &gate.name).await? else { return Ok(()) };
    let remedy = keeper.remedy(&gate.name);
    let stamp = keeper.stamp(&look, &remedy);
    let decision = on_backlog_gone(&look.gate, gate.opening, &stamp);
    let record = Record::empty(&gate.name, gate.incident);
    match moves::carry_out(keeper, &look, &record, &decision, None).await? {
        Carried::Done(_) | Carried::Lost => Ok(()),
    }
}

/// Walks the queue of every kind that needs the gate, up to the first task that still waits.
/// What another gate holds back is that one's to drain, and what may not begin yet comes later.
async fn gone(keeper: &Keeper, name: &GateName, opening: u64) -> Result<bool, StoreError> {
    let bus = &keeper.fleet.bus;
    let (config, gates) = (keeper.fleet.config(), keeper.gates());
    for kind in config.needing(name) {
        if held_elsewhere(&config, &gates, name, &kind) {
            continue;
        }
        let tasks = subject::tasks_of(&kind);
        let mut from = 1;
        while let Some(task) = bus.next(subject::WORK, &tasks, from).await? {
            if opening <= task.seq {
                break;
            }
            from = task.seq + 1;
            let now = keeper.fleet.clock.now();
            if Task::decode(&task.body).is_ok_and(|task| !waited_for(&task, now)) {
                continue;
            }
            let state = state(bus, &task.subject).await?;
            let phase = state.as_ref().map(|state| &state.phase);
            if !backlog_gone(opening, [(task.seq, phase)]) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// The newest link of the chain of the task on `task_subject`; one that makes no sense counts
/// as none, and so as waiting.
async fn state(bus: &Bus, task_subject: &str) -> Result<Option<TaskState>, StoreError> {
    let Some((kind, key)) = subject::parse_task(task_subject) else { return Ok(None) };
    match read::<TaskState>(bus, subject::STATE, &subject::state(&kind, key)).await {
        Ok(found) => Ok(found.map(|found| found.value)),
        Err(StoreError::Garbled { subject, .. }) => {
            tracing::warn!(subject, "a task's state makes no sense, the drain waits for it");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
