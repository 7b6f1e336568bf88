//! One task, three dispatchers, a queue and a chain, each step on its own, so that a history
//! can stop, repeat or overtake any of them.

mod dispatcher;
mod witness;
mod words;

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Admission, Canary, Epoch, GateName, GateState, Handler, HolderId, KindConfig, OnUnknown, Task,
    TaskState, Timestamp,
};
use logic::attempt::{
    Admitted, Delivered, Ending, Latches, Lease, Report, Step, Watch, on_delivery, owed, revive,
    unclaimed, withdraw,
};
use witness::Witness;
pub(crate) use words::gate;
use words::relay;

pub(crate) const LEASE: Duration = Duration::from_secs(6);

/// One step of a history.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The broker delivers the message to this dispatcher, again or not.
    Deliver(usize),
    /// The dispatcher does the next thing it has to do.
    Go(usize, Answer),
    /// It does all it has to do until it runs the handler or is done; with the answer if it
    /// runs it already.
    Hurry(usize, Answer),
    Renew(usize),
    Crash(usize),
    /// The dispatcher's next write is accepted, but it never learns.
    LoseAnswer(usize),
    /// Milliseconds pass.
    Pass(u64),
    Gate(GateState),
    /// Another lease is applied, so many times shorter than [`LEASE`].
    Lease(u32),
    /// A gatekeeper counts every failure told so far, and lets the gate stand.
    Count,
    /// Somebody else makes contact with the payee.
    Contact,
    Withdraw,
    Revive,
}

/// What the handler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Completed,
    Own,
    Shared,
    Nobody,
    Unknown,
    Held,
    Moot,
}

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) attempts_max: u32,
    /// How far each dispatcher's wall clock goes ahead, in milliseconds.
    pub(crate) clock_offsets: [u64; 3],
    pub(crate) fenced: bool,
    pub(crate) on_unknown: OnUnknown,
}

pub(crate) struct Fleet {
    pub(crate) task: Task,
    pub(crate) kind: KindConfig,
    fenced: bool,
    /// The number of the message in the queue; a task that is created again gets another.
    queued: Option<u64>,
    pub(crate) chain: Option<TaskState>,
    pub(crate) seq: u64,
    /// By event id, the first telling of each.
    pub(crate) told: BTreeMap<String, Report>,
    gate: (Epoch, GateState),
    canary: Option<Canary>,
    contact: bool,
    pub(crate) now: Duration,
    pub(crate) processes: Vec<Process>,
    pub(crate) witness: Witness,
}

pub(crate) struct Process {
    pub(crate) me: HolderId,
    offset: Duration,
    latches: Latches,
    loses_answer: bool,
    /// The message that it was last delivered.
    message: Option<u64>,
    pub(crate) doing: Doing,
}

/// What a dispatcher has to do next.
#[derive(Clone, Debug)]
pub(crate) enum Doing {
    Nothing,
    WinCanary { gates: Vec<GateName> },
    Claim { state: TaskState, owed: Vec<Report>, seq: u64 },
    Run { state: TaskState, seq: u64, lease: Lease },
    Settle { ending: Ending, seq: u64 },
    Tell { ending: Ending },
    TellAndAck { reports: Vec<Report> },
    Watch { watch: Watch },
}

