//! The command line as scripts and people use it: exit codes, JSON, and what it says.

mod by_hand;
mod told;
mod up;

use std::{
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{Actor, Cost, GateState, Outcome};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::harness::{Echo, PATIENCE, Says, World, eventually, program, world::ECHO_CONFIG};

/// A handler that refuses everyone until it is healed.
async fn sick(world: &World) -> (Echo, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let flag = healed.clone();
    let script = move |_: &_, _| match flag.load(Ordering::SeqCst) {
        true => Says::done(),
        false => Says::failed("relay.nonce-conflict"),
    };
    (Echo::start(&world.bus, "echo", script).await, healed)
}

async fn queue(world: &World, count: usize) {
    for number in 0..count {
        world.queue("echo", &format!("echo/{number}")).await;
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs it and checks its number; what it said is the answer.
#[track_caller]
fn ends<'a>(
    world: &'a World,
    args: &'a [&'a str],
    code: i32,
) -> impl Future<Output = String> + use<'a> {
    let place = std::panic::Location::caller();
    async move {
        let output = world.cli(args).await;
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{place}: {args:?}: {said}");
        said
    }
}

const OPEN: [&str; 7] = ["gate", "open", "relay", "--note", "cleared", "--as", "ann"];

/// Each refusal has its number and says what to do; with no gatekeeper alive a gate can be
/// closed and not opened.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_numbers() {
    let world = World::start(ECHO_CONFIG).await;
    let text = ends(&world, &["gate", "open", "relay", "--as", "ann"], 2).await;
    assert!(text.contains("--note"), "{text}");
    ends(&world, &["gate", "open", "relay", "--note", " ", "--as", "ann"], 2).await;
    ends(&world, &["gate", "close", "relay", "--as", "ann"], 2).await;
    let text = ends(&world, &["gate", "show", "relai"], 5).await;
    assert!(text.contains("did you mean `relay`"), "{text}");
    let other = ["gate", "open", "bridge", "--note", "x", "--as", "ann"];
    let text = ends(&world, &other, 5).await;
    assert!(text.contains("there are: ") && text.contains("relay"), "{text}");
    ends(&world, &["task", "show", "echo/nobody"], 5).await;

    let text = ends(&world, &OPEN, 3).await;
    assert!(text.contains("OPEN (flowing) already") && text.contains("task list"), "{text}");

    let closed = ["gate", "close", "relay", "--note", "upkeep", "--as", "ann"];
    let told = world.json(&closed).await;
    assert_eq!((&told["state"], &told["written_by"]), (&"closed".into(), &"portcullis".into()));
    let gate = world.gate("relay").await;
    assert_eq!((gate.state, gate.note.as_str()), (GateState::Closed, "upkeep"));
    assert_eq!(gate.by, Actor::Person("ann".to_owned()));
    assert_eq!(world.events("event.gate.closed.relay").await.len(), 1);

    let text = ends(&world, &OPEN, 4).await;
    assert!(text.contains("no gatekeeper is running") && text.contains("start"), "{text}");
    assert_eq!(world.gate("relay").await, gate, "nothing moved");
}

/// With no server to reach the number is 4, and the sentence says what to look at.
#[tokio::test(flavor = "multi_thread")]
async fn an_absent_server_is_four() {
    let away = ["gate", "list", "--nats-url", "nats://127.0.0.1:1"];
    let output = Command::new(program("portcullis")).args(away).output();
    let output = timeout(PATIENCE, output).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("--nats-url"), "{}", said(&output));
}

/// Where neither USER nor LOGNAME is set, the operating system says who acts.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_shell_has_a_name() {
    let world = World::start(ECHO_CONFIG).await;
    let id = Command::new("id").arg("-un").output().await.unwrap();
    let name = String::from_utf8(id.stdout).unwrap().trim().to_owned();
    let mut command = Command::new(program("portcullis"));
    command.args(["gate", "close", "relay", "--note", "upkeep"]);
    command.env("NATS_URL", world.nats.url()).env_remove("USER").env_remove("LOGNAME");
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(world.gate("relay").await.by, Actor::Person(name));

    // A user whom the system cannot name must say who it is.
    let mut command = Command::new(program("portcullis"));
    command.args(["gate", "close", "kind-echo", "--note", "upkeep"]).env("PATH", "/nonexistent");
    command.env("NATS_URL", world.nats.url()).env_remove("USER").env("LOGNAME", " ");
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--as"), "{}", said(&output));
}

/// G4: followed to its end, an opening names its canary and ends with 0 at OPEN; and every
/// `--json` is one object with what a script needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_followed_to_its_end() {
    let world = World::start(ECHO_CONFIG).await;
    let (echo, healed) = sick(&world).await;
    queue(&world, 8).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    world.gate_is("relay", GateState::Closed).await;
    eventually("the failure to be counted", || async {
        (world.json(&["gate", "show", "relay"]).await["failures"] == 1).then_some(())
    })
    .await;
    the_closed_gate_is_json(&world).await;

    healed.store(true, Ordering::SeqCst);
    let output = world.cli(&OPEN).await;
    let (data, talk) = (String::from_utf8_lossy(&output.stdout).into_owned(), said(&output));
    assert_eq!(output.status.code(), Some(0), "{talk}");
    assert!(talk.contains("in the queue: echo 8"), "{talk}");
    assert!(talk.contains("the canary is echo/"), "{talk}");
    assert!(data.contains("gate relay is OPEN (flowing); incident 1 is over"), "{data}");
    assert_eq!(echo.asked().len(), 9);
    the_history_is_json(&world).await;
}

