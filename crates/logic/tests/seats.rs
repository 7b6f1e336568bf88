//! G4 for a whole fleet: of the attempts claimed under a limit, never more are under way than
//! it lets through; over histories of several dispatchers, interleaved at every read and write,
//! that die, freeze, lose answers and are taken over, under limits that move.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Cause, Claim, Cost, GateName, Kind, Phase, Row, Seat, SourceKey, TaskState, Timestamp,
};
use logic::attempt::seat::{Chain, FreeSeat, Limit, Look, Search, Seen};
use proptest::prelude::*;

const TASKS: usize = 6;
const DISPATCHERS: usize = 4;

/// One step of a history.
#[derive(Clone, Debug)]
enum Act {
    /// The dispatcher does its next read or write; idle, it turns to this task.
    Go { who: usize, task: usize },
    /// Its attempt comes to its end, well or not.
    End { who: usize, completed: bool },
    /// It vanishes with all it knows; another is started in its place.
    Crash(usize),
    /// It learns nothing of its next write.
    LoseAnswer(usize),
    /// Its next read of a chain is answered by a node that lags one write behind.
    Lag(usize),
    /// The claim stood still for a lease, or so it seemed: it is taken over.
    TakeOver(usize),
    /// From now on so many at once of the kind, and through the gate; 0 for no limit.
    Limits { kind: u32, gate: u32 },
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..DISPATCHERS;
    prop_oneof![
        30 => (who.clone(), 0..TASKS).prop_map(|(who, task)| Act::Go { who, task }),
        4 => (who.clone(), prop::bool::weighted(0.3))
            .prop_map(|(who, completed)| Act::End { who, completed }),
        1 => who.clone().prop_map(Act::Crash),
        1 => who.clone().prop_map(Act::LoseAnswer),
        2 => who.prop_map(Act::Lag),
        1 => (0..TASKS).prop_map(Act::TakeOver),
        1 => (0u32..4, 0u32..4).prop_map(|(kind, gate)| Act::Limits { kind, gate }),
    ]
}

/// What a dispatcher is doing.
#[derive(Clone, Debug, Default)]
enum Doing {
    #[default]
    Nothing,
    /// It read this chain, at this sequence, and looks for seats.
    Looking(Box<Hunt>),
    /// Its claim was accepted.
    Running { task: usize, attempt: u32 },
}

/// The search for the seats of one claim, by what was read before.
#[derive(Clone, Debug)]
struct Hunt {
    task: usize,
    attempt: u32,
    last: u64,
    limits: [u32; 2],
    search: Search,
}

/// A claim that stands, with the limits it was written under, of the kind and of the gate.
#[derive(Clone, Debug)]
struct Standing {
    task: usize,
    limits: [u32; 2],
}

#[derive(Default)]
struct Fleet {
    chains: BTreeMap<usize, (TaskState, u64)>,
    seats: BTreeMap<(Row, u32), (Seat, u64)>,
    seq: u64,
    dispatchers: [Doing; DISPATCHERS],
    deaf: [bool; DISPATCHERS],
    lags: [bool; DISPATCHERS],
    /// The link before the newest one, by task.
    before: BTreeMap<usize, TaskState>,
    /// In force, of the kind and of the gate; 0 for none.
    limits: [u32; 2],
    standing: Vec<Standing>,
    draws: u64,
}

fn kind() -> Kind {
    "welcome".parse().unwrap()
}

fn relay() -> GateName {
    "relay".parse().unwrap()
}

fn source_key(task: usize) -> SourceKey {
    format!("welcome/{task}").parse().unwrap()
}

fn link(task: usize, attempt: u32, phase: Phase) -> TaskState {
    let (kind, source_key) = (kind(), source_key(task));
    let (at, charged, cost) = (Timestamp::from_millis(0), 0, Cost::ZERO);
    let (admitted, canary) = (Vec::new(), Vec::new());
    TaskState {
        kind,
        source_key,
        at,
        attempt,
        charged,
        cost,
        admitted,
        canary,
        task: None,
        phase,
        newest: Cost::ZERO,
        credential: None,
        resets_at: None,
    }
}

fn claimed(task: usize, attempt: u32, who: usize) -> TaskState {
    let claim = Claim {
        holder: format!("d{who}").parse().unwrap(),
        begun: Timestamp::from_millis(0),
        lease: Duration::from_secs(6),
        renewals: 0,
    };
    link(task, attempt, Phase::Claimed(claim))
}

