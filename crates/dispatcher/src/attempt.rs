//! One delivered task, from the message to the broker's answer.
//!
//! What to do is [`logic::attempt::on_delivery`]'s to say. This module reads what that needs,
//! obeys, and decides again whenever somebody else wrote first. The order at each link of a
//! task's chain: write it, tell it, answer the broker. Whoever finds a link whose teller may
//! have vanished tells it again.

mod canary;
mod ending;
mod lease;
mod message;
mod money;
mod occupant;
pub(crate) mod repeat;
pub(crate) mod seat;
mod told;
mod watch;

use std::{
    ops::ControlFlow,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bus::{Delivery, Put};
use domain::{Config, Key, Kind, KindConfig, Phase, Task, TaskState};
use fleet::store::{self, Cas, StoreError, Versioned};
use kit::Instant;
use logic::{
    attempt::{
        Admitted, Delivered, HOLD, Report, Step, on_delivery, take_over, unclaimed, within_lineage,
    },
    view::Verdict,
};
use wire::subject;

use self::{canary::Won, watch::Seen};
use crate::desk::{Desk, Firsts};

/// A task that somebody else keeps writing is decided on so often, then put back.
const ROUNDS_MAX: u32 = 20;
/// How long a task is put back whose state cannot be read just now.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
/// How long a task is put back at first whose state makes no sense; then twice as long.
const AFTER_GARBAGE: Duration = Duration::from_secs(60);
/// And at most so long.
const AFTER_GARBAGE_MAX: Duration = Duration::from_secs(600);

/// One delivery of a task that can be read, while it is attended to.
struct Errand {
    desk: Arc<Desk>,
    delivery: Delivery,
    kind: Kind,
    key: Key,
    task: Task,
    /// Where its chain is kept.
    chain: String,
    begun: Instant,
    /// Dollars are held for the attempt.
    holds: AtomicBool,
}

/// A claim to be written on `last`, together with its seats and with what it takes of the
/// kind's budget for repeated attempts, or not at all.
struct NewClaim {
    state: TaskState,
    last: u64,
    with: Vec<Put>,
    /// The first attempts that are told with it.
    firsts: Option<Firsts>,
}

/// What the broker is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    PutBack(Duration),
    /// Put back, since as many are under way in the fleet as may be.
    NoSeat(Duration),
    /// Nothing: another has it, or nobody knows, and then it comes again.
    Nothing,
}

/// Decide again, or answer.
type Flow = ControlFlow<Answer>;

/// Attends to one delivery from the queue of `kind`. Whether it found no seat.
pub(crate) async fn attend(desk: Arc<Desk>, kind: Kind, delivery: Delivery) -> bool {
    let (key, task) = match message::read(&kind, &delivery) {
        Ok(read) => read,
        Err(unreadable) => {
            let told = message::refuse(&desk, &kind, &delivery, unreadable).await;
            let refused = if told { Answer::Done } else { Answer::Nothing };
            answer(&desk, delivery, refused).await;
            return false;
        }
    };
    let Some(_attending) = desk.attend_to(&kind, key) else {
        tracing::debug!(%kind, %key, "attended to already, this delivery is left");
        delivery.leave();
        return false;
    };
    let chain = subject::state(&kind, key);
    let begun = desk.fleet.clock.instant();
    let holds = AtomicBool::new(false);
    let errand = Errand { desk: desk.clone(), delivery, kind, key, task, chain, begun, holds };
    let answered = errand.see_through().await;
    answer(&desk, errand.delivery, answered).await;
    matches!(answered, Answer::NoSeat(_))
}

async fn answer(desk: &Desk, delivery: Delivery, answer: Answer) {
    let answered = match answer {
        Answer::Done => delivery.done().await,
        Answer::PutBack(after) | Answer::NoSeat(after) => delivery.put_back(after).await,
        Answer::Nothing => return delivery.leave(),
    };
    if let Err(error) = answered {
        desk.grumble("answer a delivery", error);
    }
}

impl Errand {
    async fn see_through(&self) -> Answer {
        let mut won = Vec::new();
        // Most tasks are delivered for the first time and have no chain yet. If that is wrong,
        // the first write is refused, and then the chain is read.
        let mut presume_new = self.delivery.delivered == 1;
        for _ in 0..ROUNDS_MAX {
            let found = if presume_new { Ok(None) } else { self.read_chain().await };
            let flow = match found {
                Ok(found) => self.decide(found, presume_new, &mut won).await,
                Err(error) => ControlFlow::Break(self.after(error).await),
            };
            presume_new = false;
            if let ControlFlow::Break(answer) = flow {
                canary::free(&self.desk, &self.kind, self.key, &won).await;
                return answer;
            }
        }
        canary::free(&self.desk, &self.kind, self.key, &won).await;
        Answer::PutBack(HOLD)
    }

