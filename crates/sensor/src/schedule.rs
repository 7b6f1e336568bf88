//! One look at a schedule: what is due is written down, then created, then crossed off.
//!
//! The record is shared by all who run the schedule. What a firing is owed stands in it before
//! anything is created, under which fence somebody creates it before the create leaves, and it
//! is crossed off once the task is there. So whoever dies in between, the next look, by
//! whomever, goes on where the record stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use calendar::{Calendar, CalendarError};
use domain::{Config, Firings, ScheduleConfig, Task, Timestamp, Unfired, WhileClosed};
use fleet::{
    Fleet,
    store::{self, Cas, StoreError, Versioned},
};
use logic::sensor::{
    Cycle, CycleReport, Found, Ledger as _, Looked, Plan, Reason, Schedule, Seen, Stop,
    item::{ItemError, Payload, ShapeError, source_key},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wire::{event::Event, subject};

use crate::{
    desk::{Became, Claim, FleetDesk, Post},
    told::chain,
};

/// The longest between two looks: clocks are set, and others may leave something undone.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between looks while the end of a create is open. What a gate or a cap holds back waits longer:
/// it is looked for with each look, and whoever waits for a gate hears of it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One schedule, as the configuration has it.
#[derive(Debug)]
pub(crate) struct Clockwork<'a> {
    fleet: &'a Fleet,
    post: Post,
    config: &'a ScheduleConfig,
    while_closed: WhileClosed,
    schedule: Schedule,
    calendar: Calendar,
    payload: Payload,
}

/// What a look came to.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) report: CycleReport,
    /// Whether a configuration is in force that this one is older than.
    pub(crate) outdated: bool,
    /// When to look again.
    pub(crate) again: Duration,
}

