//! A clock, a record, a broker with one gate, and two sensors, each step on its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{Fate, Firings, Missed, Timestamp, WhileClosed};
use logic::sensor::{Ledger as _, Looked, Schedule};

/// One step of a history.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A sensor does the next thing it has to do.
    Step(usize),
    /// So many seconds pass.
    Pass(u64),
    /// The broker's clock is set back.
    StepBack(u64),
    /// The gate opens or closes: the fence moves.
    Gate(bool),
    /// Another gate moves.
    Fence,
    /// The oldest task is done and leaves the queue; its state remains.
    TaskEnds,
    /// A sensor's next create is made, and it is not told.
    LoseAnswer(usize),
    Crash(usize),
}

const LATE: u64 = 10;

pub(crate) struct World {
    schedule: Schedule,
    rule: WhileClosed,
    period: u64,
    /// Seconds.
    now: u64,
    latest: u64,
    begun: Option<u64>,
    open: bool,
    ever_closed: bool,
    token: u64,
    record: Option<(u64, Firings)>,
    queue: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    /// What a witness saw: how often each was created and given up.
    created: BTreeMap<u64, u32>,
    given_up: BTreeMap<u64, u32>,
    lose: [bool; 2],
    sensors: [Doing; 2],
}

/// What a sensor will do next, and what it knows by then.
#[derive(Clone, Debug)]
enum Doing {
    Look,
    /// It has read the record and decided.
    Save {
        seq: u64,
        next: Firings,
    },
    /// The gate's head is read, then each owed firing in turn.
    Ask {
        round: Round,
    },
    Weigh {
        round: Round,
        at: u64,
        open: bool,
        token: u64,
    },
    ReadClaim {
        round: Round,
        at: u64,
        token: u64,
    },
    Claim {
        round: Round,
        at: u64,
        token: u64,
        seq: u64,
        next: Firings,
    },
    Create {
        round: Round,
        at: u64,
        token: u64,
    },
    CrossOff {
        round: Round,
    },
    SaveCrossed {
        round: Round,
        seq: u64,
        next: Firings,
    },
}

#[derive(Clone, Debug, Default)]
struct Round {
    owed: Vec<u64>,
    head: u64,
    done: BTreeSet<Timestamp>,
    absent: BTreeSet<Timestamp>,
}

