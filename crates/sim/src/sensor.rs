//! The sensor, as `sensor` does it: one cycle after the other, each decided by
//! [`logic::sensor::Cycle`].

use std::{collections::BTreeSet, rc::Rc};

use domain::{GateName, Kind, SourceKey, Task, TaskState, Timestamp};
use logic::{
    pace::rests_until,
    sensor::{
        Answer, Cycle, DayBudget, Decided, Found, Lookup, NextPage, Payee, Plan, Reason, Seen,
        Settled, Stop, Verdict, day_of,
    },
    view,
};

use crate::{
    bus::Of,
    exec::{Millis, Sim},
    fleet::Gates,
    mutant::Mutant,
    process::P,
    setting::{number_seen, payee, seen, source_key, welcome},
    wait::{Either, first},
    words::{Body, Expect, Put, PutError, Silent, Subject, Word as _},
    world::Role,
};

const EVERY: Millis = 4_000;
const FRESH_WITHIN: Millis = 2_000;
const CREATE_TRIES: u32 = 20;
const PURSE_TRIES: u32 = 50;
const CAP_CYCLE: u32 = 4;
const CAP_DAY: u32 = 1_000;
/// Agents in one page of the directory.
const PAGE: u64 = 6;

/// What may be created, and under which fence.
struct Leave {
    verdict: Verdict,
    token: Option<u64>,
}

struct Sensor {
    p: P,
    kind: Kind,
    gates: Gates,
    waiting: Option<(u64, u64)>,
    exhausted: bool,
}

/// Starts the sensor of a kind.
pub(crate) fn start(sim: &Rc<Sim>, number: usize, kind: Kind) {
    let p = P::start(sim, Role::Sensor(number));
    let gates = Gates::keep(&p);
    let mut sensor = Sensor { p: p.clone(), kind, gates, waiting: None, exhausted: false };
    p.spawn(async move {
        loop {
            sensor.exhausted = false;
            sensor.waiting = None;
            sensor.scan().await;
            let rest = sensor.p.sim.draw(EVERY / 2..EVERY);
            sensor.p.sleep_ms(rest).await;
        }
    });
}

impl Sensor {
    async fn scan(&mut self) {
        let plan =
            Plan { pages_max: 10, cap_cycle: CAP_CYCLE, excluded: BTreeSet::from([seen(0)]) };
        let mut cycle = Cycle::new(plan);
        let mut offset = 0;
        loop {
            let Some((rows, more)) = self.page(offset).await else {
                cycle.page_failed("silent".to_owned(), None);
                return;
            };
            for row in rows {
                let Seen::Candidate(payee) = cycle.row(Found::Good(seen(row))) else { continue };
                if self.decide(&mut cycle, payee).await.is_err() {
                    return;
                }
            }
            offset = match cycle.page_read(more) {
                NextPage::Read { .. } if self.exhausted => return,
                NextPage::Read { offset } => offset,
                NextPage::Stop(_) => return,
            };
        }
    }

    /// A page of the directory, newest first.
    async fn page(&self, offset: u64) -> Option<(Vec<u64>, bool)> {
        let slow = self.p.sim.draw(5..60);
        self.p.sleep_ms(slow).await;
        let world = self.p.sim.world.borrow();
        if world.outside.directory_silent {
            return None;
        }
        let all = world.agents.get(&self.kind).copied().unwrap_or(0);
        let newest = all.saturating_sub(offset);
        let oldest = newest.saturating_sub(PAGE);
        Some(((oldest..newest).rev().collect(), 0 < oldest))
    }

    async fn decide(&mut self, cycle: &mut Cycle, payee: Payee) -> Result<(), Stop> {
        let leave = self.ask().await;
        let key = source_key(&self.kind, number_seen(payee));
        let (state, contact, queued) = self.standing(&key, payee).await.map_err(|_| stop())?;
        let lookup = Lookup { state: state.as_deref(), contact, queued };
        if let Decided::Skip(reason) = cycle.weigh(&payee, &lookup, &leave.verdict) {
            self.exhausted |= holds_all(&reason);
            return Ok(());
        }
        let day = day_of(self.p.now());
        let reserved = self.reserve(day).await.map_err(|_| stop())?;
        match (cycle.reserved(&payee, reserved), reserved) {
            (Decided::Create, true) => {
                let task = self.task(&key, payee);
                self.create(cycle, payee, task, day, leave).await;
            }
            (_, true) => self.give_back(day).await,
            (_, false) => self.exhausted = true,
        }
        Ok(())
    }

