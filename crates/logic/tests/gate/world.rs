//! A bus in miniature: one gate log, incident records, and gatekeepers that read, write and
//! crash one step at a time. Every write is a compare-and-set, as on the real bus.

#[path = "world/settings.rs"]
mod settings;

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Admission, Blame, Canary, Cause, ClosePolicy, Config, Epoch, Gate, GateConfig, GateName,
    GateState, Handler, Incident, Kind, KindConfig, Reset, ResetPolicy, SourceKey, Timestamp,
};
use logic::gate::{self, CompletedSeen, Decision, FailureSeen, Home, PersonCloses, PersonOpens};

/// What the outside does next. Attempts and events are counted from the newest back.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// An attempt begins, under gates as they were `lag` messages ago.
    Begin {
        kind: usize,
        task: usize,
        lag: usize,
    },
    /// It may name a time at which its cause has passed, in so many seconds.
    Finish {
        attempt: usize,
        cause: Option<usize>,
        named: Option<u64>,
    },
    /// A person applies a configuration: with the resets of the relay or without.
    Apply {
        resets: bool,
    },
    /// A gatekeeper is given an event, perhaps not for the first time.
    Deliver {
        keeper: usize,
        event: usize,
    },
    Order {
        keeper: usize,
        job: Job,
    },
    Step {
        keeper: usize,
    },
    Crash {
        keeper: usize,
    },
    Pass {
        secs: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Job {
    Event { event: usize, gate: usize },
    Open { gate: usize, without_canary: bool, accept_all: bool, note: bool },
    Close { gate: usize },
    Late { gate: usize },
    Gone { gate: usize, opening: u64 },
    Reset { gate: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) task: usize,
    pub(crate) kind: Kind,
    pub(crate) admitted: Vec<Admission>,
    pub(crate) canary: Vec<GateName>,
    pub(crate) event: Option<usize>,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most are failures, and there are few")]
pub(crate) enum Event {
    Failed(FailureSeen),
    Completed(CompletedSeen),
}

#[derive(Clone, Debug)]
enum Stage {
    Read,
    Decide { head: u64, gate: Gate },
    Write { head: u64, revision: u64, decision: Decision },
    Record { revision: u64, decision: Decision },
}

/// One message as it was stored, with who wrote it and over what.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) job: Option<Job>,
    pub(crate) gate: Gate,
}

pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) names: [GateName; 2],
    pub(crate) log: Vec<Stored>,
    pub(crate) records: BTreeMap<(GateName, u64), (u64, Incident)>,
    pub(crate) canaries: BTreeMap<(GateName, Epoch), Canary>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) events: Vec<Event>,
    pub(crate) now: Timestamp,
    /// Every configuration, the one in force last.
    pub(crate) applied: Vec<Config>,
    keepers: Vec<Vec<(Job, Stage)>>,
}

pub(crate) const CAUSES: [&str; 6] = [
    "relay.nonce-conflict",
    "relay.unavailable",
    "relay.sponsor-failed",
    "wallet.insufficient-funds",
    "target.invalid",
    "relay.rate-limited",
];

impl World {
    pub(crate) fn new() -> Self {
        let names = ["relay", "wallet"].map(|name| name.parse().unwrap());
        let mut world = World {
            config: settings::config(),
            names,
            log: Vec::new(),
            records: BTreeMap::new(),
            canaries: BTreeMap::new(),
            attempts: Vec::new(),
            events: Vec::new(),
            now: Timestamp::from_millis(0),
            applied: vec![settings::config()],
            keepers: vec![Vec::new(); 3],
        };
        for name in world.names.clone() {
            let stamp = gate::Stamp { now: world.now, prev: world.head(), remedy: "" };
            let gate = gate::first(name, "ann", &stamp);
            world.log.push(Stored { job: None, gate });
        }
        world
    }

    pub(crate) fn head(&self) -> u64 {
        self.log.len() as u64
    }

    pub(crate) fn history(&self, name: &GateName) -> impl Iterator<Item = &Gate> {
        self.log.iter().map(|stored| &stored.gate).filter(move |gate| gate.name == *name)
    }

    pub(crate) fn gate(&self, name: &GateName) -> Gate {
        self.history(name).last().unwrap().clone()
    }

