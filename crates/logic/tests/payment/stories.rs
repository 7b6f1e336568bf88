//! Single payments, told step by step: what is asked, in which order, and what is answered.

use std::time::Duration;

use domain::{Letter, Outcome, Payment, Sats, Signed, Timestamp, Wallet};
use logic::{
    classify::Answer,
    payment::{ChainWord, InboxWord, Leave, Mode, Order, Session, Standing, Step},
};

use crate::{
    payer::LIMITS,
    world::{failure, payee},
};

/// One payment with a world that says what the test tells it to say.
struct Story {
    payment: Option<Payment>,
    wallet: Wallet,
    now: Timestamp,
    post: Answer,
    poll: Answer,
    chain: ChainWord,
    leave: Leave,
    listed: bool,
    told: Vec<String>,
}

impl Story {
    fn new() -> Self {
        Story {
            payment: None,
            wallet: Wallet { address: "SPUS".to_owned(), next: 7, unfinished: Vec::new() },
            now: Timestamp::from_millis(0),
            post: Answer::Failure(failure("relay.nonce-conflict", true)),
            poll: staged(),
            chain: ChainWord::Unspent { in_mempool: false },
            leave: Leave::Granted,
            listed: false,
            told: Vec::new(),
        }
    }

    /// One session to its answer; the steps are told in words.
    fn request(&mut self) -> Outcome {
        let to = payee(1);
        let letter = Letter {
            to_btc: "bc1".to_owned(),
            to_stx: to.address.clone(),
            content: "welcome".to_owned(),
        };
        let order = Order {
            purpose: "welcome".to_owned(),
            source_key: "welcome/SP1".parse().unwrap(),
            wallet: "SPUS".to_owned(),
            letter,
            payee: to,
        };
        self.session(Session::new(Mode::Pay(Box::new(order)), self.now))
    }

    fn session(&mut self, mut session: Session) -> Outcome {
        self.told.clear();
        loop {
            let standing = Standing {
                payment: self.payment.as_ref(),
                wallet: &self.wallet,
                session: &session,
                limits: &LIMITS,
                me: "payer",
                posting: false,
                now: self.now,
            };
            match standing.next() {
                Step::Answer { outcome, then } => {
                    self.payment = then.map(|then| *then).or(self.payment.take());
                    return outcome;
                }
                step => self.perform(step, &mut session),
            }
        }
    }

    fn perform(&mut self, step: Step, session: &mut Session) {
        match step {
            Step::Probe => session.on_probe(Answer::PaymentRequired, Some(Sats::new(100))),
            Step::AskInbox if self.listed => {
                let message = "msg_1".to_owned();
                session.on_inbox(InboxWord::Found { message, txid: None, same: true });
            }
            Step::AskInbox => session.on_inbox(InboxWord::Absent),
            Step::CheckLeave { .. } => session.on_leave(self.leave.clone()),
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
                let message = Some("msg_1".to_owned());
                session.on_redeem(Answer::Delivered { message, txid: None });
            }
            Step::Wait { time } => {
                self.now = self.now.after(time);
                session.on_wake();
            }
            Step::Answer { .. } => (),
        }
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }
}

fn staged() -> Answer {
    Answer::Staged { payment_id: "pay_1".to_owned(), check_url: None }
}

#[track_caller]
fn check(outcome: &Outcome, expected: &str) {
    let told = match outcome {
        Outcome::Completed { .. } => "completed".to_owned(),
        Outcome::Failed { cause, .. } => format!("failed {cause}"),
        Outcome::Unknown { cause, .. } => format!("unknown {cause}"),
        Outcome::Held { .. } => "held".to_owned(),
        Outcome::Moot { .. } => "moot".to_owned(),
    };
    assert_eq!(told, expected, "{outcome:?}");
}

/// A conflict fails the attempt for its cause and leaves the payment in doubt; after the gate
/// reopens the same bytes go out once more, with the same nonce.
#[test]
fn a_conflict_is_not_a_rejection() {
    let mut story = Story::new();
    check(&story.request(), "failed relay.nonce-conflict");
    assert_eq!(story.told, ["intent", "sign 7", "signed", "sent", "post", "unknown"]);
    story.post =
        Answer::Delivered { message: Some("msg_1".to_owned()), txid: Some("ab".to_owned()) };
    check(&story.request(), "completed");
    assert_eq!(story.told, ["sent", "post", "settled"]);
    assert!(story.wallet.unfinished.is_empty() && story.wallet.next == 8);
    check(&story.request(), "completed");
    assert!(story.told.is_empty());
}