    async fn decide(
        &self,
        found: Option<Versioned<TaskState>>,
        presumed: bool,
        won: &mut Vec<Won>,
    ) -> Flow {
        let config = self.desk.fleet.config();
        let Some(kind) = config.kinds.get(&self.kind) else {
            return ControlFlow::Break(Answer::PutBack(HOLD));
        };
        let kind = &within_lineage(kind, &self.task);
        if let Some(found) = &found
            && self.abandoned_here(&found.value)
        {
            return self.write_off(kind, found).await;
        }
        let contact_exists = match self.has_contact(found.as_ref()).await {
            Ok(exists) => exists,
            Err(error) => return ControlFlow::Break(self.after(error).await),
        };
        // The gates last: what was read before may have taken long.
        let admission = self.admission();
        canary::forget_outdated(&self.desk, &self.kind, self.key, won, &admission).await;
        let gates_won: Vec<_> = won.iter().map(|won| won.gate.clone()).collect();
        let latched = self.desk.latched(&self.kind);
        let step = on_delivery(&Delivered {
            key: self.key,
            task: &self.task,
            fenced: self.delivery.fenced_over.as_deref() == Some(subject::FENCE),
            state: found.as_ref().map(|found| &found.value),
            me: self.desk.me(),
            // No two deliveries of it are attended to here at once.
            running: false,
            contact_exists,
            admission: &admission,
            won: &gates_won,
            latched: latched.as_ref(),
            lease: kind.lease,
            now: self.desk.fleet.clock.now(),
        });
        if presumed && matches!(step, Step::WinCanary { .. }) {
            return ControlFlow::Continue(());
        }
        self.obey(step, &config, kind, found, &admission, won).await
    }

    async fn obey(
        &self,
        step: Step,
        config: &Config,
        kind: &KindConfig,
        found: Option<Versioned<TaskState>>,
        admission: &Admitted,
        won: &mut Vec<Won>,
    ) -> Flow {
        let begins = matches!(step, Step::Claim { .. } | Step::WinCanary { .. });
        if begins && self.desk.stopping.is_cancelled() {
            return ControlFlow::Break(Answer::PutBack(Duration::ZERO));
        }
        let last = found.as_ref().map_or(0, |found| found.seq);
        match (step, found) {
            (Step::Keep, _) => ControlFlow::Break(Answer::Nothing),
            (Step::PutBack { after, why }, _) => {
                tracing::debug!(source_key = %self.task.source_key, why, ?after, "put back");
                ControlFlow::Break(Answer::PutBack(after))
            }
            (Step::TellAndAck { reports }, Some(found)) => {
                self.retell(&reports, &found.value, Answer::Done).await
            }
            (Step::Refuse { report }, _) => {
                let told = message::refuse_other(self, &report).await;
                ControlFlow::Break(if told { Answer::Done } else { Answer::Nothing })
            }
            (Step::Watch { lease, .. }, Some(found)) => self.watch(kind, lease, found).await,
            (Step::WinCanary { gates }, found) => {
                let attempt = found.map_or(0, |found| found.value.attempt).saturating_add(1);
                self.win_canaries(kind, &gates, admission, attempt, won).await
            }
            (Step::Settle(ending), _) => {
                let state = ending.state.clone();
                let flow = self.settle(ending, last).await;
                if flow.is_break() {
                    self.log_unclaimed(&state);
                }
                flow
            }
            (Step::Claim { state, owed }, found) => {
                let (repeats, firsts) = self.repeat(kind, found.as_ref()).await?;
                let Some(seats) = self.find_seats(&state).await? else { return Flow::Continue(()) };
                let with = seats.into_iter().chain(repeats).collect();
                let base = found.map_or_else(|| unclaimed(&self.task, state.at), |it| it.value);
                self.retell(&owed, &base, Answer::Nothing).await?;
                self.claim(config, kind, NewClaim { state, last, with, firsts }, won).await
            }
            // There is no chain: nothing to tell of it, and nobody to watch.
            (Step::TellAndAck { .. } | Step::Watch { .. }, None) => ControlFlow::Continue(()),
        }
    }

