//! One payment, told step by step.

use std::time::Duration;

use domain::{Budget, Letter, Outcome, Payment, Sats, Signed, Spending, Timestamp, Wallet};
use logic::{
    classify::Answer,
    payment::{
        ChainWord, InboxWord, Leave, Mode, Order, Purse, Session, Standing, Step, WalletFacts,
    },
};

use crate::{
    payer::LIMITS,
    world::{failure, payee},
};

/// One payment with a world that says what the test tells it to say.
pub struct Story {
    pub payment: Option<Payment>,
    pub wallet: Wallet,
    pub spending: Spending,
    pub budget: Budget,
    pub now: Timestamp,
    pub post: Answer,
    pub redeem: Answer,
    pub poll: Answer,
    pub chain: ChainWord,
    pub world: WalletFacts,
    pub leave: Leave,
    pub listed: bool,
    pub told: Vec<String>,
}

impl Story {
    pub fn new() -> Self {
        Story {
            payment: None,
            wallet: Wallet {
                address: "SPUS".to_owned(),
                next: 7,
                unfinished: Vec::new(),
                holes: Vec::new(),
                spent: 0,
            },
            spending: Spending::new("welcome".parse().unwrap()),
            budget: Budget::default(),
            world: WalletFacts {
                chain_next: 7,
                mempool: Vec::new(),
                balance: Some(Sats::new(10_000)),
            },
            now: Timestamp::from_millis(0),
            post: Answer::Failure(failure("relay.nonce-conflict", true)),
            redeem: Answer::Delivered { message: Some("msg_1".to_owned()), txid: None },
            poll: staged(),
            chain: ChainWord::Unspent { in_mempool: false },
            leave: Leave::Granted,
            listed: false,
            told: Vec::new(),
        }
    }

    /// One session to its answer; the steps are told in words.
    pub fn request(&mut self) -> Outcome {
        let order = order(&self.wallet.address);
        self.order(order)
    }

    pub fn order(&mut self, order: Order) -> Outcome {
        self.session(Session::new(Mode::Pay(Box::new(order)), self.now))
    }

    pub fn session(&mut self, mut session: Session) -> Outcome {
        self.told.clear();
        loop {
            if let Some(outcome) = self.step(&mut session) {
                return outcome;
            }
        }
    }

    /// One step; the answer, if it is that.
    pub fn step(&mut self, session: &mut Session) -> Option<Outcome> {
        let standing = Standing {
            payment: self.payment.as_ref(),
            wallet: &self.wallet,
            session,
            limits: &LIMITS,
            purse: Some(Purse { spending: &self.spending, budget: self.budget }),
            me: "payer",
            posting: false,
            now: self.now,
        };
        match standing.next() {
            Step::Answer { outcome, then } => {
                self.payment = then.map(|then| *then).or(self.payment.take());
                Some(outcome)
            }
            step => {
                self.perform(step, session);
                None
            }
        }
    }

    pub fn perform(&mut self, step: Step, session: &mut Session) {
        match step {
            Step::Probe => session.on_probe(Answer::PaymentRequired, Some(Sats::new(100))),
            Step::AskInbox if self.listed => {
                let message = "msg_1".to_owned();
                session.on_inbox(InboxWord::Found { message, txid: None, same: true });
            }
            Step::AskInbox => session.on_inbox(InboxWord::Absent),
            Step::CheckLeave { .. } => session.on_leave(self.leave.clone()),
            Step::AskWallet => session.on_wallet(Ok(self.world.clone())),
            Step::Sign { nonce, .. } => {
                self.told.push(format!("sign {nonce}"));
                session.on_signed(Signed {
                    nonce,
                    bytes: vec![1],
                    txid: "t".to_owned(),
                    payment_id: "pay_ours".to_owned(),
                    header: "h".to_owned(),
                });
            }
            Step::Save(save) => {
                self.told.push(save.payment.word().to_owned());
                session.on_saved(&save);
                self.wallet = save.wallet.clone().unwrap_or(self.wallet.clone());
                self.spending = save.spending.clone().unwrap_or(self.spending.clone());
                self.payment = Some(save.payment);
            }
            Step::Post => {
                self.told.push("post".to_owned());
                session.on_post(self.post.clone());
            }
            Step::Poll { .. } => session.on_poll(self.poll.clone()),
            Step::AskRelay { .. } => session.on_relay(self.poll.clone()),
            Step::AskChain { .. } => session.on_chain(self.chain.clone()),
            Step::Redeem { .. } => {
                self.told.push("redeem".to_owned());
                session.on_redeem(self.redeem.clone());
            }
            Step::Wait { time } => {
                self.now = self.now.after(time);
                session.on_wake();
            }
            Step::Answer { .. } => (),
        }
    }

    pub fn later(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }
}

pub fn order(wallet: &str) -> Order {
    let to = payee(1);
    let letter = Letter {
        to_btc: "bc1".to_owned(),
        to_stx: to.address.clone(),
        content: "welcome".to_owned(),
    };
    Order {
        purpose: "welcome".to_owned(),
        source_key: "welcome/SP1".parse().unwrap(),
        wallet: wallet.to_owned(),
        letter,
        payee: to,
    }
}

pub fn staged() -> Answer {
    Answer::Staged { payment_id: "pay_1".to_owned(), check_url: None }
}

#[track_caller]
pub fn check(outcome: &Outcome, expected: &str) {
    let told = match outcome {
        Outcome::Completed { .. } => "completed".to_owned(),
        Outcome::Failed { cause, .. } => format!("failed {cause}"),
        Outcome::Unknown { cause, .. } => format!("unknown {cause}"),
        Outcome::Held { .. } => "held".to_owned(),
        Outcome::Moot { .. } => "moot".to_owned(),
    };
    assert_eq!(told, expected, "{outcome:?}");
}
