//! What a person sees of credentials, and does about them.

use domain::Refusal;

use super::bench::{Desk, Http, Provider, config, nowhere_on_the_bus, put};
use crate::harness::{World, eventually};

const KEY: &str = "{ name = \"api-key\", file = \"DIR/key\", scheme = \"api-key\" }";

async fn ends(world: &World, args: &[&str], code: i32) -> String {
    let output = world.cli(args).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

/// When none is left the call says which cause closes the gate, and nobody asks the provider
/// any more; a person's word on record makes the same secret serve again, and stays for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_allows_what_was_refused() {
    let world = World::bare().await;
    put(&world, "key", "key-empty\n");
    world.apply(&config(&world, "http://127.0.0.1:1", KEY)).await;
    let (provider, desk) = (Provider::default(), Desk::join(&world, false).await);
    provider.refuse("key-empty", Refusal::Exhausted);
    for _ in 0..3 {
        assert_eq!(desk.call(&provider).await, "anthropic.credit-exhausted");
    }
    assert_eq!(provider.calls_with("key-empty"), 1);
    eventually("it to be told that none is left", || async {
        (world.events("event.credential.exhausted.>").await.len() == 1).then_some(())
    })
    .await;

    let list = world.json(&["credential", "list"]).await;
    let shown = &list["providers"][0]["credentials"][0];
    assert_eq!((&shown["state"], &shown["why"]), (&"refused".into(), &"exhausted".into()));
    let print = shown["fingerprint"].as_str().unwrap().to_owned();
    let said = ends(&world, &["credential", "allow", "anthropic", &print, "--note", " "], 2).await;
    assert!(said.contains("--note is empty"), "{said}");
    let other =
        ["credential", "allow", "anthropic", "00000000000000ff", "--note", "x", "--as", "ann"];
    ends(&world, &other, 5).await;
    ends(&world, &["credential", "list", "antropic"], 5).await;

    provider.take("key-empty");
    let note = "credit bought";
    let allow = ["credential", "allow", "anthropic", "api-key", "--note", note, "--as", "ann"];
    ends(&world, &allow, 0).await;
    assert_eq!(desk.call(&provider).await, "key-empty");
    assert_eq!(world.stored("RECORD", "act.credential.>").await.len(), 1);
    let told = world.events("event.credential.allowed.>").await;
    assert_eq!((&told[0]["data"]["by"], &told[0]["data"]["note"]), (&"ann".into(), &note.into()));
    let list = world.json(&["credential", "list"]).await;
    assert_eq!(list["providers"][0]["credentials"][0]["state"], "in-use");
    nowhere_on_the_bus(&world, &["key-empty"]).await;
}

/// G3: opening the provider's gate is a person's word too: what was refused before it is tried
/// once more, and what is refused after it is refused again.
#[tokio::test(flavor = "multi_thread")]
async fn opening_the_gate_tries_again() {
    let world = World::bare().await;
    put(&world, "key", "key-empty\n");
    world.apply(&config(&world, "http://127.0.0.1:1", KEY)).await;
    let gatekeeper = world.spawn("gatekeeper", &[]);
    let (provider, desk) = (Provider::default(), Desk::join(&world, false).await);
    provider.refuse("key-empty", Refusal::Exhausted);
    assert_eq!(desk.call(&provider).await, "anthropic.credit-exhausted");
    let close = ["gate", "close", "anthropic", "--note", "no credit", "--as", "ann"];
    ends(&world, &close, 0).await;
    assert_eq!(desk.call(&provider).await, "anthropic.credit-exhausted");
    assert_eq!(provider.calls_with("key-empty"), 1);
    let open = [
        "gate",
        "open",
        "anthropic",
        "--without-canary",
        "--accept",
        "person.closed",
        "--note",
        "credit bought",
        "--as",
        "ann",
    ];
    eventually("a gatekeeper to open the gate", || async {
        world.cli(&open).await.status.success().then_some(())
    })
    .await;
    eventually("the opening to be seen and the key to be tried", || async {
        desk.call(&provider).await;
        (1 < provider.calls_with("key-empty")).then_some(())
    })
    .await;
    desk.call(&provider).await;
    assert_eq!(provider.calls_with("key-empty"), 2);
    provider.take("key-empty");
    assert_eq!(desk.call(&provider).await, "anthropic.credit-exhausted");
    drop(gatekeeper);
}

/// Each credential is asked after once, sent as its scheme says, and what the provider answers
/// decides how the command ends; nothing of it is put on record.
#[tokio::test(flavor = "multi_thread")]
async fn tries_each_credential() {
    let world = World::bare().await;
    let http = Http::start(|request| {
        let refused = "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\
                       \"message\":\"no such key key-bad\"}}";
        match request {
            _ if !request.starts_with("GET /v1/models") => Some((404, String::new())),
            _ if request.contains("authorization: Bearer tok-good\r\n") => {
                Some((200, "{\"data\":[]}".to_owned()))
            }
            _ if request.contains("x-api-key: key-busy\r\n") => Some((529, String::new())),
            _ => Some((401, refused.to_owned())),
        }
    })
    .await;
    for (name, secret) in [("oauth", "tok-good"), ("busy", "key-busy"), ("bad", "key-bad")] {
        put(&world, name, secret);
    }
    let credentials = "{ name = \"oauth\", file = \"DIR/oauth\", scheme = \"bearer\" }, \
                       { name = \"busy\", file = \"DIR/busy\", scheme = \"api-key\" }, \
                       { name = \"bad\", command = [\"cat\", \"DIR/bad\"], scheme = \"api-key\" }";
    world.apply(&config(&world, &http.url, credentials)).await;
    let tested = world.json(&["credential", "test"]).await;
    let results: Vec<&str> = tested["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["serves", "undecided", "refused"]);
    let output = world.cli(&["credential", "test"]).await;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("authentication_error: no such key …"), "{shown}");
    for secret in ["tok-good", "key-busy", "key-bad"] {
        assert!(!shown.contains(secret) && !tested.to_string().contains(secret), "{shown}");
    }
    ends(&world, &["credential", "test", "anthropic", "oauth"], 0).await;
    ends(&world, &["credential", "test", "anthropic", "busy"], 4).await;
    ends(&world, &["credential", "test", "anthropic", "bad"], 1).await;
    ends(&world, &["credential", "test", "anthropic", "none"], 5).await;
    assert_eq!(world.stored("RECORD", "cred.>").await.len(), 0);
    let list = world.cli(&["credential", "list"]).await;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.contains("command cat, sent as api-key") && !list.contains("key-bad"), "{list}");
}
