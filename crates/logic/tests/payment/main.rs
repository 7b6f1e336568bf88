//! The promises of `logic::payment`, over arbitrary histories of a world that misbehaves and
//! payers that crash between any two steps.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(unreachable_pub, reason = "modules of one test")]

mod budget;
mod nonces;
mod payer;
mod promises;
mod sabotage;
mod store;
mod stories;
mod story;
mod wallet;
mod world;

use std::time::Duration;

use domain::Sats;
use payer::Payer;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use sabotage::Sabotage;
use store::Store;
use world::World;

/// As many as may be under way at once; one more comes after the healing.
pub const PAYEES: usize = 8;
const PAYERS: usize = 2;

#[derive(Clone, Debug)]
enum Action {
    Step { payer: usize, dice: u8 },
    Request { payer: usize, at: usize },
    Ask { payer: usize },
    Crash { payer: usize },
    Block,
    Pass { seconds: u64 },
    Gate(bool),
    Stick(bool),
    Chain { silent: bool },
    Inbox { silent: bool },
    Foreign,
    Forget,
    Arrive { dice: usize, again: bool },
    Adopt,
    Withdraw { at: usize },
    Midnight,
    Budget { day: Option<u64>, total: Option<u64> },
}

fn action() -> impl Strategy<Value = Action> {
    let (payer, at) = (0..PAYERS, 0..PAYEES);
    prop_oneof![
        120 => (payer.clone(), any::<u8>()).prop_map(|(payer, dice)| Action::Step { payer, dice }),
        12 => (payer.clone(), at.clone()).prop_map(|(payer, at)| Action::Request { payer, at }),
        3 => payer.clone().prop_map(|payer| Action::Ask { payer }),
        3 => payer.prop_map(|payer| Action::Crash { payer }),
        8 => Just(Action::Block),
        3 => (1u64..400).prop_map(|seconds| Action::Pass { seconds }),
        2 => prop::bool::weighted(0.8).prop_map(Action::Gate),
        3 => prop::bool::weighted(0.4).prop_map(Action::Stick),
        1 => prop::bool::weighted(0.3).prop_map(|silent| Action::Chain { silent }),
        1 => prop::bool::weighted(0.3).prop_map(|silent| Action::Inbox { silent }),
        1 => Just(Action::Foreign),
        1 => Just(Action::Forget),
        4 => (any::<usize>(), prop::bool::weighted(0.3))
            .prop_map(|(dice, again)| Action::Arrive { dice, again }),
        2 => Just(Action::Adopt),
        1 => at.prop_map(|at| Action::Withdraw { at }),
        2 => Just(Action::Midnight),
        1 => budget().prop_map(|(day, total)| Action::Budget { day, total }),
    ]
}

/// So many payments' worth, or no limit.
fn budget() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    let limit = || prop::option::of((0u64..10).prop_map(|payments| payments * 100));
    (limit(), limit())
}

/// Runs one history and then heals the world. `Err` names the broken promise.
fn run(history: &[Action], sabotage: Sabotage) -> Result<(), String> {
    let (mut world, mut store) = (World::new(), Store::new());
    let mut payers: Vec<Payer> = (0..PAYERS).map(|_| Payer::new()).collect();
    let mut asked = Vec::new();
    for action in history {
        act(action, &mut world, &mut store, &mut payers, &mut asked, sabotage)?;
        check(&world, &store)?;
    }
    world.heal();
    store.gate_open = true;
    store.adopt(world.next);
    store.allow(None, None);
    payers.iter_mut().for_each(Payer::crash);
    asked.retain(|at| !world.withdrawn.contains(at));
    // One more customer, so that somebody works what the withdrawn left behind.
    asked.push(PAYEES);
    let mut payer = Payer::new();
    for round in 0..12 {
        for at in &asked {
            payer.request(*at, &store);
            for _ in 0..400 {
                payer.step(&mut world, &mut store, 255, sabotage)?;
                world.block();
                check(&world, &store)?;
                if payer.idle() {
                    break;
                }
            }
            world.now = world.now.after(Duration::from_secs(30));
        }
        let done = promises::ends(&world, &store, &asked);
        if done.is_ok() || round == 11 {
            return done.map_err(|error| format!("{error}; last {:?}", payer.last));
        }
    }
    Ok(())
}