impl Fleet {
    pub(crate) fn new(setup: &Setup) -> Self {
        let task = Task {
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/ann".parse().unwrap(),
            created_by: "sensor".to_owned(),
            created_at: Timestamp::from_millis(0),
            contact: None,
            payload: "{}".to_owned(),
            not_before: None,
            expires_at: None,
            follows: None,
        };
        let kind = KindConfig {
            needs: vec![relay()],
            attempts_max: setup.attempts_max,
            rest: Duration::from_secs(1),
            rest_max: Duration::from_secs(8),
            concurrency: None,
            lease: LEASE,
            timeout: Duration::from_secs(60),
            on_unknown: setup.on_unknown,
            ..KindConfig::of(Handler::Service { name: "welcome-payer".parse().unwrap() })
        };
        let process = |(at, offset): (usize, &u64)| Process {
            me: format!("d{at}").parse().unwrap(),
            offset: Duration::from_millis(*offset),
            latches: Latches::new(),
            loses_answer: false,
            message: None,
            doing: Doing::Nothing,
        };
        Fleet {
            task,
            kind,
            fenced: setup.fenced,
            queued: Some(0),
            chain: None,
            seq: 0,
            told: BTreeMap::new(),
            gate: (Epoch::FIRST, GateState::Open),
            canary: None,
            contact: false,
            now: Duration::ZERO,
            processes: setup.clock_offsets.iter().enumerate().map(process).collect(),
            witness: Witness::default(),
        }
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Deliver(who) => self.deliver(who),
            Act::Go(who, answer) => self.go(who, answer),
            Act::Hurry(who, answer) => self.hurry(who, answer),
            Act::Renew(who) => self.renew(who),
            Act::Crash(who) => self.crash(who),
            Act::LoseAnswer(who) => self.processes[who].loses_answer = true,
            Act::Pass(millis) => self.now += Duration::from_millis(millis),
            Act::Gate(state) => self.move_gate(state),
            Act::Lease(part) => self.kind.lease = LEASE / part,
            Act::Count => self.count(),
            Act::Contact => self.contact = true,
            Act::Withdraw => self.withdraw(),
            Act::Revive => self.revive(),
        }
    }

    fn hurry(&mut self, who: usize, answer: Answer) {
        for _ in 0..8 {
            self.go(who, answer);
            if matches!(self.processes[who].doing, Doing::Run { .. } | Doing::Nothing) {
                return;
            }
        }
    }

    fn wall(&self, who: usize) -> Timestamp {
        Timestamp::from_millis(1_000_000).after(self.now + self.processes[who].offset)
    }

    fn deliver(&mut self, who: usize) {
        if self.queued.is_some() {
            self.decide(who, &[]);
        }
    }

    fn decide(&mut self, who: usize, won: &[GateName]) {
        let process = &self.processes[who];
        let running = matches!(process.doing, Doing::Run { .. } | Doing::Settle { .. });
        let admission = self.admission();
        let needs = [relay()];
        let step = on_delivery(&Delivered {
            key: self.task.key(),
            task: &self.task,
            fenced: self.fenced,
            state: self.chain.as_ref(),
            me: &process.me,
            running,
            contact_exists: self.contact,
            admission: &admission,
            won,
            latched: process.latches.first_of(&needs),
            lease: self.kind.lease,
            now: self.wall(who),
        });
        if running {
            // The shell has one place for each key: a second delivery waits for the first.
            if self.chain.as_ref().is_some_and(|state| fleet_holds(state, &process.me)) {
                assert_eq!(step, Step::Keep, "runs it already");
            }
            return;
        }
        self.processes[who].message = self.queued;
        self.processes[who].doing = match step {
            Step::TellAndAck { reports } => Doing::TellAndAck { reports },
            Step::PutBack { .. } | Step::Keep => Doing::Nothing,
            Step::Watch { lease, .. } => {
                Doing::Watch { watch: Watch::new(lease, self.seq, self.now) }
            }
            Step::WinCanary { gates } => Doing::WinCanary { gates },
            Step::Claim { state, owed } => Doing::Claim { state, owed, seq: self.seq },
            Step::Settle(ending) => Doing::Settle { ending, seq: self.seq },
            Step::Refuse { report } => panic!("refused: {report:?}"),
        };
    }

    fn admission(&self) -> Admitted {
        let (epoch, state) = self.gate;
        let admitted = vec![Admission { gate: relay(), epoch, seq: epoch.get() }];
        match state {
            GateState::Closed => Admitted::No { why: "gate relay".to_owned() },
            GateState::Probing => Admitted::Yes { admitted, probing: vec![relay()] },
            GateState::Open | GateState::Draining => {
                Admitted::Yes { admitted, probing: Vec::new() }
            }
        }
    }

    fn move_gate(&mut self, state: GateState) {
        self.gate = (self.gate.0.next(), state);
        let gate = gate(self.gate.0, state);
        for process in &mut self.processes {
            process.latches.on_gate(&gate);
        }
    }

    fn count(&mut self) {
        let told = self.told.keys().cloned().collect();
        for process in &mut self.processes {
            process.latches.on_counted(&relay(), self.gate.0, &told);
        }
    }

    fn withdraw(&mut self) {
        let now = self.wall(0);
        let state = self.chain.clone().unwrap_or_else(|| unclaimed(&self.task, now));
        if let Ok(next) = withdraw(&state, &self.task, "ann", "not now", now) {
            self.witness.writes(self.chain.as_ref(), &next, &self.kind);
            self.tell(&owed(&state));
            self.tell(&owed(&next));
            self.chain = Some(next);
            self.seq += 1;
        }
    }

    /// A person revives a task whose last attempt is surely over, and creates it again.
    fn revive(&mut self) {
        let Some(state) = self.chain.clone() else { return };
        if 0 < self.acting().count() || self.queued.is_some() {
            return;
        }
        // Nobody acts any more: what a lease after the withdrawal stands for.
        let lease = Duration::ZERO;
        if let Ok(next) = revive(&state, "ann", "try again", lease, self.wall(0)) {
            self.witness.writes(Some(&state), &next, &self.kind);
            self.chain = Some(next);
            self.seq += 1;
            (self.queued, self.fenced, self.contact) = (Some(self.seq), true, false);
        }
    }

    /// Who runs a handler and has not outlived its lease.
    pub(crate) fn acting(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| match &process.doing {
            Doing::Run { lease, .. } => !lease.over(self.now),
            _ => false,
        })
    }

    /// Delivers to `who` and lets it do all it has to do until it runs the handler or is done.
    fn until_running(&mut self, who: usize) {
        for _ in 0..20 {
            if matches!(self.processes[who].doing, Doing::Run { .. }) {
                return;
            }
            if matches!(self.processes[who].doing, Doing::Nothing) {
                self.deliver(who);
            }
            self.now += Duration::from_secs(2);
            if !matches!(self.processes[who].doing, Doing::Run { .. }) {
                self.go(who, Answer::Completed);
            }
        }
    }

    pub(crate) fn crash_while_running(&mut self, who: usize) {
        self.until_running(who);
        self.crash(who);
        self.witness.check(self);
    }

    pub(crate) fn run_once(&mut self, who: usize, answer: Answer) {
        self.until_running(who);
        for _ in 0..3 {
            self.go(who, answer);
        }
        self.witness.check(self);
    }

    /// Left alone with an open gate and a handler that succeeds, everything comes to an end.
    pub(crate) fn settle(&mut self) {
        self.move_gate(GateState::Open);
        for _ in 0..200 {
            for who in 0..3 {
                if matches!(self.processes[who].doing, Doing::Nothing) {
                    self.deliver(who);
                }
                self.go(who, Answer::Completed);
                self.witness.check(self);
            }
            self.now += Duration::from_secs(1);
        }
        assert!(self.queued.is_none(), "still queued: {:?}", self.chain);
        self.witness.all_told(&self.told, &self.task);
    }

    pub(crate) fn begun(&self) -> u32 {
        self.chain.as_ref().map_or(0, |state| state.attempt)
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.chain.as_ref().map_or("none", TaskState::word)
    }

    pub(crate) fn is_latched(&self, who: usize, gate: &GateName) -> bool {
        self.processes[who].latches.latched(gate)
    }
}

fn fleet_holds(state: &TaskState, me: &HolderId) -> bool {
    matches!(&state.phase, domain::Phase::Claimed(claim) if claim.holder == *me)
}
