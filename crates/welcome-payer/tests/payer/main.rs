//! The payer as it runs: a real nats-server, the sandbox's inbox, relay and chain, and the
//! ledger of the sandbox as judge.
//!
//! Needs a `nats-server` on the PATH or in NATS_SERVER.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod latched;
mod record;
mod settings;
mod wallets;
mod world;

use std::time::Duration;

use domain::{GateState, Outcome};
use serde_json::json;
use world::{World, word};

/// One request pays and delivers; asked again, for the next attempt or by a repeated question,
/// it answers the same and pays nothing.
#[tokio::test]
async fn pays_once_however_often_it_is_asked() {
    let world = World::start(json!({})).await;
    let agent = world.agents().await.remove(0);
    let outcome = world.run(&agent, 1).await;
    assert_eq!(word(&outcome), "completed", "{outcome:?}");
    for attempt in [1, 2] {
        assert_eq!(word(&world.run(&agent, attempt).await), "completed");
    }
    let ledger = world.ledger().await;
    assert_eq!((ledger["welcomed"].as_u64(), ledger["paid_twice"].as_u64()), (Some(1), Some(0)));
    assert!(world.contact(&agent).await);
}

/// The relay's nonce sticks: the attempt fails for that cause, the payment stays in doubt, and
/// once it is healed the same bytes pay once.
#[tokio::test]
async fn a_conflict_leaves_the_payment_in_doubt() {
    for generation in ["march", "typed"] {
        let world = World::start(json!({ "stuck_nonce": true, "generation": generation })).await;
        let agent = world.agents().await.remove(0);
        assert_eq!(word(&world.run(&agent, 1).await), "failed relay.nonce-conflict");
        let doubt = world.payment(&agent).await;
        assert!(doubt.contains("unknown"), "{doubt}");
        world.sandbox("POST", "heal", json!({})).await;
        // The payer is latched until the gate moves.
        assert_eq!(word(&world.run(&agent, 2).await), "held");
        world.move_gate("relay", GateState::Closed).await;
        assert_eq!(word(&world.run(&agent, 3).await), "held");
        world.move_gate("relay", GateState::Open).await;
        let outcome = world.until(&agent, 4, "completed").await;
        assert_eq!(outcome, "completed");
        let ledger = world.ledger().await;
        assert_eq!(ledger["transfers"].as_array().unwrap().len(), 1, "{ledger}");
        assert_eq!(ledger["transfers"][0]["originNonce"], 0);
    }
}

/// Whatever happens to the answer after the money has moved, nobody is paid twice and the
/// message arrives.
#[tokio::test]
async fn survives_lost_and_false_answers() {
    let faults = [
        json!({ "inbox_drop_after_settle": 1 }),
        json!({ "inbox_503_after_settle": 1 }),
        json!({ "inbox_already_redeemed": 1 }),
        json!({ "inbox_500": 1 }),
        json!({ "inbox_staged": true }),
        json!({ "relay_5xx": 1 }),
        json!({ "insufficient_funds": 1 }),
    ];
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    for (fault, agent) in faults.iter().zip(&agents) {
        world.sandbox("POST", "faults", fault.clone()).await;
        let first = world.run(agent, 1).await;
        world.sandbox("POST", "faults", json!({ "inbox_staged": null })).await;
        for gate in ["relay", "wallet", "inbox"] {
            world.move_gate(gate, GateState::Closed).await;
            world.move_gate(gate, GateState::Open).await;
        }
        let outcome = world.until(agent, 2, "completed").await;
        assert_eq!(outcome, "completed", "after {fault} and {first:?}");
    }
    let ledger = world.ledger().await;
    assert_eq!(ledger["paid_twice"], 0, "{ledger}");
    assert_eq!(ledger["welcomed"].as_u64().unwrap(), u64::try_from(faults.len()).unwrap());
}

