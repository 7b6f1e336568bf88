//! Refresh tokens that rotate: whoever exchanges one twice loses what the first bought.

use std::{os::unix::fs::PermissionsExt as _, sync::Mutex};

use domain::Timestamp;
use serde_json::{Value, json};

use super::bench::{Desk, Http, Provider, config, nowhere_on_the_bus, put};
use crate::harness::{World, eventually};

fn credentials(endpoint: &Http) -> String {
    format!(
        "{{ name = \"oauth\", file = \"DIR/oauth\", pointer = \"/o/access\", expires_pointer = \
         \"/o/expires\", scheme = \"bearer\", refresh = {{ token_url = \"{}/token\", client_id = \
         \"us\", refresh_pointer = \"/o/refresh\" }} }}, {{ name = \"api-key\", file = \
         \"DIR/key\", scheme = \"api-key\" }}",
        endpoint.url
    )
}

/// The file of an access token that lives for so many more seconds.
fn file(access: &str, refresh: &str, seconds: u64) -> String {
    let expires = kit::Clock.of_host().after(std::time::Duration::from_secs(seconds));
    let token = json!({
        "access": access, "refresh": refresh, "expires": expires.as_millis(), "scopes": ["a"],
    });
    json!({ "o": token, "other": 1 }).to_string()
}

fn read(world: &World) -> Value {
    serde_json::from_slice(&std::fs::read(world.dir().join("oauth")).unwrap()).unwrap()
}

/// Before the token expires one dispatcher of the fleet exchanges the refresh token, once; what
/// it bought is in the file before anybody uses it, and everything else in the file stays.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_fleet_exchanges_a_token_once() {
    let world = World::bare().await;
    let spent = Mutex::new(false);
    let endpoint = Http::start(move |request| {
        // A second use of a token that rotates is answered as the standard says.
        let first = !std::mem::replace(&mut *spent.lock().unwrap(), true);
        let whole = ["grant_type=refresh_token", "refresh_token=rt-1", "client_id=us"];
        match first && whole.iter().all(|part| request.contains(part)) {
            true => Some((
                200,
                "{\"access_token\":\"tok-2\",\"refresh_token\":\"rt-2\",\"expires_in\":36000}"
                    .into(),
            )),
            false => Some((400, "{\"error\":\"invalid_grant\"}".into())),
        }
    })
    .await;
    put(&world, "oauth", &file("tok-1", "rt-1", 300));
    put(&world, "key", "key-good");
    world.apply(&config(&world, "http://127.0.0.1:1", &credentials(&endpoint))).await;
    let desks = Desk::fleet(&world, 4, true).await;
    let provider = Provider::default();
    eventually("a new token in the file", || async {
        (read(&world)["o"]["access"] == "tok-2").then_some(())
    })
    .await;
    for desk in &desks {
        assert_eq!(desk.call(&provider).await, "tok-2");
    }
    let now = read(&world);
    assert_eq!(
        (&now["o"]["refresh"], &now["o"]["scopes"], &now["other"]),
        (&json!("rt-2"), &json!(["a"]), &json!(1))
    );
    let expires = Timestamp::from_millis(now["o"]["expires"].as_u64().unwrap());
    assert!(std::time::Duration::from_secs(30_000) < expires.since(kit::Clock.of_host()));
    let mode = std::fs::metadata(world.dir().join("oauth")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(endpoint.asked_with("POST /token"), 1);
    let told = eventually("the refresh to be told", || async {
        Some(world.events("event.credential.refreshed.>").await).filter(|told| !told.is_empty())
    });
    assert_eq!(told.await.len(), 1);
    assert_eq!(world.events("event.credential.refresh-failed.>").await, Vec::<Value>::new());
    nowhere_on_the_bus(&world, &["tok-1", "tok-2", "rt-1", "rt-2", "key-good"]).await;
}

/// M2 for tokens: an exchange whose answer was lost may have been made. It is said, the next
/// credential serves, and nobody asks again with that token. A file that may not be written is
/// not refreshed at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_and_never_asked_for_again() {
    let world = World::bare().await;
    let endpoint = Http::start(|_| None).await;
    put(&world, "oauth", &file("tok-1", "rt-kept", 0));
    std::fs::set_permissions(world.dir().join("oauth"), std::fs::Permissions::from_mode(0o400))
        .unwrap();
    put(&world, "key", "key-good");
    world.apply(&config(&world, "http://127.0.0.1:1", &credentials(&endpoint))).await;
    let desks = Desk::fleet(&world, 2, true).await;
    let provider = Provider::default();
    let failed = |again: bool| {
        let world = &world;
        eventually(format!("it to be told that it failed, {again}"), move || async move {
            let told = world.events("event.credential.refresh-failed.>").await;
            told.into_iter().find(|told| told["data"]["again"] == again)
        })
    };
    let told = failed(true).await;
    assert!(told["data"]["why"].as_str().unwrap().contains("read-only"), "{told}");
    assert_eq!(endpoint.asked_with("POST"), 0);

    put(&world, "oauth", &file("tok-1", "rt-lost", 0));
    failed(false).await;
    for desk in desks.iter().cycle().take(10) {
        assert_eq!(desk.call(&provider).await, "key-good");
    }
    // Nobody who comes later asks again either, with nothing else to call with.
    std::fs::remove_file(world.dir().join("key")).unwrap();
    let late = Desk::join(&world, true).await;
    assert_eq!(late.call(&provider).await, "anthropic.auth-expired");
    assert_eq!(endpoint.asked_with("refresh_token=rt-lost"), 1);
    assert_eq!(provider.calls_with("tok-1"), 0);
    let list = world.json(&["credential", "list"]).await;
    let refresh = list["providers"][0]["credentials"][0]["refresh"].as_str().unwrap().to_owned();
    assert!(refresh.contains("may have been exchanged"), "{refresh}");
    nowhere_on_the_bus(&world, &["tok-1", "rt-kept", "rt-lost"]).await;
}
