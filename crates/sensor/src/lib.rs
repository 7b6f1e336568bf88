//! The sensor: finds work and creates its tasks. It sees who is new in the AIBTC directory, reads
//! any list that is served as JSON, and goes by calendars.
//!
//! Decisions are [`logic::sensor`]'s; this crate asks and acts:
//!
//! * `service`: when a cycle is due;
//! * `walk`: page after page, row after row; `directory` and `page` read those of AIBTC, `list`
//!   and `header` any other; `web`: what both do;
//! * `schedule`: what is due by a calendar, written down, created and crossed off;
//! * `desk`: one candidate, from the gates to the create; `gates`, `standing` and `purse` say
//!   what stands in the way;
//! * `settings` and `letter`: what the task says; `told`: what is told of a cycle.
//!
//! Promises: nothing is created on a gate that is closed or unknown, under an older
//! configuration, for whom there was an end or contact, or over the caps (G1, G2, W3, W4).

mod config;
mod desk;
mod directory;
mod gates;
mod header;
mod letter;
mod list;
mod page;
mod purse;
mod schedule;
mod service;
mod settings;
mod standing;
mod told;
mod walk;
mod web;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::{Context as _, bail};
use domain::SensorName;
use fleet::{
    Fleet,
    beat::{Vitals, beat},
};
use kit::Tasks;
use tokio_util::sync::CancellationToken;

pub use config::Args;
use service::Sensor;

/// For a create under way when the sensor is told to stop.
const GRACE: Duration = Duration::from_secs(20);
/// For the first read of the gates. A cycle that starts without it creates nothing.
const GATES_WITHIN: Duration = Duration::from_secs(5);

/// Runs every sensor of the configuration until `shutdown`, or one cycle of each.
///
/// # Errors
///
/// When the fleet cannot be joined, `--only` names no sensor, or, with `--once`, a cycle
/// failed.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let fleet = tokio::select! {
        joined = Fleet::join(&args.nats, "sensor") => joined.context("join the fleet")?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let fleet = fleet.saying(&args.health);
    check_only(&args, &fleet)?;
    let stop = shutdown.child_token();
    let mut tasks = Tasks::new();
    tasks.spawn(fleet.gates.clone().keep(fleet.bus.clone(), stop.clone()));
    tasks.spawn(beat(fleet.clone(), stop.clone(), Vitals::default));
    gates_read(&fleet, &shutdown).await;
    let ended = match args.once {
        true => once(&args, &fleet, &shutdown).await,
        false => {
            supervise(&args, &fleet, &mut tasks, &stop).await;
            Ok(())
        }
    };
    stop.cancel();
    tasks.drain(GRACE).await;
    fleet.bus.flush().await;
    ended
}

fn check_only(args: &Args, fleet: &Fleet) -> anyhow::Result<()> {
    let config = fleet.config();
    match &args.only {
        Some(only) if !config.sensors.contains_key(only) => {
            let known: Vec<&str> = config.sensors.keys().map(SensorName::as_str).collect();
            bail!("the configuration has no sensor `{only}`; it has: {}", known.join(", "))
        }
        _ => Ok(()),
    }
}

/// The sensors that this process is to run, by the configuration in force.
fn wanted(args: &Args, fleet: &Fleet) -> Vec<SensorName> {
    let config = fleet.config();
    let ours = |name: &&SensorName| args.only.as_ref().is_none_or(|only| only == *name);
    config.sensors.keys().filter(ours).cloned().collect()
}

async fn once(args: &Args, fleet: &Fleet, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    let cycles = Arc::new(AtomicU64::new(0));
    for name in wanted(args, fleet) {
        let mut sensor = Sensor::new(fleet.clone(), name.clone(), None, cycles.clone());
        let report = sensor.once(shutdown).await;
        failed.extend(told::failure(&report).map(|why| format!("{name}: {why}")));
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("a cycle failed: {}", failed.join("; ")),
    }
}

/// Keeps one task for each sensor that the configuration has, as it changes.
async fn supervise(args: &Args, fleet: &Fleet, tasks: &mut Tasks, stop: &CancellationToken) {
    let mut running: BTreeMap<SensorName, CancellationToken> = BTreeMap::new();
    let cycles = Arc::new(AtomicU64::new(0));
    let mut changes = fleet.gates.changes();
    if wanted(args, fleet).is_empty() {
        tracing::warn!("the configuration has no sensor; waiting for one");
    }
    loop {
        let wanted = wanted(args, fleet);
        running.retain(|name, token| {
            let keep = wanted.contains(name);
            if !keep {
                tracing::info!(sensor = %name, "no longer in the configuration");
                token.cancel();
            }
            keep
        });
        for name in wanted {
            running.entry(name.clone()).or_insert_with(|| {
                let token = stop.child_token();
                tracing::info!(sensor = %name, "watching");
                let sensor = Sensor::new(fleet.clone(), name, args.every, cycles.clone());
                tasks.spawn(sensor.run(token.clone()));
                token
            });
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            () = tasks.next() => (),
        }
    }
}

/// Waits, within reason, until the gates were read for the first time.
async fn gates_read(fleet: &Fleet, shutdown: &CancellationToken) {
    let mut changes = fleet.gates.changes();
    let read = async { while fleet.gates.doubt().is_some() && changes.changed().await.is_ok() {} };
    tokio::select! {
        () = read => (),
        () = fleet.clock.sleep(GATES_WITHIN) => tracing::warn!("the gates could not be read yet"),
        () = shutdown.cancelled() => (),
    }
}