fn check(world: &World, store: &Store) -> Result<(), String> {
    promises::never_pays_twice(world)?;
    promises::never_lends_a_nonce(world, store)?;
    promises::stores_before_it_sends(world, store)?;
    promises::owns_every_nonce(world, store)?;
    promises::stays_within_limits(store)?;
    promises::owns_every_sat(store)?;
    promises::stays_within_budget(world, store)
}

fn act(
    action: &Action,
    world: &mut World,
    store: &mut Store,
    payers: &mut [Payer],
    asked: &mut Vec<usize>,
    sabotage: Sabotage,
) -> Result<(), String> {
    match *action {
        Action::Step { payer, dice } => payers[payer].step(world, store, dice, sabotage)?,
        Action::Request { payer, at } => {
            if !world.withdrawn.contains(&at) {
                payers[payer].request(at, store);
                if !asked.contains(&at) {
                    asked.push(at);
                }
            }
        }
        Action::Ask { payer } => payers[payer].ask(store),
        Action::Crash { payer } => payers[payer].crash(),
        Action::Block => world.block(),
        Action::Pass { seconds } => world.now = world.now.after(Duration::from_secs(seconds)),
        Action::Gate(open) => store.gate_open = open,
        Action::Stick(stuck) => world.stuck = stuck,
        Action::Chain { silent } => world.chain_silent = silent,
        Action::Inbox { silent } => world.inbox_silent = silent,
        Action::Foreign => world.foreign(),
        Action::Forget => world.forget(),
        Action::Arrive { dice, again } => world.arrive(dice, again),
        Action::Adopt => store.adopt(world.next),
        Action::Midnight => world.now = world.now.after(Duration::from_secs(86_400)),
        Action::Budget { day, total } => store.allow(day.map(Sats::new), total.map(Sats::new)),
        Action::Withdraw { at } => {
            world.withdrawn.insert(at);
        }
    }
    Ok(())
}

fn history() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 0..600)
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    /// Every promise holds after every step of every history, and the world, once healed,
    /// ends with everything settled and no nonce held.
    #[test]
    fn keeps_its_promises(history in history()) {
        let told = run(&history, Sabotage::None);
        prop_assert!(told.is_ok(), "{told:?}");
    }
}

/// Looks for a history in which the promises notice the sabotage. Fixed seed: it either
/// always finds one or never.
#[track_caller]
fn must_notice(sabotage: Sabotage) {
    let (cases, max_shrink_iters) = (300, 0);
    let config = Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let found = runner.run(&history(), |history| match run(&history, sabotage) {
        Ok(()) => Ok(()),
        Err(broken) => Err(TestCaseError::fail(broken)),
    });
    assert!(matches!(found, Err(TestError::Fail(..))), "{sabotage:?} went unnoticed");
}

/// Bytes that leave before they are stored.
#[test]
fn notices_send_before_save() {
    must_notice(Sabotage::SendBeforeSave);
}

/// A payment in doubt that is signed again with a new nonce.
#[test]
fn notices_a_new_nonce_for_a_payment_in_doubt() {
    must_notice(Sabotage::SignAgain);
}

/// A post without an answer that counts as not sent.
#[test]
fn notices_a_timeout_taken_for_failure() {
    must_notice(Sabotage::TimeoutIsFailure);
}

/// The nonce of a payment in doubt, given to the next.
#[test]
fn notices_a_lent_nonce() {
    must_notice(Sabotage::LendNonce);
}

/// A payment that is begun again because the relay called it failed.
#[test]
fn notices_the_relay_believed_about_failure() {
    must_notice(Sabotage::RelayFailedIsProof);
}

/// A payer that sends while the gate is closed.
#[test]
fn notices_sending_without_leave() {
    must_notice(Sabotage::NoLeave);
}

/// Sats that are signed away and not reserved.
#[test]
fn notices_what_is_not_reserved() {
    must_notice(Sabotage::Unreserved);
}

/// Two payers that each count on the same sats.
#[test]
fn notices_a_spending_that_is_not_shared() {
    must_notice(Sabotage::BlindSpending);
}

/// A payment in doubt whose sats are given to another.
#[test]
fn notices_sats_in_doubt_that_are_released() {
    must_notice(Sabotage::DoubtReleased);
}

/// A day that begins as if nothing were under way.
#[test]
fn notices_a_reservation_forgotten_at_midnight() {
    must_notice(Sabotage::ForgetsAtMidnight);
}
