//! What a kind may spend, and what its wallet has, payment by payment.

use std::time::Duration;

use domain::{Budget, Outcome, Sats, Spending, Timestamp};
use logic::payment::{ChainWord, Leave, Mode, Purse, Session, release, reserve, settle};
use proptest::prelude::*;

use crate::{
    story::{Story, check, order},
    world::failure,
};

const DAY: u64 = 86_400;

fn sats(sats: u64) -> Sats {
    Sats::new(sats)
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn spending(today: u64, spent: u64, reserved: u64) -> Spending {
    let (today, spent, reserved) = (sats(today), sats(spent), sats(reserved));
    Spending { today, spent, reserved, ..Spending::new("welcome".parse().unwrap()) }
}

fn budget(day: Option<u64>, total: Option<u64>) -> Budget {
    Budget { day: day.map(sats), total: total.map(sats), ..Budget::default() }
}

fn evidence(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { evidence, .. } => evidence,
        _ => panic!("{outcome:?}"),
    }
}

/// M4: a budget that is reached is told in words: the limit, what is spent and reserved, what
/// is left and what the payment needs. Where waiting for the next day is in vain, that is told.
#[test]
fn tells_what_is_left() {
    let told = |spending: &Spending, budget, now| {
        reserve(Purse { spending, budget }, sats(100), now).unwrap_err().to_string()
    };
    let now = at(20_523 * DAY);
    let spent = Spending { day: 20_523, ..spending(150, 900, 100) };
    assert_eq!(
        told(&spent, budget(Some(300), Some(5_000)), now),
        "budget of 2026-03-11: 300 sats a day, 150 sats spent, 100 sats reserved, 50 sats left; \
         this payment needs 100 sats; in all 4000 sats are left"
    );
    assert_eq!(
        told(&spent, budget(Some(300), Some(1_099)), now),
        "budget in all: 1099 sats, 900 sats spent, 100 sats reserved, 99 sats left; this payment \
         needs 100 sats"
    );
    let most = Spending { reserved: sats(u64::MAX), ..spent };
    assert!(reserve(Purse { spending: &most, budget: budget(None, None) }, sats(100), now).is_ok());
    assert!(told(&most, budget(Some(u64::MAX), None), now).contains("0 sats left"));
}

/// M4: the day turns at midnight UTC; what is unresolved counts on, and a clock that is set back
/// begins no day twice.
#[test]
fn the_day_turns() {
    let allowed = budget(Some(300), None);
    let can = |spending: &Spending, now| {
        reserve(Purse { spending, budget: allowed }, sats(100), now).is_ok()
    };
    let yesterday = spending(200, 200, 100);
    assert!(!can(&yesterday, at(DAY - 1)));
    let today = at(DAY);
    assert!(can(&yesterday, today));
    assert_eq!(yesterday.left(&allowed, today).today, Some(sats(200)));
    // Settled today, whatever yesterday was spent on.
    let settled = settle(&yesterday, sats(100), sats(100), today);
    assert_eq!(settled, Spending { day: 1, ..spending(100, 300, 0) });
    let full = settle(&settled, sats(0), sats(200), today);
    assert!(!can(&full, at(DAY - 1)) && !can(&full, at(2 * DAY - 1)) && can(&full, at(2 * DAY)));
}

/// M4: the third payment of a day of two is refused before anything is written; the next day it
/// is made. Nothing more is asked of the gate than that.
#[test]
fn a_day_that_is_spent() {
    let mut story = Story::new();
    story.budget = budget(Some(250), None);
    story.spending = spending(200, 200, 0);
    let outcome = story.request();
    check(&outcome, "failed budget.reached");
    assert!(evidence(&outcome).contains("50 sats left"), "{outcome:?}");
    assert_eq!((&story.told, &story.payment), (&vec![], &None));
    story.later(DAY);
    check(&story.request(), "failed relay.nonce-conflict");
    assert_eq!(story.told, ["intent", "sign 7", "signed", "sent", "post", "unknown"]);
    assert_eq!(story.spending, Spending { day: 1, ..spending(0, 200, 100) });
}

/// M4, M2: what is in doubt stays reserved, however long; settled, it is spent once; asked for
/// again, it is neither reserved nor spent again, though the budget has nothing left.
#[test]
fn doubt_keeps_its_sats() {
    let mut story = Story::new();
    story.budget = budget(Some(100), Some(100));
    check(&story.request(), "failed relay.nonce-conflict");
    for _ in 0..3 {
        story.later(DAY);
        check(&story.request(), "failed relay.nonce-conflict");
        assert_eq!((story.spending.reserved, story.spending.spent), (sats(100), sats(0)));
    }
    story.chain = ChainWord::Settled { txid: "0x1".to_owned() };
    for _ in 0..2 {
        check(&story.request(), "completed");
        assert_eq!(story.spending, Spending { day: 3, ..spending(100, 100, 0) });
    }
}

