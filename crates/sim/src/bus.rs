//! Asking the model broker, as a client does who knows nothing of what went wrong on the way.
//!
//! A question may be lost, or come late: then it may be carried out long after whoever asked
//! has stopped to wait, or is dead. An answer may be lost though the thing was done. Both
//! look alike from here, and after [`ANSWER_WITHIN`] nobody waits any longer.

use std::rc::Rc;

use domain::{Epoch, Gate, GateName, Key, Kind};

use crate::{
    exec::{Millis, Sim},
    mutant::Mutant,
    process::P,
    queue::{Backlog, Delivered, Reply, Waiting},
    wait::{Either, Slot, first},
    witness::Fact,
    words::{Body, Expect, Put, PutError, Silent, Stored, Subject, Versioned, Word},
    world::World,
};

/// As the real client's.
pub(crate) const ANSWER_WITHIN: Millis = 5_000;

/// Which queue of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Work(Kind),
    Outcomes,
}

/// How the way there and back goes.
struct Way {
    there: Option<Millis>,
    back: Option<Millis>,
}

impl P {
    /// Has something done at the broker, once the question is there.
    async fn ask<T: 'static>(
        &self,
        writes: bool,
        act: impl FnOnce(&mut World, Millis) -> T + 'static,
    ) -> Result<T, Silent> {
        let slot = Slot::new();
        let filler = slot.filler();
        let way = self.way(writes);
        if let Some(there) = way.there {
            self.sim.after(there, move |sim| {
                let answer = act(&mut sim.world.borrow_mut(), sim.now());
                pump(sim);
                if let Some(back) = way.back.filter(|_| filler.awaited()) {
                    sim.after(back, move |_| filler.fill(answer));
                }
            });
        }
        match first(slot, self.sleep_ms(ANSWER_WITHIN)).await {
            Either::A(answer) => Ok(answer),
            Either::B(()) => Err(Silent),
        }
    }

    fn way(&self, writes: bool) -> Way {
        let sim = &self.sim;
        let (cut, faults) = {
            let world = sim.world.borrow();
            (world.processes[self.id].cut_until.checked_sub(sim.now()), world.faults)
        };
        let (there, back) = (sim.draw(1..faults.slow), sim.draw(1..faults.slow));
        if let Some(cut) = cut.filter(|cut| 0 < *cut) {
            // The client delivers it after reconnecting, or never.
            let there = (writes && sim.chance(0.5)).then_some(cut + there);
            return Way { there, back: None };
        }
        if sim.chance(faults.lose) {
            return Way { there: None, back: None };
        }
        if writes && sim.chance(faults.late) {
            sim.world.borrow_mut().count("writes applied late");
            return Way { there: Some(sim.draw(1_000..faults.late_by)), back: Some(back) };
        }
        let back = if sim.chance(faults.mute) { None } else { Some(back) };
        Way { there: Some(there), back }
    }

    /// The newest message on a subject.
    pub(crate) async fn last(&self, subject: Subject) -> Result<Option<Stored>, Silent> {
        self.ask(false, move |world, _| world.broker.last(&subject).cloned()).await
    }

    /// The newest value on a subject.
    pub(crate) async fn get<T: Word>(
        &self,
        subject: Subject,
    ) -> Result<Option<Versioned<T>>, Silent> {
        let found = self.last(subject).await?;
        Ok(found
            .and_then(|stored| Some(Versioned { value: T::take(&stored.body)?, seq: stored.seq })))
    }

    /// The sequence of the newest gate message. What is known of the asking time is the witness's.
    pub(crate) async fn token(&self) -> Result<u64, Silent> {
        let asked = self.sim.now();
        let token = self.ask(false, |world, _| world.broker.fence()).await?;
        let mut world = self.sim.world.borrow_mut();
        world.witness.confirmed(self.id, asked);
        Ok(token)
    }

    /// The newest message of a gate.
    pub(crate) async fn gate_now(
        &self,
        name: &GateName,
    ) -> Result<Option<Versioned<Gate>>, Silent> {
        let name = name.clone();
        let found = self.ask(false, move |world, _| world.broker.gate(&name).cloned()).await?;
        Ok(found.and_then(|stored| Some(Versioned { value: P::gate(&stored)?, seq: stored.seq })))
    }

    pub(crate) async fn gate_at(
        &self,
        name: &GateName,
        epoch: Epoch,
    ) -> Result<Option<Versioned<Gate>>, Silent> {
        let name = name.clone();
        let found =
            self.ask(false, move |world, _| world.broker.gate_at(&name, epoch).cloned()).await?;
        Ok(found.and_then(|stored| Some(Versioned { value: P::gate(&stored)?, seq: stored.seq })))
    }

    pub(crate) async fn canary_links(&self, subject: Subject) -> Result<Vec<Stored>, Silent> {
        self.ask(false, move |world, _| world.broker.canary_links(&subject)).await
    }

    pub(crate) async fn next_task(&self, kind: &Kind, from: u64) -> Result<Option<Stored>, Silent> {
        let kind = kind.clone();
        self.ask(false, move |world, _| world.broker.next_task(&kind, from)).await
    }

    /// The sequence of the newest outcome that was told.
    pub(crate) async fn newest_outcome(&self) -> Result<u64, Silent> {
        self.ask(false, |world, _| world.broker.events.last().map_or(0, |last| last.seq)).await
    }

    pub(crate) async fn backlog(&self, of: Of) -> Result<Backlog, Silent> {
        self.ask(false, move |world, _| {
            queue(world, &of).map(|queue| queue.backlog()).unwrap_or_default()
        })
        .await
    }

    pub(crate) async fn limit(&self, kind: &Kind, limit: i64) -> Result<(), Silent> {
        let kind = kind.clone();
        self.ask(true, move |world, _| {
            if let Some(queue) = world.broker.work.get_mut(&kind) {
                queue.max_ack_pending = limit;
                world.fact(Fact::Limited { kind, limit });
            }
        })
        .await
    }

    pub(crate) async fn pause(&self, kind: &Kind, paused: bool) -> Result<(), Silent> {
        let kind = kind.clone();
        self.ask(true, move |world, _| {
            if let Some(queue) = world.broker.work.get_mut(&kind) {
                queue.paused = paused;
            }
        })
        .await
    }

    /// Stores one message; its sequence.
    pub(crate) async fn put(&self, put: Put) -> Result<u64, PutError> {
        self.put_all(vec![put]).await
    }

    /// Stores all or nothing; the sequence of the last one.
    pub(crate) async fn put_all(&self, puts: Vec<Put>) -> Result<u64, PutError> {
        let busy = {
            let busy = self.sim.world.borrow().faults.busy;
            self.sim.chance(busy)
        };
        if busy {
            self.jitter(1).await;
            return Err(PutError::Busy);
        }
        let by = self.id;
        if puts.iter().any(|put| matches!(put.expect, Expect::Fence(_))) {
            return self.put_fenced(puts).await;
        }
        let sim = self.sim.clone();
        let stored = self.ask(true, move |world, now| {
            world.broker.check_all(&puts)?;
            Ok(store(&sim, world, by, &puts, now))
        });
        stored.await.unwrap_or(Err(PutError::Unknown))
    }

    /// On replicas a write is checked by the leader, and stored some milliseconds later when
    /// the others have it. A checked one that comes in between is told to try again; a plain
    /// one is not, and lies before what was checked before it.
    async fn put_fenced(&self, puts: Vec<Put>) -> Result<u64, PutError> {
        let (by, slot) = (self.id, Slot::new());
        let filler = slot.filler();
        let agreed = self.sim.draw(1..12);
        let sim = self.sim.clone();
        let checked = self.ask(true, move |world, _| {
            world.broker.check_all(&puts)?;
            world.broker.checking = true;
            sim.after(agreed, move |sim| {
                let last = {
                    let world = &mut *sim.world.borrow_mut();
                    world.broker.checking = false;
                    store(sim, world, by, &puts, sim.now())
                };
                pump(sim);
                filler.fill(last);
            });
            Ok(())
        });
        match checked.await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => return Err(error),
            Err(Silent) => return Err(PutError::Unknown),
        }
        match first(slot, self.sleep_ms(ANSWER_WITHIN)).await {
            Either::A(last) => Ok(last),
            Either::B(()) => Err(PutError::Unknown),
        }
    }

    /// Waits for one message of a queue. What was delivered on the way back and is lost comes
    /// again.
    pub(crate) async fn pull(&self, of: Of, wait: Millis) -> Option<Delivered> {
        let slot = Slot::new();
        let (filler, process) = (slot.filler(), self.id);
        let way = self.way(false);
        if let (Some(there), Some(_)) = (way.there, way.back) {
            self.sim.after(there, move |sim| {
                let until = sim.now() + wait;
                if let Some(queue) = queue(&mut sim.world.borrow_mut(), &of) {
                    queue.waiting.push_back(Waiting { process, until, filler });
                }
                pump(sim);
            });
        }
        let faults_slow = self.sim.world.borrow().faults.slow;
        match first(slot, self.sleep_ms(wait + 3 * faults_slow)).await {
            Either::A(delivered) => Some(delivered),
            Either::B(()) => None,
        }
    }

    /// What a delivery from WORK carries, as it came with it.
    pub(crate) fn delivered_task(&self, seq: u64) -> Option<Stored> {
        self.sim.world.borrow().broker.task(seq).cloned()
    }

    pub(crate) fn delivered_event(&self, seq: u64) -> Option<Stored> {
        self.sim.world.borrow().broker.event(seq).cloned()
    }

    /// Answers a delivery; only whether it is done with is confirmed.
    pub(crate) async fn answer(&self, of: Of, seq: u64, reply: Reply) -> Result<(), Silent> {
        let by = self.id;
        self.ask(true, move |world, now| {
            let done = queue(world, &of).is_some_and(|queue| queue.answer(seq, reply, now));
            if done
                && matches!(of, Of::Work(_))
                && let Some(task) = world.broker.remove_task(seq)
            {
                world.fact(Fact::Removed { subject: task.subject, by });
            }
        })
        .await
    }

    /// The key that a WORK subject names.
    pub(crate) fn key_of(subject: &Subject) -> Option<(Kind, Key)> {
        match subject {
            Subject::Task(kind, key) => Some((kind.clone(), *key)),
            _ => None,
        }
    }
}