/// While the gate is closed a payment in doubt is asked about and not sent.
#[test]
fn asks_and_does_not_send_while_closed() {
    let mut story = Story::new();
    story.request();
    story.leave = Leave::NotYet { gate: None, why: "closed".to_owned() };
    check(&story.request(), "held");
    assert!(story.told.is_empty());
    story.listed = true;
    let session = Session::new(Mode::Ask, story.now);
    check(&story.session(session), "completed");
}

/// Paid after all, by the chain's word: the message is fetched for the transfer, no second
/// payment is made.
#[test]
fn redeems_what_the_chain_has() {
    let mut story = Story::new();
    story.post = Answer::Failure(failure("inbox.unavailable", true));
    check(&story.request(), "failed inbox.unavailable");
    story.chain = ChainWord::Settled { txid: "cd".to_owned() };
    check(&story.request(), "completed");
    assert_eq!(story.told, ["redeem", "settled"]);
}

/// Accepted and never confirmed: pending, then told once as the relay's failure, and then
/// pending again; it is never posted again.
#[test]
fn tells_once_of_what_stays_unconfirmed() {
    let mut story = Story::new();
    story.post = staged();
    check(&story.request(), "unknown relay.pending");
    story.later(60);
    check(&story.request(), "unknown relay.pending");
    story.later(60);
    check(&story.request(), "failed relay.unconfirmed");
    check(&story.request(), "unknown relay.pending");
    assert!(story.told.is_empty());
    story.poll = Answer::Confirmed { txid: None };
    story.listed = true;
    check(&story.request(), "completed");
}

/// A silent chain closes nothing of the wallet at first; when nobody could tell for long
/// enough, a person is asked. A word in between starts the time anew.
#[test]
fn asks_a_person_when_nobody_can_tell() {
    let mut story = Story::new();
    story.post = Answer::Failure(failure("payment.unknown", true));
    story.chain = ChainWord::CannotTell { silent: true, why: "no answer".to_owned() };
    check(&story.request(), "failed chain.unavailable");
    story.later(599);
    check(&story.request(), "failed chain.unavailable");
    story.chain = ChainWord::Unspent { in_mempool: false };
    check(&story.request(), "unknown payment.unknown");
    story.chain = ChainWord::CannotTell { silent: true, why: "no answer".to_owned() };
    check(&story.request(), "failed chain.unavailable");
    story.later(600);
    check(&story.request(), "failed payment.unresolved");
}

/// The nonce went to something else: not believed while it is fresh; then the payment is
/// rejected, and the next attempt signs a new one.
#[test]
fn begins_again_only_on_the_chains_word() {
    let elsewhere = |deep| ChainWord::SpentElsewhere {
        txid: "ef".to_owned(),
        aborted: false,
        deep,
        what: "another transfer".to_owned(),
    };
    let mut story = Story::new();
    story.request();
    story.chain = elsewhere(false);
    check(&story.request(), "unknown payment.unknown");
    story.chain = elsewhere(true);
    check(&story.request(), "failed wallet.sender-nonce");
    assert_eq!(story.told, ["rejected"]);
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    check(&story.request(), "completed");
    assert_eq!(story.told, ["intent", "sign 8", "signed", "sent", "post", "settled"]);
}

/// An earlier message of ours, by whatever hand: nothing is signed, and contact is recorded.
#[test]
fn does_not_greet_twice() {
    let mut story = Story::new();
    story.listed = true;
    check(&story.request(), "moot");
    assert_eq!(story.told, ["settled"]);
}

/// What was signed and not sent goes no further once leave will not come again, and its
/// nonce is free for the next.
#[test]
fn gives_back_what_was_never_sent() {
    let mut story = Story::new();
    story.request();
    let Some(payment) = &mut story.payment else { panic!() };
    let signed = payment.signed().unwrap().clone();
    payment.stage = domain::PaymentStage::Signed(signed);
    story.wallet.unfinished[0].sent = false;
    story.leave = Leave::Never { why: "withdrawn".to_owned() };
    check(&story.request(), "moot");
    assert!(story.wallet.unfinished.is_empty() && story.wallet.next == 7);
}
