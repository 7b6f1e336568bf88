//! Who comes first, when a task may begin and until when, and how often anything is repeated,
//! with real dispatchers and gatekeepers.

mod repeated;
mod times;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::harness::{Echo, Says, World, eventually};

/// Adds a task as a person would, and wants that to end so; what was said.
async fn add(world: &World, words: &[&str], code: i32) -> String {
    let output = world.cli(&[&["task", "add"], words, &["--as", "ann"]].concat()).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    said
}

/// Closes or opens the gate `relay` as a person would.
async fn gate(world: &World, verb: &str) {
    let mut args = vec!["gate", verb, "relay", "--note", "upkeep", "--as", "ann"];
    args.extend((verb == "open").then_some("--no-wait"));
    // A gatekeeper that was just started may not listen yet.
    eventually("a gatekeeper to answer", || async {
        world.cli(&args).await.status.success().then_some(())
    })
    .await;
}

const TWO_KINDS: &str = r#"
[kinds.urgent]
handler = { service = "echo" }
priority = "high"
lease = "2s"
timeout = "110s"

[kinds.bulk]
handler = { service = "echo" }
priority = "low"
lease = "2s"
timeout = "110s"
"#;

/// The kinds of the requests so far, in the order in which they came.
fn kinds(echo: &Echo) -> Vec<String> {
    echo.asked().iter().map(|asked| asked.task.kind.to_string()).collect()
}

/// W3: a dispatcher with one slot and a backlog of two kinds gives each its part, four starts of
/// five to the urgent one and one to the other, and keeps the order within each.
#[tokio::test(flavor = "multi_thread")]
async fn one_slot_is_fair_over_time() {
    let world = World::start(TWO_KINDS).await;
    let echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    for number in 10..40 {
        world.queue("bulk", &format!("bulk/{number}")).await;
    }
    for number in 10..40 {
        world.queue("urgent", &format!("urgent/{number}")).await;
    }
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    for number in 10..40 {
        world.phase("urgent", &format!("urgent/{number}"), "completed").await;
        world.phase("bulk", &format!("bulk/{number}"), "completed").await;
    }
    let begun = kinds(&echo);
    let bulk = begun[..25].iter().filter(|kind| *kind == "bulk").count();
    assert!((4..=8).contains(&bulk), "{begun:?}");
    for kind in ["bulk", "urgent"] {
        let asked = echo.asked();
        let of_kind = asked.iter().filter(|asked| asked.task.kind.as_str() == kind);
        let keys: Vec<_> = of_kind.map(|asked| asked.task.source_key.to_string()).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }
}

/// W3: tasks of low priority that take for ever leave a slot to what is urgent.
#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_leaves_a_slot_to_what_is_urgent() {
    let world = World::start(TWO_KINDS).await;
    let go = Arc::new(AtomicBool::new(false));
    let flag = go.clone();
    let echo =
        Echo::start(&world.bus, "echo", move |request, _| match request.task.kind.as_str() {
            "bulk" => Says::When(
                flag.clone(),
                match Says::done() {
                    Says::Outcome(outcome) => outcome,
                    _ => unreachable!(),
                },
            ),
            _ => Says::done(),
        })
        .await;
    for number in 0..6 {
        world.queue("bulk", &format!("bulk/{number}")).await;
    }
    let _dispatcher = world.spawn("dispatcher", &["--slots", "4"]);
    eventually("three to be begun", || async { (echo.asked().len() == 3).then_some(()) }).await;
    for number in 0..6 {
        let name = format!("urgent/{number}");
        world.queue("urgent", &name).await;
        world.phase("urgent", &name, "completed").await;
    }
    let begun = kinds(&echo).iter().filter(|kind| *kind == "bulk").count();
    assert_eq!(begun, 3, "one slot of four was left");
    go.store(true, Ordering::SeqCst);
    for number in 0..6 {
        world.phase("bulk", &format!("bulk/{number}"), "completed").await;
    }
}