    pub(crate) fn act(&mut self, act: &Act) {
        match act {
            Act::Begin { kind, task, lag } => self.begin(*kind, *task, *lag),
            Act::Finish { attempt, cause, named } if !self.attempts.is_empty() => {
                let attempt = self.attempts.len() - 1 - attempt % self.attempts.len();
                self.finish(attempt, *cause, *named);
            }
            Act::Apply { resets } => self.apply(*resets),
            Act::Deliver { keeper, event } if !self.events.is_empty() => {
                let event = self.events.len() - 1 - event % self.events.len();
                let jobs = (0..2).map(|gate| (Job::Event { event, gate }, Stage::Read));
                self.keepers[*keeper] = jobs.collect();
            }
            Act::Order { keeper, job } => self.keepers[*keeper] = vec![(job.clone(), Stage::Read)],
            Act::Step { keeper } => self.step(*keeper),
            Act::Crash { keeper } => self.keepers[*keeper].clear(),
            Act::Pass { secs } => self.now = self.now.after(Duration::from_secs(*secs)),
            Act::Finish { .. } | Act::Deliver { .. } => (),
        }
    }

    /// Every gatekeeper dies; then each event comes once more and is worked to its end.
    pub(crate) fn settle(&mut self, mut after_step: impl FnMut(&World)) {
        self.keepers = vec![Vec::new(); 3];
        for event in 0..self.events.len() {
            self.act(&Act::Deliver { keeper: 0, event });
            while !self.keepers[0].is_empty() {
                self.step(0);
                after_step(self);
            }
        }
    }

    fn begin(&mut self, kind: usize, task: usize, lag: usize) {
        let kind: Kind = ["welcome", "prompt"][kind].parse().unwrap();
        let known = self.log.len().saturating_sub(lag).max(2);
        let standing = |name: &GateName| {
            let log = self.log[..known].iter().enumerate();
            let mut log = log.filter(|(_, stored)| stored.gate.name == *name);
            log.next_back().map(|(at, stored)| (at as u64 + 1, stored.gate.clone())).unwrap()
        };
        let needs = self.config.kinds[&kind].needs.iter();
        let needs: Vec<(u64, Gate)> = needs.map(standing).collect();
        let canary = needs.iter().filter(|(_, gate)| gate.state == GateState::Probing);
        let canary: Vec<(GateName, Epoch)> =
            canary.map(|(_, gate)| (gate.name.clone(), gate.epoch)).collect();
        let blocked = needs.iter().any(|(_, gate)| gate.state == GateState::Closed);
        if blocked || canary.iter().any(|won| self.canaries.contains_key(won)) {
            return;
        }
        let source_key = source_key(task);
        for (gate, epoch) in &canary {
            let (gate, epoch, holder) = (gate.clone(), *epoch, "d1".parse().unwrap());
            let (task, attempt) = (source_key.key(), u32::try_from(self.attempts.len()).unwrap());
            let (source_key, begun, released) = (source_key.clone(), self.now, false);
            let at = (gate.clone(), epoch);
            let kind = kind.clone();
            let canary =
                Canary { gate, epoch, kind, task, source_key, attempt, holder, begun, released };
            self.canaries.insert(at, canary);
        }
        let admission = |(seq, gate): &(u64, Gate)| Admission {
            gate: gate.name.clone(),
            epoch: gate.epoch,
            seq: *seq,
        };
        let admitted = needs.iter().map(admission).collect();
        let canary = canary.into_iter().map(|(gate, _)| gate).collect();
        self.attempts.push(Attempt { task, kind, admitted, canary, event: None });
    }

    fn finish(&mut self, index: usize, cause: Option<usize>, named: Option<u64>) {
        let attempt = &mut self.attempts[index];
        if attempt.event.is_some() {
            return;
        }
        attempt.event = Some(self.events.len());
        let (admitted, canary) = (attempt.admitted.clone(), attempt.canary.clone());
        let Some(cause) = cause else {
            self.events.push(Event::Completed(CompletedSeen { admitted, canary }));
            return;
        };
        let cause: Cause = CAUSES[cause].parse().unwrap();
        let source_key = source_key(attempt.task);
        self.events.push(Event::Failed(FailureSeen {
            event: format!("{index}/failed"),
            kind: attempt.kind.clone(),
            task: source_key.key(),
            source_key,
            attempt: u32::try_from(index).unwrap(),
            blame: self.config.blame(&attempt.kind, &cause),
            cause,
            admitted,
            canary,
            at: self.now,
            evidence: String::new(),
            resets_at: named.map(|secs| self.now.after(Duration::from_secs(secs))),
            allowed: Vec::new(),
        }));
    }

