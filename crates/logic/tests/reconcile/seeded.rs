//! One thing wrong at a time.

use domain::{PaymentStage as Stage, Proof, Rejection, Sats, Timestamp};
use logic::reconcile::{Did, Kind, compare};
use proptest::prelude::*;

use crate::world::{FINISHES, Open, Past, World, kinds, signed};

pub fn any() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

/// Makes one thing wrong; whom the line is to name.
pub fn plant(world: &mut World, kind: Kind, victim: &str) -> Option<String> {
    let agent = victim.to_owned();
    let nonce = world.of(victim).signed().unwrap().nonce;
    let at = world.mined.iter().position(|found| found.nonce == nonce).unwrap();
    let last = world.book().record.next;
    match kind {
        Kind::PaidTwice => {
            // The wallet's record moved past it, as after an adoption.
            skip_one(world);
            world.transfer(victim, last);
        }
        Kind::UnknownTransfer => {
            skip_one(world);
            world.transfer("SPSOMEBODY", last);
            return Some("SPSOMEBODY".to_owned());
        }
        Kind::PaidThoughRejected => {
            let why = "never left".to_owned();
            let payment = world.of(victim);
            payment.stage = Stage::Rejected(Some(signed(nonce)), Rejection::Unsent { why });
        }
        Kind::NotOnChain => {
            world.mined[at].did = Did::Other { what: "contract_call burn success".to_owned() };
        }
        Kind::AbortedOnChain => world.mined[at].did = Did::Aborted,
        Kind::AmountDiffers => world.of(victim).amount = Sats::new(99),
        Kind::RecordBehind => {
            let nonces = world.book().nonces.as_mut().unwrap();
            nonces.mempool.push(last + 3);
            return None;
        }
        Kind::NonceHole => {
            world.book().record.next += 1;
            return None;
        }
        Kind::Undelivered => {
            let Stage::Settled(_, settlement) = &mut world.of(victim).stage else { panic!() };
            (settlement.message, settlement.proof) = (None, Proof::Chain);
            world.sent.retain(|message| message.to != victim);
        }
        Kind::MessageGone => world.sent.retain(|message| message.to != victim),
        Kind::UnknownMessage => {
            world.write("SPSOMEBODY");
            return Some("SPSOMEBODY".to_owned());
        }
        Kind::Unfinished => return Some(stay_signed(world)),
        Kind::NoContact => {
            let key = world.of(victim).key();
            world.facts.contacts.keys.remove(&key);
        }
    }
    Some(agent)
}

/// The chain has used one nonce more, and the record has followed it.
fn skip_one(world: &mut World) {
    let book = world.book();
    let next = book.record.next;
    book.record.next += 1;
    // What is under way lies before it, and so waits no longer.
    let nonces = book.nonces.as_mut().unwrap();
    (nonces.chain_next, book.record.spent) = (next + 1, next + 1);
    nonces.mempool.clear();
}

/// One more agent for whom bytes were signed long ago.
fn stay_signed(world: &mut World) -> String {
    let mut payment = world.facts.payments[0].clone();
    payment.payee.address = "SPSLOW".to_owned();
    payment.payee.hash160 = [255; 20];
    let nonce = world.book().record.next;
    payment.stage = Stage::Signed(signed(nonce));
    let (key, address) = (payment.key(), payment.payee.address.clone());
    world.facts.payments.push(payment);
    let record = &mut world.book().record;
    record.next += 1;
    let amount = Sats::new(100);
    let holder = domain::Unfinished { nonce, payment: key, sent: false, settled: None, amount };
    record.unfinished.push(holder);
    address
}

/// Every line names what a person does about it, by a command or a place to look at.
#[test]
fn every_line_has_its_remedy() {
    for kind in Kind::ALL {
        let mut world = World::new(&[Past::Welcomed; 3], &[]);
        plant(&mut world, kind, "SP2");
        let findings = compare(&world.told(None));
        let [line] = findings.differences.as_slice() else { panic!("{findings:?}") };
        let helps = ["portcullis ", "paymentTxid", "ask the inbox"];
        assert!(helps.iter().any(|help| line.remedy.contains(help)), "{line:?}");
        assert!(!line.what.is_empty() && line.kind == kind, "{line:?}");
    }
}

/// M1: a second transfer to an agent is told although its first one is older than the window.
#[test]
fn a_second_transfer_is_told_in_a_short_window() {
    let mut past = vec![Past::Welcomed];
    past.extend([Past::Waiting; 20]);
    let mut world = World::new(&past, &[]);
    world.book().record.next = 2;
    world.book().nonces.as_mut().unwrap().chain_next = 2;
    world.transfer("SP1", 1);
    let told = kinds(&world.told(Some(4)));
    assert_eq!(told, [("unknown-transfer", Some("SP1".to_owned()))]);
    assert_eq!(kinds(&world.told(None)), [("paid-twice", Some("SP1".to_owned()))]);
}

/// A transfer that a settled payment lacks by its own nonce is told with that payment, once.
#[test]
fn another_nonce_is_one_line() {
    let mut world = World::new(&[Past::Welcomed, Past::Welcomed], &[]);
    world.mined[0].nonce = 7;
    world.book().record.next = 8;
    world.book().nonces.as_mut().unwrap().chain_next = 8;
    let findings = compare(&world.told(None));
    let [line] = findings.differences.as_slice() else { panic!("{findings:?}") };
    assert_eq!(line.kind, Kind::NotOnChain);
    assert!(line.what.contains("by nonce 7"), "{}", line.what);
}

/// A nonce that was given back last is no hole; one with something behind it is.
#[test]
fn a_hole_is_one_with_something_behind_it() {
    let mut world = World::new(&[Past::Welcomed], &[]);
    (world.book().record.next, world.book().record.holes) = (2, vec![1]);
    assert_eq!(kinds(&world.told(None)), []);
    world.book().record.next = 3;
    world.book().nonces.as_mut().unwrap().mempool.push(2);
    assert_eq!(kinds(&world.told(None)), [("nonce-hole", None)]);
}

/// What is under way is unfinished only after its time, counted from the first post.
#[test]
fn unfinished_has_its_time() {
    for open in [Open::Sent, Open::Staged, Open::Unknown] {
        let mut world = World::new(&[], &[open]);
        let begun = world.facts.payments[0].at;
        world.facts.asked = begun.after(FINISHES);
        assert_eq!(kinds(&world.told(None)), [], "{open:?}");
        world.facts.asked = Timestamp::from_millis(begun.after(FINISHES).as_millis() + 1);
        let told = kinds(&world.told(None));
        assert_eq!(told, [("unfinished", Some("SP1".to_owned()))], "{open:?}");
    }
}