fn queue<'a>(world: &'a mut World, of: &Of) -> Option<&'a mut crate::queue::Queue> {
    match of {
        Of::Work(kind) => world.broker.work.get_mut(kind),
        Of::Outcomes => Some(&mut world.broker.outcomes),
    }
}

/// Stores what was checked, and repeats what is to be repeated; the sequence of the last one.
fn store(sim: &Rc<Sim>, world: &mut World, by: usize, puts: &[Put], now: Millis) -> u64 {
    let before: Vec<_> = puts.iter().map(|put| world.broker.last(&put.subject).cloned()).collect();
    let stored = world.broker.store_all(puts);
    let last = stored.last().map_or(0, |last| last.seq);
    for (stored, before) in stored.into_iter().zip(before) {
        world.note(now, || format!("stored by {by}: {}", told(&stored)));
        if let Body::Gate(gate) = &stored.body {
            cast(sim, world, stored.seq, gate);
        }
        if let Body::Told(_) = &stored.body {
            feed(sim, world, &stored);
        }
        world.fact(Fact::Stored { stored, before, by });
    }
    last
}

/// Repeats a gate message to every process, which may lose it.
fn cast(sim: &Rc<Sim>, world: &mut World, seq: u64, gate: &Rc<Gate>) {
    let (slow, lost, now) = (world.faults.slow, world.faults.lose_casts, sim.now());
    for (id, process) in world.processes.iter().enumerate() {
        let Some(hear) = process.casts.clone().filter(|_| process.alive) else { continue };
        if sim.chance(lost) || now < process.cut_until {
            continue;
        }
        let gate = gate.clone();
        sim.after(sim.draw(1..slow), move |sim| hear_when_awake(sim, id, seq, gate, hear));
    }
}

