//! Failures that nobody told, and what waits for their being counted.

use domain::{Incident, JoinedFailure, Key, Payment};
use fleet::store;
use serde_json::json;
use wire::{event::AttemptTold, subject};

use crate::world::{Agent, World, task, word};

/// The dispatcher died before it told the failure, and its task has moved on. The payer tells
/// it under an id of its own, as the failure that its latch waits for; once that is counted it
/// holds itself back no longer.
#[tokio::test]
async fn a_failure_that_its_dispatcher_never_told() {
    let world = World::start(json!({ "stuck_nonce": true })).await;
    let agent = world.agents().await.remove(0);
    assert_eq!(word(&world.run(&agent, 1).await), "failed relay.nonce-conflict");
    assert_eq!(word(&world.run(&agent, 2).await), "held");
    let subject = "event.failure.welcome.relay.nonce-conflict";
    let told = world
        .eventually(async || world.bus.last(subject::EVENTS, subject).await.unwrap())
        .await
        .body;
    let failed = AttemptTold::from_json(&told).unwrap();
    let envelope: serde_json::Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(envelope["id"], format!("{}/payer", failed.id()));
    assert_eq!((failed.attempt, failed.source_key.key()), (1, task(&agent).key()));
    assert_eq!(failed.gate, Some("relay".parse().unwrap()));
    assert!(!failed.admitted.is_empty());
    assert_eq!(word(&world.run(&agent, 3).await), "held");
    count(&world, "relay", &[failed]).await;
    world
        .eventually(async || {
            let last = world.bus.last(subject::STATE, &state(&agent)).await.unwrap().unwrap();
            let attempt = u32::try_from(last.seq).unwrap() + 10;
            (word(&world.run(&agent, attempt).await) != "held").then_some(())
        })
        .await;
}

/// A failure that its dispatcher tells is not told a second time from here.
#[tokio::test]
async fn what_is_under_way_is_left_to_its_dispatcher() {
    let world = World::start(json!({ "stuck_nonce": true })).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "failed relay.nonce-conflict");
    // Of two failures only the one whose task has moved on is told.
    world.move_gate("relay", domain::GateState::Open).await;
    assert_eq!(word(&world.run(&agents[1], 1).await), "failed relay.nonce-conflict");
    assert_eq!(word(&world.run(&agents[1], 2).await), "held");
    let subject = "event.failure.>";
    let told = world
        .eventually(async || {
            let all = world.bus.all(subject::EVENTS, subject, 10).await.unwrap();
            (!all.is_empty()).then_some(all)
        })
        .await;
    let keys: Vec<Key> = told
        .iter()
        .map(|stored| AttemptTold::from_json(&stored.body).unwrap().source_key.key())
        .collect();
    assert_eq!(keys, [task(&agents[1]).key()]);
}

/// That a payment stays unconfirmed is told with each attempt until a gatekeeper has counted
/// it: an answer that nobody heard is no telling.
#[tokio::test]
async fn unconfirmed_is_told_until_it_is_counted() {
    let world = World::today(json!({ "stuck_nonce": true })).await;
    let agent = world.agents().await.remove(0);
    for attempt in [1, 2] {
        assert_eq!(word(&world.run(&agent, attempt).await), "failed relay.unconfirmed");
        assert!(!payment(&world, &agent).await.unconfirmed_told);
    }
    let told = world
        .eventually(async || {
            world
                .bus
                .last(subject::EVENTS, "event.failure.welcome.relay.unconfirmed")
                .await
                .unwrap()
        })
        .await;
    let first = AttemptTold::from_json(&told.body).unwrap();
    assert_eq!(first.attempt, 1);
    let second = AttemptTold { attempt: 2, ..first.clone() };
    count(&world, "relay", &[first, second]).await;
    world.eventually(async || payment(&world, &agent).await.unconfirmed_told.then_some(())).await;
}

/// That the chain aborted a transfer is told with each attempt until a gatekeeper has counted
/// it, and only then is the agent paid anew, once.
#[tokio::test]
async fn an_abort_is_told_until_it_is_counted() {
    let world = World::start(json!({ "chain_abort": 1 })).await;
    let agent = world.agents().await.remove(0);
    let aborted = "failed wallet.transfer-aborted";
    assert_eq!(world.until(&agent, 1, aborted).await, aborted);
    assert_eq!(word(&world.run(&agent, 400).await), aborted);
    let cause = "event.failure.welcome.wallet.transfer-aborted";
    let told =
        world.eventually(async || world.bus.last(subject::EVENTS, cause).await.unwrap()).await;
    let told = AttemptTold::from_json(&told.body).unwrap();
    let again = AttemptTold { attempt: 400, ..told.clone() };
    count(&world, "wallet", &[told, again]).await;
    assert_eq!(world.until(&agent, 401, "completed").await, "completed");
    let ledger = world.ledger().await;
    assert_eq!((ledger["welcomed"].as_u64(), ledger["paid_twice"].as_u64()), (Some(1), Some(0)));
}

/// Plays the gatekeeper that counts the failures and leaves the gate open.
async fn count(world: &World, gate: &str, failures: &[AttemptTold]) {
    let mut incident = Incident::new(gate.parse().unwrap(), 1);
    incident.failures = failures
        .iter()
        .map(|told| JoinedFailure {
            event: told.id(),
            task: told.source_key.key(),
            source_key: told.source_key.clone(),
            attempt: told.attempt,
            cause: told.cause.clone().unwrap(),
            at: told.at,
            straggler: false,
            evidence: told.evidence.clone(),
            resets_at: None,
        })
        .collect();
    let subject = subject::incident(&incident.gate, 1);
    let cas = store::compare_and_set(&world.bus, subject::RECORD, &subject, &incident, 0).await;
    assert!(matches!(cas.unwrap(), store::Cas::Stored(_)));
}

async fn payment(world: &World, agent: &Agent) -> Payment {
    let subject = subject::payment(agent.key());
    store::read(&world.bus, subject::RECORD, &subject).await.unwrap().unwrap().value
}

fn state(agent: &Agent) -> String {
    let task = task(agent);
    subject::state(&task.kind, task.key())
}