    fn task(&self, key: &SourceKey, agent: Payee) -> Task {
        let contact = (self.kind == welcome()).then(|| payee(number_seen(agent)).key("welcome"));
        Task {
            kind: self.kind.clone(),
            source_key: key.clone(),
            created_by: "sensor".to_owned(),
            created_at: self.p.now(),
            contact,
            payload: String::new(),
            not_before: None,
            expires_at: None,
            follows: None,
        }
    }

    async fn create(
        &mut self,
        cycle: &mut Cycle,
        payee: Payee,
        task: Task,
        day: u64,
        mut leave: Leave,
    ) {
        while let Some(token) = leave.token {
            let answer = self.publish(&task, token).await;
            if answer == Answer::FenceMoved {
                self.p.count("creates refused by the fence");
                leave = self.ask_again().await;
            }
            match cycle.answered(&payee, answer, &leave.verdict) {
                Settled::Again => (),
                Settled::Keep => return,
                Settled::GiveBack => break,
            }
        }
        self.give_back(day).await;
    }

    async fn publish(&self, task: &Task, token: u64) -> Answer {
        for _ in 0..CREATE_TRIES {
            let put = Put {
                subject: Subject::Task(task.kind.clone(), task.key()),
                body: task.clone().wrap(),
                expect: self.p.fence(token, Mutant::FenceDropped),
            };
            match self.p.put(put).await {
                Ok(_) => return Answer::Created,
                Err(PutError::Busy) => self.p.jitter(1).await,
                Err(PutError::Exists) => return Answer::InFlight,
                Err(PutError::Moved) => return Answer::FenceMoved,
                Err(PutError::Unknown) => return Answer::Unknown,
            }
        }
        Answer::FenceMoved
    }

    async fn ask(&mut self) -> Leave {
        match self.gates.verdict(&self.kind) {
            view::Verdict::Open { token, probing, .. } => match probing.into_iter().next() {
                None => Leave { verdict: Verdict::Admits, token: Some(token) },
                Some(gate) => self.probing(gate, token).await,
            },
            view::Verdict::Blocked { gate, .. } => {
                Leave { verdict: Verdict::Blocked { gate }, token: None }
            }
            view::Verdict::Unknown(_) => Leave { verdict: Verdict::Unknown, token: None },
        }
    }

    async fn ask_again(&mut self) -> Leave {
        let (gates, kind, p) = (self.gates.clone(), self.kind.clone(), self.p.clone());
        gates.read_again();
        let settled = async {
            let Ok(head) = p.token().await else { return false };
            let mut seen = gates.changes().count();
            loop {
                match gates.verdict(&kind) {
                    view::Verdict::Open { token, .. } if head <= token => return true,
                    view::Verdict::Blocked { .. } => return true,
                    _ => gates.changes().rung(&mut seen).await,
                }
            }
        };
        let settled = matches!(first(settled, p.sleep_ms(FRESH_WITHIN)).await, Either::A(true));
        let leave = self.ask().await;
        match leave.verdict {
            Verdict::Admits | Verdict::Probing { .. } if !settled => {
                Leave { verdict: Verdict::Unknown, token: None }
            }
            _ => leave,
        }
    }

    async fn probing(&mut self, gate: GateName, token: u64) -> Leave {
        let waiting = match self.waiting {
            Some((at, waiting)) if at == token => waiting,
            _ => match self.queued(&gate).await {
                Ok(waiting) => waiting,
                Err(Silent) => return Leave { verdict: Verdict::Unknown, token: None },
            },
        };
        self.waiting = (0 < waiting).then_some((token, waiting));
        Leave { verdict: Verdict::Probing { gate, waiting }, token: Some(token) }
    }

