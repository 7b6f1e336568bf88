//! One sensor's day: a cycle at the start, then one each time that it is due.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{
    Config, HttpConfig, Kind, ScheduleConfig, SensorConfig, SensorName, SourceKey, Task, Timestamp,
};
use fleet::Fleet;
use kit::Clock;
use logic::sensor::{Cycle, CycleReport, Payee, Plan, Reason, Stop};
use tokio_util::sync::CancellationToken;

use crate::{
    desk::{FleetDesk, Making, Post},
    directory::Directory,
    gates::admits,
    list::{Item, List, Memory},
    page::Agent,
    schedule::Clockwork,
    settings::{PAGES_MAX, Settings},
    told::{CycleTold, chain},
    walk::{Source, walk},
};

/// Time between cycles while the configuration that names it cannot be read.
const EVERY: Duration = Duration::from_secs(60);
/// The least between a cycle that was cut short and one that is early because the gates admit
/// again; a tenth of the usual time if that is longer.
const EARLY: Duration = Duration::from_secs(5);
/// The same between looks at a calendar.
const LOOK_EARLY: Duration = Duration::from_millis(500);
/// Between looks at a calendar of which one failed.
const LOOK_AFTER_FAILURE: Duration = Duration::from_secs(5);
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
    /// Of an HTTP list: how it was when it was last read.
    memory: Memory,
    /// Of a schedule: what was told last. It looks often, and what is as it was is no news.
    said: String,
}

/// How a cycle ended, and what that means for the next.
struct Ended {
    report: CycleReport,
    /// The gates let nothing be created when it began, so that it only glanced.
    held: bool,
    /// A newer configuration is in force.
    outdated: bool,
    /// The first row of which no task can be made, and why.
    odd: Option<String>,
    /// When the next cycle is due, where a calendar says so.
    again: Option<Duration>,
}

