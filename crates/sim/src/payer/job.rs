//! One session with one payment: does what the machine says, and reports back.

use std::rc::Rc;

use domain::{
    Budget, Outcome, Payment, PaymentStage as Stage, Rejection, Sats, Signed, Spending, Timestamp,
    Wallet,
};
use logic::{
    classify::Answer,
    payment::{InboxWord, Leave, Purse, Save, Session, Standing, Step},
};

use super::{
    ASK_WITHIN, Desk, POST_WITHIN,
    leave::{Matter, leave},
    ledger::Saved,
};
use crate::{
    exec::Millis,
    mutant::Mutant,
    outside::{Outside, failure, silent_chain},
    setting::{LIMITS, payment_key, welcome},
    wait::{Either, Slot, first},
    witness::Fact,
    words::{Silent, Versioned},
    world::{Role, Run},
};

/// How a session ended.
pub(super) enum Worked {
    Ended {
        outcome: Outcome,
        payment: Option<Rc<Payment>>,
        later: Option<Box<Later>>,
    },
    /// Somebody else wrote the payment meanwhile.
    Moved,
}

/// To be written once the answer has left.
pub(super) struct Later {
    save: Save,
    payment_seq: u64,
}

impl Later {
    pub(super) async fn write(&self, desk: &Desk) {
        // Not written: it is told once more.
        let _ = desk.save(&self.save, self.payment_seq, 0).await;
    }
}

/// A payment in the hands of one process.
pub(super) struct Job {
    pub(super) desk: Rc<Desk>,
    pub(super) run: Option<Rc<Run>>,
    pub(super) session: Session,
    pub(super) payment: Option<Versioned<Payment>>,
    pub(super) wallet: Versioned<Wallet>,
    /// Whom it pays.
    pub(super) number: u64,
}

impl Job {
    pub(super) async fn work(mut self) -> Result<Worked, Silent> {
        loop {
            let step = self.next();
            self.desk.p.note(|| format!("payment {}: {step:?}", self.number));
            match step {
                Step::Answer { outcome, then } => return Ok(self.ended(outcome, then)),
                Step::Save(save) => {
                    if !self.save(*save).await? {
                        return Ok(Worked::Moved);
                    }
                }
                step => self.perform(step).await?,
            }
        }
    }

    fn ended(self, outcome: Outcome, then: Option<Box<Payment>>) -> Worked {
        let payment_seq = self.payment.as_ref().map_or(0, |kept| kept.seq);
        let later = then.map(|then| {
            let save = Save { payment: *then, wallet: None, contact: false, spending: None };
            Box::new(Later { save, payment_seq })
        });
        Worked::Ended { outcome, payment: self.payment.map(|kept| kept.value), later }
    }

    fn next(&self) -> Step {
        let (now, me) = (self.desk.p.now(), self.desk.p.me());
        let payment = self.payment.as_ref().map(|kept| &*kept.value);
        // Budgets are not modelled here: each session begins with nothing spent.
        let spending = Spending::new(welcome());
        Standing {
            payment,
            wallet: &self.wallet.value,
            session: &self.session,
            limits: &LIMITS,
            purse: Some(Purse { spending: &spending, budget: Budget::default() }),
            me: me.as_str(),
            posting: payment.is_some_and(|payment| self.posting(payment, me.as_str(), now)),
            now,
        }
        .next()
    }

    /// Whether another living payer may be posting just now, by its beats.
    fn posting(&self, payment: &Payment, me: &str, now: Timestamp) -> bool {
        let Stage::Sent(_, sent) = &payment.stage else { return false };
        let recent = now.since(sent.last) <= std::time::Duration::from_millis(POST_WITHIN);
        if sent.by == me || !recent {
            return false;
        }
        let world = self.desk.p.sim.world.borrow();
        let living = world.alive(Role::Payer);
        living.into_iter().any(|id| world.processes[id].me.as_str() == sent.by)
    }

