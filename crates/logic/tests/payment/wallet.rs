//! The wallet's record against the world, and the order in which payments are worked.

use domain::{Key, Unfinished, Wallet};
use logic::payment::{Comparison, NoRoom, WalletFacts, compare, plan, room};

use crate::world::key;

fn wallet(next: u64, holders: &[(u64, usize, bool)]) -> Wallet {
    let holder =
        |&(nonce, at, sent): &(u64, usize, bool)| Unfinished { nonce, payment: key(at), sent };
    let unfinished = holders.iter().map(holder).collect();
    Wallet { address: "SPUS".to_owned(), next, unfinished }
}

fn facts(chain_next: u64, mempool: &[u64]) -> WalletFacts {
    WalletFacts { chain_next, mempool: mempool.to_vec(), ..WalletFacts::default() }
}

/// A wallet seen for the first time begins behind everything that the world has used.
#[test]
fn begins_where_the_world_is() {
    assert_eq!(compare("SPUS", None, &facts(7, &[7, 8])), Comparison::New(wallet(9, &[])));
}

/// Nonces that the record does not know, in chain or mempool, or a message without a
/// payment: the record is older than the world.
#[test]
fn notices_a_record_that_is_behind() {
    let behind = |wallet: &Wallet, facts: &WalletFacts| {
        matches!(compare("SPUS", Some(wallet), facts), Comparison::Behind { .. })
    };
    assert!(behind(&wallet(5, &[]), &facts(6, &[])));
    assert!(behind(&wallet(5, &[]), &facts(5, &[5])));
    let unknown = WalletFacts { unknown_messages: vec!["msg_1".to_owned()], ..facts(5, &[]) };
    assert!(behind(&wallet(5, &[]), &unknown));
    assert_eq!(
        compare("SPUS", Some(&wallet(6, &[(5, 1, true)])), &facts(5, &[])),
        Comparison::Agrees
    );
}

/// A nonce that nobody holds and nobody spent stops all that follow: it is named.
#[test]
fn notices_a_gap() {
    let found = compare("SPUS", Some(&wallet(7, &[(6, 1, true)])), &facts(5, &[]));
    assert!(matches!(&found, Comparison::Gap { evidence } if evidence.contains("nonce 5")));
    let found = compare("SPUS", Some(&wallet(7, &[(6, 1, true)])), &facts(5, &[5]));
    assert_eq!(found, Comparison::Agrees);
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
}
