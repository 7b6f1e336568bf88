//! The payers of the model: they do what [`Standing::next`] says, step by step, and crash.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    Cause, Key, Letter, Outcome, Payment, PaymentStage as Stage, Rejection, Sats, Signed, Spending,
    Timestamp, Wallet,
};
use logic::{
    classify::Answer,
    payment::{Leave, Limits, Mode, Order, Purse, Save, Session, Standing, Step, carry_on, plan},
};

use crate::{
    sabotage::Sabotage,
    store::Store,
    world::{World, key, payee},
};

pub const LIMITS: Limits = Limits {
    amount_max: Sats::new(1_000),
    in_flight: 8,
    unconfirmed_after: Duration::from_secs(120),
    unresolved_after: Duration::from_secs(600),
    ask_every: Duration::from_secs(30),
    patience: Duration::from_secs(4),
    poll_every: Duration::from_secs(2),
};

/// One request under way in one process.
#[derive(Debug)]
pub struct Payer {
    /// Still to be worked, the request's own payee last.
    queue: Vec<(usize, bool)>,
    asking: bool,
    job: Option<Job>,
    pub last: BTreeMap<usize, Outcome>,
}

#[derive(Debug)]
struct Job {
    at: usize,
    session: Session,
    payment: Option<Payment>,
    payment_seq: u64,
    wallet: (Wallet, u64),
    spending: (Spending, u64),
    /// Steps since leave was granted.
    granted: Option<u32>,
}

impl Payer {
    pub fn new() -> Self {
        Payer { queue: Vec::new(), asking: false, job: None, last: BTreeMap::new() }
    }

    pub fn idle(&self) -> bool {
        self.job.is_none() && self.queue.is_empty()
    }

    pub fn crash(&mut self) {
        self.job = None;
        self.queue.clear();
    }

    pub fn request(&mut self, at: usize, store: &Store) {
        if self.idle() {
            let order = plan(&store.wallet.0, key(at));
            self.queue = order.iter().map(|k| (index(*k), *k == key(at))).collect();
            self.asking = false;
        }
    }

    /// The background's round over everything unfinished.
    pub fn ask(&mut self, store: &Store) {
        if self.idle() {
            let unfinished = store.wallet.0.unfinished.iter();
            let unfinished = unfinished.filter(|holder| holder.settled.is_none());
            self.queue = unfinished.map(|holder| (index(holder.payment), false)).collect();
            self.asking = true;
        }
    }

    /// One step. `Err` is a broken promise.
    pub fn step(
        &mut self,
        world: &mut World,
        store: &mut Store,
        dice: u8,
        sabotage: Sabotage,
    ) -> Result<(), String> {
        if self.job.is_none() {
            if self.queue.is_empty() {
                return Ok(());
            }
            let (at, own) = self.queue.remove(0);
            let mode = match (self.asking, own) {
                (true, _) => Mode::Ask,
                (false, true) => Mode::Pay(Box::new(order(at))),
                (false, false) => Mode::Finish,
            };
            self.job = Some(Job::take(at, mode, world.now, store));
        }
        let Some(mut job) = self.job.take() else { return Ok(()) };
        let standing = Standing {
            payment: job.payment.as_ref(),
            wallet: &job.wallet.0,
            session: &job.session,
            limits: &LIMITS,
            purse: Some(Purse { spending: &job.spending.0, budget: store.budget }),
            me: "payer",
            posting: !world.healed && 200 < dice,
            now: world.now,
        };
        let step = standing.next();
        job.granted = job.granted.map(|steps| steps + 1);
        if let Step::Answer { outcome, then } = step {
            if let Some(then) = then {
                let save = Save { payment: *then, wallet: None, contact: false, spending: None };
                store.save(&save, job.payment_seq, job.wallet.1, 0);
            }
            self.end(&job, outcome);
            return Ok(());
        }
        if job.perform(step, world, store, dice, sabotage)? {
            self.job = Some(job);
        }
        Ok(())
    }