/// Why a schedule cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    #[error("make sense of `payload`")]
    Payload(#[from] ShapeError),
    #[error("make the task of {at}, which")]
    Task {
        at: Timestamp,
        #[source]
        source: ItemError,
    },
    #[error("keep the record of the schedule")]
    Store(#[from] StoreError),
}

/// What was found out about each owed firing.
#[derive(Debug, Default)]
struct Outcome {
    done: BTreeSet<Timestamp>,
    /// Of which there is no trace, and what keeps it from being created.
    absent: BTreeMap<Timestamp, Reason>,
    /// Whether the end of a create is open.
    open: bool,
}

impl<'a> Clockwork<'a> {
    /// # Errors
    ///
    /// When something in the configuration means nothing.
    pub(crate) fn new(
        fleet: &'a Fleet,
        post: Post,
        config: &'a ScheduleConfig,
        all: &Config,
    ) -> Result<Clockwork<'a>, ScheduleError> {
        let schedule = Schedule {
            sensor: post.sensor.clone(),
            version: post.version,
            rule: format!("{} {}", config.cron, config.zone),
            missed: config.missed,
            late: config.late,
            held_max: config.held_max,
        };
        Ok(Clockwork {
            fleet,
            while_closed: all
                .kinds
                .get(&post.kind)
                .map(|kind| kind.while_closed)
                .unwrap_or_default(),
            post,
            config,
            schedule,
            calendar: Calendar::new(&config.cron, &config.zone)?,
            payload: Payload::read(Some(&config.payload))?,
        })
    }

    /// Looks at the time, creates what is due, and tells what never will be.
    ///
    /// # Errors
    ///
    /// When the record cannot be kept, or a task cannot be made.
    pub(crate) async fn look(
        &self,
        complaints: &mut BTreeSet<String>,
        shutdown: &CancellationToken,
    ) -> Result<Look, ScheduleError> {
        let Some((record, given_up)) = self.decide().await? else {
            return Ok(self.outdated());
        };
        let mut desk = FleetDesk::new(self.fleet, &self.post, shutdown, complaints);
        let plan = Plan { pages_max: 1, cap_cycle: u32::MAX, excluded: BTreeSet::new() };
        let mut cycle = Cycle::new(plan);
        // Before any firing is looked for: what is not found then was not created under an
        // older fence, and never will be.
        let head = self.fleet.gates.head();
        let (found, stop) = self.create(&mut desk, &mut cycle, &record).await?;
        let mut report = cycle.finish(stop);
        desk.gates().told().clone_into(&mut report.gates);
        let outdated = desk.gates().outdated();
        let record = self.cross_off(&found, head, &mut report).await?;
        for entry in &given_up {
            report.seen = report.seen.saturating_add(entry.count);
            count(&mut report, Reason::Unfired(entry.fate), entry.count);
        }
        self.tell(&record.untold).await?;
        Ok(Look { again: self.again(found.open), report, outdated })
    }

    /// What is due, stored; and what was given up for it. `None` under an old configuration.
    async fn decide(&self) -> Result<Option<(Firings, Vec<Unfired>)>, ScheduleError> {
        loop {
            let found = self.record().await?;
            let (before, seq) = match &found {
                Some(Versioned { value, seq }) => (Some(value), *seq),
                None => (None, 0),
            };
            let now = self.fleet.clock.now();
            let next = match self.schedule.look(before, now, self.calendar.back(now)) {
                Looked::Outdated => return Ok(None),
                Looked::Same => return Ok(found.map(|found| (found.value, Vec::new()))),
                Looked::Changed(next) => next,
            };
            let known = before.map(|before| before.untold.as_slice()).unwrap_or_default();
            if let Some(next) = self.store(next, seq).await? {
                let new = next.untold.iter().filter(|entry| !known.contains(entry)).copied();
                let new = new.collect();
                return Ok(Some((next, new)));
            }
        }
    }

    async fn create(
        &self,
        desk: &mut FleetDesk<'_>,
        cycle: &mut Cycle<Timestamp>,
        record: &Firings,
    ) -> Result<(Outcome, Stop), ScheduleError> {
        let mut found = Outcome::default();
        for owed in &record.owed {
            let Seen::Candidate(at) = cycle.row(Found::Good(owed.at)) else { continue };
            let task = self.task(at).map_err(|source| ScheduleError::Task { at, source })?;
            match desk.settle(cycle, &at, &task, &mut Claiming { clockwork: self, at }).await {
                Ok(Became::Task) => {
                    found.done.insert(at);
                }
                Ok(Became::None(reason @ (Reason::Gate(_) | Reason::Probing(_)))) => {
                    found.absent.insert(at, reason);
                }
                Ok(Became::Unknown | Became::Overtaken) => found.open = true,
                Ok(Became::None(_)) => (),
                Err(stop) => return Ok((found, stop)),
            }
        }
        Ok((found, Stop::End))
    }

    /// Crosses off what is done, and what the kind's rule gives up.
    async fn cross_off(
        &self,
        found: &Outcome,
        head: u64,
        report: &mut CycleReport,
    ) -> Result<Firings, ScheduleError> {
        let absent: BTreeSet<Timestamp> = found.absent.keys().copied().collect();
        loop {
            let Some(Versioned { value: before, seq }) = self.record().await? else {
                // It is never deleted; and if it were, there would be nothing to cross off.
                return Ok(self.nothing_owed());
            };
            let settled = before.settled(&found.done);
            let next = settled.held(self.while_closed, &absent, head);
            let given_up: Vec<Timestamp> = settled.owed.iter().map(|owed| owed.at).collect();
            if next == before {
                return Ok(next);
            }
            let Some(next) = self.store(next, seq).await? else { continue };
            for at in given_up {
                let kept = next.owed.iter().any(|owed| owed.at == at);
                if let (false, Some(reason)) = (kept, found.absent.get(&at)) {
                    recount(report, reason, self.while_closed);
                }
            }
            return Ok(next);
        }
    }

    /// Tells what was given up, and then notes that it was told: twice counts once.
    async fn tell(&self, untold: &[Unfired]) -> Result<(), ScheduleError> {
        for entry in untold {
            let event = self.event(entry);
            if let Err(error) = self.fleet.tell(&event).await {
                tracing::warn!(%error, id = event.id, "not told yet");
                return Ok(());
            }
            loop {
                let Some(Versioned { value, seq }) = self.record().await? else { break };
                let next = value.told(entry);
                if next == value || self.store(next, seq).await?.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn event(&self, entry: &Unfired) -> Event {
        let Unfired { fate, count, first, last } = entry;
        let sensor = &self.post.sensor;
        Event {
            subject: subject::event_unfired(sensor),
            id: format!(
                "{sensor}/{}/{}/{}/{count}",
                fate.word(),
                first.as_millis(),
                last.as_millis()
            ),
            kind: "portcullis.sensor.unfired".to_owned(),
            source: self.fleet.source(),
            at: self.fleet.clock.now(),
            data: json!({
                "sensor": sensor.to_string(),
                "kind": self.post.kind.to_string(),
                "fate": fate.word(),
                "count": count,
                "first": first.to_string(),
                "last": last.to_string(),
            }),
        }
    }

    fn task(&self, at: Timestamp) -> Result<Task, ItemError> {
        let fields = self.fields(at);
        Ok(Task {
            kind: self.post.kind.clone(),
            source_key: source_key(&self.config.key, &fields)?,
            created_by: format!("sensor/{}", self.post.sensor),
            created_at: self.fleet.clock.now(),
            contact: None,
            not_before: None,
            expires_at: None,
            follows: None,
            payload: self.payload.of(&fields)?,
        })
    }

    /// What the templates of a firing may name.
    fn fields(&self, at: Timestamp) -> Value {
        json!({
            // No firing falls between two seconds.
            "time": at.to_string().replace(".000Z", "Z"),
            "date": self.calendar.date(at),
            "sensor": self.post.sensor.to_string(),
        })
    }

    fn again(&self, open: bool) -> Duration {
        let now = self.fleet.clock.now();
        let next = self.calendar.next(now).map(|next| next.since(now));
        let most = if open { LOOK_AGAIN } else { LOOK_EVERY };
        // A little later rather than a little earlier.
        next.map_or(most, |next| most.min(next + Duration::from_millis(5)))
    }

    fn outdated(&self) -> Look {
        let report =
            Cycle::<Timestamp>::new(Plan { pages_max: 1, cap_cycle: 0, excluded: BTreeSet::new() });
        Look { report: report.finish(Stop::Interrupted), outdated: true, again: LOOK_AGAIN }
    }

    fn nothing_owed(&self) -> Firings {
        Firings {
            sensor: self.post.sensor.clone(),
            version: self.post.version,
            rule: self.schedule.rule.clone(),
            until: self.fleet.clock.now(),
            owed: Vec::new(),
            untold: Vec::new(),
        }
    }

    async fn record(&self) -> Result<Option<Versioned<Firings>>, StoreError> {
        let subject = subject::schedule(&self.post.sensor);
        store::read(&self.fleet.bus, subject::RECORD, &subject).await
    }

    /// The record if it was stored; `None` if somebody else wrote first.
    async fn store(&self, next: Firings, seq: u64) -> Result<Option<Firings>, StoreError> {
        let subject = subject::schedule(&self.post.sensor);
        let bus = &self.fleet.bus;
        match store::compare_and_set(bus, subject::RECORD, &subject, &next, seq).await? {
            Cas::Stored(_) => Ok(Some(next)),
            Cas::Lost => Ok(None),
        }
    }
}

/// Writes down under which fence a firing is created.
struct Claiming<'c, 'a> {
    clockwork: &'c Clockwork<'a>,
    at: Timestamp,
}

impl Claim for Claiming<'_, '_> {
    async fn claim(&mut self, token: u64) -> Result<bool, String> {
        let told = |error: StoreError| chain(&error);
        loop {
            let found = self.clockwork.record().await.map_err(told)?;
            let Some(Versioned { value, seq }) = found else { return Ok(false) };
            let Some(next) = value.claimed(self.at, token) else { return Ok(false) };
            if next == value || self.clockwork.store(next, seq).await.map_err(told)?.is_some() {
                return Ok(true);
            }
        }
    }
}

fn count(report: &mut CycleReport, reason: Reason, more: u64) {
    let counted = report.skipped.entry(reason).or_insert(0);
    *counted = counted.saturating_add(more);
}

/// What was counted as held back was given up after all.
fn recount(report: &mut CycleReport, held: &Reason, rule: WhileClosed) {
    let fate = match rule {
        WhileClosed::Hold => return,
        WhileClosed::Drop => domain::Fate::Dropped,
        WhileClosed::Collapse => domain::Fate::Collapsed,
    };
    if let Some(counted) = report.skipped.get_mut(held) {
        *counted = counted.saturating_sub(1);
    }
    report.skipped.retain(|_, count| 0 < *count);
    count(report, Reason::Unfired(fate), 1);
}