async fn the_closed_gate_is_json(world: &World) {
    let list = world.json(&["gate", "list"]).await;
    assert_eq!((&list["alive"]["gatekeeper"], &list["configuration"]), (&1.into(), &1.into()));
    let gates = list["gates"].as_array().unwrap();
    let relay = gates.iter().find(|gate| gate["gate"] == "relay").unwrap();
    for gate in [relay, &world.json(&["gate", "show", "relay"]).await] {
        assert_eq!(
            (&gate["state"], &gate["told"]),
            (&"closed".into(), &"CLOSED (blocking)".into())
        );
        assert_eq!((&gate["epoch"], &gate["incident"]), (&2.into(), &1.into()), "{gate}");
        assert_eq!(gate["causes"][0], "relay.nonce-conflict", "{gate}");
        assert_eq!(gate["failures_by_cause"]["relay.nonce-conflict"], 1, "{gate}");
        assert_eq!(gate["in_queue"]["echo"], 8, "{gate}");
        assert!(gate["command"].as_str().unwrap().starts_with("portcullis gate open relay"));
        // The gatekeeper has answered, so that nobody waits for it any more.
        assert_eq!(gate["latched"], Value::Array(Vec::new()), "{gate}");
    }
    let output = world.cli(&["gate", "list"]).await;
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("CLOSED (blocking)") && !table.contains("holds itself back"), "{table}");

    let tasks = world.json(&["task", "list"]).await;
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 8);
    assert_eq!(tasks["cut_off"], false);
    for task in tasks["tasks"].as_array().unwrap() {
        assert_eq!(task["kind"], "echo");
        assert!(task["why"].as_str().unwrap().contains("held by relay"), "{task}");
    }
}

async fn the_history_is_json(world: &World) {
    let history = world.json(&["gate", "history", "relay"]).await;
    let log = history["history"].as_array().unwrap();
    let states: Vec<&str> = log.iter().map(|gate| gate["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["open", "closed", "probing", "draining", "open"]);
    assert_eq!((&log[2]["by"], &log[2]["note"]), (&"ann".into(), &"cleared".into()));
    for pair in log.windows(2) {
        assert!(pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64(), "{pair:?}");
        assert!(pair[0]["epoch"].as_u64() < pair[1]["epoch"].as_u64(), "{pair:?}");
    }

    let tasks = world.json(&["task", "list"]).await;
    assert_eq!(tasks["tasks"], Value::Array(Vec::new()));
    let tasks = world.json(&["task", "list", "--phase", "completed"]).await;
    assert_eq!(tasks["by_phase"]["completed"], 8, "{tasks}");
    let first = log[1]["trigger"]["source_key"].as_str().unwrap();
    let task = world.json(&["task", "show", first]).await;
    assert_eq!((&task["phase"], &task["charged"]), (&"completed".into(), &0.into()), "{task}");
    assert_eq!((&task["attempt"], &task["in_queue"]), (&2.into(), &false.into()), "{task}");
    let told = task["events"].as_array().unwrap();
    let told: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let of_attempts = ["portcullis.attempt.failed", "portcullis.attempt.completed"];
    assert!(of_attempts.iter().all(|kind| told.contains(kind)), "{told:?}");
}

/// G4: a canary that meets the same wall ends the command with 6, and it says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_again_is_six() {
    let world = World::start(ECHO_CONFIG).await;
    let (_echo, _never_healed) = sick(&world).await;
    queue(&world, 3).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    world.gate_is("relay", GateState::Closed).await;
    let text = ends(&world, &OPEN, 6).await;
    assert!(text.contains("the canary is echo/"), "{text}");
    assert!(text.contains("CLOSED (blocking) again"), "{text}");
    assert!(text.contains("relay.nonce-conflict") && text.contains("gate show relay"), "{text}");
    assert_eq!(world.gate("relay").await.incident, 1, "the same incident");
}

/// What is created during a drain is no part of its progress: the bar stays that of the
/// backlog at the opening, and what came later stands beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_counts_what_waited() {
    let world = World::start(ECHO_CONFIG).await;
    let finish = Arc::new(AtomicBool::new(false));
    let rest = finish.clone();
    // The first fails, the canary completes, and all others wait for the test.
    let _echo = Echo::start(&world.bus, "echo", move |_, before| match before {
        0 => Says::failed("relay.nonce-conflict"),
        1 => Says::done(),
        _ => {
            Says::When(rest.clone(), Outcome::Completed { effect: "late".into(), cost: Cost::ZERO })
        }
    })
    .await;
    queue(&world, 4).await;
    let _keeper = world.spawn("gatekeeper", &[]);
    let _dispatcher = world.spawn("dispatcher", &["--slots", "1"]);
    world.gate_is("relay", GateState::Closed).await;
    let mut command = Command::new(program("portcullis"));
    command.args(OPEN).env("NATS_URL", world.nats.url()).kill_on_drop(true);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    world.gate_is("relay", GateState::Draining).await;
    for number in 0..3 {
        world.queue("echo", &format!("echo/new-{number}")).await;
    }
    let told = timeout(PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it goes on");
            if line.contains("came later") && !line.contains(" 0/4") {
                return line;
            }
        }
    });
    let told = told.await.expect("progress in time");
    assert!(told.contains(" 1/4"), "{told}");
    finish.store(true, Ordering::SeqCst);
    let drained = async { while let Ok(Some(_)) = lines.next_line().await {} };
    let (ended, ()) =
        timeout(PATIENCE, async { tokio::join!(child.wait(), drained) }).await.unwrap();
    assert_eq!(ended.unwrap().code(), Some(0));
    world.gate_is("relay", GateState::Open).await;
}
