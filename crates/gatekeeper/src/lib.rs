//! The gatekeeper: [`logic::gate`] and [`logic::pace`] wired to the bus.
//!
//! It keeps nothing that is not on the bus, so any number of them may run at once, and any
//! may be killed between any two steps: what one began, the next delivery, the next round or
//! another gatekeeper completes.
//!
//! * `outcomes`: what attempts report closes gates, or proves that one can open;
//! * `commands`: what people say;
//! * `rounds`: each second, what no message announces: `canary`, `drain`,
//!   `reminders`, `resets`, `retell`, `garbled`;
//! * `enforce`: consumers held to the pace, which `progress` counts and `announce` writes down;
//! * `standing`, `record`, `moves`, `tell`: reading a gate, its incident, moving it,
//!   and telling so.

mod announce;
mod canary;
mod caught_up;
mod commands;
mod config;
mod drain;
mod enforce;
mod garbled;
mod keeper;
mod moves;
mod outcomes;
mod progress;
mod record;
mod reminders;
mod resets;
mod retell;
mod rounds;
mod standing;
mod tell;
mod waiting;

use std::time::Duration;

use anyhow::{Context as _, bail};
use fleet::{Fleet, beat};
use keeper::Keeper;
use tokio_util::sync::CancellationToken;

pub use config::Args;

/// How long what is under way may take to end once the service is told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// Runs until `shutdown` is cancelled.
///
/// # Errors
///
/// When NATS cannot be reached or was not set up, or when a part of the service has died; then
/// it is to be started again.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let fleet = tokio::select! {
        joined = Fleet::join(&args.nats, "gatekeeper") => joined.context("join the fleet")?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let fleet = fleet.saying(&args.health);
    let keeper = Keeper::new(fleet.clone());
    let mut tasks = kit::Tasks::new();
    tasks.spawn(fleet.gates.clone().keep(fleet.bus.clone(), shutdown.clone()));
    tasks.spawn(beat::beat(fleet.clone(), shutdown.clone(), beat::Vitals::default));
    tasks.spawn(progress::follow(keeper.clone(), shutdown.clone()));
    tasks.spawn(enforce::enforce(keeper.clone(), shutdown.clone()));
    tasks.spawn(outcomes::take_all(keeper.clone(), shutdown.clone()));
    tasks.spawn(commands::obey(keeper.clone(), shutdown.clone()));
    tasks.spawn(rounds::walk(keeper, shutdown.clone()));
    tokio::select! {
        () = shutdown.cancelled() => (),
        () = tasks.next() => (),
    }
    let asked = shutdown.is_cancelled();
    shutdown.cancel();
    tasks.drain(GRACE).await;
    fleet.bus.flush().await;
    if !asked {
        bail!("a part of the gatekeeper has died");
    }
    Ok(())
}
