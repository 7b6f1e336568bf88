//! The dispatcher: pulls tasks of the kinds whose gates admit, has them done, records how
//! they ended.
//!
//! What is decided stands in [`logic::attempt`]; this crate asks the bus and obeys.
//!
//! * `pull`: which kind to pull next, never more than there are free slots;
//! * `attempt`: one delivered task, from the message to its answer;
//! * `handler`: who does the work;
//! * `purse`: the dollars of kinds whose budget limits them;
//! * `guard`: the process between this one and a command that it runs;
//! * `latches`: the gates that this dispatcher holds itself back from.
//!
//! Promises: nothing is begun that the gates did not admit just before (G2); a link of a
//! task's chain is written first, then told, then the broker is answered, so that a crash in
//! between is repaired by whoever is delivered the task next (W1); whoever has lost a claim
//! writes nothing and answers nothing (W4). No trouble with the bus ends the service.

mod attempt;
mod config;
mod credential;
mod desk;
mod guard;
mod handler;
mod latches;
mod pull;
mod purse;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use fleet::{Fleet, beat};
use kit::Tasks;
use tokio_util::sync::CancellationToken;

pub use config::Args;
pub use guard::guard;

use crate::desk::Desk;

/// What runs in the background has nothing left to do when it is stopped.
const BACKGROUND_GRACE: Duration = Duration::from_secs(2);

/// Works until `shutdown`, then finishes what it has begun.
///
/// # Errors
///
/// When NATS cannot be reached or was not set up, and when a part of the service broke down.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let fleet = tokio::select! {
        joined = Fleet::join(&args.nats, "dispatcher") => joined.context("join the fleet")?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let fleet = fleet.saying(&args.health);
    let stopping = shutdown.child_token();
    let desk = Arc::new(Desk::new(fleet.clone(), stopping.clone()));
    let background = CancellationToken::new();
    let mut tasks = start_background(&desk, &background);
    tracing::info!(slots = args.slots, kinds = ?args.kinds, "dispatching");

    let mut pulling = std::pin::pin!(pull::pull(desk, args.slots.into(), args.kinds));
    let broken = tokio::select! {
        () = &mut pulling => false,
        () = tasks.next() => true,
    };
    if broken {
        stopping.cancel();
        pulling.await;
    }
    background.cancel();
    tasks.drain(BACKGROUND_GRACE).await;
    fleet.bus.flush().await;
    if broken {
        bail!("a part of the dispatcher ended by itself");
    }
    Ok(())
}

/// What goes on until the last attempt has ended: the gates, the latches, the paces, the beat.
fn start_background(desk: &Arc<Desk>, until: &CancellationToken) -> Tasks {
    let fleet = &desk.fleet;
    let mut tasks = Tasks::new();
    tasks.spawn(fleet.gates.clone().keep(fleet.bus.clone(), until.clone()));
    tasks.spawn(latches::keep(desk.clone(), until.clone()));
    tasks.spawn(pull::limits::keep(desk.clone(), until.clone()));
    tasks.spawn(desk.keyring.clone().keep(until.clone()));
    tasks.spawn(purse::keep(desk.clone(), until.clone()));
    tasks.spawn(pull::firsts::keep(desk.clone(), until.clone()));
    let beating = desk.clone();
    tasks.spawn(beat::beat(fleet.clone(), until.clone(), move || beating.vitals()));
    tasks
}
