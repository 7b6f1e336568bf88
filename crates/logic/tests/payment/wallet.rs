//! The wallet's record against the world, and the order in which payments are worked.

use std::time::Duration;

use domain::{Key, Sats, Timestamp, Unfinished, Wallet};
use logic::payment::{Comparison, NoRoom, WalletFacts, plan, room, room_in_chain};

use crate::world::key;

fn wallet(next: u64, holders: &[(u64, usize, bool)]) -> Wallet {
    let holder = |&(nonce, at, sent): &(u64, usize, bool)| Unfinished {
        nonce,
        payment: key(at),
        sent,
        settled: None,
        amount: Sats::new(100),
    };
    let unfinished = holders.iter().map(holder).collect();
    Wallet { address: "SPUS".to_owned(), next, unfinished, holes: Vec::new(), spent: 0 }
}

fn facts(chain_next: u64, mempool: &[u64]) -> WalletFacts {
    WalletFacts { chain_next, mempool: mempool.to_vec(), balance: None }
}

/// Two minutes in; what is settled may take one to show.
fn compare(wallet: Option<&Wallet>, facts: &WalletFacts) -> Comparison {
    let (now, lost_after) = (Timestamp::from_millis(120_000), Duration::from_secs(60));
    logic::payment::compare("SPUS", wallet, facts, now, lost_after)
}

/// A wallet seen for the first time begins behind everything that the world has used.
#[test]
fn begins_where_the_world_is() {
    assert_eq!(
        compare(None, &facts(7, &[7, 8])),
        Comparison::New(Wallet { spent: 7, ..wallet(9, &[]) })
    );
}

/// Nonces that the record does not know, in chain or mempool: it is older than the world.
#[test]
fn notices_a_record_that_is_behind() {
    let behind = |wallet: &Wallet, facts: &WalletFacts| {
        matches!(compare(Some(wallet), facts), Comparison::Behind { .. })
    };
    assert!(behind(&wallet(5, &[]), &facts(6, &[])));
    assert!(behind(&wallet(5, &[]), &facts(5, &[5])));
    let held = wallet(6, &[(5, 1, true)]);
    assert_eq!(compare(Some(&held), &facts(5, &[])), Comparison::Agrees);
}

/// What the chain was seen to have spent is no hole, although another answer of it is a block
/// behind or was asked for before: nobody else may have that nonce (M3; seed 21784 of the
/// simulation).
#[test]
fn an_older_answer_makes_no_hole() {
    let kept = Wallet { spent: 6, ..wallet(7, &[(6, 1, true)]) };
    assert_eq!(compare(Some(&kept), &facts(5, &[])), Comparison::Agrees);
    let kept = Wallet { spent: 5, ..kept };
    assert!(matches!(compare(Some(&kept), &facts(5, &[])), Comparison::Gap { .. }));
}

/// A nonce that nobody holds and nobody spent stops all that follow: it is named, and once it
/// is known the next payment takes it.
#[test]
fn notices_a_gap() {
    let kept = wallet(7, &[(6, 1, true)]);
    let found = compare(Some(&kept), &facts(5, &[]));
    let Comparison::Gap { evidence, known: Some(known) } = found else { panic!("{found:?}") };
    assert!(evidence.contains("nonce 5"), "{evidence}");
    assert_eq!(compare(Some(&known), &facts(5, &[])), Comparison::Agrees);
    assert_eq!((room(&kept, 8), room(&known, 8)), (Ok(7), Ok(5)));
    assert_eq!(compare(Some(&kept), &facts(5, &[5])), Comparison::Agrees);
}

/// A settled payment whose nonce the chain still waits for after a minute: that is named too,
/// and nobody else gets the nonce, for its bytes have left. Before that, in the mempool, or
/// waiting behind another, it is on its way.
#[test]
fn notices_a_settled_payment_that_the_chain_never_saw() {
    let settled = |at| {
        let mut wallet = wallet(7, &[(5, 1, true), (6, 2, true)]);
        wallet.unfinished[0].settled = Some(Timestamp::from_millis(at));
        wallet
    };
    let found = compare(Some(&settled(60_000)), &facts(5, &[]));
    let Comparison::Gap { evidence, known: None } = found else { panic!("{found:?}") };
    assert!(evidence.contains("nonce 5") && evidence.contains(&key(1).to_string()), "{evidence}");
    assert_eq!(room(&settled(60_000), 8), Ok(7));
    for (at, facts) in
        [(60_001, facts(5, &[])), (0, facts(5, &[5])), (0, facts(4, &[4])), (0, facts(6, &[]))]
    {
        assert_eq!(compare(Some(&settled(at)), &facts), Comparison::Agrees, "{facts:?}");
    }
}

/// What is ahead in nonce order is worked first, then the request itself.
#[test]
fn works_the_lowest_nonce_first() {
    let wallet = wallet(9, &[(8, 3, true), (6, 1, true), (7, 2, true)]);
    let order = |at: usize| -> Vec<Key> { plan(&wallet, key(at)) };
    assert_eq!(order(4), [key(1), key(2), key(3), key(4)]);
    assert_eq!(order(2), [key(1), key(2)]);
    assert_eq!(order(1), [key(1)]);
}

/// The configured number of unfinished payments, never more than twenty, and one at a time
/// between its signature and its post.
#[test]
fn keeps_room() {
    assert_eq!(room(&wallet(5, &[]), 1), Ok(5));
    let full = NoRoom::Full { unfinished: 1, limit: 1 };
    assert_eq!(room(&wallet(6, &[(5, 1, true)]), 1), Err(full));
    assert_eq!(room(&wallet(6, &[(5, 1, true)]), 2), Ok(6));
    assert_eq!(room(&wallet(6, &[(5, 1, false)]), 2), Err(NoRoom::Unsent { nonce: 5 }));
    let many: Vec<_> = (0..20).map(|nonce| (nonce, 1, true)).collect();
    assert!(room(&wallet(20, &many), 1_000).is_err());
    let mut settled = wallet(6, &[(5, 1, true)]);
    settled.unfinished[0].settled = Some(Timestamp::from_millis(0));
    assert_eq!(room(&settled, 1), Ok(6));
}

/// A sponsor must be asked in nonce order: nothing is signed behind a payment that was sent and
/// that nobody has seen in the mempool yet. One that is settled was taken by the sponsor.
#[test]
fn signs_nothing_behind_what_nobody_has_seen() {
    let kept = wallet(6, &[(5, 1, true)]);
    assert_eq!(room_in_chain(&kept, &facts(5, &[]), 2), Err(NoRoom::Unseen { nonce: 5 }));
    assert_eq!(room_in_chain(&kept, &facts(5, &[5]), 2), Ok(6));
    assert_eq!(room_in_chain(&kept, &facts(6, &[]), 2), Ok(6));
    let mut settled = kept;
    settled.unfinished[0].settled = Some(Timestamp::from_millis(1));
    assert_eq!(room_in_chain(&settled, &facts(5, &[]), 1), Ok(6));
}
