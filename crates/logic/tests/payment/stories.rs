//! Single payments, told step by step: what is asked, in which order, and what is answered.

use std::time::Duration;

use domain::{Blame, Outcome, Unfinished};
use logic::{
    classify::{Answer, Failure},
    payment::{ChainWord, Leave, Mode, Session, WalletFacts},
};

use crate::{
    story::{Story, check, order, staged},
    world::{failure, key},
};

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

/// What is sent again keeps its turn: while a payment with a lower nonce is neither seen in the
/// mempool nor past, nothing of a later nonce goes out.
#[test]
fn sends_again_in_the_order_of_nonces() {
    let mut story = Story::new();
    let amount = domain::Sats::new(100);
    let lower = Unfinished { nonce: 6, payment: key(2), sent: true, settled: None, amount };
    story.wallet.unfinished.push(lower);
    story.world = WalletFacts { chain_next: 6, mempool: vec![6], ..story.world };
    check(&story.request(), "failed relay.nonce-conflict");
    assert_eq!(story.told[1], "sign 7");
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    // The node has dropped the first meanwhile.
    story.world.mempool.clear();
    check(&story.request(), "held");
    assert!(story.told.is_empty(), "{:?}", story.told);
    story.world.mempool = vec![6];
    check(&story.request(), "completed");
    assert_eq!(story.told, ["sent", "post", "settled"]);
}

/// Paid, and the inbox refuses to deliver for it: told as such, and never paid again. Whoever
/// asks for it later has the inbox asked once more; the background does not.
#[test]
fn asks_again_for_what_was_not_delivered() {
    let mut story = Story::new();
    story.post = Answer::Failure(failure("inbox.unavailable", true));
    story.request();
    story.chain = ChainWord::Settled { txid: "cd".to_owned() };
    story.redeem = Answer::Failure(failure("inbox.undelivered", true));
    check(&story.request(), "failed inbox.undelivered");
    assert_eq!(story.told, ["redeem", "settled"]);
    check(&story.request(), "failed inbox.undelivered");
    assert_eq!(story.told, ["redeem"]);
    check(&story.session(Session::new(Mode::Ask, story.now)), "failed inbox.undelivered");
    assert!(story.told.is_empty());
    story.redeem = Answer::Failure(failure("inbox.unavailable", true));
    check(&story.request(), "failed inbox.unavailable");
    story.redeem = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    story.leave = Leave::NotYet { gate: None, why: "closed".to_owned() };
    check(&story.request(), "held");
    assert!(story.told.is_empty());
    story.leave = Leave::Never { why: "contact, by hand".to_owned() };
    check(&story.request(), "failed inbox.undelivered");
    assert!(story.told.is_empty());
    story.leave = Leave::Granted;
    check(&story.request(), "completed");
    assert_eq!(story.told, ["redeem", "settled"]);
    check(&story.request(), "completed");
    assert!(story.told.is_empty());
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

/// The background finds that the transfer was aborted, and has no task to tell: the next
/// request is told before anything is begun anew, and the one after it pays.
#[test]
fn tells_of_an_abort_that_the_background_found() {
    let mut story = Story::new();
    story.request();
    story.chain = ChainWord::SpentElsewhere {
        txid: "ef".to_owned(),
        aborted: true,
        deep: true,
        what: "aborted".to_owned(),
    };
    let asking = Session::new(Mode::Ask, story.now);
    check(&story.session(asking), "failed wallet.transfer-aborted");
    assert_eq!(story.told, ["rejected"]);
    story.world.chain_next = 8;
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    check(&story.request(), "failed wallet.transfer-aborted");
    assert!(story.told.is_empty(), "told, and nothing begun");
    check(&story.request(), "completed");
    assert_eq!(story.told, ["intent", "sign 8", "signed", "sent", "post", "settled"]);
}

/// Asked to slow down: until the time that was named the bytes are not posted again, by
/// whichever request.
#[test]
fn waits_as_long_as_it_is_asked_to() {
    let mut story = Story::new();
    let retry_after = Some(Duration::from_secs(60));
    let limited = failure("inbox.rate-limited", true);
    story.post = Answer::Failure(Failure { retry_after, ..limited });
    check(&story.request(), "unknown inbox.rate-limited");
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    story.later(59);
    for mode in [Mode::Finish, Mode::Pay(Box::new(order("SPUS")))] {
        let outcome = story.session(Session::new(mode, story.now));
        check(&outcome, "unknown inbox.rate-limited");
        let Outcome::Unknown { retry_after, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(retry_after, Some(Duration::from_secs(1)));
        assert!(story.told.is_empty());
    }
    story.later(1);
    check(&story.session(Session::new(Mode::Finish, story.now)), "completed");
    assert_eq!(story.told, ["sent", "post", "settled"]);
}

/// What a gate stands for goes out again when a person has opened it, and not later.
#[test]
fn an_opened_gate_is_not_waited_for() {
    let mut story = Story::new();
    let retry_after = Some(Duration::from_secs(60));
    let conflict = failure("relay.nonce-conflict", true);
    story.post = Answer::Failure(Failure { retry_after, ..conflict });
    check(&story.request(), "failed relay.nonce-conflict");
    story.post = Answer::Delivered { message: Some("msg_1".to_owned()), txid: None };
    check(&story.request(), "completed");
}

/// An earlier message of ours, by whatever hand: nothing is signed, and contact is recorded.
#[test]
fn does_not_greet_twice() {
    let mut story = Story::new();
    story.listed = true;
    check(&story.request(), "moot");
    assert_eq!(story.told, ["settled"]);
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