fn rests(task: usize, attempt: u32) -> TaskState {
    let cause: Cause = "target.invalid".parse().unwrap();
    link(task, attempt, Phase::Resting { due: Timestamp::from_millis(0), cause, charged: true })
}

impl Fleet {
    fn started(limits: [u32; 2]) -> Fleet {
        Fleet { limits, ..Fleet::default() }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Go { who, task } => match std::mem::take(&mut self.dispatchers[who]) {
                Doing::Nothing => self.look_at(who, task),
                Doing::Looking(hunt) => self.look_on(who, *hunt),
                running @ Doing::Running { .. } => self.dispatchers[who] = running,
            },
            Act::End { who, completed } => self.end(who, completed),
            Act::Crash(who) => self.dispatchers[who] = Doing::Nothing,
            Act::LoseAnswer(who) => self.deaf[who] = true,
            Act::Lag(who) => self.lags[who] = true,
            Act::TakeOver(task) => self.take_over(task),
            Act::Limits { kind, gate } => self.limits = [kind, gate],
        }
    }

    fn look_at(&mut self, who: usize, task: usize) {
        let (attempt, last) = match self.chains.get(&task) {
            Some((chain, _)) if chain.ended() || chain.word() == "claimed" => return,
            Some((chain, seq)) => (chain.attempt + 1, *seq),
            None => (1, 0),
        };
        let limits = self.limits;
        let rows = [Row::Kind(kind()), Row::Gate(relay())].into_iter().zip(limits);
        let limited = rows.filter(|(_, seats)| 0 < *seats);
        let limited = limited.map(|(row, seats)| Limit { row, seats }).collect();
        let search = Search::new(limited, || {
            self.draws = self.draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.draws >> 33
        });
        let hunt = Hunt { task, attempt, last, limits, search };
        self.dispatchers[who] = Doing::Looking(Box::new(hunt));
    }

    /// One read, or the write.
    fn look_on(&mut self, who: usize, mut hunt: Hunt) {
        match hunt.search.next() {
            Look::Seat { row, number } => {
                let found = self.seats.get(&(row, number)).cloned();
                hunt.search.saw(found.map_or(Seen::Empty(0), |(seat, seq)| Seen::Seat(seat, seq)));
            }
            Look::Chain { task, .. } => {
                let task = (0..TASKS).find(|other| source_key(*other).key() == task);
                let newest = |task| self.chains.get(&task).map(|(chain, _)| chain);
                let link = match std::mem::take(&mut self.lags[who]) {
                    true => task.and_then(|task| self.before.get(&task)),
                    false => task.and_then(newest),
                };
                hunt.search.saw_chain(link.map_or(Chain::Absent, Chain::Link));
            }
            Look::Full(_) => return,
            Look::Take(free) => {
                let (task, attempt) = (hunt.task, hunt.attempt);
                if self.batch(who, &hunt, &free) && !std::mem::take(&mut self.deaf[who]) {
                    self.dispatchers[who] = Doing::Running { task, attempt };
                }
                return;
            }
        }
        self.dispatchers[who] = Doing::Looking(Box::new(hunt));
    }

    /// All or nothing, as the broker does it.
    fn batch(&mut self, who: usize, hunt: &Hunt, free: &[FreeSeat]) -> bool {
        let Hunt { task, attempt, last, limits, .. } = *hunt;
        let of = |free: &FreeSeat| (free.row.clone(), free.number);
        let seq = |free: &FreeSeat| self.seats.get(&of(free)).map_or(0, |(_, seq)| *seq);
        let chain_moved = self.chains.get(&task).map_or(0, |(_, seq)| *seq) != last;
        if chain_moved || free.iter().any(|free| seq(free) != free.last) {
            return false;
        }
        for free in free {
            self.seq += 1;
            let seat = Seat { kind: kind(), task: source_key(task).key(), attempt };
            self.seats.insert(of(free), (seat, self.seq));
        }
        self.write(task, claimed(task, attempt, who));
        self.standing.push(Standing { task, limits });
        true
    }

    fn write(&mut self, task: usize, state: TaskState) {
        self.seq += 1;
        if let Some((before, _)) = self.chains.insert(task, (state, self.seq)) {
            self.before.insert(task, before);
        }
        self.standing.retain(|standing| standing.task != task);
    }

    fn end(&mut self, who: usize, completed: bool) {
        let Doing::Running { task, attempt } = self.dispatchers[who] else { return };
        self.dispatchers[who] = Doing::Nothing;
        // Whoever was taken over is refused.
        if self.holds(who, task, attempt) {
            let effect = Phase::Completed { effect: String::new() };
            let end = if completed { link(task, attempt, effect) } else { rests(task, attempt) };
            self.write(task, end);
        }
    }

    fn holds(&self, who: usize, task: usize, attempt: u32) -> bool {
        let (chain, _) = &self.chains[&task];
        let mine = format!("d{who}");
        let held = |claim: &Claim| claim.holder.to_string() == mine;
        chain.attempt == attempt && matches!(&chain.phase, Phase::Claimed(claim) if held(claim))
    }

    fn take_over(&mut self, task: usize) {
        if let Some((chain, _)) = self.chains.get(&task)
            && chain.word() == "claimed"
        {
            let attempt = chain.attempt;
            self.write(task, rests(task, attempt));
        }
    }

    /// Of the claims that stand and were written under a limit of L or less, there are at most
    /// L; for every L, of the kind and of the gate.
    fn never_more_than_the_limit(&self) -> Result<(), TestCaseError> {
        for row in 0..2 {
            let limits = self.standing.iter().map(|standing| standing.limits[row]);
            let limits: Vec<u32> = limits.filter(|seats| 0 < *seats).collect();
            for most in &limits {
                let under = limits.iter().filter(|seats| *seats <= most).count();
                let within = under <= usize::try_from(*most).unwrap();
                prop_assert!(within, "{under} under {most}: {:?}", self.standing);
            }
        }
        Ok(())
    }

    /// Takes over every claim that nobody acts under.
    fn take_over_the_lost(&mut self) {
        for task in 0..TASKS {
            let runs =
                |doing: &Doing| matches!(doing, Doing::Running { task: of, .. } if *of == task);
            if !self.dispatchers.iter().any(runs) {
                self.take_over(task);
            }
        }
    }

    fn all_completed(&self) -> bool {
        let completed = self.chains.values().filter(|(chain, _)| chain.word() == "completed");
        completed.count() == TASKS
    }

    /// Lets every dispatcher work on until all is done; in vain it ends too.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for round in 0..4_000 {
            if self.all_completed() {
                return Ok(());
            }
            if round % 100 == 0 {
                self.take_over_the_lost();
            }
            let who = round % DISPATCHERS;
            self.act(&Act::Go { who, task: round / DISPATCHERS % TASKS });
            self.never_more_than_the_limit()?;
            self.act(&Act::End { who, completed: true });
        }
        prop_assert!(false, "never done: {:?}", self.chains);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Never more claims than seats, and in the end every task is done: nobody waits for ever,
    /// whoever died in a seat.
    #[test]
    fn never_more_claims_than_seats(
        limits in prop::array::uniform2(0u32..4),
        acts in prop::collection::vec(act(), 0..250),
    ) {
        let mut fleet = Fleet::started(limits);
        for act in &acts {
            fleet.act(act);
            fleet.never_more_than_the_limit()?;
        }
        fleet.settle()?;
    }

    /// While the limit stays, exactly so many run at once when there is work for more: no seat
    /// is ever lost.
    #[test]
    fn as_many_as_there_are_seats(
        seats in 1u32..4,
        acts in prop::collection::vec(act(), 0..250),
    ) {
        let mut fleet = Fleet::started([seats, 0]);
        let goes_on = |act: &&Act| {
            !matches!(act, Act::Limits { .. } | Act::End { completed: true, .. })
        };
        for act in acts.iter().filter(goes_on) {
            fleet.act(act);
            fleet.never_more_than_the_limit()?;
        }
        fleet.dispatchers = Default::default();
        fleet.deaf = Default::default();
        fleet.lags = Default::default();
        fleet.take_over_the_lost();
        for round in 0..DISPATCHERS * 200 {
            fleet.act(&Act::Go { who: round % DISPATCHERS, task: round / DISPATCHERS % TASKS });
            fleet.never_more_than_the_limit()?;
        }
        prop_assert_eq!(fleet.standing.len(), usize::try_from(seats).unwrap());
    }
}