    /// How many tasks there are that may yet be the canary of the probing gate, or are it.
    async fn queued(&self, gate: &GateName) -> Result<u64, Silent> {
        let backlog = self.p.backlog(Of::Work(self.kind.clone())).await?;
        if 0 < backlog.pending || backlog.in_flight == 0 {
            return Ok(backlog.pending + backlog.in_flight);
        }
        let (mut resting, mut from) = (0, 1);
        while let Some(task) = self.p.next_task(&self.kind, from).await? {
            from = task.seq + 1;
            let Some((kind, key)) = P::key_of(&task.subject) else { continue };
            let state = self.p.get::<TaskState>(Subject::State(kind, key)).await?;
            resting += u64::from(state.is_some_and(|state| self.rests(&state.value, gate)));
        }
        Ok(backlog.in_flight.saturating_sub(resting))
    }

    fn rests(&self, state: &TaskState, gate: &GateName) -> bool {
        let epoch = self.gates.standing(gate).map(|standing| standing.gate.epoch);
        let mut admitted = state.admitted.iter();
        let its_canary = state.canary.contains(gate)
            && admitted.any(|it| it.gate == *gate && Some(it.epoch) == epoch);
        let now: Timestamp = self.p.now();
        !its_canary && rests_until(&state.phase).is_some_and(|due| now < due)
    }

    async fn standing(
        &self,
        key: &SourceKey,
        agent: Payee,
    ) -> Result<(Option<Rc<TaskState>>, bool, bool), Silent> {
        let subject = Subject::State(self.kind.clone(), key.key());
        let state = self.p.get::<TaskState>(subject).await?.map(|found| found.value);
        if state.as_ref().is_some_and(|state| state.ended()) {
            return Ok((state, false, false));
        }
        let contact = payee(number_seen(agent)).key("welcome");
        let contact =
            self.kind == welcome() && self.p.last(Subject::Contact(contact)).await?.is_some();
        let task = Subject::Task(self.kind.clone(), key.key());
        let taken = !contact && self.p.last(task).await?.is_some();
        Ok((state, contact, taken))
    }

    async fn reserve(&self, day: u64) -> Result<bool, Silent> {
        for _ in 0..PURSE_TRIES {
            match self.change(day, |budget| budget.reserve(1, CAP_DAY)).await? {
                Some(Ok(())) => return Ok(true),
                None => return Ok(false),
                Some(Err(_)) => self.p.jitter(1).await,
            }
        }
        Err(Silent)
    }

    async fn give_back(&self, day: u64) {
        for _ in 0..PURSE_TRIES {
            match self.change(day, |budget| Some(budget.give_back(1))).await {
                Ok(Some(Err(PutError::Moved | PutError::Busy | PutError::Exists))) => {
                    self.p.jitter(1).await;
                }
                _ => return,
            }
        }
    }

    /// `None`: the decision was to leave it.
    async fn change(
        &self,
        day: u64,
        decide: impl Fn(DayBudget) -> Option<DayBudget>,
    ) -> Result<Option<Result<(), PutError>>, Silent> {
        let subject = Subject::Budget(self.kind.clone(), day);
        let found = self.p.last(subject.clone()).await?;
        let (budget, last) = match found.map(|found| (found.body, found.seq)) {
            Some((Body::Budget(budget), seq)) => (budget, seq),
            _ => (DayBudget::new(day), 0),
        };
        let Some(next) = decide(budget) else { return Ok(None) };
        let put = Put { subject, body: Body::Budget(next), expect: Expect::Last(last) };
        Ok(Some(self.p.put(put).await.map(|_| ())))
    }
}

const fn holds_all(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Gate(_)
            | Reason::Probing(_)
            | Reason::GatesUnknown
            | Reason::CapCycle
            | Reason::CapDay
    )
}

fn stop() -> Stop {
    Stop::Failed { why: "the bus is silent".to_owned(), retry_after: None }
}
