//! Credentials that die.

use domain::GateState;
use serde_json::json;

use super::bench::{Bench, names};

/// Each way to die, and the cause of an attempt for which nothing is left.
const DEATHS: [(&str, &str); 4] = [
    ("expired", "anthropic.auth-expired"),
    ("revoked", "anthropic.auth-revoked"),
    ("invalid", "anthropic.auth-invalid"),
    ("exhausted", "anthropic.credit-exhausted"),
];

/// Section 9: the token dies in mid-run, four times, each time in another way. The same attempts
/// go on with the key, so nothing fails, nobody is charged and no gate moves; and a token renewed
/// on disk is the first to be used again.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_steps_in() {
    let bench = Bench::set(true).await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "2");
    for (how, _) in DEATHS {
        bench.kill(how, 3).await;
        bench.queue(names(how, 8)).await;
        bench.completed(names(how, 8)).await;
        let oauth = bench.of("oauth").await;
        assert_eq!((&oauth["served"], &oauth["dead"]), (&json!(3), &json!(how)));
        // Both slots may have called before either knew.
        let after = oauth["calls_after_death"].as_u64().unwrap();
        assert!((1..=2).contains(&after), "{oauth}");
        bench.renew().await;
    }
    assert_eq!(bench.failures().await, [], "nothing failed");
    let gate = bench.world.gate("anthropic").await;
    assert_eq!((gate.state, gate.epoch.get()), (GateState::Open, 1));
    assert_eq!(bench.of("api-key").await["served"], 4 * 5);

    bench.queue(names("renewed", 2)).await;
    bench.completed(names("renewed", 2)).await;
    assert_eq!(bench.of("oauth").await["served"], 2, "the renewed token is the first again");
    let told = bench.world.events("event.task.completed.>").await;
    for event in &told {
        let (cost, used) = (&event["data"]["cost_micro_usd"], &event["data"]["credential"]);
        assert!(cost.as_u64().unwrap() > 0, "{event}");
        assert_eq!(
            (&used["provider"], used["fingerprint"].as_str().unwrap().len()),
            (&json!("anthropic"), 16)
        );
        assert!(!event.to_string().contains("sk-ant-"), "a secret is told: {event}");
    }
    let by_key = told.iter().filter(|event| event["data"]["credential"]["name"] == "api-key");
    assert_eq!((told.len(), by_key.count()), (4 * 8 + 2, 4 * 5));
}

/// G1, G3, W2, section 9: without another credential a dead token closes the gate at once, in its
/// own words, and charges nobody. While it is closed nothing is called and nothing created; a
/// fresh token on disk opens nothing; a person does, and then everything completes.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_the_gate_closes() {
    let bench = Bench::set(false).await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "2");
    let mut before = 0;
    for (round, (how, cause)) in (1..).zip(DEATHS) {
        bench.kill(how, 3).await;
        bench.queue(names(how, 8)).await;
        let closed = bench.world.gate_is("anthropic", GateState::Closed).await;
        assert_eq!((closed.incident, closed.causes), (round, vec![cause.parse().unwrap()]));
        let told = bench.failed(before + 1).await;
        let oauth = bench.of("oauth").await;
        assert!(oauth["calls_after_death"].as_u64().unwrap() <= 2, "one a slot: {oauth}");
        assert!(told.iter().all(|(_, charged)| !charged), "{told:?}");
        assert!(told[before..].iter().all(|(told, _)| told == cause), "{told:?}");
        assert!(told.len() - before <= 2, "{told:?}");
        assert_eq!(
            bench.add("prompt", &format!("{how}/late"), json!({"about": "x"})).await,
            Some(3)
        );

        bench.renew().await;
        assert_eq!(bench.world.gate("anthropic").await.state, GateState::Closed, "G3");
        assert_eq!(bench.of("oauth").await["calls"], 0, "nothing is called while it is closed");
        bench.open("anthropic").await;
        bench.completed(names(how, 8)).await;
        bench.world.gate_is("anthropic", GateState::Open).await;
        before = bench.failures().await.len();
    }
    let counts = bench.counts().await;
    assert_eq!(counts["messages"], 4 * 8, "each was asked and billed once: {counts}");
}

/// Ten dispatchers find a token dead that none of them has tried yet: each may call with it once,
/// while it is news, and never again.
#[tokio::test(flavor = "multi_thread")]
async fn ten_dispatchers_share_what_one_learned() {
    let bench = Bench::set(true).await;
    let _keeper = bench.gatekeeper().await;
    bench.kill("revoked", 0).await;
    bench.queue(names("ten", 40)).await;
    let _fleet = bench.dispatchers(10, "1");
    bench.completed(names("ten", 40)).await;
    let (oauth, key) = (bench.of("oauth").await, bench.of("api-key").await);
    let calls = oauth["calls_after_death"].as_u64().unwrap();
    eprintln!("ten dispatchers, 40 tasks: {calls} calls with the dead token");
    assert!((1..=10).contains(&calls), "{oauth}");
    assert_eq!((&key["served"], bench.failures().await.len()), (&json!(40), 0));
    bench.queue(names("more", 10)).await;
    bench.completed(names("more", 10)).await;
    assert_eq!(bench.of("oauth").await["calls_after_death"], calls, "it is known by now");
}
