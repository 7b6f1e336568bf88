//! A refusal, as a fleet learns of it.

use domain::Refusal;
use tokio::task::JoinSet;

use super::bench::{Desk, Provider, config, nowhere_on_the_bus, put};
use crate::harness::{World, eventually};

const TOKEN_AND_KEY: &str = "{ name = \"oauth\", file = \"DIR/oauth\", scheme = \"bearer\" }, \
                             { name = \"api-key\", file = \"DIR/key\", scheme = \"api-key\" }";

async fn calls(desks: Vec<Desk>, provider: &std::sync::Arc<Provider>) -> (Vec<Desk>, Vec<String>) {
    let mut under_way = JoinSet::new();
    for desk in desks {
        let provider = provider.clone();
        under_way.spawn(async move {
            let answer = desk.call(&provider).await;
            (desk, answer)
        });
    }
    under_way.join_all().await.into_iter().unzip()
}

/// Section 9 of the design: of ten dispatchers each calls with a token that has died at most
/// once, namely where it was under way before the refusal was on record; every call is
/// answered by the key; it is told once; and a fresh token is used for the next call.
#[tokio::test(flavor = "multi_thread")]
async fn ten_dispatchers_leave_a_dead_token_and_take_a_fresh_one() {
    let world = World::bare().await;
    put(&world, "oauth", "tok-dead\n");
    put(&world, "key", "key-good\n");
    world.apply(&config(&world, "http://127.0.0.1:1", TOKEN_AND_KEY)).await;
    let provider = std::sync::Arc::new(Provider::default());
    provider.refuse("tok-dead", Refusal::Expired);

    // All ten are under way before any of them is refused: the worst that can be.
    provider.hold(10);
    let desks = Desk::fleet(&world, 10, false).await;
    let (mut desks, mut answers) = calls(desks, &provider).await;
    provider.let_go();
    for _ in 0..3 {
        let (again, more) = calls(desks, &provider).await;
        (desks, answers) = (again, [answers, more].concat());
    }
    assert_eq!(answers, vec!["key-good".to_owned(); 40]);
    assert_eq!(provider.calls_with("tok-dead"), 10);
    // Whoever comes later never tries it.
    assert_eq!(Desk::join(&world, false).await.call(&provider).await, "key-good");
    assert_eq!(provider.calls_with("tok-dead"), 10);
    let refused = eventually("the refusal to be told", || async {
        Some(world.events("event.credential.refused.>").await).filter(|told| !told.is_empty())
    });
    let refused = refused.await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["data"]["why"], "expired");
    assert_eq!(world.stored("RECORD", "cred.>").await.len(), 1);

    put(&world, "oauth", "tok-fresh\n");
    let (_desks, answers) = calls(desks, &provider).await;
    assert_eq!(answers, vec!["tok-fresh".to_owned(); 10]);
    let renewed = eventually("the renewal to be told", || async {
        Some(world.events("event.credential.renewed.>").await).filter(|told| !told.is_empty())
    });
    assert_eq!(renewed.await.len(), 1);
    nowhere_on_the_bus(&world, &["tok-dead", "tok-fresh", "key-good"]).await;
}

/// A secret is read through links for each call, as Kubernetes and Docker swap them; one that
/// cannot be read is passed over, and the next one serves.
#[tokio::test(flavor = "multi_thread")]
async fn follows_what_lies_on_disk() {
    let world = World::bare().await;
    put(&world, "key", "key-good\n");
    for (folder, secret) in [("one", "tok-one\n"), ("two", "tok-two\n")] {
        std::fs::create_dir_all(world.dir().join(folder)).unwrap();
        put(&world, &format!("{folder}/oauth"), secret);
    }
    let link = |target: &str| {
        let (fresh, data) = (world.dir().join("data.new"), world.dir().join("data"));
        std::os::unix::fs::symlink(target, &fresh).unwrap();
        std::fs::rename(fresh, data).unwrap();
    };
    link("one");
    std::os::unix::fs::symlink("data/oauth", world.dir().join("oauth")).unwrap();
    world.apply(&config(&world, "http://127.0.0.1:1", TOKEN_AND_KEY)).await;
    let (provider, desk) = (Provider::default(), Desk::join(&world, false).await);
    assert_eq!(desk.call(&provider).await, "tok-one");
    link("two");
    assert_eq!(desk.call(&provider).await, "tok-two");
    for garbage in ["", "two words\n", "tok\u{7}\n", &"x".repeat(300_000)] {
        put(&world, "two/oauth", garbage);
        assert_eq!(desk.call(&provider).await, "key-good", "{garbage:.20}");
    }
    std::fs::remove_file(world.dir().join("two/oauth")).unwrap();
    assert_eq!(desk.call(&provider).await, "key-good");
    put(&world, "two/oauth", "tok-three");
    assert_eq!(desk.call(&provider).await, "tok-three");
    std::fs::remove_file(world.dir().join("two/oauth")).unwrap();
    std::fs::remove_file(world.dir().join("key")).unwrap();
    assert_eq!(desk.call(&provider).await, "anthropic.credential-unreadable");
    eventually("it to be told that nothing can be read", || async {
        let told = world.events("event.credential.unreadable.>").await;
        told.iter().any(|told| told["data"]["credential"] == "api-key").then_some(())
    })
    .await;
}

/// A command in the second place is run when the first does not serve, and not before: however
/// long it hangs, no call waits for what it does not need.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_run_when_it_is_needed() {
    let world = World::bare().await;
    put(&world, "oauth", "tok-good\n");
    let credentials = "{ name = \"oauth\", file = \"DIR/oauth\", scheme = \"bearer\" }, \
                       { name = \"vault\", scheme = \"api-key\", command = \
                       [\"sh\", \"-c\", \"touch DIR/ran; echo key-good\"] }";
    world.apply(&config(&world, "http://127.0.0.1:1", credentials)).await;
    let (provider, ran) = (Provider::default(), world.dir().join("ran"));
    let desk = Desk::join(&world, false).await;
    assert_eq!(desk.call(&provider).await, "tok-good");
    assert!(!ran.exists(), "nobody asked for it");
    provider.refuse("tok-good", Refusal::Expired);
    assert_eq!(desk.call(&provider).await, "key-good");
    assert!(ran.exists());
    // Whoever learns of the refusal from the record only runs it, too.
    assert_eq!(Desk::join(&world, false).await.call(&provider).await, "key-good");
    assert_eq!(provider.calls_with("tok-good"), 2);
}
