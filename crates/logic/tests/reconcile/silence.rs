//! What was not said proves nothing, and is never taken for fine.

use domain::Timestamp;
use logic::reconcile::{Did, compare};

use crate::world::{Past, World, kinds};

const ALL_PAST: [Past; 3] = [Past::Welcomed, Past::Before, Past::Aborted];

/// M2: with a source silent, nothing is said to be missing there, and it is told that this was
/// not compared.
#[test]
fn a_silent_source_is_told() {
    let world = World::new(&ALL_PAST, &[]);
    for source in 0..3 {
        let mut facts = world.told(None);
        let book = &mut facts.wallets[0];
        let why = "the source is down".to_owned();
        match source {
            0 => book.mined = Err(why.clone()),
            1 => book.sent = Err(why.clone()),
            _ => book.nonces = Err(why.clone()),
        }
        let findings = compare(&facts);
        assert_eq!((findings.differences, findings.not_compared), (vec![], vec![why]));
    }
}

/// M2: a list that was cut off says nothing of what is older than its end.
#[test]
fn a_cut_list_says_nothing_of_the_rest() {
    let world = World::new(&[Past::Welcomed; 3], &[]);
    let mut facts = world.told(None);
    let (whole_since, cut) = (facts.payments[2].at, Some("no further than 1".to_owned()));
    let book = &mut facts.wallets[0];
    let mined = book.mined.as_mut().unwrap();
    mined.entries.truncate(1);
    (mined.whole_since, mined.cut) = (whole_since, cut);
    let findings = compare(&facts);
    assert_eq!(findings.differences, vec![]);
    assert_eq!(findings.not_compared.len(), 3, "{:?}", findings.not_compared);
    assert!(findings.not_compared.iter().any(|line| line == "no further than 1"));
}

/// M2: a transaction that the API tells in part is no proof for or against a payment.
#[test]
fn what_is_told_in_part_is_not_compared() {
    let world = World::new(&[Past::Welcomed; 3], &[]);
    let mut facts = world.told(None);
    let mined = facts.wallets[0].mined.as_mut().unwrap();
    mined.entries[0].did = Did::Untold { what: "contract_call - -".to_owned() };
    let findings = compare(&facts);
    assert_eq!(findings.differences, vec![]);
    let [line] = findings.not_compared.as_slice() else { panic!("{findings:?}") };
    assert!(line.contains("nonce 2") && line.contains("in part"), "{line}");
}

/// Payments of a wallet whose record is gone are not passed over.
#[test]
fn a_wallet_without_a_record_is_told() {
    let mut facts = World::new(&[Past::Welcomed], &[]).told(None);
    facts.wallets.clear();
    facts.since = Timestamp::default();
    let findings = compare(&facts);
    assert_eq!(findings.differences, vec![]);
    assert!(findings.not_compared[0].contains("no record"), "{:?}", findings.not_compared);
}

/// A payment that was settled within the window and paid before it is compared all the same:
/// the world's lists are read as far back as it began.
#[test]
fn what_began_before_the_window_is_compared() {
    let mut world = World::new(&[Past::Welcomed, Past::Welcomed], &[]);
    let asked = world.facts.asked.as_millis();
    world.facts.payments[0].at = Timestamp::from_millis(asked - 3_600_000);
    assert_eq!(kinds(&world.told(Some(2))), []);
    world.mined.pop();
    let told = kinds(&world.told(Some(2)));
    assert_eq!(told, [("not-on-chain", Some("SP1".to_owned()))]);
}
