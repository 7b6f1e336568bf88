//! What tells whoever runs the fleet that a part of it cannot work.

use std::process::Output;

use crate::harness::{World, eventually, program, world::ECHO_CONFIG};

/// A service passes its own health check while it works; frozen it does not, though its
/// process is there; and it passes again by itself once it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_service_is_not_well() {
    let world = World::start(ECHO_CONFIG).await;
    let file = world.dir().join("health");
    let file = file.to_str().unwrap();
    assert!(!check(file).await.status.success(), "nothing runs yet");
    let dispatcher = world.spawn_with("dispatcher", &[], &[("HEALTH_FILE", file)]);
    let well = async |wanted: bool| {
        eventually(format!("its health to be {wanted}"), || async {
            (check(file).await.status.success() == wanted).then_some(())
        })
        .await;
    };
    well(true).await;
    dispatcher.signal("STOP").await;
    well(false).await;
    let said = String::from_utf8_lossy(&check(file).await.stderr).into_owned();
    assert!(said.contains("frozen, or gone"), "{said}");
    dispatcher.signal("CONT").await;
    well(true).await;
}

/// `ping` passes on a server that can do the work, set up or not, and names what is missing; it
/// does not pass where there is no server.
#[tokio::test(flavor = "multi_thread")]
async fn ping_tells_whether_nats_can_work() {
    let world = World::bare().await;
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let bare = world.cli(&["ping"]).await;
    assert_eq!(bare.status.code(), Some(0), "{bare:?}");
    assert_eq!(said(&bare).matches("run `portcullis apply`").count(), 4, "{}", said(&bare));
    world.apply(ECHO_CONFIG).await;
    let told = world.json(&["ping"]).await;
    let streams = told["streams"].as_array().unwrap();
    assert!(streams.iter().all(|stream| stream["stands"] == "led"), "{told}");
    let nowhere = world.cli(&["ping", "--nats-url", "nats://127.0.0.1:1"]).await;
    assert_eq!(nowhere.status.code(), Some(4), "{nowhere:?}");
}

async fn check(file: &str) -> Output {
    let mut command = tokio::process::Command::new(program("dispatcher"));
    command.args(["--check-health", "--health-file", file]).output().await.unwrap()
}