    fn end(&mut self, job: &Job, outcome: Outcome) {
        if let (Some(payment), false) = (&job.payment, self.queue.is_empty())
            && !self.asking
            && let Err(instead) = carry_on(payment, &outcome)
        {
            if let Some((own, _)) = self.queue.last() {
                self.last.insert(*own, instead);
            }
            self.queue.clear();
        }
        self.last.insert(job.at, outcome);
    }
}

impl Job {
    fn take(at: usize, mode: Mode, now: Timestamp, store: &Store) -> Self {
        let stored = store.payments.get(&key(at)).cloned();
        let payment_seq = stored.as_ref().map_or(0, |(_, seq)| *seq);
        let payment = stored.map(|(payment, _)| payment);
        let (session, wallet) = (Session::new(mode, now), store.wallet.clone());
        let spending = store.spending.clone();
        Job { at, session, payment, payment_seq, wallet, spending, granted: None }
    }

    /// `false`: the records moved under it; the job is dropped.
    fn perform(
        &mut self,
        step: Step,
        world: &mut World,
        store: &mut Store,
        dice: u8,
        sabotage: Sabotage,
    ) -> Result<bool, String> {
        let session = &mut self.session;
        match step {
            Step::Probe => {
                let (answer, amount) = world.probe();
                session.on_probe(answer, amount);
            }
            Step::AskInbox => session.on_inbox(world.inbox(self.at)),
            Step::CheckLeave { sent } => {
                let leave = leave(self.at, sent, world, store, sabotage);
                let truly = self::leave(self.at, sent, world, store, Sabotage::None);
                self.granted = (truly == Leave::Granted).then_some(0);
                session.on_leave(leave);
            }
            Step::AskWallet => self.ask_wallet(world, store, dice),
            Step::Sign { nonce, amount } => {
                session.on_signed(sign(nonce, self.at, amount, &mut store.signatures));
            }
            Step::Save(save) => return self.save(&save, world, store, dice, sabotage),
            Step::Post => {
                needs_leave(self.at, self.granted, "post", 2)?;
                let signed = self.payment.as_ref().and_then(Payment::signed).unwrap();
                let answer = world.post(self.at, signed, dice);
                session.on_post(answer.clone());
                if sabotage == Sabotage::TimeoutIsFailure && silent(&answer) {
                    return Ok(self.reject(store));
                }
            }
            Step::Poll { payment_id } => {
                let answer = world.poll(self.at, &payment_id, dice);
                session.on_poll(answer.clone());
                if sabotage == Sabotage::RelayFailedIsProof && matches!(answer, Answer::Disowned(_))
                {
                    return Ok(self.reject(store));
                }
            }
            Step::AskRelay { payment_id } => {
                session.on_relay(world.poll(self.at, &payment_id, dice));
            }
            Step::AskChain { nonce } => session.on_chain(world.ask_chain(self.at, nonce, dice)),
            Step::Redeem { .. } => {
                needs_leave(self.at, self.granted, "redeem", 1)?;
                self.session.on_redeem(world.redeem(self.at));
            }
            Step::Wait { time } => {
                world.now = world.now.after(time);
                session.on_wake();
            }
            Step::Answer { .. } => (),
        }
        Ok(true)
    }