/// A closed gate, a claim that is gone, an agent with contact, and terms that are not ours:
/// nothing is signed and nothing leaves.
#[tokio::test]
async fn sends_nothing_that_it_may_not() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    world.move_gate("relay", GateState::Closed).await;
    let outcome = world.run(&agents[0], 1).await;
    assert!(
        matches!(&outcome, Outcome::Held { gate: Some(gate), .. } if gate.as_str() == "relay"),
        "{outcome:?}"
    );
    world.move_gate("relay", GateState::Open).await;
    assert_eq!(word(&world.ask_without_claim(&agents[0]).await), "held");
    world.write_contact(&agents[1]).await;
    assert_eq!(word(&world.run(&agents[1], 1).await), "moot");
    world.sandbox("POST", "faults", json!({ "amount_override": "5000" })).await;
    assert_eq!(word(&world.run(&agents[2], 1).await), "failed target.payment-terms");
    let someone = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
    let terms = json!({ "amount_override": null, "pay_to_override": someone });
    world.sandbox("POST", "faults", terms).await;
    assert_eq!(word(&world.run(&agents[3], 1).await), "failed target.payment-terms");
    assert_eq!(world.ledger().await["transfers"].as_array().unwrap().len(), 0);
    assert_eq!(world.stats().await["paid_posts"], 0, "{}", world.stats().await);
}

/// Accepted and never confirmed: pending at first, told once as unconfirmed; when the relay
/// is healed it settles by itself, and asking finds it.
#[tokio::test]
async fn tells_of_what_stays_unconfirmed() {
    let world = World::today(json!({ "stuck_nonce": true })).await;
    let agent = world.agents().await.remove(0);
    let outcome = world.run(&agent, 1).await;
    assert_eq!(word(&outcome), "failed relay.unconfirmed", "{outcome:?}");
    world.sandbox("POST", "heal", json!({})).await;
    world.move_gate("relay", GateState::Closed).await;
    world.move_gate("relay", GateState::Open).await;
    assert_eq!(world.until(&agent, 2, "completed").await, "completed");
    assert_eq!(world.ledger().await["paid_twice"], 0);
}

/// A second payer takes over where the first was killed, and both side by side pay each
/// agent once.
#[tokio::test]
async fn several_payers_pay_each_agent_once() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    let second = world.another_payer();
    let world = &world;
    let mut pending: Vec<_> = agents.iter().take(12).collect();
    for attempt in 1..40 {
        let outcomes = pending.iter().map(|agent| async move { world.run(agent, attempt).await });
        let outcomes = futures_util::future::join_all(outcomes).await;
        let mut outcomes = outcomes.into_iter();
        pending.retain(|_| outcomes.next().is_none_or(|outcome| word(&outcome) != "completed"));
        if pending.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(pending.is_empty(), "{} never paid", pending.len());
    let ledger = world.ledger().await;
    assert_eq!((ledger["welcomed"].as_u64(), ledger["paid_twice"].as_u64()), (Some(12), Some(0)));
    drop(second);
}

/// The chain has used nonces of ours that the record does not know: nothing is signed.
#[tokio::test]
async fn refuses_to_sign_on_an_old_record() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "completed");
    let account = json!({ "address": world.wallet, "nonce": 9 });
    world.sandbox("POST", "accounts", account).await;
    // A payer compares when it starts.
    world.restart_payer().await;
    assert_eq!(word(&world.run(&agents[1], 1).await), "failed record.behind");
    assert_eq!(word(&world.run(&agents[0], 2).await), "completed");
}

/// A payer is killed while its post is under way. The next one does not send beside it, asks
/// what became of it, and the agent is paid once.
#[tokio::test]
async fn a_killed_payer_is_succeeded() {
    let world = World::start(json!({ "inbox_stall_ms": 2_000 })).await;
    let agent = world.agents().await.remove(0);
    let posted = async {
        while world.stats().await["paid_posts"] == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = world.run(&agent, 1) => panic!("answered before it was killed: {outcome:?}"),
        () = posted => (),
    }
    world.restart_payer().await;
    world.sandbox("POST", "faults", json!({ "inbox_stall_ms": 0 })).await;
    assert_eq!(world.until(&agent, 2, "completed").await, "completed");
    let ledger = world.ledger().await;
    assert_eq!((ledger["welcomed"].as_u64(), ledger["paid_twice"].as_u64()), (Some(1), Some(0)));
}
