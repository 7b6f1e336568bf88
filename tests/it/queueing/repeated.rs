//! How often anything is repeated: delays, the budget of a kind, and the budget of a lineage.

use std::sync::{Arc, Mutex};

use domain::{Phase, Timestamp};

use super::add;
use crate::harness::{Echo, Says, World, eventually};

fn config(more: &str) -> String {
    format!(
        r#"
[kinds.echo]
handler = {{ service = "echo" }}
attempts = 3
lease = "2s"
timeout = "20s"
{more}
"#
    )
}

/// W2: what fails by its own fault is repeated as often as the kind's budget lets the whole fleet
/// repeat; the rest waits uncharged, that is told, and all of it comes to its end.
#[tokio::test(flavor = "multi_thread")]
async fn what_exceeds_the_budget_waits() {
    let retries = r#"retries = { share = 0.0, floor = 2, per = "2s" }"#;
    let world =
        World::start(&config(&format!("rest = \"10ms\"\nrest_max = \"10ms\"\n{retries}"))).await;
    let echo = Echo::start(&world.bus, "echo", |request, _| match request.attempt {
        1 => Says::failed("target.invalid"),
        _ => Says::done(),
    })
    .await;
    let _services = [
        world.spawn("gatekeeper", &[]),
        world.spawn("dispatcher", &[]),
        world.spawn("dispatcher", &[]),
    ];
    for number in 0..6 {
        world.queue("echo", &format!("echo/{number}")).await;
    }
    for number in 0..6 {
        let done = world.phase("echo", &format!("echo/{number}"), "completed").await;
        assert_eq!((done.attempt, done.charged), (2, 1), "{done:?}");
    }
    assert_eq!(echo.asked().len(), 12);
    let held = world.events("event.task.held.echo").await;
    let why = |event: &serde_json::Value| event["data"]["evidence"].as_str().unwrap().to_owned();
    assert!(held.iter().any(|event| why(event).contains("may repeat 2 attempts")), "{held:?}");
}

/// W2: the delay after a failure lives in the chain: it outlasts dispatchers and servers, all of
/// them killed, and a message that the broker then brings too early waits on.
#[tokio::test(flavor = "multi_thread")]
async fn a_delay_outlasts_everything() {
    let mut world = World::start(&config("rest = \"20s\"\nrest_max = \"20s\"")).await;
    let asked: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
    let seen = asked.clone();
    let echo = Echo::start(&world.bus, "echo", move |request, _| {
        seen.lock().unwrap().push(kit::Clock.now());
        if request.attempt == 1 { Says::failed("target.invalid") } else { Says::done() }
    })
    .await;
    let mut dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    let resting = world.phase("echo", "echo/0", "resting").await;
    let Phase::Resting { due, .. } = resting.phase else { panic!("{resting:?}") };
    dispatcher.kill().await;
    world.nats.kill_all().await;
    world.nats.start_all_again().await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    let done = world.phase("echo", "echo/0", "completed").await;
    assert_eq!((done.attempt, done.charged), (2, 1));
    drop(echo);
    let asked = asked.lock().unwrap().clone();
    assert!(asked.len() == 2 && due <= asked[1], "due {due}, asked {asked:?}");
}

/// W2: what follows a task up shares its budget of attempts, and is refused once that is spent,
/// also when a person asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_lineage_has_one_budget() {
    let world = World::start(&config("rest = \"100ms\"\nrest_max = \"100ms\"")).await;
    let echo = Echo::start(&world.bus, "echo", |request, _| {
        let first = request.task.source_key.as_str() == "echo/a";
        if first && 1 < request.attempt { Says::done() } else { Says::failed("target.invalid") }
    })
    .await;
    let _services = [world.spawn("gatekeeper", &[]), world.spawn("dispatcher", &[])];
    let follow =
        |name: &'static str, parent: &'static str| [name, "--kind", "echo", "--follows", parent];
    let said = add(&world, &follow("echo/b", "echo/echo/a"), 3).await;
    assert!(said.contains("no task `echo/a` of kind `echo` was ever created"), "{said}");
    add(&world, &["echo/later", "--kind", "echo", "--not-before", "1h"], 0).await;
    let said = add(&world, &follow("echo/b", "echo/echo/later"), 3).await;
    assert!(said.contains("it has not ended"), "{said}");
    world.queue("echo", "echo/a").await;
    let done = world.phase("echo", "echo/a", "completed").await;
    assert_eq!((done.attempt, done.charged), (2, 1));
    add(&world, &follow("echo/b", "echo/echo/a"), 0).await;
    let dead = world.phase("echo", "echo/b", "dead").await;
    assert_eq!((dead.attempt, dead.charged), (2, 3), "one of three was spent before it");
    let said = add(&world, &follow("echo/c", "echo/echo/a"), 3).await;
    assert!(said.contains("echo/echo/b follows it already"), "{said}");
    let said = add(&world, &follow("echo/c", "echo/echo/b"), 3).await;
    assert!(said.contains("its lineage from echo/a on has spent 3 of the 3 attempts"), "{said}");
    add(&world, &follow("echo/c", "nonsense"), 2).await;
    let shown = eventually("it to be shown", || async {
        let shown = world.json(&["task", "show", "echo/b"]).await;
        shown["follows"].is_object().then_some(shown)
    })
    .await;
    assert_eq!(shown["follows"]["spent"], 1, "{shown}");
    assert_eq!(echo.asked().len(), 4);
}