    fn save(
        &mut self,
        save: &Save,
        world: &mut World,
        store: &mut Store,
        dice: u8,
        sabotage: Sabotage,
    ) -> Result<bool, String> {
        let mut save = save.clone();
        let in_doubt = matches!(save.payment.stage, Stage::Unknown(..));
        match (sabotage, &save.payment.stage) {
            (Sabotage::SendBeforeSave, Stage::Signed(signed)) => {
                world.post(self.at, signed, 255);
            }
            (Sabotage::SignAgain, _) if in_doubt => save.payment.stage = Stage::Intent,
            (Sabotage::LendNonce, Stage::Unknown(signed, ..)) => {
                let mut wallet = self.wallet.0.clone();
                wallet.next = signed.nonce;
                wallet.unfinished.retain(|holder| holder.payment != key(self.at));
                save.wallet = Some(wallet);
            }
            _ => (),
        }
        if save.payment.stage == Stage::Intent && !in_doubt {
            needs_leave(self.at, self.granted, "intent", 1)?;
        }
        if sabotage == Sabotage::BlindSpending {
            self.spending.1 = store.spending.1;
        }
        sabotage.miscount(&mut save, &self.spending.0, world.now);
        let reserving = matches!(save.payment.stage, Stage::Signed(_)).then_some(store.budget);
        if !store.save(&save, self.payment_seq, self.wallet.1, self.spending.1) {
            // Another payment may have moved the wallet; that alone does not end the session.
            let stored = store.payments.get(&key(self.at)).map_or(0, |(_, seq)| *seq);
            self.wallet = store.wallet.clone();
            self.spending = store.spending.clone();
            self.session.on_refused();
            return Ok(stored == self.payment_seq);
        }
        if let Some(budget) = reserving {
            crate::promises::reserves_within_budget(&store.spending.0, &budget)?;
        }
        crate::promises::saves_truthfully(self.payment.as_ref(), &save.payment, self.at, world)?;
        self.session.on_saved(&save);
        self.payment_seq += 1;
        if let Some(wallet) = save.wallet {
            self.wallet = (wallet, self.wallet.1 + 1);
        }
        if let Some(spending) = save.spending {
            self.spending = (spending, self.spending.1 + 1);
        }
        self.payment = Some(save.payment);
        // It may be stored although whoever stored it never hears so: then it starts anew.
        Ok(world.healed || !dice.is_multiple_of(16))
    }

    /// The world first, then our record.
    fn ask_wallet(&mut self, world: &World, store: &Store, dice: u8) {
        let facts = world.wallet_facts(dice);
        self.wallet = store.wallet.clone();
        self.session.on_wallet(facts);
    }

    /// A shell that draws the wrong conclusion.
    fn reject(&mut self, store: &mut Store) -> bool {
        let mut payment = self.payment.clone().unwrap();
        let why = "a shell that was mistaken".to_owned();
        payment.stage = Stage::Rejected(payment.signed().cloned(), Rejection::Unsent { why });
        let mut wallet = store.wallet.0.clone();
        wallet.unfinished.retain(|holder| holder.payment != key(self.at));
        let save = Save { payment, wallet: Some(wallet), contact: false, spending: None };
        store.save(&save, self.payment_seq, store.wallet.1, 0);
        false
    }
}

fn leave(at: usize, sent: bool, world: &World, store: &Store, sabotage: Sabotage) -> Leave {
    if sabotage == Sabotage::NoLeave {
        return Leave::Granted;
    }
    if store.contacts.contains(&key(at)) {
        return Leave::Never { why: "contact".to_owned() };
    }
    if !sent && world.withdrawn.contains(&at) {
        return Leave::Never { why: "withdrawn".to_owned() };
    }
    if !store.gate_open {
        return Leave::NotYet { gate: None, why: "closed".to_owned() };
    }
    Leave::Granted
}

fn needs_leave(at: usize, granted: Option<u32>, what: &str, steps: u32) -> Result<(), String> {
    match granted {
        Some(since) if since <= steps => Ok(()),
        _ => Err(format!("{what} to payee {at} without leave")),
    }
}

fn silent(answer: &Answer) -> bool {
    let unavailable = Cause::known("inbox.unavailable");
    matches!(answer, Answer::Failure(failure) if failure.cause == unavailable)
}

/// Never the same bytes twice, as if a clock or a random number went into them.
fn sign(nonce: u64, at: usize, amount: Sats, signatures: &mut u64) -> Signed {
    *signatures += 1;
    let text = format!("{nonce}/{at}/{amount}/{signatures}");
    let (payment_id, header) = (format!("pay_{text}"), text.clone());
    Signed { nonce, bytes: text.clone().into_bytes(), txid: text, payment_id, header }
}

fn order(at: usize) -> Order {
    let to = payee(at);
    Order {
        purpose: "welcome".to_owned(),
        source_key: format!("welcome/{}", to.address).parse().unwrap(),
        wallet: "SPUS".to_owned(),
        letter: Letter {
            to_btc: format!("bc1{at}"),
            to_stx: to.address.clone(),
            content: "welcome".to_owned(),
        },
        payee: to,
    }
}

fn index(wanted: Key) -> usize {
    (0..crate::PAYEES + 1).find(|at| key(*at) == wanted).unwrap()
}
