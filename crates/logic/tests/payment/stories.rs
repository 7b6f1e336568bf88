//! Single payments, told step by step: what is asked, in which order, and what is answered.

use std::time::Duration;

use domain::{
    Blame, Letter, Outcome, Payment, PaymentStage as Stage, Proof, Sats, Settlement, Signed,
    Staged, Timestamp, Wallet,
};
use logic::{
    classify::Answer,
    payment::{ChainWord, InboxWord, Leave, Mode, Order, Session, Standing, Step, WalletFacts},
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
    world: WalletFacts,
    leave: Leave,
    listed: bool,
    told: Vec<String>,
}

impl Story {
    fn new() -> Self {
        Story {
            payment: None,
            wallet: Wallet {
                address: "SPUS".to_owned(),
                next: 7,
                unfinished: Vec::new(),
                holes: Vec::new(),
            },
            world: WalletFacts { chain_next: 7, mempool: Vec::new() },
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
        let order = order(&self.wallet.address);
        self.order(order)
    }

    fn order(&mut self, order: Order) -> Outcome {
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

fn order(wallet: &str) -> Order {
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
    assert!(story.wallet.unfinished[0].settled.is_some() && story.wallet.next == 8);
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
    story.world.chain_next = 8;
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

/// Bytes that another wallet signed, at whatever stage: nothing is asked of our chain, posted
/// or given up, and a person is told. What that wallet has settled stays settled.
#[test]
fn touches_nothing_of_another_wallet() {
    let mut story = Story::new();
    story.request();
    let Some(Payment { stage: Stage::Unknown(signed, sent, doubt), .. }) = &story.payment else {
        panic!("{:?}", story.payment);
    };
    let (signed, sent, doubt) = (signed.clone(), sent.clone(), doubt.clone());
    let staged = Staged {
        payment_id: "pay_1".to_owned(),
        check_url: None,
        since: Timestamp::from_millis(0),
    };
    let theirs = story.payment.clone().unwrap();
    // The other wallet's nonce is on our chain, long ago: it says nothing of this payment.
    story.chain = ChainWord::SpentElsewhere {
        txid: "ef".to_owned(),
        aborted: false,
        deep: true,
        what: "another transfer".to_owned(),
    };
    story.wallet = Wallet { address: "SPNEW".to_owned(), ..Story::new().wallet };
    let stages = [
        Stage::Signed(signed.clone()),
        Stage::Sent(signed.clone(), sent.clone()),
        Stage::Staged(signed.clone(), sent.clone(), staged),
        Stage::Unknown(signed, sent, doubt),
    ];
    for stage in stages {
        let payment = Payment { stage, ..theirs.clone() };
        story.payment = Some(payment.clone());
        check(&story.request(), "failed wallet.other-key");
        let asking = Session::new(Mode::Ask, story.now);
        check(&story.session(asking), "failed wallet.other-key");
        assert!(story.told.is_empty() && story.payment == Some(payment), "{:?}", story.told);
    }
    let settlement =
        Settlement { txid: None, message: Some("msg_1".to_owned()), proof: Proof::Delivered };
    story.payment = Some(Payment { stage: Stage::Settled(None, settlement), ..theirs });
    check(&story.request(), "completed");
    assert!(story.told.is_empty());
}

/// An intent that an earlier configuration left is paid as it is ordered now: the record names
/// the wallet that signed, the letter that was posted and the task that asked.
#[test]
fn an_old_intent_is_signed_as_ordered_now() {
    let mut story = Story::new();
    story.request();
    let mut old = story.payment.take().unwrap();
    (old.stage, old.wallet) = (Stage::Intent, "SPOLD".to_owned());
    (old.letter.content, old.source_key) = ("old".to_owned(), "greet/SP1".parse().unwrap());
    story.payment = Some(old);
    story.wallet.unfinished.clear();
    check(&story.request(), "failed relay.nonce-conflict");
    let (payment, order) = (story.payment.unwrap(), order("SPUS"));
    assert_eq!(
        (payment.wallet, payment.letter, payment.source_key),
        (order.wallet, order.letter, order.source_key)
    );
}

/// Refused as it was signed: one task closes the gate for it, and the bytes are not posted
/// again before the gate was opened anew.
#[test]
fn refused_bytes_wait_for_a_person() {
    let mut story = Story::new();
    let refused = failure("wallet.payment-refused", true);
    assert!(matches!(refused.cause.rule().unwrap().blame(), Blame::Shared { tasks: 1, .. }));
    story.post = Answer::Failure(refused);
    check(&story.request(), "failed wallet.payment-refused");
    story.leave = Leave::NotYet { gate: None, why: "closed".to_owned() };
    check(&story.request(), "held");
    assert!(story.told.is_empty());
    story.leave = Leave::Granted;
    check(&story.request(), "failed wallet.payment-refused");
    assert_eq!(story.told, ["sent", "post", "unknown"]);
}

/// Staged, and long after neither the inbox nor the relay says a word of it while its nonce is
/// free: the same bytes go out again. Not before it is late, nor while it waits in a mempool.
#[test]
fn sends_again_what_nobody_knows_any_more() {
    let mut story = Story::new();
    story.post = staged();
    check(&story.request(), "unknown relay.pending");
    story.poll = Answer::Failure(failure("payment.unknown", true));
    check(&story.request(), "unknown relay.pending");
    story.later(120);
    story.chain = ChainWord::Unspent { in_mempool: true };
    check(&story.request(), "failed relay.unconfirmed");
    assert!(story.told.is_empty());
    story.chain = ChainWord::Unspent { in_mempool: false };
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    check(&story.request(), "completed");
    assert_eq!(story.told, ["unknown", "sent", "post", "settled"]);
}

/// Settled on the inbox's word, the payment keeps its nonce until the chain is past it; the
/// next signature finds it so and lets it go.
#[test]
fn keeps_the_nonce_until_the_chain_is_past_it() {
    let mut story = Story::new();
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    check(&story.request(), "completed");
    let held = |story: &Story| -> Vec<u64> {
        story.wallet.unfinished.iter().map(|holder| holder.nonce).collect()
    };
    assert_eq!(held(&story), [7]);
    for (at, chain_next, expected) in [(2, 7, vec![7, 8]), (3, 9, vec![9])] {
        (story.world.chain_next, story.payment) = (chain_next, None);
        check(&story.order(Order { payee: payee(at), ..order("SPUS") }), "completed");
        assert_eq!(held(&story), expected);
    }
    // The chain never saw the last one: nothing is signed behind it.
    (story.world.chain_next, story.payment) = (9, None);
    story.later(120);
    let next = Order { payee: payee(4), ..order("SPUS") };
    check(&story.order(next), "failed wallet.sender-nonce");
    assert_eq!(story.told, ["intent"]);
}

/// Right before a signature the chain is asked once more: what it has used since we started
/// without our record is not signed over; nor does anything begin while it is silent.
#[test]
fn signs_nothing_on_a_record_that_has_fallen_behind() {
    let mut story = Story::new();
    story.world.chain_next = 8;
    check(&story.request(), "failed record.behind");
    story.world = WalletFacts { chain_next: 7, mempool: vec![7] };
    check(&story.request(), "failed record.behind");
    assert!(story.told.is_empty(), "{:?}", story.told);
    // A person has adopted what the chain knows.
    story.wallet.next = 8;
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    check(&story.request(), "completed");
    assert_eq!(story.told[0], "sign 8");
}

/// A nonce given back in the middle is a hole, and the next payment fills it.
#[test]
fn fills_a_hole_first() {
    let mut story = Story::new();
    story.request();
    let Some(payment) = &mut story.payment else { panic!() };
    payment.stage = Stage::Signed(payment.signed().unwrap().clone());
    story.wallet.unfinished[0].sent = false;
    story.wallet.next = 11;
    story.leave = Leave::Never { why: "withdrawn".to_owned() };
    check(&story.request(), "moot");
    assert_eq!((story.wallet.next, story.wallet.holes.clone()), (11, vec![7]));
    (story.leave, story.payment) = (Leave::Granted, None);
    story.request();
    assert_eq!(story.told[1], "sign 7");
    assert!(story.wallet.holes.is_empty() && story.wallet.next == 11);
}
