//! M4 for attempts: dollars are held before an attempt begins, spent as it ends, and whoever
//! crashes in between hides none of them and keeps none for ever.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{Cost, GateState, MicroUsd, Outcome, UsdSpending};
use fleet::store;
use serde_json::{Value, json};
use wire::subject;

use crate::harness::{Echo, Says, World, eventually};

/// One kind whose attempts may cost ten cents each.
fn config(limits: &str) -> String {
    format!(
        r#"
[kinds.nightly]
handler = {{ service = "echo" }}
needs = ["budget"]
cost_max = "0.10"
attempts = 3
rest = "1s"
rest_max = "1s"
lease = "2s"
timeout = "20s"

[gates.budget]
about = "what may be spent"

[budgets.nightly]
{limits}
"#
    )
}

/// A day that has begun stays begun: as if it were tomorrow already, so that no midnight comes
/// in the middle of a test.
async fn world(limits: &str) -> World {
    let world = World::start(&config(limits)).await;
    let day = kit::Clock.now().day() + 1;
    let nothing = UsdSpending { day, ..UsdSpending::new("nightly".parse().unwrap()) };
    let on = subject::usd(&nothing.kind);
    let kept = store::compare_and_set(&world.bus, subject::STATE, &on, &nothing, 0).await;
    assert!(matches!(kept, Ok(store::Cas::Stored(_))), "{kept:?}");
    world
}

fn costing(cents: u64) -> Outcome {
    let cost = Cost { micro_usd: MicroUsd::new(cents * 10_000), ..Cost::ZERO };
    Outcome::Completed { effect: "done".to_owned(), cost }
}

async fn spending(world: &World) -> UsdSpending {
    eventually("what was spent to be readable", || async {
        let on = subject::usd(&"nightly".parse().unwrap());
        store::read::<UsdSpending>(&world.bus, subject::STATE, &on).await.ok().flatten()
    })
    .await
    .value
}

/// Waits until so many cents are spent and nothing is held.
async fn spent(world: &World, cents: u64) {
    eventually(format!("{cents} cents to be spent and none held"), || async {
        let found = spending(world).await;
        let cents = MicroUsd::new(cents * 10_000);
        (found.spent == cents && found.today == cents && found.held.is_empty()).then_some(())
    })
    .await;
}

async fn queue(world: &World, tasks: std::ops::Range<usize>) {
    for number in tasks {
        world.queue("nightly", &format!("nightly/{number}")).await;
    }
}

async fn completed(world: &World, tasks: std::ops::Range<usize>) {
    for number in tasks {
        world.phase("nightly", &format!("nightly/{number}"), "completed").await;
    }
}

/// M4, W2, G3: with three dispatchers and attempts of three cents that may cost ten, a day of
/// fifty cents begins as many as surely fit; then the gate closes at once, nobody is charged, and
/// whoever looks sees the arithmetic. A higher budget opens nothing; a person does.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_costs_what_it_may() {
    let world = world("usd_day = \"0.50\"").await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::Outcome(costing(3))).await;
    let _gatekeeper = world.spawn("gatekeeper", &[]);
    let _fleet: Vec<_> = (0..3).map(|_| world.spawn("dispatcher", &["--slots", "3"])).collect();
    queue(&world, 0..20).await;
    let closed = world.gate_is("budget", GateState::Closed).await;
    // 14 × $0.03 = $0.42 leave less than one attempt may cost.
    spent(&world, 42).await;
    assert_eq!((closed.incident, echo.asked().len()), (1, 14));
    let evidence = closed.trigger.unwrap().evidence;
    let words = "$0.50 a day, $0.42 spent, $0.00 reserved by 0 under way, $0.08 left; this \
                 attempt may cost $0.10";
    assert!(evidence.contains(words), "{evidence}");
    let day = spending(&world).await.day;
    let told = world.events("event.failure.nightly.>").await;
    assert!(told.len() <= 9, "each slot learns it once: {told:?}");
    for event in &told {
        let data = &event["data"];
        assert_eq!((&data["cause"], &data["charged"]), (&json!("budget.reached"), &json!(false)));
        let after_turn = data["resets_at_ms"].as_u64().unwrap().checked_sub((day + 1) * 86_400_000);
        assert!(after_turn.is_some_and(|ms| ms < 60_000), "not as the day turns: {data}");
    }
    let shown = world.json(&["gate", "show", "budget"]).await["budgets"][0].clone();
    assert_eq!(
        (&shown["waiting"], &shown["usd"]["left_today_micro_usd"]),
        (&json!(6), &json!(80_000))
    );
    let listed = String::from_utf8(world.cli(&["gate", "list"]).await.stdout).unwrap();
    let line = "nightly: $0.08 left today; 6 tasks wait × $0.10 = $0.60 at most";
    assert!(listed.contains(line), "{listed}");

    world.apply(&config("usd_day = \"5.00\"")).await;
    assert_eq!(world.gate("budget").await.state, GateState::Closed, "G3: only a person opens");
    let opened = world
        .cli(&["gate", "open", "budget", "--note", "raised", "--as", "ann", "--no-wait"])
        .await;
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    completed(&world, 0..20).await;
    spent(&world, 60).await;
    assert_eq!(echo.asked().len(), 20);
}

