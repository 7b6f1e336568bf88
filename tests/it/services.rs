//! Services that answer never, late, or twice: what is written down is what one attempt was
//! told in time, and what nobody knows is as the kind has it (M2).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domain::{Cost, Outcome, Phase};
use wire::{Wire as _, message::RunReply};

use crate::harness::{Echo, Says, World, eventually};

/// One kind that asks its service again, and one that asks a person.
const CONFIG: &str = r#"
[kinds.echo]
handler = { service = "echo" }
attempts = 3
rest = "1s"
rest_max = "1s"
lease = "3s"
timeout = "2s"

[kinds.slow]
handler = { service = "slow" }
attempts = 3
rest = "1s"
rest_max = "1s"
lease = "3s"
timeout = "60s"

[kinds.careful]
handler = { service = "careful" }
attempts = 3
rest = "1s"
rest_max = "1s"
lease = "3s"
timeout = "2s"
on_unknown = "ask"
"#;

fn completed(effect: &str) -> Outcome {
    Outcome::Completed { effect: effect.to_owned(), cost: Cost::ZERO }
}

/// M2: a service that says nothing leaves it unknown: uncharged, and asked again, unless the
/// kind says that a person is to be asked first; then it is asked once.
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_unknown() {
    let world = World::start(CONFIG).await;
    let says = |_: &_, before: usize| if before == 0 { Says::Never } else { Says::done() };
    let echo = Echo::start(&world.bus, "echo", says).await;
    let careful = Echo::start(&world.bus, "careful", says).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    world.queue("careful", "careful/0").await;
    let state = world.phase("echo", "echo/0", "completed").await;
    assert_eq!((state.attempt, state.charged, echo.asked().len()), (2, 0, 2));
    let state = world.phase("careful", "careful/0", "parked").await;
    assert_eq!((state.attempt, state.charged), (1, 0));
    for (kind, verb) in [("echo", "failed"), ("careful", "failed"), ("careful", "parked")] {
        let told = told(&world, kind, verb).await;
        assert_eq!(told[0]["data"]["cause"], "service.timeout", "{told:?}");
    }
    // Had it been asked again by itself, then as soon as the other kind's.
    assert_eq!(careful.asked().len(), 1);
}

/// W1: an answer that comes when the attempt is over changes nothing, not even while the next
/// attempt waits for its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_nobodys() {
    let world = World::start(CONFIG).await;
    let late = Arc::new(AtomicBool::new(false));
    let flag = late.clone();
    let echo = Echo::start(&world.bus, "echo", move |_, before| match before {
        0 => Says::When(flag.clone(), completed("too late")),
        1 => Says::Never,
        _ => Says::Outcome(completed("in time")),
    })
    .await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    eventually("the second attempt", || async { (echo.asked().len() == 2).then_some(()) }).await;
    late.store(true, Ordering::SeqCst);
    let state = world.phase("echo", "echo/0", "completed").await;
    assert_eq!(state.phase, Phase::Completed { effect: "in time".to_owned() });
    assert_eq!((state.attempt, echo.asked().len()), (3, 3));
    assert_eq!(told(&world, "echo", "failed").await.len(), 2);
}

/// W1: of two answers to one question the first counts, and the other is not taken for the
/// answer to the next.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_answers_counts() {
    let world = World::start(CONFIG).await;
    let stray = Arc::new(AtomicBool::new(false));
    let flag = stray.clone();
    let echo = Echo::start(&world.bus, "slow", move |_, before| match before {
        0 => Says::failed("target.invalid"),
        _ => Says::When(flag.clone(), completed("of the second attempt")),
    })
    .await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    // The same subject in another group: each question reaches both.
    let subject = wire::subject::service_run(&"slow".parse().unwrap());
    let mut inbox = world.bus.serve(&subject, "another").await.unwrap();
    world.bus.flush().await;
    world.queue("slow", "slow/0").await;
    let question = inbox.question(&world.bus).await.unwrap();
    eventually("the second attempt", || async { (echo.asked().len() == 2).then_some(()) }).await;
    let outcome = completed("of the first attempt");
    question.answer(RunReply { outcome }.encode()).await;
    world.bus.flush().await;
    stray.store(true, Ordering::SeqCst);
    let state = world.phase("slow", "slow/0", "completed").await;
    assert_eq!(state.phase, Phase::Completed { effect: "of the second attempt".to_owned() });
    assert_eq!((state.attempt, state.charged), (2, 1));
}

/// What was told with this verb of tasks of a kind; it is written down first.
async fn told(world: &World, kind: &str, verb: &str) -> Vec<serde_json::Value> {
    eventually(format!("{kind} {verb} to be told"), || async {
        let mut told = world.events("event.>").await;
        told.retain(|told| {
            let id = told["id"].as_str().unwrap_or_default();
            id.starts_with(&format!("{kind}/")) && id.ends_with(&format!("/{verb}"))
        });
        (!told.is_empty()).then_some(told)
    })
    .await
}
