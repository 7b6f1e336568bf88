//! Which wallet and which nonce a payment has, and who has it after.

use domain::{Payment, PaymentStage as Stage, Proof, Settlement, Staged, Timestamp, Wallet};
use logic::{
    classify::Answer,
    payment::{ChainWord, Leave, Mode, Order, Session, WalletFacts},
};

use crate::{
    story::{Story, check, order},
    world::payee,
};

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
    assert!(story.wallet.unfinished.is_empty());
    assert_eq!((story.wallet.next, story.wallet.holes.as_slice()), (8, &[7][..]));
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
    story.world = WalletFacts { mempool: vec![7], ..story.world };
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
