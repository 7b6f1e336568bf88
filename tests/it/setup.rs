//! Setting the bus up, and refusing to run on one that was not.

use domain::{GateName, GateState};
use wire::subject;

use crate::harness::{Echo, PATIENCE, Says, World, world::ECHO_CONFIG};

/// A service on a bus that was never set up ends with the command that sets it up.
#[tokio::test(flavor = "multi_thread")]
async fn services_refuse_an_unprepared_bus() {
    let world = World::bare().await;
    for service in ["sensor", "dispatcher", "gatekeeper", "welcome-payer"] {
        let key = portcullis::up::stage::PLAY_KEY;
        let mut process = world.spawn_with(service, &[], &[("WALLET_KEY", key)]);
        let ended = process.ended().await;
        assert_ne!(ended, "exit status: 0", "{service}");
        let log = std::fs::read_to_string(process.log()).unwrap();
        assert!(log.contains("portcullis apply -f portcullis.toml"), "{service}: {log}");
    }
}

/// A service that starts while the nodes have no leader waits for one: it neither ends, which
/// would leave it to a restart policy, nor begins without a configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_a_bus_without_a_leader() {
    let mut world = World::start_on(3, ECHO_CONFIG).await;
    // The leader is one of those that die: it would answer on for a while, alone.
    let leader = world.nats.leader(subject::WORK).await;
    let two = [leader, (leader + 1) % 3];
    for node in two {
        world.nats.kill(node).await;
    }
    let mut dispatcher = world.spawn("dispatcher", &[]);
    dispatcher.says("cannot be read yet", PATIENCE).await.unwrap();
    for node in two {
        world.nats.start_again(node).await;
    }
    dispatcher.says("joined the fleet", PATIENCE).await.unwrap();
    assert!(dispatcher.runs());
}

/// Applying twice changes nothing the second time; a changed file makes one new version and
/// moves the fence.
#[tokio::test(flavor = "multi_thread")]
async fn applying_again_changes_nothing() {
    let world = World::start(ECHO_CONFIG).await;
    let before = fleet::gate_log::token(&world.bus).await.unwrap();
    world.apply(ECHO_CONFIG).await;
    assert_eq!(fleet::gate_log::token(&world.bus).await.unwrap(), before);

    world.apply(&ECHO_CONFIG.replace("attempts = 3", "attempts = 4")).await;
    assert_ne!(fleet::gate_log::token(&world.bus).await.unwrap(), before, "the fence moved");
    let config = fleet::gate_log::current(&world.bus, &GateName::config()).await.unwrap().unwrap();
    assert_eq!(config.value.epoch.get(), 2);
    assert_eq!(world.gate("relay").await.epoch.get(), 1, "no gate moved");
    assert_eq!(world.gate("kind-echo").await.state, GateState::Open);
}

/// The streams hold what the promises rest on: what is denied is denied, and no consumer can
/// be made on the gate log.
#[tokio::test(flavor = "multi_thread")]
async fn the_gate_log_cannot_be_shrunk() {
    use bus::consumer::{AckPolicy, pull};

    let world = World::start(ECHO_CONFIG).await;
    let thief = pull::Config {
        durable_name: Some("thief".to_owned()),
        filter_subject: subject::FENCE.to_owned(),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    let made = world.bus.ensure_consumer(subject::WORK, thief).await;
    assert!(made.is_err(), "a second consumer on the gate log was accepted");
    let head = world.last(subject::WORK, subject::FENCE).await.unwrap();
    for request in ["DELETE", "PURGE"] {
        let (api, body) = match request {
            "DELETE" => ("$JS.API.STREAM.MSG.DELETE.WORK", format!("{{\"seq\":{}}}", head.seq)),
            _ => ("$JS.API.STREAM.PURGE.WORK", "{}".to_owned()),
        };
        let wait = std::time::Duration::from_secs(5);
        let answer = world.bus.ask(api, body.into_bytes(), wait).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("error"), "{request}: {answer}");
    }
    let still = world.last(subject::WORK, subject::FENCE).await.unwrap();
    assert_eq!(still.seq, head.seq);
}

/// A configuration with mistakes is refused with file, line and what to do, all at once.
#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_file_are_told_with_their_lines() {
    let world = World::bare().await;
    let file = world.dir().join("portcullis.toml");
    let wrong = ECHO_CONFIG.replace("rest = \"1s\"", "rest = \"1x\"").replace("lease", "leese");
    std::fs::write(&file, wrong).unwrap();
    let output = world.cli(&["apply", "-f", file.to_str().unwrap(), "--as", "ann"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["portcullis.toml:6", "1x", "portcullis.toml:8", "leese", "lease"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

/// A bus that was set up before there were seats: `apply` mends STATE in place, what lies in it
/// stays, and the next claim takes a seat.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_stream_is_mended_in_place() {
    let world = World::bare().await;
    let before = bus::stream::Config {
        name: subject::STATE.to_owned(),
        subjects: vec!["state.>".to_owned()],
        max_messages_per_subject: 1,
        deny_delete: true,
        deny_purge: true,
        num_replicas: 1,
        ..bus::stream::Config::default()
    };
    world.bus.ensure_stream(before).await.unwrap();
    let put = bus::Put {
        subject: "state.other.0".to_owned(),
        body: b"kept".to_vec(),
        expect: bus::Expect::Last(0),
        id: None,
    };
    world.bus.put(put).await.unwrap();
    world.apply(&ECHO_CONFIG.replace("attempts = 3", "attempts = 3\nconcurrency = 1")).await;
    let kept = world.last(subject::STATE, "state.other.0").await.unwrap();
    assert_eq!(kept.body.as_ref(), b"kept");

    let _echo = Echo::start(&world.bus, "echo", |_, _| Says::done()).await;
    let _dispatcher = world.spawn("dispatcher", &[]);
    world.queue("echo", "echo/0").await;
    world.phase("echo", "echo/0", "completed").await;
    assert!(world.last(subject::STATE, "seat.kind.echo.0").await.is_some());
}