    fn step(&mut self, keeper: usize) {
        let Some((job, stage)) = self.keepers[keeper].first().cloned() else { return };
        let name = self.names[job.gate()].clone();
        let next = match stage {
            Stage::Read => Some(Stage::Decide { head: self.head(), gate: self.gate(&name) }),
            Stage::Decide { head, gate } => self.decide(&job, head, &gate),
            Stage::Write { head, revision, decision } => match decision.gate.clone() {
                Some(_) if head != self.head() => Some(Stage::Read),
                written => {
                    let job = Some(job.clone());
                    self.log.extend(written.map(|gate| Stored { job, gate }));
                    Some(Stage::Record { revision, decision })
                }
            },
            Stage::Record { revision, decision } => match decision.incident {
                Some(record) => {
                    let at = (name, record.number);
                    let current = self.records.get(&at).map_or(0, |(revision, _)| *revision);
                    let lost = current != revision;
                    if !lost {
                        self.records.insert(at, (revision + 1, record));
                    }
                    lost.then_some(Stage::Read)
                }
                None => None,
            },
        };
        match next {
            Some(stage) => self.keepers[keeper][0].1 = stage,
            None => drop(self.keepers[keeper].remove(0)),
        }
    }

    fn record(&self, name: &GateName, number: u64) -> (u64, Incident) {
        let at = (name.clone(), number);
        let empty = || (0, Incident::new(name.clone(), number));
        self.records.get(&at).cloned().unwrap_or_else(empty)
    }

    /// `None` when the job is refused or done with nothing to write.
    fn decide(&self, job: &Job, head: u64, gate: &Gate) -> Option<Stage> {
        let stamp = gate::Stamp { now: self.now, prev: head, remedy: "" };
        let number = match (job, gate.state) {
            (Job::Event { event, .. }, _) => match &self.events[*event] {
                Event::Failed(seen) => match gate::home(gate, seen) {
                    Home::None => 0,
                    Home::Incident(number) => number,
                    Home::From(epoch) => {
                        let mut since = self.history(&gate.name).filter(|gate| epoch <= gate.epoch);
                        since.find(|gate| gate.state == GateState::Closed).unwrap().incident
                    }
                },
                Event::Completed(_) => 0,
            },
            (_, GateState::Open) => gate.incident + 1,
            _ => gate.incident,
        };
        let (revision, record) = self.record(&gate.name, number);
        let kept = (revision != 0).then_some(&record);
        let decision = match job {
            Job::Event { event, .. } => match &self.events[*event] {
                Event::Failed(seen) if !seen.concerns().contains(&gate.name) => return None,
                Event::Failed(seen) => {
                    match gate::on_failure(gate, &record, &self.judged(seen), &stamp) {
                        Ok(decision) => decision,
                        Err(_) => return Some(Stage::Read),
                    }
                }
                Event::Completed(seen) => gate::on_completed(gate, seen, &stamp),
            },
            Job::Open { .. } => gate::open(gate, kept, &job.opens(gate, kept), &stamp).ok()?,
            Job::Close { .. } => {
                let (by, note) = ("bob".to_owned(), "by hand".to_owned());
                gate::close(gate, kept, &PersonCloses { by, note, cause: None }, &stamp).ok()?
            }
            Job::Late { .. } => {
                let canary = self.canaries.get(&(gate.name.clone(), gate.epoch))?;
                let under_way = self.now.since(canary.begun);
                gate::on_canary_late(gate, canary, under_way, &stamp)
            }
            Job::Reset { .. } => self.reset(gate, &record, &stamp),
            Job::Gone { opening, .. } => {
                let opening = if *opening == 0 { gate.opening } else { Epoch::new(*opening) };
                gate::on_backlog_gone(gate, opening, &stamp)
            }
        };
        Some(Stage::Write { head, revision, decision })
    }
}

impl Job {
    pub(crate) fn gate(&self) -> usize {
        match self {
            Job::Event { gate, .. }
            | Job::Open { gate, .. }
            | Job::Close { gate }
            | Job::Late { gate }
            | Job::Gone { gate, .. }
            | Job::Reset { gate } => *gate,
        }
    }

    fn opens(&self, gate: &Gate, record: Option<&Incident>) -> PersonOpens {
        let Job::Open { without_canary, accept_all, note, .. } = *self else { unreachable!() };
        let recorded = record.map(Incident::causes).unwrap_or_default();
        let accept =
            gate.causes.iter().cloned().chain(recorded.into_iter().map(|(cause, _)| cause));
        PersonOpens {
            by: "ann".to_owned(),
            note: if note { "looked at it" } else { " " }.to_owned(),
            without_canary,
            accept: if accept_all { accept.collect() } else { Vec::new() },
            expected_epoch: None,
        }
    }
}

fn source_key(task: usize) -> SourceKey {
    format!("welcome/{task}").parse().unwrap()
}
