//! The sensor on a real broker and the sandbox's directory: who gets a task, and who does not.

use domain::{Key, Phase, TaskState};
use fleet::store;
use serde_json::{Value, json};
use stacks::Address;
use wire::{Wire as _, message::Contact, subject};

use crate::harness::{Job, eventually};

/// The report of one more cycle than were told so far.
async fn next_cycle(job: &Job) -> Value {
    let cycles = || async { job.world.events("event.sensor.cycle.>").await };
    let before = cycles().await.len();
    // The one that is under way may have begun before; the one after it has not.
    eventually("two more cycles", || async {
        let cycles = cycles().await;
        (before + 2 <= cycles.len()).then(|| cycles.last().unwrap()["data"].clone())
    })
    .await
}

async fn queued(job: &Job) -> usize {
    job.world.stored(subject::WORK, "task.>").await.len()
}

/// The addresses in the directory, newest first.
async fn addresses(job: &Job) -> Vec<String> {
    let url = format!("{}/api/agents?limit=100", job.sandbox.url());
    let page: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let rows = page["agents"].as_array().unwrap();
    rows.iter().map(|row| row["stxAddress"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Every agent gets one task however many sensors look how often; rows that are no agents
/// get none and block none.
#[tokio::test(flavor = "multi_thread")]
async fn one_task_for_each_agent() {
    let job = Job::set(8).await;
    let broken = ["missing_address", "bad_checksum", "lower_case", "testnet", "duplicate"];
    job.control("agents", json!({ "count": 2, "broken": broken })).await;
    let _sensors = [job.spawn("sensor"), job.spawn("sensor")];
    eventually("ten tasks", || async { (queued(&job).await == 10).then_some(()) }).await;
    let report = next_cycle(&job).await;
    assert_eq!(queued(&job).await, 10, "{report}");
}

/// Ended and contacted agents are skipped: completed, dead and withdrawn by STATE, and
/// earlier contact by RECORD.
#[tokio::test(flavor = "multi_thread")]
async fn ended_and_contacted_agents_are_skipped() {
    let job = Job::set(5).await;
    let addresses = addresses(&job).await;
    let phases = [
        Phase::Completed { effect: "paid".to_owned() },
        Phase::Dead { cause: "target.invalid".parse().unwrap() },
        Phase::Withdrawn { by: "ann".to_owned(), why: "not them".to_owned() },
    ];
    for (address, phase) in addresses.iter().zip(phases) {
        let state = TaskState {
            kind: "welcome".parse().unwrap(),
            source_key: format!("welcome/{address}").parse().unwrap(),
            at: kit::Clock.now(),
            attempt: 1,
            charged: 0,
            cost: domain::Cost::ZERO,
            admitted: Vec::new(),
            canary: Vec::new(),
            task: None,
            phase,
            newest: domain::Cost::ZERO,
            credential: None,
            resets_at: None,
        };
        let chain = subject::state(&state.kind, state.source_key.key());
        let bus = &job.world.bus;
        let _ = store::compare_and_set(bus, subject::STATE, &chain, &state, 0).await.unwrap();
    }
    let known: Address = addresses[3].parse().unwrap();
    let key = Key::of_payee("mainnet", known.version(), known.hash160(), "welcome");
    let contact = Contact {
        address: known.to_string(),
        purpose: "welcome".to_owned(),
        how: "imported".to_owned(),
        at: kit::Clock.now(),
    };
    let bus = &job.world.bus;
    let subject = subject::contact(key);
    let _ = store::compare_and_set(bus, subject::RECORD, &subject, &contact, 0).await.unwrap();

    let _sensor = job.spawn("sensor");
    next_cycle(&job).await;
    let tasks = job.world.stored(subject::WORK, "task.>").await;
    let keys: Vec<String> = tasks
        .iter()
        .map(|task| domain::Task::decode(&task.body).unwrap().source_key.to_string())
        .collect();
    assert_eq!(keys, [format!("welcome/{}", addresses[4])]);
}

/// G1: while a gate that the kind needs is closed the sensor creates nothing, and says which
/// gate holds.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_created_while_a_gate_is_closed() {
    let job = Job::set(5).await;
    let closed = ["gate", "close", "relay", "--note", "upkeep", "--as", "ann"];
    assert!(job.world.cli(&closed).await.status.success());
    let _sensor = job.spawn("sensor");
    let report = next_cycle(&job).await;
    assert!(report.to_string().contains("relay CLOSED (blocking)"), "{report}");
    assert_eq!(queued(&job).await, 0);
}

/// A directory that fails is told, and scanned again in the next cycle.
#[tokio::test(flavor = "multi_thread")]
async fn a_failing_directory_is_told_and_tried_again() {
    let job = Job::set(5).await;
    job.control("faults", json!({ "directory_500": 2 })).await;
    let _sensor = job.spawn("sensor");
    eventually("five tasks", || async { (queued(&job).await == 5).then_some(()) }).await;
    let told = job.world.events("event.sensor.cycle.>").await;
    let failed = told.iter().filter(|event| event.to_string().contains("500")).count();
    assert!(0 < failed, "{told:?}");
}

/// The caps hold: so many tasks a day, whoever creates them and however often.
#[tokio::test(flavor = "multi_thread")]
async fn the_daily_cap_is_shared() {
    let job = Job::set(20).await;
    let toml = job.settings.to_toml(job.sandbox.url());
    job.world.apply(&toml.replace("cap_day = 200", "cap_day = 7")).await;
    let _sensors = [job.spawn("sensor"), job.spawn("sensor")];
    eventually("seven tasks", || async { (7 <= queued(&job).await).then_some(()) }).await;
    next_cycle(&job).await;
    assert_eq!(queued(&job).await, 7);
}
