//! A directory, a queue, a record of the day, and two sensors, each step on its own.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use domain::{Cost, Phase, TaskState, Timestamp};
use logic::sensor::{
    Answer, Cycle, CycleReport, DayBudget, Decided, Found, Lookup, NextPage, Payee, Plan, Reason,
    Seen, Settled, Stop, Verdict,
};

const PAGE: usize = 3;

/// One step of a history.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A sensor does the next thing it has to do.
    Step(usize),
    /// A row appears at the top of the directory, and shifts all offsets.
    Register(Found),
    Gate(Verdict),
    /// Another gate moves, or the configuration: the token changes, the verdict does not.
    Fence,
    Contact(u8),
    /// What is queued or not ends so, or is put back.
    End(u8, End),
    /// The next create's answer is lost; `made` says whether it was made.
    LoseAnswer {
        made: bool,
    },
    FailPage(usize),
    Crash(usize),
    NextDay,
}

/// How a task's chain stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Completed,
    Dead,
    Withdrawn,
    Revived,
    /// Parked, because an untrusted create passed the gates.
    Unfenced,
}

pub(crate) fn payee(agent: u8) -> Payee {
    Payee { version: 22, hash160: [agent; 20] }
}

pub(crate) struct World {
    caps: (u32, u32),
    directory: Vec<Found>,
    verdict: Verdict,
    token: u64,
    queue: BTreeSet<Payee>,
    chains: BTreeMap<Payee, TaskState>,
    contacts: BTreeSet<Payee>,
    /// The record of each day, with its sequence.
    days: BTreeMap<u64, (u64, DayBudget)>,
    day: u64,
    lose: Option<bool>,
    sensors: [Option<Sensor>; 2],
    /// Tasks made, by the day that they were reserved on.
    made: BTreeMap<u64, u32>,
}

/// One cycle on its way, and what a witness notes of it.
struct Sensor {
    cycle: Cycle,
    doing: Doing,
    candidates: VecDeque<Payee>,
    rows: u64,
    offset: usize,
    has_more: bool,
    made: BTreeSet<Payee>,
    asked: BTreeSet<Payee>,
    told_made: u64,
}

#[derive(Clone, Debug)]
enum Doing {
    Page,
    Weigh,
    Reserve { payee: Payee, seen: Option<(u64, DayBudget)>, token: u64, greeted: bool },
    Create { payee: Payee, day: u64, token: u64, greeted: bool },
}