/// A frozen process hears it when it thaws.
fn hear_when_awake(sim: &Rc<Sim>, id: usize, seq: u64, gate: Rc<Gate>, hear: crate::process::Cast) {
    let (alive, frozen) = {
        let world = sim.world.borrow();
        (world.processes[id].alive, world.processes[id].frozen)
    };
    if frozen && alive {
        sim.after(500, move |sim| hear_when_awake(sim, id, seq, gate, hear));
    } else if alive {
        hear(seq, &gate);
    }
}

fn feed(sim: &Rc<Sim>, world: &World, stored: &Stored) {
    for (id, process) in world.processes.iter().enumerate() {
        let Some(hear) = process.feed.clone().filter(|_| process.alive) else { continue };
        let stored = stored.clone();
        sim.after(sim.draw(1..world.faults.slow), move |sim| {
            if sim.world.borrow().processes[id].alive {
                hear(&stored);
            }
        });
    }
}

/// Hands out what may be delivered, and comes back when more may be.
fn pump(sim: &Rc<Sim>) {
    let mut world = sim.world.borrow_mut();
    let world = &mut *world;
    let now = sim.now();
    let queues = world.broker.work.values_mut().chain([&mut world.broker.outcomes]);
    let mut handed = Vec::new();
    for queue in queues {
        queue.waiting.retain(|waiting| now <= waiting.until && waiting.filler.awaited());
        while !queue.waiting.is_empty()
            && let Some(delivered) = queue.deliver(now)
            && let Some(waiting) = queue.waiting.pop_front()
        {
            handed.push((waiting, delivered));
        }
        if queue.look_at.is_some_and(|at| at <= now) {
            queue.look_at = None;
        }
        let due = queue.next_due().filter(|_| !queue.waiting.is_empty() && !queue.paused);
        if let Some(due) = due.map(|due| due.max(now + 1))
            && queue.look_at.is_none_or(|at| due < at)
        {
            queue.look_at = Some(due);
            sim.after(due - now, pump);
        }
    }
    for (waiting, delivered) in handed {
        let cut = world.processes.get(waiting.process).is_some_and(|it| now < it.cut_until);
        if cut || sim.chance(world.faults.mute) {
            continue;
        }
        let back = sim.draw(1..world.faults.slow);
        sim.after(back, move |_| waiting.filler.fill(delivered));
    }
}

fn told(stored: &Stored) -> String {
    format!("{:?} {} {}", stored.subject, stored.seq, crate::shown::body(&stored.body))
}

impl P {
    /// Whether a fence is carried by what this process creates; a mutant drops it.
    pub(crate) fn fence(&self, token: u64, mutant: Mutant) -> crate::words::Expect {
        if self.mutated(mutant) {
            crate::words::Expect::Nothing
        } else {
            crate::words::Expect::Fence(token)
        }
    }
}