fn stamp(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn second(at: Timestamp) -> u64 {
    at.as_millis() / 1_000
}

impl World {
    pub(crate) fn new(missed: Missed, rule: WhileClosed, held_max: u32, period: u64) -> World {
        let schedule = Schedule {
            sensor: "tick".parse().unwrap(),
            version: 1,
            rule: "each so often".to_owned(),
            missed,
            late: Duration::from_secs(LATE),
            held_max,
        };
        World {
            schedule,
            rule,
            period,
            now: 1_000,
            latest: 1_000,
            begun: None,
            open: true,
            ever_closed: false,
            token: 1,
            record: None,
            queue: BTreeSet::new(),
            ended: BTreeSet::new(),
            created: BTreeMap::new(),
            given_up: BTreeMap::new(),
            lose: [false; 2],
            sensors: [Doing::Look, Doing::Look],
        }
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Step(who) => self.step(who),
            Act::Pass(seconds) => self.now += seconds,
            Act::StepBack(seconds) => self.now -= seconds.min(self.now - 500),
            Act::Gate(open) if open == self.open => (),
            Act::Gate(open) => {
                (self.open, self.token) = (open, self.token + 1);
                self.ever_closed |= !open;
            }
            Act::Fence => self.token += 1,
            Act::TaskEnds => self.ended.extend(self.queue.pop_first()),
            Act::LoseAnswer(who) => self.lose[who] = true,
            Act::Crash(who) => self.sensors[who] = Doing::Look,
        }
        self.latest = self.latest.max(self.now);
    }

    fn step(&mut self, who: usize) {
        let doing = std::mem::replace(&mut self.sensors[who], Doing::Look);
        self.sensors[who] = match doing {
            Doing::Look => self.look(),
            Doing::Save { seq, next } => match self.save(seq, next, &BTreeSet::new()) {
                true => self.begin_round(),
                false => Doing::Look,
            },
            Doing::Ask { round } => self.ask(round),
            Doing::Weigh { round, at, open, token } => self.weigh(round, at, open, token),
            Doing::ReadClaim { round, at, token } => match &self.record {
                Some((seq, record)) => match record.claimed(stamp(at), token) {
                    Some(next) => Doing::Claim { round, at, token, seq: *seq, next },
                    None => Doing::Ask { round: round.did(at) },
                },
                None => Doing::Look,
            },
            Doing::Claim { round, at, token, seq, next } => {
                match self.save(seq, next, &BTreeSet::new()) {
                    true => Doing::Create { round, at, token },
                    false => Doing::ReadClaim { round, at, token },
                }
            }
            Doing::Create { round, at, token } => self.create(who, round, at, token),
            Doing::CrossOff { round } => match &self.record {
                Some((seq, record)) => {
                    let settled = record.settled(&round.done);
                    let next = settled.held(self.rule, &round.absent, round.head);
                    Doing::SaveCrossed { round, seq: *seq, next }
                }
                None => Doing::Look,
            },
            Doing::SaveCrossed { round, seq, next } => match self.save(seq, next, &round.done) {
                true => Doing::Look,
                false => Doing::CrossOff { round },
            },
        };
    }

    fn look(&self) -> Doing {
        let newest = self.now / self.period * self.period;
        let step = usize::try_from(self.period).unwrap();
        let back = (0..=newest).rev().step_by(step).map(stamp);
        let record = self.record.as_ref().map(|(_, record)| record);
        let seq = self.record.as_ref().map_or(0, |(seq, _)| *seq);
        match self.schedule.look(record, stamp(self.now), back) {
            Looked::Changed(next) => Doing::Save { seq, next },
            Looked::Same => self.begin_round(),
            Looked::Outdated => panic!("there is one version"),
        }
    }

    fn begin_round(&self) -> Doing {
        let Some((_, record)) = &self.record else { return Doing::Look };
        let owed = record.owed.iter().rev().map(|owed| second(owed.at)).collect();
        Doing::Ask { round: Round { owed, head: self.token, ..Round::default() } }
    }

    fn ask(&self, mut round: Round) -> Doing {
        match round.owed.pop() {
            Some(at) => Doing::Weigh { round, at, open: self.open, token: self.token },
            None => Doing::CrossOff { round },
        }
    }

    fn weigh(&self, mut round: Round, at: u64, open: bool, token: u64) -> Doing {
        if self.queue.contains(&at) || self.ended.contains(&at) {
            return Doing::Ask { round: round.did(at) };
        }
        if open {
            return Doing::ReadClaim { round, at, token };
        }
        round.absent.insert(stamp(at));
        Doing::Ask { round }
    }

    fn create(&mut self, who: usize, round: Round, at: u64, token: u64) -> Doing {
        let lost = std::mem::take(&mut self.lose[who]);
        // What is not told is not crossed off; what was refused is looked at again.
        if token != self.token {
            return Doing::Ask { round };
        }
        if self.queue.insert(at) {
            assert!(self.open, "G1: {at} was created behind a closed gate");
            // One that ended between is created again: whoever takes it finds its end (W3).
            if !self.ended.contains(&at) {
                *self.created.entry(at).or_insert(0) += 1;
            }
        }
        if lost { Doing::Ask { round } } else { Doing::Ask { round: round.did(at) } }
    }

    /// Stores the record if it still is the one that was read. What was owed or has become due
    /// and is owed no more was given up, unless it was `done`; and just that is told.
    fn save(&mut self, seq: u64, mut next: Firings, done: &BTreeSet<Timestamp>) -> bool {
        if self.record.as_ref().map_or(0, |(seq, _)| *seq) != seq {
            return false;
        }
        let owed = |record: &Firings| -> BTreeSet<u64> {
            record.owed.iter().map(|owed| second(owed.at)).collect()
        };
        let (mut gone, mut told) = (BTreeSet::new(), 0);
        if let Some((_, before)) = &self.record {
            gone = owed(before);
            let due = second(before.until) + 1..=second(next.until);
            gone.extend(due.filter(|at| at % self.period == 0));
            gone.retain(|at| !done.contains(&stamp(*at)));
            told = before.untold.len();
        }
        let kept = owed(&next);
        gone.retain(|at| !kept.contains(at));
        let counted: u64 = next.untold.iter().skip(told).map(|entry| entry.count).sum();
        assert_eq!(counted, u64::try_from(gone.len()).unwrap(), "{gone:?}: {:?}", next.untold);
        for entry in next.untold.iter().skip(told) {
            let ends = [second(entry.first), second(entry.last)];
            assert!(ends.iter().all(|at| gone.contains(at)), "{entry:?} is not of {gone:?}");
            let for_a_gate = matches!(entry.fate, Fate::Dropped | Fate::Collapsed);
            assert!(self.ever_closed || !for_a_gate, "{entry:?}, and no gate ever closed");
        }
        for at in gone {
            *self.given_up.entry(at).or_insert(0) += 1;
        }
        self.begun.get_or_insert(second(next.until));
        // Told at once: that is not what is looked at here.
        next.untold.clear();
        self.record = Some((seq + 1, next));
        true
    }

    /// What holds after every step.
    pub(crate) fn check(&mut self) {
        let Some((_, record)) = &self.record else { return };
        let owed: Vec<u64> = record.owed.iter().map(|owed| second(owed.at)).collect();
        assert!(owed.is_sorted_by(|a, b| a < b), "owed out of order: {owed:?}");
        for (at, times) in &self.created {
            assert_eq!(*times, 1, "{at} was created {times} times");
            assert!(!self.given_up.contains_key(at), "{at} was created and given up");
        }
        for (at, times) in &self.given_up {
            assert_eq!(*times, 1, "{at} was given up {times} times");
            assert!(!owed.contains(at), "{at} is given up and still owed");
        }
        let until = second(record.until);
        let begun = self.begun.unwrap();
        for at in (begun + 1..=until).filter(|at| at % self.period == 0) {
            let known = self.created.contains_key(&at)
                || self.given_up.contains_key(&at)
                || owed.contains(&at);
            assert!(known, "{at} is forgotten; owed {owed:?}, given up {:?}", self.given_up);
        }
    }

    /// With the gate open and everybody well, all that is owed is created.
    pub(crate) fn finish(&mut self) {
        self.act(Act::Gate(true));
        self.now = self.latest;
        self.lose = [false; 2];
        for _ in 0..1_000 {
            for who in 0..2 {
                self.step(who);
            }
            self.check();
            let Some((_, record)) = self.record.as_ref() else { continue };
            if record.owed.is_empty() && self.now < second(record.until) + self.period {
                break;
            }
        }
        let (_, record) = self.record.as_ref().unwrap();
        assert!(record.owed.is_empty(), "still owed: {:?}", record.owed);
        let due = second(record.until);
        assert!(self.now < due + self.period, "not looked up to now: {due}, {}", self.now);
    }
}

impl Round {
    fn did(mut self, at: u64) -> Round {
        self.done.insert(stamp(at));
        self
    }
}