impl World {
    pub(crate) fn new(cap_cycle: u32, cap_day: u32, directory: Vec<Found>) -> Self {
        World {
            caps: (cap_cycle, cap_day),
            directory,
            verdict: Verdict::Admits,
            token: 1,
            queue: BTreeSet::new(),
            chains: BTreeMap::new(),
            contacts: BTreeSet::new(),
            days: BTreeMap::new(),
            day: 0,
            lose: None,
            sensors: [None, None],
            made: BTreeMap::new(),
        }
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Step(who) => self.step(who),
            Act::Register(row) => self.directory.insert(0, row),
            Act::Gate(verdict) => {
                (self.verdict, self.token) = (verdict, self.token + 1);
            }
            Act::Fence => self.token += 1,
            Act::Contact(agent) => {
                self.contacts.insert(payee(agent));
            }
            Act::End(agent, end) => {
                self.queue.remove(&payee(agent));
                self.chains.insert(payee(agent), chain(end));
            }
            Act::LoseAnswer { made } => self.lose = Some(made),
            Act::FailPage(who) => {
                if let Some(mut sensor) = self.sensors[who].take() {
                    let wait = Some(Duration::from_secs(9));
                    let stop = sensor.cycle.page_failed("429".to_owned(), wait);
                    let report = sensor.end(stop);
                    assert_eq!(report.retry_after(), wait);
                }
            }
            Act::Crash(who) => self.sensors[who] = None,
            Act::NextDay => self.day += 1,
        }
    }

    pub(crate) fn finish(&mut self) {
        for who in 0..2 {
            for _ in 0..400 {
                self.step(who);
                if self.sensors[who].is_none() {
                    break;
                }
            }
            assert!(self.sensors[who].is_none(), "a cycle does not end");
        }
    }

    fn step(&mut self, who: usize) {
        let plan =
            Plan { pages_max: 6, cap_cycle: self.caps.0, excluded: BTreeSet::from([payee(7)]) };
        let mut sensor = self.sensors[who].take().unwrap_or_else(|| Sensor::new(plan));
        let goes_on = match sensor.doing.clone() {
            Doing::Page => self.page(&mut sensor),
            Doing::Weigh => self.weigh(&mut sensor),
            Doing::Reserve { .. } => self.reserve(&mut sensor),
            Doing::Create { .. } => self.create(&mut sensor),
        };
        match goes_on {
            None => self.sensors[who] = Some(sensor),
            Some(stop) => {
                sensor.end(stop);
            }
        }
    }

    fn page(&mut self, sensor: &mut Sensor) -> Option<Stop> {
        let rows: Vec<_> = self.directory.iter().skip(sensor.offset).take(PAGE).collect();
        sensor.has_more = sensor.offset + PAGE < self.directory.len();
        for row in rows {
            sensor.rows += 1;
            if let Seen::Candidate(payee) = sensor.cycle.row(*row) {
                assert!(sensor.asked.insert(payee), "{payee:?} is a candidate twice");
                assert_eq!(*row, Found::Good(payee));
                sensor.candidates.push_back(payee);
            }
        }
        sensor.doing = Doing::Weigh;
        None
    }

    fn weigh(&mut self, sensor: &mut Sensor) -> Option<Stop> {
        let Some(payee) = sensor.candidates.pop_front() else {
            match sensor.cycle.page_read(sensor.has_more) {
                NextPage::Stop(stop) => return Some(stop),
                NextPage::Read { offset } => {
                    sensor.offset = usize::try_from(offset).unwrap();
                    sensor.doing = Doing::Page;
                }
            }
            return None;
        };
        let (token, verdict) = (self.token, self.verdict());
        let state = self.chains.get(&payee);
        let lookup = Lookup { state, contact: self.contacts.contains(&payee), queued: false };
        let greeted = lookup.contact || state.is_some_and(TaskState::ended);
        match sensor.cycle.weigh(&payee, &lookup, &verdict) {
            Decided::Skip(_) => (),
            Decided::Create => panic!("nothing was reserved"),
            Decided::Reserve => {
                sensor.doing = Doing::Reserve { payee, seen: None, token, greeted };
            }
        }
        None
    }

    /// Reads the day's record, then writes it by compare-and-set; each is a step of its own.
    fn reserve(&mut self, sensor: &mut Sensor) -> Option<Stop> {
        let Doing::Reserve { payee, seen, token, greeted } = sensor.doing.clone() else {
            unreachable!()
        };
        let stored = *self.days.entry(self.day).or_insert((0, DayBudget::new(self.day)));
        let Some((seq, record)) = seen.filter(|seen| *seen == stored) else {
            sensor.doing = Doing::Reserve { payee, seen: Some(stored), token, greeted };
            return None;
        };
        let next = record.reserve(1, self.caps.1);
        if let Some(next) = next {
            self.days.insert(self.day, (seq + 1, next));
        }
        sensor.doing = match sensor.cycle.reserved(&payee, next.is_some()) {
            Decided::Create => Doing::Create { payee, day: self.day, token, greeted },
            Decided::Skip(_) => Doing::Weigh,
            Decided::Reserve => panic!("reserved already"),
        };
        None
    }

    fn create(&mut self, sensor: &mut Sensor) -> Option<Stop> {
        let Doing::Create { payee, day, token, greeted, .. } = sensor.doing.clone() else {
            unreachable!()
        };
        let answer = self.publish(sensor, payee, day, token, greeted);
        if answer == Answer::Created {
            sensor.told_made += 1;
        }
        let (token, verdict) = (self.token, self.verdict());
        sensor.doing = match sensor.cycle.answered(&payee, answer, &verdict) {
            Settled::Keep => Doing::Weigh,
            Settled::GiveBack => {
                let (seq, record) = self.days[&day];
                self.days.insert(day, (seq + 1, record.give_back(1)));
                Doing::Weigh
            }
            Settled::Again => {
                assert_eq!(answer, Answer::FenceMoved, "repeated blindly");
                Doing::Create { payee, day, token, greeted }
            }
        };
        None
    }

    /// What the broker does with a create, and what must hold whenever it accepts one.
    fn publish(
        &mut self,
        sensor: &mut Sensor,
        payee: Payee,
        day: u64,
        token: u64,
        greeted: bool,
    ) -> Answer {
        let lost = self.lose.take();
        if lost == Some(false) {
            return Answer::Unknown;
        }
        if token != self.token {
            return Answer::FenceMoved;
        }
        if self.queue.contains(&payee) {
            return Answer::InFlight;
        }
        let cap = usize::try_from(self.caps.0).unwrap();
        match self.verdict() {
            Verdict::Admits => (),
            Verdict::Probing { .. } => {
                assert!(sensor.made.is_empty(), "a second task for one canary");
            }
            verdict => panic!("created while {verdict:?}"),
        }
        assert!(!greeted, "{payee:?} was greeted");
        assert_ne!(payee.hash160, [7; 20], "excluded");
        assert!(sensor.made.insert(payee), "{payee:?} twice in a cycle");
        assert!(sensor.made.len() <= cap, "over the cycle's cap");
        let made = self.made.entry(day).or_insert(0);
        *made += 1;
        assert!(*made <= self.caps.1, "over the day's cap");
        self.queue.insert(payee);
        if lost.is_some() { Answer::Unknown } else { Answer::Created }
    }

    fn verdict(&self) -> Verdict {
        match &self.verdict {
            Verdict::Probing { gate, .. } => {
                let waiting = u64::try_from(self.queue.len()).unwrap();
                Verdict::Probing { gate: gate.clone(), waiting }
            }
            verdict => verdict.clone(),
        }
    }
}

