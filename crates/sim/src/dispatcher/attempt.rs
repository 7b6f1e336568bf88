//! One delivered task, from the message to the broker's answer.

use std::{ops::ControlFlow, rc::Rc, time::Duration};

use domain::{Key, Kind, KindConfig, Phase, Task, TaskState};
use logic::{
    attempt::{Admitted, Delivered, Ending, HOLD, Report, Step, on_delivery, take_over, unclaimed},
    view::Verdict,
};

use super::{
    Desk,
    canary::{self, Won},
    holding::{Claimed, Seen, watch},
};
use crate::{
    bus::Of,
    exec::Millis,
    fleet::Cas,
    mutant::Mutant,
    process::P,
    queue::{self, Reply},
    words::{Silent, Stored, Subject, Versioned, Word as _},
};

const ROUNDS_MAX: u32 = 20;
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// One delivery, while it is attended to.
pub(super) struct Errand {
    pub(super) desk: Rc<Desk>,
    pub(super) delivered: queue::Delivered,
    /// When it was asked for.
    pub(super) asked: Millis,
    pub(super) kind: Kind,
    pub(super) key: Key,
    pub(super) task: Rc<Task>,
    pub(super) chain: Subject,
    fenced: bool,
}

/// What the broker is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    PutBack(Duration),
    Nothing,
}

pub(super) type Flow = ControlFlow<Answer>;

/// Attends to one delivery from the queue of `kind`.
pub(super) async fn attend(
    desk: &Rc<Desk>,
    kind: &Kind,
    (delivered, asked): (queue::Delivered, Millis),
    stored: Stored,
) {
    let Some(task) = Task::take(&stored.body) else { return };
    let key = task.key();
    let seat = (kind.clone(), key);
    if !desk.attended.borrow_mut().insert(seat.clone()) {
        return;
    }
    let errand = Errand {
        desk: desk.clone(),
        delivered,
        asked,
        kind: kind.clone(),
        key,
        task,
        chain: Subject::State(kind.clone(), key),
        fenced: stored.fenced,
    };
    let answered = errand.see_through().await;
    errand.answer(answered).await;
    desk.attended.borrow_mut().remove(&seat);
}