    /// `false`: the payment itself was written by somebody else.
    async fn save(&mut self, save: Save) -> Result<bool, Silent> {
        let save = self.as_mutated(save).await;
        let seq = self.payment.as_ref().map_or(0, |kept| kept.seq);
        let saved = self.desk.save(&save, seq, self.wallet.seq).await?;
        let Saved::Stored { payment_seq, wallet_seq } = saved else {
            return self.read_wallet_again(seq).await;
        };
        self.session.on_saved(&save);
        self.payment = Some(Versioned { value: Rc::new(save.payment), seq: payment_seq });
        self.wallet.seq = wallet_seq;
        if let Some(wallet) = save.wallet {
            self.wallet.value = Rc::new(wallet);
        }
        Ok(true)
    }

    async fn read_wallet_again(&mut self, seq: u64) -> Result<bool, Silent> {
        let Some(wallet) = self.desk.wallet().await? else { return Ok(false) };
        let Some(key) = self.payment.as_ref().map(|kept| kept.value.key()) else {
            return Ok(false);
        };
        self.wallet = wallet;
        self.session.on_refused();
        Ok(self.desk.payment(key).await?.map_or(0, |kept| kept.seq) == seq)
    }

    async fn perform(&mut self, step: Step) -> Result<(), Silent> {
        let number = self.number;
        let lost = || failure("inbox.unavailable", true);
        match step {
            Step::Probe => {
                let asked = self.desk.ask_outside(|outside, _| outside.probe()).await;
                let unavailable = || failure("inbox.unavailable", false);
                let (answer, amount) =
                    asked.unwrap_or_else(|| (Answer::Failure(unavailable()), None));
                self.session.on_probe(answer, amount);
            }
            Step::AskInbox => {
                let word = self.desk.ask_outside(move |outside, _| outside.inbox(number)).await;
                let silent = || failure("inbox.unavailable", false);
                self.session
                    .on_inbox(word.unwrap_or_else(|| InboxWord::Silent { failure: silent() }));
            }
            Step::CheckLeave { sent } => {
                let leave = self.leave(sent).await;
                self.session.on_leave(leave);
            }
            Step::AskWallet => self.ask_wallet().await?,
            Step::Sign { nonce, amount } => self.session.on_signed(self.sign(nonce, amount)),
            Step::Post => self.post().await,
            Step::Poll { payment_id } => {
                let answer = self.poll(payment_id).await;
                self.session.on_poll(answer.unwrap_or_else(|| Answer::Failure(lost())));
            }
            Step::AskRelay { payment_id } => {
                let answer = self.poll(payment_id).await;
                self.session.on_relay(answer.unwrap_or_else(|| Answer::Failure(lost())));
            }
            Step::AskChain { nonce } => {
                let ask = move |outside: &mut Outside, dice| outside.ask_chain(number, nonce, dice);
                let word = self.desk.ask_outside(ask).await;
                self.session.on_chain(word.unwrap_or_else(|| silent_chain(nonce)));
            }
            Step::Redeem { .. } => {
                let answer = self.desk.ask_outside(move |outside, _| outside.redeem(number)).await;
                self.session.on_redeem(answer.unwrap_or_else(|| Answer::Failure(lost())));
            }
            Step::Wait { time } => {
                self.desk.p.sleep(time).await;
                self.session.on_wake();
            }
            Step::Save(_) | Step::Answer { .. } => (),
        }
        Ok(())
    }

    async fn poll(&self, id: String) -> Option<Answer> {
        let number = self.number;
        self.desk.ask_outside(move |outside, dice| outside.poll(number, &id, dice)).await
    }

    async fn post(&mut self) {
        let Some(signed) = self.payment.as_ref().and_then(|kept| kept.value.signed().cloned())
        else {
            return;
        };
        let answer = self.desk.post(self.number, signed).await;
        self.session.on_post(answer);
    }

    async fn ask_wallet(&mut self) -> Result<(), Silent> {
        let facts = self.desk.ask_outside(|outside, dice| outside.wallet_facts(dice)).await;
        if let Some(wallet) = self.desk.wallet().await? {
            self.wallet = wallet;
        }
        self.session.on_wallet(facts.unwrap_or_else(|| Err("no answer".to_owned())));
        Ok(())
    }