impl Sensor {
    fn new(plan: Plan) -> Self {
        Sensor {
            cycle: Cycle::new(plan),
            doing: Doing::Page,
            candidates: VecDeque::new(),
            rows: 0,
            offset: 0,
            has_more: false,
            made: BTreeSet::new(),
            asked: BTreeSet::new(),
            told_made: 0,
        }
    }

    /// T1: every row is in exactly one place, and what is said to be created was.
    fn end(self, stop: Stop) -> CycleReport {
        let report = self.cycle.finish(stop);
        let parts = report.created + report.unknown + report.skipped.values().sum::<u64>();
        assert_eq!((report.seen, parts), (self.rows, self.rows), "{report}");
        assert_eq!(report.created, self.told_made, "{report}");
        let once = report.seen - report.skipped_for(&Reason::Repeated);
        assert!(report.new + report.ended() + report.in_flight() <= once, "{report}");
        assert!(report.created + report.unknown <= report.new, "{report}");
        report
    }
}

fn chain(end: End) -> TaskState {
    let (who, why) = ("ann".to_owned(), "so".to_owned());
    let phase = match end {
        End::Completed => Phase::Completed { effect: "paid".to_owned() },
        End::Dead => Phase::Dead { cause: "target.invalid".parse().unwrap() },
        End::Withdrawn => Phase::Withdrawn { by: who, why },
        End::Revived => Phase::Revived { by: who, note: why },
        End::Unfenced => Phase::Parked { cause: "task.unfenced".parse().unwrap(), evidence: why },
    };
    TaskState {
        kind: "welcome".parse().unwrap(),
        source_key: "welcome/ann".parse().unwrap(),
        at: Timestamp::from_millis(0),
        attempt: 1,
        charged: 1,
        cost: Cost::ZERO,
        admitted: Vec::new(),
        canary: Vec::new(),
        task: None,
        phase,
        newest: Cost::ZERO,
        credential: None,
        resets_at: None,
    }
}