/// M4: bytes that never left, and bytes whose nonce the chain has given to another, pay nothing:
/// their sats go back, once.
#[test]
fn a_rejection_gives_back() {
    let mut story = Story::new();
    story.post = crate::story::staged();
    story.budget = budget(None, Some(100));
    story.leave = Leave::Granted;
    let mut session = Session::new(Mode::Pay(Box::new(order("SPUS"))), story.now);
    while story.payment.as_ref().is_none_or(|payment| payment.word() != "signed") {
        story.step(&mut session);
    }
    assert_eq!(story.spending.reserved, sats(100));
    story.leave = Leave::Never { why: "withdrawn".to_owned() };
    check(&story.request(), "moot");
    assert_eq!(story.spending, spending(0, 0, 0));

    story.leave = Leave::Granted;
    story.post = logic::classify::Answer::Failure(failure("relay.nonce-conflict", true));
    check(&story.request(), "failed relay.nonce-conflict");
    assert_eq!(story.spending.reserved, sats(100));
    let (txid, what) = ("0x2".to_owned(), "another".to_owned());
    story.chain = ChainWord::SpentElsewhere { txid, aborted: true, deep: true, what };
    check(&story.request(), "failed wallet.transfer-aborted");
    assert_eq!(story.spending, spending(0, 0, 0));
}

/// A wallet that has less than it owes and is asked for signs nothing, and says what is missing.
/// A balance that nobody tells is no balance of zero.
#[test]
fn a_wallet_that_cannot_pay() {
    let mut story = Story::new();
    story.world.balance = Some(sats(99));
    let outcome = story.request();
    check(&outcome, "failed wallet.insufficient-funds");
    assert_eq!(
        evidence(&outcome),
        "SPUS has 99 sats of sBTC; 0 unfinished payments need 0 sats, this one 100 sats: 1 sats \
         are missing"
    );
    story.world.balance = None;
    check(&story.request(), "failed chain.unavailable");
    assert_eq!(story.spending, spending(0, 0, 0));
    story.world.balance = Some(sats(100));
    check(&story.request(), "failed relay.nonce-conflict");

    // That one owes 100 now, until the chain is past its nonce.
    let mut next = Story { payment: None, ..story };
    let other = || logic::payment::Order { payee: crate::world::payee(4), ..order("SPUS") };
    next.world.mempool = vec![7];
    next.world.balance = Some(sats(199));
    let outcome = next.order(other());
    check(&outcome, "failed wallet.insufficient-funds");
    assert!(evidence(&outcome).contains("1 unfinished payment needs 100 sats"), "{outcome:?}");
    next.world.chain_next = 8;
    next.world.mempool.clear();
    check(&next.order(other()), "failed relay.nonce-conflict");
}

/// One thing that happens to a budget.
#[derive(Clone, Debug)]
enum Act {
    Reserve(u64),
    /// Of what is reserved, so many pay so much of it.
    Settle {
        which: usize,
        less: u64,
    },
    Reject {
        which: usize,
    },
    Pass {
        seconds: u64,
    },
    Allow(Option<u64>, Option<u64>),
}

fn act() -> impl Strategy<Value = Act> {
    let limit = || prop::option::of(0u64..1_000);
    prop_oneof![
        4 => (1u64..400).prop_map(Act::Reserve),
        2 => (any::<usize>(), 0u64..50).prop_map(|(which, less)| Act::Settle { which, less }),
        1 => any::<usize>().prop_map(|which| Act::Reject { which }),
        1 => (0..DAY).prop_map(|seconds| Act::Pass { seconds }),
        1 => (limit(), limit()).prop_map(|(day, total)| Act::Allow(day, total)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// M4: over any history, what is spent on a day and in all, with what is held, is within
    /// what was allowed when it was last reserved from; and it is exactly the sum of its parts,
    /// by a witness that counts them one by one.
    #[test]
    fn never_exceeds_the_budget(acts in prop::collection::vec(act(), 0..200)) {
        let (mut spending, mut held) = (spending(0, 0, 0), Vec::<u64>::new());
        let (mut now, mut allowed) = (at(0), budget(Some(500), Some(2_000)));
        let (mut today, mut spent) = (0u64, 0u64);
        for act in acts {
            match act {
                Act::Reserve(amount) => {
                    let sum = held.iter().sum::<u64>() + amount;
                    let fits = |limit: Option<Sats>, spent| {
                        limit.is_none_or(|limit| spent + sum <= limit.get())
                    };
                    let fits = fits(allowed.day, today) && fits(allowed.total, spent);
                    let purse = Purse { spending: &spending, budget: allowed };
                    let reserved = reserve(purse, sats(amount), now);
                    prop_assert_eq!(reserved.is_ok(), fits);
                    if let Ok(next) = reserved {
                        held.push(amount);
                        spending = next;
                    }
                }
                Act::Settle { which, less } if !held.is_empty() => {
                    let amount = held.remove(which % held.len());
                    let paid = amount.saturating_sub(less);
                    spending = settle(&spending, sats(amount), sats(paid), now);
                    (today, spent) = (today + paid, spent + paid);
                }
                Act::Reject { which } if !held.is_empty() => {
                    let amount = held.remove(which % held.len());
                    spending = release(&spending, sats(amount), now);
                }
                Act::Settle { .. } | Act::Reject { .. } => (),
                Act::Pass { seconds } => {
                    let before = now.day();
                    now = now.after(Duration::from_secs(seconds));
                    today = if before == now.day() { today } else { 0 };
                }
                Act::Allow(day, total) => allowed = budget(day, total),
            }
            let seen = spending.at(now);
            let sum: u64 = held.iter().sum();
            prop_assert_eq!((seen.today, seen.spent), (sats(today), sats(spent)));
            prop_assert_eq!(seen.reserved, sats(sum));
        }
    }
}
