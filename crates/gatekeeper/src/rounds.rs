//! Each second, what no message announces: time that passed, and work that others left.

use std::{collections::BTreeMap, time::Duration};

use domain::{Epoch, Gate, GateName, GateState};
use tokio_util::sync::CancellationToken;

use crate::{
    Keeper,
    canary::Watch,
    drain, garbled, reminders,
    resets::{self, Due},
    retell,
};

const EVERY: Duration = Duration::from_secs(1);

/// What this gatekeeper remembers of a gate, to ask less: forgetting it does no harm.
#[derive(Default)]
pub(crate) struct Memory {
    /// Every transition up to this epoch is known to have been told.
    pub(crate) told: Option<Epoch>,
    /// The last reminder of an incident.
    pub(crate) reminded: Option<(u64, u64)>,
    /// The sequence of the unreadable message that was alarmed.
    pub(crate) alarmed: Option<u64>,
    pub(crate) watch: Option<Watch>,
    pub(crate) due: Option<Due>,
}

/// Walks the gates until `shutdown`.
pub(crate) async fn walk(keeper: Keeper, shutdown: CancellationToken) {
    let mut memories: BTreeMap<GateName, Memory> = BTreeMap::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = keeper.fleet.clock.sleep(EVERY) => (),
        }
        for name in keeper.fleet.config().all_gates() {
            if shutdown.is_cancelled() {
                return;
            }
            // Without a bus nothing can be asked; whoever keeps the view tells so.
            if keeper.fleet.gates.doubt().is_some() {
                break;
            }
            let memory = memories.entry(name.clone()).or_default();
            if let Err(error) = visit(&keeper, &name, memory).await {
                tracing::warn!(gate = %name, error = format!("{error:#}"), "round not finished");
            }
        }
    }
}

async fn visit(keeper: &Keeper, name: &GateName, memory: &mut Memory) -> anyhow::Result<()> {
    let Some(standing) = keeper.fleet.gates.standing(name) else {
        return garbled::alarm(keeper, name, memory).await;
    };
    let gate = standing.gate;
    let done = match gate.state {
        GateState::Open => Ok(()),
        GateState::Closed => keep_closed(keeper, &gate, memory).await,
        GateState::Probing => Watch::look_after(keeper, &gate, memory).await,
        GateState::Draining => drain::open_when_gone(keeper, &gate).await,
    };
    // What cannot be done keeps nobody from being told.
    retell::after_a_while(keeper, &gate, memory).await.and(done)
}

/// Reminds of a gate, unless it no longer stands closed.
async fn keep_closed(keeper: &Keeper, gate: &Gate, memory: &mut Memory) -> anyhow::Result<()> {
    match resets::probe_when_due(keeper, gate, memory).await {
        Ok(true) => Ok(()),
        Ok(false) => reminders::remind(keeper, gate, memory).await,
        Err(error) => reminders::remind(keeper, gate, memory).await.and(Err(error)),
    }
}
