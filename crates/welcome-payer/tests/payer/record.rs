//! The wallet's record: what it may lack, and how a person has it follow the world.

use clap::Parser as _;
use domain::{Cause, Payment, PaymentStage, Phase, Wallet};
use fleet::store::{self, Versioned};
use portcullis::exit::{Code, code_of};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wire::{message::WalletAdopted, subject};

use crate::{
    settings::reapply,
    world::{World, task, word},
};

/// A wallet that has written to agents of whom the record knows nothing, as every wallet has
/// that is older than its record: it goes on paying at every comparison.
#[tokio::test]
async fn messages_from_before_the_record_hold_nothing_back() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "completed");
    // Under the purpose of this sensor nobody has been written to.
    let sensor = format!(
        "[sensors.d.directory]\nurl = \"{}/api\"\nkind = \"welcome\"\nnetwork = \"mainnet\"\n\
         purpose = \"other\"\nmessage = \"Hi {{name}}\"\n",
        world.url
    );
    reapply(&world, &sensor, "", |_| ()).await.unwrap();
    world.restart_payer().await;
    let outcome = world.run(&agents[1], 1).await;
    assert_eq!(word(&outcome), "completed", "{outcome:?}");
}

/// The world has used nonces that the record does not know: a person has the record follow,
/// by name and with a note, and paying goes on from there. With nothing to adopt, without a
/// note and without a payer it is refused.
#[tokio::test]
async fn a_person_has_the_record_follow_the_world() {
    let world = World::start(json!({})).await;
    let agents = world.agents().await;
    assert_eq!(word(&world.run(&agents[0], 1).await), "completed");
    assert_eq!(adopt(&world, "restored").await, Err(Code::Refused));
    let account = json!({ "address": world.wallet, "nonce": 9 });
    world.sandbox("POST", "accounts", account).await;
    world.restart_payer().await;
    assert_eq!(word(&world.run(&agents[1], 1).await), "failed record.behind");
    assert_eq!(adopt(&world, " ").await, Err(Code::Usage));
    let before = wallet(&world).await;
    assert_eq!(before.value.next, 1);
    assert_eq!(adopt(&world, "restored").await, Ok(()));
    assert_eq!(wallet(&world).await.value.next, 9);
    let act = subject::act_on_wallet(&world.wallet, before.seq);
    let act = store::read::<WalletAdopted>(&world.bus, subject::RECORD, &act).await;
    let act = act.unwrap().unwrap().value;
    assert_eq!((act.person.as_str(), act.note.as_str()), ("tester", "restored"));
    assert_eq!((act.before, act.next, act.chain_next), (1, 9, 9));
    let told = world.bus.last(subject::EVENTS, "event.payment.adopted").await.unwrap().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!((&told["data"]["by"], &told["data"]["next"]), (&json!("tester"), &json!(9)));
    assert_eq!(adopt(&world, "restored").await, Err(Code::Refused));
    for gate in ["relay", "wallet"] {
        world.move_gate(gate, domain::GateState::Open).await;
    }
    assert_eq!(world.until(&agents[1], 2, "completed").await, "completed");
    let transfers = world.ledger().await["transfers"].clone();
    assert_eq!(transfers[1]["originNonce"], 9, "{transfers}");
}

/// A payment was signed and not sent when its task ended; it is asked for again by a task of
/// another name. That task owns it now, so it is paid, and not given up with the old one.
#[tokio::test]
async fn a_signed_payment_belongs_to_whoever_asks_for_it() {
    let world = World::start(json!({ "stuck_nonce": true })).await;
    let agent = world.agents().await.remove(0);
    assert_eq!(word(&world.run(&agent, 1).await), "failed relay.nonce-conflict");
    unsend(&world, subject::payment(agent.key())).await;
    world.sandbox("POST", "heal", json!({})).await;
    world.move_gate("relay", domain::GateState::Open).await;
    let old = task(&agent);
    let state = subject::state(&old.kind, old.key());
    let seq = world.bus.last(subject::STATE, &state).await.unwrap().unwrap().seq;
    world.stand(&old, 1, Phase::Dead { cause: Cause::known("target.invalid") }, seq).await;
    let source_key = format!("greeting/{}", old.source_key).parse().unwrap();
    let renamed = domain::Task { source_key, ..old };
    let outcome = world.run_task(renamed, 1).await;
    assert_eq!(word(&outcome), "completed", "{outcome:?}");
}

/// Puts a sent payment and its wallet back to where the bytes are stored and have not left.
async fn unsend(world: &World, subject: String) {
    let found = store::read::<Payment>(&world.bus, subject::RECORD, &subject).await;
    let Versioned { value, seq } = found.unwrap().unwrap();
    let signed = value.signed().unwrap().clone();
    let payment = Payment { stage: PaymentStage::Signed(signed), ..value };
    write(world, &subject, &payment, seq).await;
    let Versioned { mut value, seq } = wallet(world).await;
    value.unfinished.iter_mut().for_each(|holder| holder.sent = false);
    write(world, &subject::nonce(&world.wallet), &value, seq).await;
}

async fn write<T: wire::Wire + PartialEq>(world: &World, subject: &str, value: &T, seq: u64) {
    let cas = store::compare_and_set(&world.bus, subject::RECORD, subject, value, seq).await;
    assert!(matches!(cas.unwrap(), store::Cas::Stored(_)));
}

async fn wallet(world: &World) -> Versioned<Wallet> {
    let subject = subject::nonce(&world.wallet);
    store::read(&world.bus, subject::RECORD, &subject).await.unwrap().unwrap()
}

/// `portcullis payment adopt`, as an operator types it.
async fn adopt(world: &World, note: &str) -> Result<(), Code> {
    let args = ["portcullis", "payment", "adopt", "--note", note, "--as", "tester"];
    let args = args.into_iter().chain(["--nats-url", &world.nats_url]);
    let args = portcullis::Args::parse_from(args);
    let done = portcullis::run(args, CancellationToken::new()).await;
    done.map_err(|error| code_of(&error))
}