impl Errand {
    pub(super) async fn answer(&self, answer: Answer) {
        let reply = match answer {
            Answer::Done => Reply::Done,
            Answer::PutBack(after) => {
                Reply::PutBack(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
            }
            Answer::Nothing => return,
        };
        // Not confirmed: it comes again, or not.
        let _ = self.desk.p.answer(Of::Work(self.kind.clone()), self.delivered.seq, reply).await;
    }

    async fn see_through(&self) -> Answer {
        let mut won = Vec::new();
        let mut presume_new = self.delivered.times == 1;
        for _ in 0..ROUNDS_MAX {
            let found = if presume_new { Ok(None) } else { self.read_chain().await };
            let flow = match found {
                Ok(found) => self.decide(found, presume_new, &mut won).await,
                Err(Silent) => Flow::Break(Answer::PutBack(AFTER_TROUBLE)),
            };
            presume_new = false;
            if let Flow::Break(answer) = flow {
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
        let config = self.desk.p.config();
        let Some(kind) = config.kinds.get(&self.kind) else {
            return Flow::Break(Answer::PutBack(HOLD));
        };
        if let Some(found) = &found
            && self.abandoned_here(&found.value)
        {
            return self.write_off(kind, found).await;
        }
        let Ok(contact_exists) = self.has_contact(found.as_ref()).await else {
            return Flow::Break(Answer::PutBack(AFTER_TROUBLE));
        };
        let admission = self.admission();
        canary::forget_outdated(&self.desk, &self.kind, self.key, won, &admission).await;
        let mut gates_won: Vec<_> = won.iter().map(|won| won.gate.clone()).collect();
        if self.desk.p.mutated(Mutant::CanaryNotWon)
            && let Admitted::Yes { probing, .. } = &admission
        {
            gates_won.clone_from(probing);
        }
        let latched = self.desk.latched(&self.kind);
        let step = on_delivery(&Delivered {
            key: self.key,
            task: &self.task,
            fenced: self.fenced || self.desk.p.mutated(Mutant::FenceDropped),
            state: found.as_ref().map(|found| &*found.value),
            me: &self.desk.me,
            running: false,
            contact_exists,
            admission: &admission,
            won: &gates_won,
            latched: latched.as_ref(),
            lease: kind.lease,
            now: self.desk.p.now(),
        });
        if presumed && matches!(step, Step::WinCanary { .. }) {
            return Flow::Continue(());
        }
        self.obey(step, kind, found, &admission, won).await
    }

    async fn obey(
        &self,
        step: Step,
        kind: &KindConfig,
        found: Option<Versioned<TaskState>>,
        admission: &Admitted,
        won: &mut Vec<Won>,
    ) -> Flow {
        let last = found.as_ref().map_or(0, |found| found.seq);
        match (step, found) {
            (Step::Keep, _) => Flow::Break(Answer::Nothing),
            (Step::PutBack { after, .. }, _) => Flow::Break(Answer::PutBack(after)),
            (Step::TellAndAck { reports }, Some(found)) => {
                self.retell(&reports, &found.value, Answer::Done).await
            }
            (Step::Refuse { .. }, _) => Flow::Break(Answer::Done),
            (Step::Watch { lease, .. }, Some(found)) => self.watch(kind, lease, found).await,
            (Step::WinCanary { gates }, found) => {
                let attempt = found.map_or(0, |found| found.value.attempt).saturating_add(1);
                self.win_canaries(kind, &gates, admission, attempt, won).await
            }
            (Step::Settle(ending), _) => self.settle(ending, last).await,
            (Step::Claim { state, owed }, found) => {
                let base = found
                    .map_or_else(|| Rc::new(unclaimed(&self.task, state.at)), |found| found.value);
                self.retell(&owed, &base, Answer::Nothing).await?;
                self.claim(kind, state, last, won).await
            }
            (Step::TellAndAck { .. } | Step::Watch { .. }, None) => Flow::Continue(()),
        }
    }

    async fn claim(
        &self,
        kind: &KindConfig,
        state: TaskState,
        last: u64,
        won: &mut Vec<Won>,
    ) -> Flow {
        let sent = self.desk.p.mono();
        match self.write(&state, last).await {
            Ok(Cas::Stored(seq)) => {
                won.clear();
                let link = Versioned { value: Rc::new(state), seq };
                let claimed = Claimed::new(link, kind.lease, sent);
                Flow::Break(self.run(kind, claimed).await)
            }
            Ok(Cas::Lost) => Flow::Continue(()),
            Err(Silent) => Flow::Break(Answer::Nothing),
        }
    }

    /// Watches another's claim; takes the task over when that stands still for a lease.
    async fn watch(&self, kind: &KindConfig, lease: Duration, found: Versioned<TaskState>) -> Flow {
        match watch(self, &found, lease).await {
            Seen::Moved => Flow::Continue(()),
            Seen::Alive => Flow::Break(Answer::PutBack(lease)),
            Seen::Silent => match take_over(&found.value, kind, self.desk.p.now()) {
                Some(ending) => {
                    self.desk.p.count("claims taken over");
                    self.settle(self.as_mutated(ending, &found.value), found.seq).await
                }
                None => Flow::Continue(()),
            },
        }
    }

    /// A dispatcher that forgets to charge what was lost.
    fn as_mutated(&self, mut ending: Ending, before: &TaskState) -> Ending {
        if self.desk.p.mutated(Mutant::LostNotCharged) {
            ending.state.charged = before.charged;
        }
        ending
    }

    fn abandoned_here(&self, state: &TaskState) -> bool {
        let Phase::Claimed(claim) = &state.phase else { return false };
        claim.holder == self.desk.me
            && self.desk.take_abandoned(&self.kind, self.key, state.attempt)
    }

    async fn has_contact(&self, found: Option<&Versioned<TaskState>>) -> Result<bool, Silent> {
        let Some(contact) = self.task.contact else { return Ok(false) };
        if found.is_some_and(|found| 0 < found.value.attempt) {
            return Ok(false);
        }
        Ok(self.desk.p.last(Subject::Contact(contact)).await?.is_some())
    }

    fn admission(&self) -> Admitted {
        match self.desk.gates.verdict(&self.kind) {
            Verdict::Open { admitted, probing, .. } => Admitted::Yes { admitted, probing },
            Verdict::Blocked { gate, .. } => Admitted::No { why: gate.to_string() },
            Verdict::Unknown(unknown) => Admitted::No { why: unknown.to_string() },
        }
    }

    pub(super) async fn read_chain(&self) -> Result<Option<Versioned<TaskState>>, Silent> {
        self.desk.p.get(self.chain.clone()).await
    }

    pub(super) async fn write(&self, state: &TaskState, last: u64) -> Result<Cas, Silent> {
        self.desk.p.compare_and_set(&self.chain, state, last).await
    }

    async fn retell(&self, reports: &[Report], state: &TaskState, then: Answer) -> Flow {
        self.tell_all(state, reports).await;
        match then {
            Answer::Nothing => Flow::Continue(()),
            then => Flow::Break(then),
        }
    }

    pub(super) fn p(&self) -> &P {
        &self.desk.p
    }
}
