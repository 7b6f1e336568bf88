//! A task's own times.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{GateState, Phase, Timestamp};

use super::{add, gate};
use crate::harness::{Echo, Says, World, eventually};

/// One at a time, each behind the gate `relay`: whoever waits in its place stops the kind.
const ONE_AT_A_TIME: &str = r#"
[kinds.echo]
handler = { service = "echo" }
needs = ["relay"]
lease = "2s"
timeout = "20s"
concurrency = 1

[gates.relay]
about = "what every echo goes through"
remedy = "look at the relay"
"#;

/// G4, W3: a task that may not begin yet is in nobody's way: others of a kind that runs one at a
/// time go on, one of them is the canary, and the drain ends without it. It begins in its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_waits_for_its_time_in_nobodys_way() {
    let world = World::start(ONE_AT_A_TIME).await;
    let early: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
    let seen = early.clone();
    let echo = Echo::start(&world.bus, "echo", move |request, _| {
        let now = kit::Clock.now();
        seen.lock().unwrap().extend(request.task.not_before.filter(|at| now < *at));
        Says::done()
    })
    .await;
    let _gatekeeper = world.spawn("gatekeeper", &[]);
    for name in ["echo/far", "echo/farther"] {
        add(&world, &[name, "--kind", "echo", "--not-before", "1h"], 0).await;
    }
    add(&world, &["echo/soon", "--kind", "echo", "--not-before", "3s"], 0).await;
    world.queue("echo", "echo/now").await;
    gate(&world, "close").await;
    gate(&world, "open").await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.phase("echo", "echo/now", "completed").await;
    world.gate_is("relay", GateState::Open).await;
    world.phase("echo", "echo/soon", "completed").await;
    world.queue("echo", "echo/next").await;
    world.phase("echo", "echo/next", "completed").await;
    assert_eq!(*early.lock().unwrap(), [], "begun before their time");
    assert_eq!(echo.asked().len(), 3);
    let far = world.state("echo", "echo/far").await.unwrap();
    assert_eq!((far.attempt, far.word()), (0, "returned"));
    let listed = world.json(&["task", "list"]).await;
    let why = |at: usize| listed["tasks"][at]["why"].as_str().unwrap().to_owned();
    assert_eq!(listed["tasks"].as_array().map(Vec::len), Some(2), "{listed}");
    assert!(why(0).contains("not before") && why(1).contains("not before"), "{listed}");
}

/// W1: a task that expires before it begins is withdrawn as stale and told, without an attempt;
/// behind a closed gate it waits for its turn, and then is nobody's canary. A person may have it
/// done all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_task_is_withdrawn() {
    let world = World::start(ONE_AT_A_TIME).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _gatekeeper = world.spawn("gatekeeper", &[]);
    add(&world, &["echo/stale", "--kind", "echo", "--expires-in", "2s"], 0).await;
    add(&world, &["echo/lasting", "--kind", "echo", "--expires-in", "2h"], 0).await;
    gate(&world, "close").await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    eventually("it to expire", || async {
        let task = world.json(&["task", "show", "echo/stale"]).await;
        let why = task["why"].as_str().unwrap().to_owned();
        why.contains("expired").then_some(())
    })
    .await;
    assert!(world.state("echo", "echo/stale").await.is_none(), "it waits for its turn");
    gate(&world, "open").await;
    world.phase("echo", "echo/lasting", "completed").await;
    let stale = world.phase("echo", "echo/stale", "withdrawn").await;
    assert!(
        matches!(&stale.phase, Phase::Withdrawn { by, why } if by == "dispatcher" && why.starts_with("stale")),
        "{stale:?}"
    );
    assert_eq!((stale.attempt, echo.asked().len()), (0, 1));
    let told = eventually("it to be told", || async {
        world.events("event.task.withdrawn.echo").await.pop()
    })
    .await;
    assert_eq!((&told["data"]["cause"], &told["data"]["attempt"]), (&"stale".into(), &0.into()));
    world.gate_is("relay", GateState::Open).await;
    let retry = ["task", "retry", "echo/stale", "--note", "still wanted", "--as", "ann"];
    eventually("it to be put back", || async {
        world.cli(&retry).await.status.success().then_some(())
    })
    .await;
    world.phase("echo", "echo/stale", "completed").await;
}

/// What could never begin is refused before anything is created, whoever writes it how.
#[tokio::test(flavor = "multi_thread")]
async fn times_that_make_no_sense_are_refused() {
    let world = World::start(ONE_AT_A_TIME).await;
    let echo = ["echo/0", "--kind", "echo"];
    let refused = async |words: &[&str], expected: &str| {
        let said = add(&world, &[&echo, words].concat(), 2).await;
        assert!(said.contains(expected), "{said}");
    };
    refused(&["--expires-at", "2020-01-01T00:00:00Z"], "has passed").await;
    refused(&["--not-before", "2h", "--expires-in", "1h"], "before it may begin").await;
    refused(&["--not-before", "tomorrow"], "write 2026-11-22T09:00:00Z").await;
    refused(&["--expires-at", "2h", "--expires-in", "1h"], "cannot be used with").await;
    let file = world.dir().join("tasks.json");
    let line = r#"{"kind": "echo", "source_key": "echo/1", "expires_at": "2020-01-01T00:00:00Z"}"#;
    std::fs::write(&file, format!("{{\"kind\": \"echo\", \"source_key\": \"echo/0\"}}\n{line}\n"))
        .unwrap();
    let said = add(&world, &["--file", file.to_str().unwrap()], 2).await;
    assert!(said.contains("tasks.json:2: it would expire"), "{said}");
    assert!(world.stored("WORK", "task.>").await.is_empty(), "nothing was created");
    let line = line.replace("2020-01-01T00:00:00Z", "2h");
    std::fs::write(&file, line).unwrap();
    add(&world, &["--file", file.to_str().unwrap()], 0).await;
    let task = world.json(&["task", "show", "echo/1"]).await;
    let expires = task["expires_at"].as_str().unwrap();
    let soonest = kit::Clock.now().after(Duration::from_secs(6_000)).to_string();
    assert!(soonest.as_str() < expires, "{task}");
}
