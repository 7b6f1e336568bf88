//! `portcullis task add`, `retry` and `withdraw`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{GateState, Phase, TaskState};
use fleet::store::{Cas, compare_and_set};
use wire::subject;

use super::{Echo, Says, World, ends, eventually, queue};
use crate::harness::world::{ECHO_CONFIG, task};

const CLOSE: [&str; 7] = ["gate", "close", "relay", "--note", "upkeep", "--as", "ann"];
const WHY: [&str; 4] = ["--note", "looked at it", "--as", "ann"];

/// `task <words> --note … --as ann`
fn by_hand<'a>(words: &[&'a str]) -> Vec<&'a str> {
    ["task"].iter().chain(words).chain(&WHY).copied().collect()
}

/// A service that finds fault with each task until it is mended.
async fn faulty(world: &World) -> (Echo, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let flag = mended.clone();
    let script = move |_: &_, _| match flag.load(Ordering::SeqCst) {
        true => Says::done(),
        false => Says::failed("target.invalid"),
    };
    (Echo::start(&world.bus, "echo", script).await, mended)
}

/// W1, W3: a task whose attempts are spent is put back with a fresh budget, says again what it
/// said before, and ends once; completed is final.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_is_put_back_whole() {
    let world = World::start(ECHO_CONFIG).await;
    let (echo, mended) = faulty(&world).await;
    let payload = r#"{"say": [1, "two"]}"#;
    let add = ["task", "add", "echo/a", "--kind", "echo", "--payload", payload, "--as", "ann"];
    ends(&world, &add, 0).await;
    let _services = [world.spawn("dispatcher", &[]), world.spawn("gatekeeper", &[])];
    world.phase("echo", "echo/a", "dead").await;
    let spent = echo.asked().len();

    let text = ends(&world, &by_hand(&["retry", "--cause", "target.invalid"]), 0).await;
    assert!(text.contains("1 to put back = 1 echo dead target.invalid"), "{text}");
    assert!(text.contains("nothing is done yet"), "{text}");
    assert_eq!(world.state("echo", "echo/a").await.unwrap().word(), "dead");

    mended.store(true, Ordering::SeqCst);
    // The dispatcher may still be about to take the dead one's message out.
    let retry = by_hand(&["retry", "--cause", "target.invalid", "--yes"]);
    eventually("the task to be put back", || async {
        world.cli(&retry).await.status.success().then_some(())
    })
    .await;
    let done = world.phase("echo", "echo/a", "completed").await;
    assert_eq!(done.charged, 0, "the budget was fresh");
    assert!(done.task.is_none(), "nothing is kept of what is final");
    let asked = echo.asked();
    assert_eq!(asked.len(), spent + 1);
    let last = &asked[spent].task;
    assert_eq!((last.payload.as_str(), last.created_by.as_str()), (payload, "ann"));
    let text = ends(&world, &by_hand(&["retry", "echo/a"]), 3).await;
    assert!(text.contains("final"), "{text}");
}