/// M4: what is only held by attempts under way closes nothing: with a budget for two at a time,
/// the third begins when one of them has ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_waited_for() {
    let world = world("usd_total = \"0.20\"").await;
    let go = Arc::new(AtomicBool::new(false));
    let flag = go.clone();
    let free = Echo::start(&world.bus, "echo", move |_, _| Says::When(flag.clone(), costing(0)));
    let free = free.await;
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &["--slots", "5"])];
    queue(&world, 0..5).await;
    eventually("two at once", || async { (free.asked().len() == 2).then_some(()) }).await;
    assert_eq!(spending(&world).await.reserved(), MicroUsd::new(200_000));
    go.store(true, Ordering::SeqCst);
    completed(&world, 0..5).await;
    spent(&world, 0).await;
    assert_eq!(world.events("event.failure.>").await, Vec::<Value>::new());
    assert_eq!(world.gate("budget").await.state, GateState::Open);
}

/// M2, M4, W4: the dispatcher of an attempt is killed, that of another is asked in vain, and a
/// third task is withdrawn while it runs. Nobody can say what those have cost: each is counted in
/// full, once, and nothing stays reserved.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_crashes_is_counted() {
    let world = world("usd_day = \"5.00\"").await;
    let echo = Echo::start(&world.bus, "echo", |request, _| {
        match (request.task.source_key.as_str(), request.attempt) {
            ("nightly/0" | "nightly/1", 1) => Says::Never,
            _ => Says::Outcome(costing(1)),
        }
    })
    .await;
    let asked = |task: &'static str| {
        let echo = &echo;
        eventually(format!("{task} to run"), move || async move {
            let asked = echo.asked();
            asked.iter().any(|it| it.task.source_key.as_str() == task).then_some(())
        })
    };
    let _gatekeeper = world.spawn("gatekeeper", &[]);
    let mut first = world.spawn("dispatcher", &[]);
    queue(&world, 0..2).await;
    asked("nightly/0").await;
    asked("nightly/1").await;
    assert_eq!(spending(&world).await.held.len(), 2);
    let withdraw = ["task", "withdraw", "nightly/1", "--note", "not now", "--as", "ann"];
    assert!(world.cli(&withdraw).await.status.success());
    first.kill().await;
    // What was held for it is its own to settle, or is found left over: see the sum at the end.
    let _second = world.spawn("dispatcher", &[]);
    completed(&world, 0..1).await;
    assert_eq!(world.state("nightly", "nightly/0").await.unwrap().charged, 1);
    // Lost $0.10, withdrawn $0.10, the second attempt $0.01.
    spent(&world, 21).await;
    assert_eq!(world.gate("budget").await.state, GateState::Open);
}

/// M4, W1: forty slots that all begin and end attempts of one kind at once: every task runs
/// once, and the sum is exact.
#[tokio::test(flavor = "multi_thread")]
async fn many_hands_one_purse() {
    let world = world("usd_day = \"500.00\"").await;
    // This is about the record: on a slow machine a short lease would be over meanwhile.
    world.apply(&config("usd_day = \"500.00\"").replace("lease = \"2s\"", "lease = \"60s\"")).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::Outcome(costing(2))).await;
    let _gatekeeper = world.spawn("gatekeeper", &[]);
    queue(&world, 0..200).await;
    let _fleet: Vec<_> = (0..4).map(|_| world.spawn("dispatcher", &["--slots", "10"])).collect();
    spent(&world, 400).await;
    completed(&world, 0..200).await;
    assert_eq!(echo.asked().len(), 200);
}
