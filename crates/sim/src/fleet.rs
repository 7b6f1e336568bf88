//! What every service does with the bus, as `fleet` does it: the view of the gates, typed
//! compare-and-set writes that know how they ended, events that are told until they are stored.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use domain::{Gate, GateName, Kind};
use logic::view::{Standing, Verdict, View};

use crate::{
    bus::ANSWER_WITHIN,
    exec::Millis,
    process::P,
    wait::{Bell, Either, first},
    words::{Body, Expect, Put, PutError, Silent, Subject, Told, Versioned, Word},
};

/// How a compare-and-set ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cas {
    Stored(u64),
    Lost,
}

/// For how long a write is tried again before the caller hears of it.
const PATIENCE: Millis = 20_000;
const HEAD_EVERY: Millis = 1_000;
const READ_AGAIN: Millis = 100;
const TELL_TRIES: u32 = 3;

/// The gates as one process may believe them to stand. Clones see the same.
#[derive(Clone)]
pub(crate) struct Gates {
    p: P,
    view: Rc<RefCell<View>>,
    changes: Bell,
    reread: Bell,
}

impl Gates {
    /// Begins to hear the repeated gate messages and to ask the leader.
    pub(crate) fn keep(p: &P) -> Gates {
        let gates = Gates {
            p: p.clone(),
            view: Rc::default(),
            changes: Bell::default(),
            reread: Bell::default(),
        };
        let hearing = gates.clone();
        let cast = move |seq, gate: &Gate| hearing.hear(seq, gate);
        p.sim.world.borrow_mut().processes[p.id].casts = Some(Rc::new(cast));
        p.spawn(gates.clone().follow());
        gates
    }

    pub(crate) fn verdict(&self, kind: &Kind) -> Verdict {
        self.view.borrow().admission(&self.p.config(), kind, self.p.mono_ms())
    }

    pub(crate) fn doubtful(&self) -> bool {
        self.view.borrow().doubt(self.p.mono_ms()).is_some()
    }

    pub(crate) fn standing(&self, gate: &GateName) -> Option<Standing> {
        self.view.borrow().standing(gate).cloned()
    }

    pub(crate) fn all(&self) -> BTreeMap<GateName, Gate> {
        let view = self.view.borrow();
        view.standings().map(|it| (it.gate.name.clone(), it.gate.clone())).collect()
    }

    pub(crate) const fn changes(&self) -> &Bell {
        &self.changes
    }

    pub(crate) fn read_again(&self) {
        self.reread.ring();
    }

    fn hear(&self, seq: u64, gate: &Gate) {
        {
            let mut world = self.p.sim.world.borrow_mut();
            world.witness.saw(self.p.id, gate, self.p.sim.now());
            world.witness.heard(self.p.id, seq, gate.prev);
        }
        if self.p.mutated(crate::mutant::Mutant::HoleIgnored) {
            let mut patched = gate.clone();
            // As if the chain through `prev` were never looked at.
            patched.prev = self.view.borrow().standings().map(|it| it.seq).max().unwrap_or(0);
            self.view.borrow_mut().on_message(seq, patched);
        } else {
            self.view.borrow_mut().on_message(seq, gate.clone());
        }
        self.changes.ring();
    }

    async fn follow(self) {
        self.read().await;
        let (mut asked, mut seen) = (self.p.mono_ms(), self.reread.count());
        let mut changed = self.changes.count();
        loop {
            let wait = HEAD_EVERY.saturating_sub(self.p.mono_ms() - asked);
            let bell = first(self.reread.rung(&mut seen), self.changes.rung(&mut changed));
            match first(bell, self.p.sleep_ms(wait)).await {
                Either::A(Either::A(())) => self.read().await,
                Either::A(Either::B(())) => (),
                Either::B(()) => {
                    asked = self.p.mono_ms();
                    self.check_head().await;
                }
            }
            let wants = self.view.borrow().wants_reading();
            if wants {
                self.read().await;
            }
            changed = self.changes.count();
        }
    }

    async fn check_head(&self) {
        let at = self.p.mono_ms();
        if let Ok(token) = self.p.token().await {
            self.view.borrow_mut().on_head(token, at);
        }
        self.changes.ring();
    }

    /// The token first, then every gate.
    async fn read(&self) {
        let at = self.p.mono_ms();
        match self.snapshot().await {
            Ok((token, gates)) => {
                for (_, gate) in &gates {
                    self.p.sim.world.borrow_mut().witness.saw(self.p.id, gate, self.p.sim.now());
                }
                let taken = self.view.borrow_mut().on_snapshot(token, gates, at);
                self.changes.ring();
                if taken.is_ok() {
                    self.p.sim.world.borrow_mut().witness.has_read(self.p.id, token);
                } else {
                    self.p.sleep_ms(READ_AGAIN).await;
                }
            }
            Err(Silent) => self.p.sleep_ms(READ_AGAIN).await,
        }
    }

    async fn snapshot(&self) -> Result<(u64, Vec<(u64, Gate)>), Silent> {
        let token = self.p.token().await?;
        let mut gates = Vec::new();
        let names = std::iter::once(GateName::config()).chain(self.p.config().all_gates());
        for name in names {
            if let Some(found) = self.p.gate_now(&name).await? {
                gates.push((found.seq, Gate::clone(&found.value)));
            }
        }
        Ok((token, gates))
    }
}

impl P {
    /// Stores `value` if the last sequence on `subject` still is `last`. A write without an
    /// answer is looked up and tried again.
    pub(crate) async fn compare_and_set<T: Word + Clone + PartialEq>(
        &self,
        subject: &Subject,
        value: &T,
        last: u64,
    ) -> Result<Cas, Silent> {
        let begun = self.mono_ms();
        loop {
            let body = value.clone().wrap();
            let put = Put { subject: subject.clone(), body, expect: Expect::Last(last) };
            let error = match self.put(put).await {
                Ok(seq) => return Ok(Cas::Stored(seq)),
                Err(error) => error,
            };
            let open = error != PutError::Busy;
            if open && let Some(ended) = self.look_up(subject, value, last).await {
                return Ok(ended);
            }
            if PATIENCE < self.mono_ms() - begun {
                return Err(Silent);
            }
            self.jitter(if open { 10 } else { 1 }).await;
        }
    }

    async fn look_up<T: Word + PartialEq>(
        &self,
        subject: &Subject,
        value: &T,
        last: u64,
    ) -> Option<Cas> {
        match self.get::<T>(subject.clone()).await {
            Ok(Some(found)) if *found.value == *value => Some(Cas::Stored(found.seq)),
            Ok(Some(Versioned { seq, .. })) if seq != last => Some(Cas::Lost),
            Ok(_) | Err(Silent) => None,
        }
    }

    /// Tells an event; three tries, as `fleet` has it.
    pub(crate) async fn tell(&self, told: &Told) -> Result<(), Silent> {
        let mut tries = 0;
        loop {
            let body = Body::Told(Rc::new(told.clone()));
            let put = Put { subject: Subject::Event, body, expect: Expect::Nothing };
            tries += 1;
            match self.put(put).await {
                Ok(_) => return Ok(()),
                Err(_) if TELL_TRIES <= tries => return Err(Silent),
                Err(_) => self.jitter(10).await,
            }
        }
    }
}

/// No answer comes later than that.
pub(crate) const fn patience() -> Duration {
    Duration::from_millis(ANSWER_WITHIN)
}
