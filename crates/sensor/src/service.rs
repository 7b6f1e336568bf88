//! One sensor's day: a cycle at the start, then one each time that it is due.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{Config, Kind, SensorConfig, SensorName};
use fleet::Fleet;
use kit::Clock;
use logic::sensor::{Cycle, CycleReport, Plan, Reason, Stop};
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
/// The least between a cycle that was cut short and one that is early because the gates admit
/// again; a tenth of the usual time if that is longer.
const EARLY: Duration = Duration::from_secs(5);
/// For telling of the last cycle, if the bus is gone too.
const LAST_WORD: Duration = Duration::from_secs(2);

/// One sensor of the configuration.
#[derive(Debug)]
pub(crate) struct Sensor {
    fleet: Fleet,
    name: SensorName,
    /// In place of the configured time between cycles.
    every: Option<Duration>,
    /// Counts the cycles of all sensors of this process, so that each has its own number.
    cycles: Arc<AtomicU64>,
    complaints: BTreeSet<String>,
}

/// How a cycle ended, and what that means for the next.
struct Ended {
    report: CycleReport,
    /// The gates let nothing be created when it began, so that it only glanced.
    held: bool,
    /// A newer configuration is in force.
    outdated: bool,
}

impl Ended {
    fn undone(why: String) -> Ended {
        let plan = Plan { pages_max: 0, cap_cycle: 0, excluded: BTreeSet::new() };
        let report = Cycle::new(plan).finish(Stop::Failed { why, retry_after: None });
        Ended { report, held: false, outdated: false }
    }

    /// Whether the gates, or the bus, kept the cycle from creating something. A directory
    /// that fails is not asked early: it may be failing for being asked too often.
    fn cut_short(&self) -> bool {
        let cut = |reason: &Reason| {
            matches!(reason, Reason::Gate(_) | Reason::GatesUnknown | Reason::Undecided)
        };
        self.held || self.report.skipped.keys().any(cut)
    }
}

impl Sensor {
    pub(crate) const fn new(
        fleet: Fleet,
        name: SensorName,
        every: Option<Duration>,
        cycles: Arc<AtomicU64>,
    ) -> Self {
        Sensor { fleet, name, every, cycles, complaints: BTreeSet::new() }
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
        let number = self.cycles.fetch_add(1, Ordering::Relaxed) + 1;
        let config = self.fleet.config();
        let ended = match Settings::of(&self.name, &config) {
            Ok(settings) => self.scan(&settings, shutdown).await,
            Err(error) => Ended::undone(chain(&error)),
        };
        let told = CycleTold {
            sensor: &self.name,
            kind: kind(&config, &self.name),
            source: self.fleet.source(),
            number,
            at: self.fleet.clock.now(),
            report: &ended.report,
        };
        told.log();
        let event = told.to_event();
        let last_word = async {
            shutdown.cancelled().await;
            Clock.sleep(LAST_WORD).await;
        };
        tokio::select! {
            () = self.fleet.mention(&event) => (),
            () = last_word => tracing::warn!(id = event.id, "event not told before the end"),
        }
        ended
    }

    async fn scan(&mut self, settings: &Settings, shutdown: &CancellationToken) -> Ended {
        let directory = match Directory::new(&settings.directory.url, settings.network) {
            Ok(directory) => directory,
            Err(error) => return Ended::undone(chain(&error)),
        };
        let kind = &settings.directory.kind;
        let mut gates = Gates::new(&self.fleet, kind, settings.version);
        let held = gates.ask().await.token.is_none();
        let mut cycle = Cycle::new(settings.plan(!held));
        let mut desk = FleetDesk::new(&self.fleet, settings, shutdown, gates, &mut self.complaints);
        let stop = walk(&directory, &mut cycle, &mut desk, shutdown).await;
        let mut report = cycle.finish(stop);
        desk.gates().told().clone_into(&mut report.gates);
        Ended { report, held, outdated: desk.gates().outdated() }
    }

    /// Waits until the next cycle is due: about `every`, longer if the directory asked for
    /// it, sooner if gates or bus cut this cycle short and let one work again.
    async fn rest(&self, ended: &Ended, shutdown: &CancellationToken) {
        let config = self.fleet.config();
        let every = self.every.or_else(|| every(&config, &self.name)).unwrap_or(EVERY);
        let asked = ended.report.retry_after().unwrap_or_default();
        let due = if ended.outdated { asked } else { jittered(every).max(asked) };
        let early = async {
            Clock.sleep(EARLY.max(every / 10).max(asked)).await;
            self.gates_admit(&config).await;
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = Clock.sleep(due) => (),
            () = early, if ended.cut_short() => {
                tracing::info!(sensor = %self.name, "gates admit again");
            }
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