    async fn leave(&self, sent: bool) -> Leave {
        let Some(run) = &self.run else {
            return Leave::NotYet { gate: None, why: "nobody asked for it".to_owned() };
        };
        let (payment, source_key) = match (&self.payment, self.session.order()) {
            (Some(kept), Some(order)) => (kept.value.key(), &order.source_key),
            (Some(kept), None) => (kept.value.key(), &kept.value.source_key),
            (None, Some(order)) => (order.payee.key(&order.purpose), &order.source_key),
            (None, None) => {
                return Leave::NotYet { gate: None, why: "there is no payment".to_owned() };
            }
        };
        leave(&self.desk, run, Matter { payment, source_key, sent }).await
    }

    /// Never the same bytes twice, as if a clock or a random number went into them.
    fn sign(&self, nonce: u64, amount: Sats) -> Signed {
        let text =
            format!("{nonce}/{}/{amount}/{}", self.number, self.desk.p.sim.draw(0..u64::MAX));
        let (payment_id, header) = (format!("pay_{text}"), text.clone());
        Signed { nonce, bytes: text.clone().into_bytes(), txid: text, payment_id, header }
    }

    /// The save as a payer writes it that is wrong in one way.
    async fn as_mutated(&self, mut save: Save) -> Save {
        let p = &self.desk.p;
        match save.payment.stage.clone() {
            Stage::Signed(signed) if p.mutated(Mutant::SendBeforeSave) => {
                self.desk.post(self.number, signed).await;
            }
            Stage::Unknown(signed, ..) if p.mutated(Mutant::NonceLent) => {
                let mut wallet = Wallet::clone(&self.wallet.value);
                wallet.next = signed.nonce;
                wallet.unfinished.retain(|holder| holder.payment != payment_key(self.number));
                save.wallet = Some(wallet);
            }
            Stage::Unknown(signed, ..) if p.mutated(Mutant::UnknownIsFailed) => {
                let why = "no answer".to_owned();
                save.payment.stage = Stage::Rejected(Some(signed), Rejection::Unsent { why });
                let mut wallet = Wallet::clone(&self.wallet.value);
                wallet.unfinished.retain(|holder| holder.payment != payment_key(self.number));
                save.wallet = Some(wallet);
            }
            _ => (),
        }
        save
    }
}

impl Desk {
    /// Sends the bytes, and waits for the answer.
    async fn post(&self, number: u64, signed: Signed) -> Answer {
        {
            let mut world = self.p.sim.world.borrow_mut();
            let fact = Fact::Left { by: self.p.id, payee: number, signed: signed.clone() };
            world.fact(fact);
            world.count("posts");
        }
        let posted =
            self.out(POST_WITHIN, true, move |outside, dice| outside.post(number, &signed, dice));
        posted.await.unwrap_or_else(|| {
            self.p.count("posts without an answer");
            Answer::Failure(failure("inbox.unavailable", true))
        })
    }

    pub(super) async fn ask_outside<T: 'static>(
        &self,
        ask: impl FnOnce(&mut Outside, u8) -> T + 'static,
    ) -> Option<T> {
        self.out(ASK_WITHIN, false, ask).await
    }

    /// Asks the world outside; `None` when no answer comes. A post may come there late.
    async fn out<T: 'static>(
        &self,
        within: Millis,
        late: bool,
        ask: impl FnOnce(&mut Outside, u8) -> T + 'static,
    ) -> Option<T> {
        let sim = &self.p.sim;
        let (faults, cut) = {
            let world = sim.world.borrow();
            (world.faults, sim.now() < world.processes[self.p.id].cut_until)
        };
        let slot = Slot::new();
        let filler = slot.filler();
        let is_late = late && sim.chance(faults.late);
        let there = if is_late { sim.draw(2_000..30_000) } else { sim.draw(5..80) };
        let muted = sim.chance(faults.mute);
        if !cut && !sim.chance(faults.lose) {
            sim.after(there, move |sim| {
                let dice = u8::try_from(sim.draw(0..256)).unwrap_or(255);
                let answer = ask(&mut sim.world.borrow_mut().outside, dice);
                if !muted && filler.awaited() {
                    sim.after(sim.draw(5..80), move |_| filler.fill(answer));
                }
            });
        }
        match first(slot, self.p.sleep_ms(within)).await {
            Either::A(answer) => Some(answer),
            Either::B(()) => None,
        }
    }
}
