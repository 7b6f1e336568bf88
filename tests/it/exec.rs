//! Commands as handlers: what each way to end is written down as, and that nothing of a command
//! outlives whoever answers for it.

mod bench;
mod examples;
mod left_behind;
mod nobody_knows;

use domain::{GateState, MicroUsd, Phase, TaskState};

use self::bench::{Bench, Kind};

/// T1: each way to end has its cause, is charged to whom it belongs, and is told.
#[tokio::test(flavor = "multi_thread")]
async fn each_end_has_its_cause() {
    let ways = [
        ("exit", "echo broken >&2; exit 3", "dead exec.failed 1: exit code 3 · broken"),
        ("again", "exit 75", "resting exec.try-again 0: exit code 75"),
        ("garbage", r"printf '\377\376{\n'", "parked exec.garbled 0: exit code 0 · not an outcome"),
        ("silent", "exit 0", "parked exec.garbled 0: exit code 0 · not an outcome as JSON: EOF"),
        ("signal", "kill -SEGV $$", "parked exec.killed 0: died by signal 11"),
        (
            "failed",
            r#"echo '{"outcome":"failed","cause":"report.no-data","evidence":"empty"}'; exit 1"#,
            "dead report.no-data 1: empty",
        ),
        (
            "wrong-word",
            r#"echo '{"outcome":"failed","cause":"No Data!","evidence":"empty"}'"#,
            r#"dead exec.failed 1: cause "No Data!" is not"#,
        ),
        (
            "two-minds",
            r#"echo '{"outcome":"completed"}'; exit 1"#,
            "parked exec.garbled 0: exit code 1 · it said that it had completed",
        ),
        ("unsure", r#"echo '{"outcome":"unknown","evidence":"?"}'"#, "parked exec.failed 0: ?"),
        ("moot", r#"echo '{"outcome":"moot","why":"was done"}'"#, "withdrawn was done"),
        ("held", r#"echo '{"outcome":"held","why":"not now"}'"#, "returned"),
        ("payload", "exit 0", "dead task.invalid 1: the task's payload is not JSON"),
    ];
    let kinds = ways.map(|(name, script, _)| Kind::of(name, script).attempts(1));
    let bench = Bench::start(&kinds, &[]).await;
    for (name, ..) in ways {
        let payload = if name == "payload" { "{broken" } else { "{}" };
        bench.queue(name, payload).await;
    }
    for (name, _, expected) in ways {
        let phase = expected.split(' ').next().unwrap();
        let state = bench.world.phase(name, &bench::key(name), phase).await;
        let story = bench.story(name, &state).await;
        assert!(story.starts_with(expected), "{name}: {story}");
        assert_eq!(bench.world.gate(&format!("kind-{name}")).await.state, GateState::Open);
    }
}

/// W3: what a command says that it did is recorded, with its cost, however much it says
/// beside it, and whether or not it reads its task.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_did_is_recorded() {
    let done = r#"echo '{"outcome":"completed","effect":"all of it","cost":{"micro_usd":250,"tokens_in":7}}'"#;
    let flood = format!("yes abc | head -c 30000000; yes def | head -c 30000000 >&2; echo; {done}");
    let huge = r#"printf '{"outcome":"completed","effect":"'; head -c 900000 /dev/zero | tr '\0' x; echo '"}'"#;
    let kinds = [
        Kind::of("plain", done),
        Kind::of("talks", &format!("echo working; echo hard >&2; {done}; echo")),
        Kind::of("floods", &flood),
        Kind::of("huge", huge).more("output_max = 1000000"),
        Kind::of("text", "cat >/dev/null; echo one; echo two; echo").more("output = \"text\""),
    ];
    let bench = Bench::start(&kinds, &[]).await;
    // More than a pipe holds, which nobody reads.
    let payload = format!("{:?}", "x".repeat(300_000));
    for kind in &kinds {
        bench.queue(&kind.name, &payload).await;
    }
    for (name, effect) in
        [("plain", "all of it"), ("talks", "all of it"), ("floods", "all of it"), ("text", "two")]
    {
        let state = bench.world.phase(name, &bench::key(name), "completed").await;
        assert_eq!(state.phase, Phase::Completed { effect: effect.to_owned() }, "{name}");
        let cost = if name == "text" { 0 } else { 250 };
        assert_eq!(state.cost.micro_usd, MicroUsd::new(cost), "{name}");
    }
    let state = bench.world.phase("huge", &bench::key("huge"), "completed").await;
    assert!(matches!(state.phase, Phase::Completed { effect } if effect.len() < 3_000));
    for kind in &kinds {
        bench.nobody_is_left(&kind.name).await;
    }
}

/// The task comes whole, and of the dispatcher's environment only what is named: its own
/// credentials stay with it, and what a command was given is not repeated in what is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_task_and_no_secret() {
    let script =
        r#"cat > told.json; env > told.env; pwd > told.dir; echo '{"outcome":"completed"}'"#;
    let env = "env = [\"REPORT_TOKEN\", \"NOT_SET\"]";
    let shows = "set -x; : \"$REPORT_TOKEN\"; exit 3";
    let says = r#"echo "{\"outcome\":\"completed\",\"effect\":\"with $REPORT_TOKEN\"}""#;
    let prints = "echo \"$REPORT_TOKEN was it\"";
    let kinds = [
        Kind::of("looks", script).more(env),
        Kind::of("shows", shows).more(env).attempts(1),
        Kind::of("says", says).more(env),
        Kind::of("prints", prints).more(&format!("{env}, output = \"text\"")),
    ];
    let secrets = [("REPORT_TOKEN", "for-it-alone"), ("OTHER_TOKEN", "not for it")];
    let bench = Bench::start(&kinds, &secrets).await;
    bench.queue("looks", "{\"day\": [22, 11]}").await;
    bench.world.phase("looks", &bench::key("looks"), "completed").await;
    let read = |name: &str| std::fs::read_to_string(bench.dir.join(name)).unwrap();
    let told: serde_json::Value = serde_json::from_str(&read("told.json")).unwrap();
    let key = bench::task_key("looks");
    assert_eq!(told["payload"], serde_json::json!({ "day": [22, 11] }));
    assert_eq!((&told["kind"], &told["attempt"]), (&"looks".into(), &1.into()));
    assert_eq!((&told["source_key"], &told["task"]), (&bench::key("looks").into(), &key.into()));
    assert_eq!((&told["created_by"], &told["timeout_ms"]), (&"test".into(), &20_000.into()));
    let env = read("told.env");
    assert!(env.contains("REPORT_TOKEN=for-it-alone") && env.contains("PATH="), "{env}");
    assert!(!env.contains("OTHER_TOKEN") && !env.contains("NATS_URL"), "{env}");
    let dir = std::fs::canonicalize(&bench.dir).unwrap();
    assert_eq!(read("told.dir").trim(), dir.to_str().unwrap());

    for name in ["shows", "says", "prints"] {
        bench.queue(name, "{}").await;
    }
    let state = bench.world.phase("shows", &bench::key("shows"), "dead").await;
    let story = bench.story("shows", &state).await;
    assert!(story.contains("[REPORT_TOKEN]") && !story.contains("for-it-alone"), "{story}");
    for (name, effect) in [("says", "with [REPORT_TOKEN]"), ("prints", "[REPORT_TOKEN] was it")] {
        let state = bench.world.phase(name, &bench::key(name), "completed").await;
        assert_eq!(state.phase, Phase::Completed { effect: effect.to_owned() });
    }
}

/// W2: a program that is missing, or may not be run, is missing for every task of the kind: it
/// closes the kind's gate, charges none, and once a person has seen to it all of them are done.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_closes_its_kind() {
    let kinds = [Kind::missing("lost"), Kind::of("fine", r#"echo '{"outcome":"completed"}'"#)];
    let bench = Bench::start(&kinds, &[]).await;
    let _gatekeeper = bench.world.spawn("gatekeeper", &[]);
    for number in 0..3 {
        bench.queue_as("lost", &format!("lost/{number}"), "{}").await;
    }
    let gate = bench.world.gate_is("kind-lost", GateState::Closed).await;
    assert_eq!(gate.causes[0].as_str(), "exec.not-found");
    bench.queue("fine", "{}").await;
    bench.world.phase("fine", &bench::key("fine"), "completed").await;
    assert_eq!(bench.world.events("event.failure.lost.>").await.len(), 1, "one attempt in all");
    let trigger = gate.trigger.unwrap();
    assert!(trigger.evidence.contains("there is no such file"), "{}", trigger.evidence);

    bench::write_script(&bench.dir.join("lost.sh"), r#"echo '{"outcome":"completed"}'"#);
    let opened = ["gate", "open", "kind-lost", "--note", "it is there now", "--as", "ann"];
    let output = bench.world.cli(&opened).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for number in 0..3 {
        let state: TaskState =
            bench.world.phase("lost", &format!("lost/{number}"), "completed").await;
        assert_eq!(state.charged, 0);
    }
}
