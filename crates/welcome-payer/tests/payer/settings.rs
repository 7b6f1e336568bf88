//! What a changed configuration does to tasks that wait and payments under way.

use bus::{Expect, Put};
use domain::{Config, Outcome};
use portcullis::apply::{Wish, bring_about};
use serde_json::json;
use wire::{Wire as _, subject};

use crate::world::{World, config_text, read, task, word};

/// The kind does not need the gate `chain`, so nobody shares what the Stacks API does to it.
/// While it cannot be told whether the agent was paid, nothing is charged to its task.
#[tokio::test]
async fn what_may_be_paid_is_never_charged() {
    let world = World::start(json!({})).await;
    let agent = world.agents().await.remove(0);
    let unshared = |config: &mut Config| {
        let kind = config.kinds.values_mut().next().unwrap();
        kind.needs.retain(|gate| gate.as_str() != "chain");
    };
    reapply(&world, "", "for the test", unshared).await.unwrap();
    // The comparison with the chain succeeds; the payment's answer is lost.
    world.eventually(async || (config_version(&world).await == 2).then_some(())).await;
    world.restart_payer().await;
    world.sandbox("POST", "faults", json!({ "inbox_500": 1 })).await;
    let first = world.run(&agent, 1).await;
    assert_ne!(word(&first), "completed");
    assert!(world.payment(&agent).await.contains("pay_"), "nothing was signed: {first:?}");
    world.sandbox("POST", "faults", json!({ "api_down": true, "inbox_500": 9 })).await;
    world.restart_payer().await;
    for gate in ["relay", "wallet", "inbox"] {
        world.move_gate(gate, domain::GateState::Open).await;
    }
    let outcome = world.run(&agent, 2).await;
    assert_eq!(word(&outcome), "unknown chain.unavailable", "{outcome:?}");
    world.sandbox("POST", "faults", json!({ "api_down": false, "inbox_500": 0 })).await;
    assert_eq!(world.until(&agent, 3, "completed").await, "completed");
    assert_eq!(world.ledger().await["paid_twice"], 0);
}

/// While a task waits to be paid for, the network changes by a person's word only; the task
/// then waits, uncharged, until the network is its own again.
#[tokio::test]
async fn a_change_of_network_holds_what_waits() {
    let world = World::start(json!({})).await;
    let agent = world.agents().await.remove(0);
    let waiting = task(&agent);
    let put = Put {
        subject: subject::task(&waiting.kind, waiting.key()),
        body: waiting.encode(),
        expect: Expect::Nothing,
        id: None,
    };
    world.bus.put(put).await.unwrap();
    let network = |name: &'static str| {
        move |config: &mut Config| config.payer.as_mut().unwrap().network = name.to_owned()
    };
    let refused = reapply(&world, "", "", network("testnet")).await.unwrap_err();
    let told = format!("{refused:#}");
    assert!(told.contains("1 tasks wait") && told.contains("--note"), "{told}");
    reapply(&world, "", "testing", network("testnet")).await.unwrap();
    world.restart_payer().await;
    let outcome = world.run(&agent, 1).await;
    assert!(matches!(&outcome, Outcome::Held { gate: None, .. }), "{outcome:?}");
    reapply(&world, "", "and back", network("mainnet")).await.unwrap();
    world.restart_payer().await;
    assert_eq!(world.until(&agent, 2, "completed").await, "completed");
}

/// Applies the test's configuration with `more` at its end and `change` made to it.
pub(crate) async fn reapply(
    world: &World,
    more: &str,
    note: &str,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<()> {
    let mut config = read(&(config_text(&world.url, "900s") + more));
    change(&mut config);
    let (by, note) = ("tester".to_owned(), note.to_owned());
    let wish = Wish { config, by, note, replicas: None, dry_run: false };
    bring_about(&world.bus, &wish).await.map(|_| ())
}

async fn config_version(world: &World) -> u64 {
    fleet::current_config(&world.bus).await.unwrap().config.version
}
