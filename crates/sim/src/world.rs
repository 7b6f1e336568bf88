//! All that is true in one seed: the broker, the world outside, the processes, and what has
//! taken place since the promises were last looked at.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use domain::{Config, Key, Kind};

use crate::{
    broker::Broker,
    exec::{Millis, ProcId},
    faults::Faults,
    mutant::Mutant,
    outside::Outside,
    process::Process,
    wait::{Bell, Filler},
    witness::{Fact, Witness},
};

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Sensor(usize),
    Dispatcher,
    Gatekeeper,
    Payer,
    Person,
}

pub(crate) struct World {
    pub(crate) config: Rc<Config>,
    pub(crate) broker: Broker,
    pub(crate) outside: Outside,
    pub(crate) processes: Vec<Process>,
    /// Questions that services wait for, by the service's role.
    pub(crate) served: BTreeMap<Role, Vec<Ear>>,
    pub(crate) faults: Faults,
    pub(crate) mutant: Option<Mutant>,
    /// What took place in this step.
    pub(crate) facts: Vec<Fact>,
    pub(crate) witness: Witness,
    pub(crate) tally: BTreeMap<&'static str, u64>,
    /// The end of the log; `None`: not wanted.
    pub(crate) log: Option<Vec<String>>,
    /// Whom the sensors can see, by kind: how many.
    pub(crate) agents: BTreeMap<Kind, u64>,
}

/// Where one process hears questions.
#[derive(Clone)]
pub(crate) struct Ear {
    pub(crate) process: ProcId,
    pub(crate) questions: Rc<RefCell<Vec<Question>>>,
    pub(crate) bell: Bell,
}

/// A question and where its answer goes.
pub(crate) struct Question {
    pub(crate) ask: Ask,
    pub(crate) answer: Filler<Reply>,
}

/// What is asked of a service.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Run(Rc<Run>),
    Gate(Command),
}

/// An attempt to be run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) task: Rc<domain::Task>,
    pub(crate) attempt: u32,
    pub(crate) holder: domain::HolderId,
    pub(crate) admitted: Vec<domain::Admission>,
}

/// A person's command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) gate: domain::GateName,
    pub(crate) note: String,
    pub(crate) seen: Option<domain::Epoch>,
    /// `None`: close.
    pub(crate) open: Option<Opening>,
}

/// How a person opens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opening {
    pub(crate) without_canary: bool,
    pub(crate) accept: Vec<domain::Cause>,
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Ran(domain::Outcome),
    Gate(Result<(), String>),
}

impl World {
    pub(crate) fn frozen(&self, process: ProcId) -> bool {
        self.processes.get(process).is_none_or(|process| process.frozen || !process.alive)
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_insert(0) += 1;
    }

    pub(crate) fn mutated(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn fact(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Keeps a line of the log, if anybody wants it.
    pub(crate) fn note(&mut self, now: Millis, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{:>9}.{:03} {}", now / 1_000, now % 1_000, line()));
        }
    }

    /// The living processes of a role.
    pub(crate) fn alive(&self, role: Role) -> Vec<ProcId> {
        let all = self.processes.iter().enumerate();
        all.filter(|(_, it)| it.alive && it.role == role).map(|(id, _)| id).collect()
    }

    pub(crate) fn attempts_max(&self, kind: &Kind) -> u32 {
        self.config.kinds.get(kind).map_or(0, |kind| kind.attempts_max)
    }
}

/// The first digits of a key, for the log.
pub(crate) fn short(key: Key) -> String {
    let mut text = key.to_string();
    text.truncate(6);
    text
}
