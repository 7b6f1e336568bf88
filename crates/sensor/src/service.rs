//! One sensor's day: a cycle at the start, then one each time that it is due.

use std::{collections::BTreeSet, time::Duration};

use domain::{Config, Kind, SensorConfig, SensorName};
use fleet::Fleet;
use kit::Clock;
use logic::sensor::{Cycle, CycleReport, Plan, Stop};
use tokio_util::sync::CancellationToken;

use crate::{
    desk::FleetDesk,
    directory::Directory,
    gates::{Gates, admits},
    settings::Settings,
    told::{CycleTold, chain},
    walk::walk,
};

/// Time between cycles while the configuration that names it cannot be read.
const EVERY: Duration = Duration::from_secs(60);
/// Between a cycle that the gates held back and one that is early because they admit again.
const EARLY: Duration = Duration::from_secs(5);

/// One sensor of the configuration.
#[derive(Debug)]
pub(crate) struct Sensor {
    fleet: Fleet,
    name: SensorName,
    /// In place of the configured time between cycles.
    every: Option<Duration>,
    cycles: u64,
    complaints: BTreeSet<String>,
}

/// How a cycle ended, and what that means for the next.
struct Ended {
    report: CycleReport,
    /// A newer configuration is in force.
    outdated: bool,
}

impl Sensor {
    pub(crate) const fn new(fleet: Fleet, name: SensorName, every: Option<Duration>) -> Self {
        Sensor { fleet, name, every, cycles: 0, complaints: BTreeSet::new() }
    }

    /// Runs cycles until `shutdown`; a create under way is finished.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let ended = self.cycle(&shutdown).await;
            self.rest(&ended, &shutdown).await;
        }
    }

    /// Runs one cycle and tells what it did.
    pub(crate) async fn once(&mut self, shutdown: &CancellationToken) -> CycleReport {
        self.cycle(shutdown).await.report
    }

    async fn cycle(&mut self, shutdown: &CancellationToken) -> Ended {
        self.cycles += 1;
        let config = self.fleet.config();
        let ended = match Settings::of(&self.name, &config) {
            Ok(settings) => self.scan(&settings, shutdown).await,
            Err(error) => Ended { report: nothing_done(chain(&error)), outdated: false },
        };
        let told = CycleTold {
            sensor: &self.name,
            kind: kind(&config, &self.name),
            source: self.fleet.source(),
            number: self.cycles,
            at: self.fleet.clock.now(),
            report: &ended.report,
        };
        told.log();
        self.fleet.mention(&told.to_event()).await;
        ended
    }

    async fn scan(&mut self, settings: &Settings, shutdown: &CancellationToken) -> Ended {
        let directory = match Directory::new(&settings.directory.url, settings.network) {
            Ok(directory) => directory,
            Err(error) => return Ended { report: nothing_done(chain(&error)), outdated: false },
        };
        let kind = &settings.directory.kind;
        let mut gates = Gates::new(&self.fleet, kind, settings.version);
        let leave = gates.ask().await;
        let mut cycle = Cycle::new(settings.plan(leave.token.is_some()));
        let mut desk = FleetDesk::new(&self.fleet, settings, shutdown, gates, &mut self.complaints);
        let stop = walk(&directory, &mut cycle, &mut desk, shutdown).await;
        let mut report = cycle.finish(stop);
        desk.gates().told().clone_into(&mut report.gates);
        Ended { report, outdated: desk.gates().outdated() }
    }

    /// Waits until the next cycle is due: about `every`, longer if the directory asked for
    /// it, sooner if the gates that held this cycle back admit again.
    async fn rest(&self, ended: &Ended, shutdown: &CancellationToken) {
        let config = self.fleet.config();
        let every = self.every.or_else(|| every(&config, &self.name)).unwrap_or(EVERY);
        let asked = ended.report.retry_after().unwrap_or_default();
        let due = if ended.outdated { asked } else { jittered(every).max(asked) };
        let early = async {
            Clock.sleep(EARLY.max(asked)).await;
            self.gates_admit(&config).await;
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = Clock.sleep(due) => (),
            () = early, if held(&ended.report) => tracing::info!(sensor = %self.name, "gates admit again"),
        }
    }

    async fn gates_admit(&self, config: &Config) {
        let mut changes = self.fleet.gates.changes();
        let Some(kind) = kind(config, &self.name) else { return std::future::pending().await };
        while !admits(&self.fleet.gates.verdict(kind)) {
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// Between nine and eleven tenths of `every`, so that two sensors do not march together.
fn jittered(every: Duration) -> Duration {
    every.mul_f64(0.9 + 0.2 * kit::chance())
}

/// Whether the gates kept the cycle from creating something.
fn held(report: &CycleReport) -> bool {
    use logic::sensor::Reason;
    let held = |reason: &Reason| matches!(reason, Reason::Gate(_) | Reason::GatesUnknown);
    report.skipped.keys().any(held)
}

fn nothing_done(why: String) -> CycleReport {
    let plan = Plan { pages_max: 0, cap_cycle: 0, excluded: BTreeSet::new() };
    Cycle::new(plan).finish(Stop::Failed { why, retry_after: None })
}

fn kind<'a>(config: &'a Config, name: &SensorName) -> Option<&'a Kind> {
    match config.sensors.get(name)? {
        SensorConfig::Directory(directory) => Some(&directory.kind),
    }
}

fn every(config: &Config, name: &SensorName) -> Option<Duration> {
    match config.sensors.get(name)? {
        SensorConfig::Directory(directory) => Some(directory.every),
    }
}
