//! What one dispatcher does, one step at a time.

use domain::{Canary, GateName, Phase, TaskState};
use logic::attempt::{
    Ending, Latches, Lease, Report, Terms, Then, Told, Watched, on_outcome, renew, take_over,
    win_canary,
};

use super::{
    Answer, Doing, Fleet, LEASE, Process, witness,
    words::{outcome, relay},
};

impl Fleet {
    pub(super) fn go(&mut self, who: usize, answer: Answer) {
        let doing = std::mem::replace(&mut self.processes[who].doing, Doing::Nothing);
        let next = match doing {
            Doing::Nothing => Doing::Nothing,
            Doing::WinCanary { gates } => return self.win(who, &gates),
            Doing::Claim { state, owed, seq } => self.claim(who, state, &owed, seq),
            Doing::Run { state, seq, .. } => {
                let ending = self.answer(who, &state, answer);
                Doing::Settle { ending, seq }
            }
            Doing::Settle { ending, seq } => match self.write_ending(who, &ending, seq) {
                Some(true) => Doing::Tell { ending },
                _ => Doing::Nothing,
            },
            Doing::Tell { ending } => return self.tell_ending(who, &ending),
            Doing::TellAndAck { reports } => {
                self.tell(&reports);
                self.acknowledge(who);
                Doing::Nothing
            }
            Doing::Watch { watch } => match watch.saw(self.seq, self.now) {
                Watched::Until(_) => Doing::Watch { watch },
                Watched::Moved => return self.deliver(who),
                Watched::Lost => {
                    let state = self.chain.as_ref().unwrap();
                    let ending = take_over(state, &self.kind, self.wall(who)).unwrap();
                    Doing::Settle { ending, seq: self.seq }
                }
            },
        };
        self.processes[who].doing = next;
    }

    fn win(&mut self, who: usize, gates: &[GateName]) {
        assert_eq!(gates, [relay()]);
        let mine = Canary {
            gate: relay(),
            epoch: self.gate.0,
            kind: self.task.kind.clone(),
            task: self.task.key(),
            source_key: self.task.source_key.clone(),
            attempt: self.chain.as_ref().map_or(0, |state| state.attempt) + 1,
            holder: self.processes[who].me.clone(),
            begun: self.wall(who),
            released: false,
        };
        let found = self.canary.as_ref().filter(|canary| canary.epoch == mine.epoch);
        if win_canary(found, &mine, LEASE) {
            self.canary = Some(mine);
            if self.queued.is_some() {
                self.decide(who, gates);
            }
        }
    }

    fn claim(&mut self, who: usize, state: TaskState, owed: &[Report], seq: u64) -> Doing {
        self.tell(owed);
        assert!(self.fenced, "an unfenced task runs");
        let prev = self.chain.clone();
        match self.write(who, &state, seq) {
            Some(true) => {
                self.witness.begins(prev.as_ref(), &state, self.wall(who));
                let Phase::Claimed(claim) = &state.phase else { panic!("no claim: {state:?}") };
                let lease = Lease::new(claim.lease, self.now);
                Doing::Run { state, seq: self.seq, lease }
            }
            _ => Doing::Nothing,
        }
    }

    fn answer(&mut self, who: usize, state: &TaskState, answer: Answer) -> Ending {
        self.witness.answers(state.attempt, answer);
        let (outcome, blame) = outcome(answer);
        let terms = Terms { kind: &self.kind, blame: &blame, jitter: 0.5, now: self.wall(who) };
        on_outcome(state, &outcome, &terms)
    }

    /// Compare-and-set on the chain; `None` when the writer never learns what came of it.
    fn write(&mut self, who: usize, next: &TaskState, seq: u64) -> Option<bool> {
        let accepted = self.seq == seq;
        if accepted {
            self.witness.writes(self.chain.as_ref(), next, &self.kind);
            self.chain = Some(next.clone());
            self.seq += 1;
        }
        (!std::mem::take(&mut self.processes[who].loses_answer)).then_some(accepted)
    }

    pub(super) fn tell(&mut self, reports: &[Report]) {
        let (kind, key) = (&self.task.kind, self.task.key());
        for report in reports {
            let first = self.told.entry(report.event_id(kind, key)).or_insert(report.clone());
            witness::tells_alike(first, report);
        }
    }

    fn write_ending(&mut self, who: usize, ending: &Ending, seq: u64) -> Option<bool> {
        let state = ending.clone().keeping(&self.task).state;
        self.write(who, &state, seq)
    }

    fn tell_ending(&mut self, who: usize, ending: &Ending) {
        self.tell(&ending.reports);
        if let Some(latch) = ending.latch.clone() {
            let failed = |report: &&Report| matches!(report.told, Told::Failed { .. });
            let event = ending.reports.iter().find(failed).unwrap();
            let event = event.event_id(&self.task.kind, self.task.key());
            let at = self.wall(who);
            self.processes[who].latches.latch(latch.gate, latch.epoch, event, at);
        }
        if let Some(canary) = self.canary.as_mut().filter(|_| !ending.free.is_empty()) {
            canary.released = true;
        }
        match ending.then {
            Then::Ack => self.acknowledge(who),
            Then::PutBack(after) => assert!(after <= self.kind.rest_max),
        }
    }

    /// Acknowledging a message that is gone does nothing.
    fn acknowledge(&mut self, who: usize) {
        if self.queued.is_some() && self.queued == self.processes[who].message {
            self.witness.acknowledged(self.chain.as_ref(), &self.told);
            self.queued = None;
        }
    }

    pub(super) fn renew(&mut self, who: usize) {
        let wall = self.wall(who);
        let Doing::Run { state, seq, mut lease } = self.processes[who].doing.clone() else {
            return;
        };
        let next = renew(&state, wall).unwrap();
        self.processes[who].doing = match self.write(who, &next, seq) {
            Some(true) => {
                lease.renewed(self.now);
                Doing::Run { state: next, seq: self.seq, lease }
            }
            Some(false) => Doing::Nothing,
            None => Doing::Run { state, seq, lease },
        };
    }

    pub(super) fn crash(&mut self, who: usize) {
        let process = &mut self.processes[who];
        let name = format!("{}x", process.me);
        *process = Process {
            me: name.parse().unwrap_or_else(|_| format!("d{who}").parse().unwrap()),
            offset: process.offset,
            latches: Latches::new(),
            loses_answer: false,
            message: None,
            doing: Doing::Nothing,
        };
    }
}