/// W1, G1: what waits behind a closed gate is withdrawn in one go, after it was shown; it is
/// told at once, and nobody begins it when the gate is open again. Put back, it is done.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_withdrawn_and_may_come_back() {
    let world = World::start(ECHO_CONFIG).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    queue(&world, 3).await;
    ends(&world, &CLOSE, 0).await;
    let text = ends(&world, &by_hand(&["withdraw", "--kind", "echo"]), 0).await;
    assert!(text.contains("3 to withdraw = 3 echo queued"), "{text}");
    assert_eq!(world.state("echo", "echo/0").await, None, "only shown");
    let text = ends(&world, &["task", "withdraw", "--note", "x", "--as", "ann"], 2).await;
    assert!(text.contains("which tasks"), "{text}");

    ends(&world, &by_hand(&["withdraw", "--kind", "echo", "--yes"]), 0).await;
    assert_eq!(world.events("event.task.withdrawn.echo").await.len(), 3);
    let text = ends(&world, &by_hand(&["withdraw", "echo/1"]), 3).await;
    assert!(text.contains("has ended already"), "{text}");
    let text = ends(&world, &by_hand(&["retry", "echo/1"]), 3).await;
    assert!(text.contains("stands in the queue"), "{text}");

    let _services = [world.spawn("dispatcher", &[]), world.spawn("gatekeeper", &[])];
    let open = ["gate", "open", "relay", "--note", "done", "--as", "ann", "--without-canary"];
    let open = [&open[..], &["--accept", "person.closed", "--no-wait"]].concat();
    eventually("a gatekeeper to open", || async {
        world.cli(&open).await.status.success().then_some(())
    })
    .await;
    world.gate_is("relay", GateState::Open).await;
    eventually("the queue to be empty", || async {
        world.last("WORK", "task.>").await.is_none().then_some(())
    })
    .await;
    assert_eq!(echo.asked().len(), 0, "withdrawn is withdrawn");
    assert_eq!(world.events("event.task.withdrawn.echo").await.len(), 3, "told once");

    let retry = by_hand(&["retry", "--phase", "withdrawn", "--yes"]);
    // W4: not before an attempt that ran when they were withdrawn could act no more.
    eventually("a lease to pass and the tasks to be put back", || async {
        world.cli(&retry).await;
        let left = world.json(&["task", "list", "--phase", "withdrawn"]).await;
        left["tasks"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    for number in 0..3 {
        world.phase("echo", &format!("echo/{number}"), "completed").await;
    }
    assert_eq!(echo.asked().len(), 3);
}

/// G1, W4: a person's creates go behind the fence too, once for each source key; a file is
/// taken whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_added_behind_the_fence() {
    let world = World::start(ECHO_CONFIG).await;
    let add = |key| ["task", "add", key, "--kind", "echo", "--as", "ann"];
    ends(&world, &CLOSE, 0).await;
    let output = world.cli(&add("echo/a")).await;
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("while a gate is closed: relay"), "{text}");
    assert!(world.last("WORK", "task.>").await.is_none());

    let free = ECHO_CONFIG.replace("needs = [\"relay\"]", "needs = []");
    let file = world.dir().join("free.toml");
    std::fs::write(&file, free).unwrap();
    let file = file.to_str().unwrap();
    ends(&world, &["apply", "-f", file, "--note", "no relay any more", "--as", "ann"], 0).await;
    let is = |told: serde_json::Value| told["tasks"][0]["is"].as_str().unwrap().to_owned();
    assert_eq!(is(world.json(&add("echo/a")).await), "is created");
    assert_eq!(is(world.json(&add("echo/a")).await), "is in the queue already");
    let text = ends(&world, &["task", "add", "a", "--kind", "ecco", "--as", "ann"], 5).await;
    assert!(text.contains("did you mean `echo`"), "{text}");
    let wrong = ["task", "add", "a", "--kind", "echo", "--payload", "{", "--as", "ann"];
    assert!(ends(&world, &wrong, 2).await.contains("not JSON"));

    let rows = world.dir().join("rows");
    let lines = "{\"kind\":\"echo\",\"source_key\":\"echo/b\",\"payload\":{\"n\":1}}\n\n";
    std::fs::write(&rows, format!("{lines}{{\"kind\":\"echo\",\"source\":\"c\"}}\n")).unwrap();
    let file = ["task", "add", "--file", rows.to_str().unwrap(), "--as", "ann"];
    let text = ends(&world, &file, 2).await;
    assert!(text.contains("rows:3:") && text.contains("nothing is created"), "{text}");
    let queued = async || world.stored("WORK", "task.echo.>").await.len();
    assert_eq!(queued().await, 1, "of the file nothing");
    std::fs::write(&rows, lines).unwrap();
    ends(&world, &file, 0).await;
    assert_eq!(queued().await, 2);
}

/// W1: whoever put a task back was interrupted before it stood in the queue again. It is seen, and
/// the next retry finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_left_half_way_is_finished() {
    let world = World::start(ECHO_CONFIG).await;
    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let task = task("echo", "echo/a");
    let revived = TaskState {
        task: Some(Box::new(task.clone())),
        phase: Phase::Revived { by: "ann".to_owned(), note: "looked at it".to_owned() },
        ..logic::attempt::unclaimed(&task, task.created_at)
    };
    let chain = subject::state(&task.kind, task.key());
    let written = compare_and_set(&world.bus, subject::STATE, &chain, &revived, 0).await;
    assert!(matches!(written, Ok(Cas::Stored(_))));
    let listed = world.json(&["task", "list", "--phase", "revived"]).await;
    assert_eq!(listed["tasks"][0]["in_queue"], false, "{listed}");
    ends(&world, &by_hand(&["retry", "--kind", "echo", "--yes"]), 0).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.phase("echo", "echo/a", "completed").await;
}
