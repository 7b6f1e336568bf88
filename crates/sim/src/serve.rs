//! Questions from one service to another: heard by one of those who serve, or by nobody.

use std::{cell::RefCell, rc::Rc, time::Duration};

use crate::{
    process::P,
    wait::{Bell, Either, Slot, first},
    world::{Ask, Ear, Question, Reply, Role},
};

impl P {
    /// Asks a service. `Err(true)`: nobody serves, nothing was delivered; `Err(false)`: no
    /// answer came, and what was done is unknown.
    pub(crate) async fn question(
        &self,
        role: Role,
        ask: Ask,
        timeout: Duration,
    ) -> Result<Reply, bool> {
        let slot = Slot::new();
        let filler = slot.filler();
        let (slow, lose, mute, cut) = {
            let world = self.sim.world.borrow();
            let cut = self.sim.now() < world.processes[self.id].cut_until;
            (world.faults.slow, world.faults.lose, world.faults.mute, cut)
        };
        let nobody = Slot::new();
        let absent = nobody.filler();
        if !cut && !self.sim.chance(lose) {
            let muted = self.sim.chance(mute);
            self.sim.after(self.sim.draw(1..slow), move |sim| {
                let now = sim.now();
                let ears: Vec<Ear> = {
                    let world = sim.world.borrow();
                    let here = |ear: &&Ear| {
                        let process = &world.processes[ear.process];
                        process.alive && process.cut_until <= now
                    };
                    world.served.get(&role).into_iter().flatten().filter(here).cloned().collect()
                };
                if ears.is_empty() {
                    sim.after(1, move |_| absent.fill(()));
                    return;
                }
                let count = u64::try_from(ears.len()).unwrap_or(1);
                let drawn = usize::try_from(sim.draw(0..count)).unwrap_or(0);
                let answer = if muted { Slot::new().filler() } else { filler };
                ears[drawn].questions.borrow_mut().push(Question { ask, answer });
                ears[drawn].bell.ring();
            });
        }
        match first(first(slot, nobody), self.sleep(timeout)).await {
            Either::A(Either::A(reply)) => Ok(reply),
            Either::A(Either::B(())) => Err(true),
            Either::B(()) => Err(false),
        }
    }

    /// Serves a role: questions to it may come here from now on.
    pub(crate) fn serve(&self, role: Role) -> Ear {
        let questions: Rc<RefCell<Vec<Question>>> = Rc::default();
        let ear = Ear { process: self.id, questions, bell: Bell::default() };
        self.sim.world.borrow_mut().served.entry(role).or_default().push(ear.clone());
        ear
    }

    /// Sends an answer back, which may get lost.
    pub(crate) fn reply(&self, question: &Question, reply: Reply) {
        let (slow, mute, cut) = {
            let world = self.sim.world.borrow();
            let cut = self.sim.now() < world.processes[self.id].cut_until;
            (world.faults.slow, world.faults.mute, cut)
        };
        if cut || self.sim.chance(mute) {
            return;
        }
        let answer = question.answer.clone();
        self.sim.after(self.sim.draw(1..slow), move |_| answer.fill(reply));
    }
}

impl Ear {
    /// The next question.
    pub(crate) async fn next(&self, seen: &mut u64) -> Question {
        loop {
            let next = {
                let mut questions = self.questions.borrow_mut();
                if questions.is_empty() { None } else { Some(questions.remove(0)) }
            };
            match next {
                Some(question) => return question,
                None => self.bell.rung(seen).await,
            }
        }
    }
}