    /// What ends or stays without an attempt; parked tasks are for a person to look at.
    fn log_unclaimed(&self, state: &TaskState) {
        let source_key = &self.task.source_key;
        match &state.phase {
            Phase::Parked { cause, evidence } => {
                tracing::error!(kind = %self.kind, %source_key, %cause, evidence, "parked");
            }
            phase => tracing::info!(kind = %self.kind, %source_key, ?phase, "no attempt made"),
        }
    }

    /// Watches another's claim; takes the task over when that stands still for a lease.
    async fn watch(&self, kind: &KindConfig, lease: Duration, found: Versioned<TaskState>) -> Flow {
        let seen = watch::watch(&self.desk, &self.delivery, &self.chain, &found, lease).await;
        match seen {
            Seen::Moved => ControlFlow::Continue(()),
            // It is in good hands; should it come to harm, a lease later is soon enough.
            Seen::Alive => ControlFlow::Break(Answer::PutBack(lease)),
            Seen::Stopping => ControlFlow::Break(Answer::PutBack(Duration::ZERO)),
            Seen::Silent => {
                let now = self.desk.fleet.clock.now();
                match take_over(&found.value, kind, now) {
                    Some(ending) => {
                        tracing::warn!(
                            kind = %self.kind,
                            source_key = %self.task.source_key,
                            attempt = found.value.attempt,
                            "its dispatcher was silent for a lease, taking the task over"
                        );
                        self.settle(ending, found.seq).await
                    }
                    None => ControlFlow::Continue(()),
                }
            }
        }
    }

    /// Whether `state` is a claim of this process under which it has stopped to act.
    fn abandoned_here(&self, state: &TaskState) -> bool {
        let Phase::Claimed(claim) = &state.phase else { return false };
        claim.holder == *self.desk.me()
            && self.desk.take_abandoned(&self.kind, self.key, state.attempt)
    }

    async fn has_contact(&self, found: Option<&Versioned<TaskState>>) -> Result<bool, StoreError> {
        let Some(contact) = self.task.contact else { return Ok(false) };
        // Once anything was tried, the contact may be this task's own.
        if found.is_some_and(|found| 0 < found.value.attempt) {
            return Ok(false);
        }
        let bus = &self.desk.fleet.bus;
        Ok(bus.last(subject::RECORD, &subject::contact(contact)).await?.is_some())
    }

    fn admission(&self) -> Admitted {
        match self.desk.fleet.gates.verdict(&self.kind) {
            Verdict::Open { admitted, probing, .. } => Admitted::Yes { admitted, probing },
            Verdict::Blocked { gate, state, .. } => {
                Admitted::No { why: format!("gate {gate} is {}", state.told()) }
            }
            Verdict::Unknown(unknown) => Admitted::No { why: unknown.to_string() },
        }
    }

    async fn read_chain(&self) -> Result<Option<Versioned<TaskState>>, StoreError> {
        store::read(&self.desk.fleet.bus, subject::STATE, &self.chain).await
    }

    async fn write(&self, state: &TaskState, last: u64) -> Result<Cas, StoreError> {
        let bus = &self.desk.fleet.bus;
        store::compare_and_set(bus, subject::STATE, &self.chain, state, last).await
    }

    /// Tells what a link owes, in case whoever wrote it vanished before; then `then`.
    async fn retell(&self, reports: &[Report], state: &TaskState, then: Answer) -> Flow {
        let told = told::tell(&self.desk, self.key, state, reports).await;
        match then {
            _ if !told => ControlFlow::Break(Answer::Nothing),
            Answer::Nothing => ControlFlow::Continue(()),
            then => ControlFlow::Break(then),
        }
    }

    /// What to answer when the bus, or what lies on it, does not let us decide.
    async fn after(&self, error: StoreError) -> Answer {
        if !matches!(error, StoreError::Garbled { .. }) {
            self.desk.grumble("decide on a task", error);
            return Answer::PutBack(AFTER_TROUBLE);
        }
        let wait = after_garbage(self.delivery.delivered);
        message::put_back_garbled(self, error, wait).await;
        Answer::PutBack(wait)
    }
}

/// How long a task is put back that was delivered so often.
fn after_garbage(delivered: u64) -> Duration {
    let doublings = u32::try_from(delivered.saturating_sub(1).min(8)).unwrap_or(8);
    AFTER_GARBAGE.saturating_mul(1 << doublings).min(AFTER_GARBAGE_MAX)
}