impl Ended {
    fn undone(why: String) -> Ended {
        let plan = Plan::<Payee> { pages_max: 0, cap_cycle: 0, excluded: BTreeSet::new() };
        let report = Cycle::new(plan).finish(Stop::Failed { why, retry_after: None });
        Ended { report, held: false, outdated: false, odd: None, again: None }
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
    pub(crate) fn new(
        fleet: Fleet,
        name: SensorName,
        every: Option<Duration>,
        cycles: Arc<AtomicU64>,
    ) -> Self {
        let (complaints, memory, said) = (BTreeSet::new(), Memory::default(), String::new());
        Sensor { fleet, name, every, cycles, complaints, memory, said }
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
        let config = self.fleet.config();
        let ended = match config.sensors.get(&self.name) {
            Some(SensorConfig::Schedule(schedule)) => self.look(schedule, &config, shutdown).await,
            Some(SensorConfig::Http(http)) => self.list(http, config.version, shutdown).await,
            Some(SensorConfig::Directory(_)) | None => match Settings::of(&self.name, &config) {
                Ok(settings) => self.directory(&settings, shutdown).await,
                Err(error) => Ended::undone(chain(&error)),
            },
        };
        if self.is_news(&ended) {
            self.tell(&ended, &config, shutdown).await;
        }
        ended
    }

    /// Whether the cycle is to be told of: each is that was due by the clock, and of the looks at
    /// a calendar those that found something.
    fn is_news(&mut self, ended: &Ended) -> bool {
        let line = ended.report.to_string();
        let idle = ended.report.seen == 0 && crate::told::failure(&ended.report).is_none();
        let news =
            ended.again.is_none() || !idle && (0 < ended.report.created || line != self.said);
        self.said = line;
        news
    }

    async fn tell(&self, ended: &Ended, config: &Config, shutdown: &CancellationToken) {
        let told = CycleTold {
            sensor: &self.name,
            kind: kind(config, &self.name),
            source: self.fleet.source(),
            number: self.cycles.fetch_add(1, Ordering::Relaxed) + 1,
            at: self.fleet.clock.now(),
            report: &ended.report,
            odd: ended.odd.as_deref(),
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
    }

    async fn directory(&mut self, settings: &Settings, shutdown: &CancellationToken) -> Ended {
        let mut directory = match Directory::new(&settings.directory.url, settings.network) {
            Ok(directory) => directory,
            Err(error) => return Ended::undone(chain(&error)),
        };
        let make =
            |_: &Payee, agent: &Agent, at| settings.task(agent, at).map_err(|error| chain(&error));
        let plan = |admits| settings.plan(admits);
        self.scan(&settings.post(), &mut directory, plan, make, shutdown).await
    }

    async fn list(
        &mut self,
        http: &HttpConfig,
        version: u64,
        shutdown: &CancellationToken,
    ) -> Ended {
        let mut list = match List::new(http, version, &self.memory) {
            Ok(list) => list,
            Err(error) => return Ended::undone(chain(&error)),
        };
        let (sensor, kind) = (self.name.clone(), http.kind.clone());
        let created_by = format!("sensor/{sensor}");
        let make = |key: &SourceKey, item: &Item, at| {
            Ok(Task {
                kind: kind.clone(),
                source_key: key.clone(),
                created_by: created_by.clone(),
                created_at: at,
                contact: None,
                not_before: None,
                expires_at: None,
                follows: None,
                payload: item.payload.clone(),
            })
        };
        let plan = |admits| Plan {
            pages_max: if admits { PAGES_MAX } else { 1 },
            cap_cycle: http.cap_cycle,
            excluded: BTreeSet::new(),
        };
        let post = Post { sensor, kind: kind.clone(), version, cap_day: http.cap_day };
        let ended = self.scan(&post, &mut list, plan, make, shutdown).await;
        self.memory.learn(version, list.marks(), &ended.report);
        let odd = list.odd().map(str::to_owned);
        if let Some(odd) = &odd
            && self.complaints.insert(odd.clone())
        {
            tracing::warn!(sensor = %self.name, odd, "no task can be made of an item");
        }
        Ended { odd, ..ended }
    }

    async fn look(
        &mut self,
        schedule: &ScheduleConfig,
        config: &Config,
        shutdown: &CancellationToken,
    ) -> Ended {
        let post = Post {
            sensor: self.name.clone(),
            kind: schedule.kind.clone(),
            version: config.version,
            cap_day: schedule.cap_day,
        };
        let looked = match Clockwork::new(&self.fleet, post, schedule, config) {
            Ok(clockwork) => clockwork.look(&mut self.complaints, shutdown).await,
            Err(error) => Err(error),
        };
        match looked {
            Ok(look) => Ended {
                report: look.report,
                held: false,
                outdated: look.outdated,
                odd: None,
                again: Some(look.again),
            },
            Err(error) => Ended { again: Some(LOOK_AFTER_FAILURE), ..Ended::undone(chain(&error)) },
        }
    }

    async fn scan<S: Source>(
        &mut self,
        post: &Post,
        source: &mut S,
        plan: impl FnOnce(bool) -> Plan<S::Key>,
        make: impl Fn(&S::Key, &S::Work, Timestamp) -> Result<Task, String>,
        shutdown: &CancellationToken,
    ) -> Ended {
        let mut desk = FleetDesk::new(&self.fleet, post, shutdown, &mut self.complaints);
        let held = desk.gates().ask().await.token.is_none();
        let mut cycle = Cycle::new(plan(!held));
        let mut making = Making { desk: &mut desk, make };
        let stop = walk(source, &mut cycle, &mut making, shutdown).await;
        let mut report = cycle.finish(stop);
        desk.gates().told().clone_into(&mut report.gates);
        Ended { report, held, outdated: desk.gates().outdated(), odd: None, again: None }
    }

    /// Waits until the next cycle is due: about `every`, longer if the directory asked for
    /// it, sooner if gates or bus cut this cycle short and let one work again.
    async fn rest(&self, ended: &Ended, shutdown: &CancellationToken) {
        let config = self.fleet.config();
        let every = self.every.or_else(|| every(&config, &self.name)).unwrap_or(EVERY);
        let asked = ended.report.retry_after().unwrap_or_default();
        let due = match ended.again {
            Some(again) => again.min(self.every.unwrap_or(again)),
            None if ended.outdated => asked,
            None => jittered(every).max(asked),
        };
        // A look at a calendar asks nobody outside.
        let least = match ended.again {
            Some(_) => LOOK_EARLY,
            None => EARLY.max(every / 10).max(asked),
        };
        let early = async {
            Clock.sleep(least).await;
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
    config.sensors.get(name).map(SensorConfig::kind)
}

fn every(config: &Config, name: &SensorName) -> Option<Duration> {
    config.sensors.get(name)?.every()
}
