//! Limits, load and a network that fails: nobody's fault, and nothing that another credential
//! could help.

use domain::GateState;
use serde_json::json;

use super::bench::{Bench, names};

/// Section 9, W2: 429 waits as long as it is told, 500 and 529 are counted and close the gate
/// after three tasks, a host that is not there does too; and the key is never asked.
async fn never_falls_back(with_key: bool) {
    // So long that other tasks have their turn before the first ones are tried again: what closes
    // the gate is distinct tasks.
    let bench = Bench::resting(with_key, "4s").await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "2");

    bench.control("faults", json!({"rate_limited": 3, "retry_after_secs": 1})).await;
    bench.queue(names("limited", 4)).await;
    bench.completed(names("limited", 4)).await;
    let told = bench.failures().await;
    assert_eq!(told, vec![("anthropic.rate-limited".to_owned(), false); 3]);

    bench.control("faults", json!({"overloaded": 1, "errors_500": 1})).await;
    bench.queue(names("busy", 2)).await;
    bench.completed(names("busy", 2)).await;
    let mut told = bench.failures().await.split_off(3);
    told.sort();
    let expected = ["anthropic.overloaded", "anthropic.unavailable"];
    assert_eq!(told, expected.map(|cause| (cause.to_owned(), false)));
    let gate = bench.world.gate("anthropic").await;
    assert_eq!((gate.state, gate.epoch.get()), (GateState::Open, 1), "two tasks are not three");

    bench.control("faults", json!({"overloaded": 1_000})).await;
    bench.queue(names("down", 6)).await;
    bench.world.gate_is("anthropic", GateState::Closed).await;
    bench.control("faults", json!({"overloaded": 0})).await;
    bench.open("anthropic").await;
    bench.completed(names("down", 6)).await;
    bench.world.gate_is("anthropic", GateState::Open).await;

    bench.apply("http://127.0.0.1:9").await;
    bench.followed().await;
    bench.queue(names("gone", 6)).await;
    let closed = bench.world.gate_is("anthropic", GateState::Closed).await;
    assert_eq!(closed.causes, ["anthropic.unreachable".parse().unwrap()]);
    let url = bench.sandbox.url().to_owned();
    bench.apply(&url).await;
    bench.followed().await;
    bench.open("anthropic").await;
    bench.completed(names("gone", 6)).await;

    let told = bench.failures().await;
    assert!(told.iter().all(|(_, charged)| !charged), "{told:?}");
    assert!(bench.of("api-key").await["calls"].as_u64().unwrap_or(0) == 0, "the key is not asked");
    assert_eq!(bench.of("oauth").await["calls_after_death"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_nothing_falls_back() {
    never_falls_back(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_neither() {
    never_falls_back(false).await;
}

/// G3, W2: a limit that names its end closes the gate where the configuration says so, and where a
/// person allowed it one canary goes at that time: nobody is asked, no other credential is tried,
/// and what waits does not meet the limit task by task.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_names_its_end() {
    let bench = Bench::set(true).await;
    let cause = "cause = \"anthropic.rate-limited\"";
    let allowed = format!(
        "[gates.anthropic]\ncloses_on = [{{ {cause}, tasks = 1 }}]\n\
         resets = [{{ {cause}, note = \"the API says when\" }}]"
    );
    let toml = bench.toml(bench.sandbox.url()).replace("[gates.anthropic]", &allowed);
    bench.world.apply(&toml).await;
    bench.control("faults", json!({"rate_limited": 4, "retry_after_secs": 1})).await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "2");
    bench.queue(names("limited", 10)).await;
    bench.completed(names("limited", 10)).await;
    let opened = bench.world.gate_is("anthropic", GateState::Open).await;
    assert_eq!(opened.incident, 1);
    let told = bench.failures().await;
    assert_eq!(told, vec![("anthropic.rate-limited".to_owned(), false); 4]);
    let probing = bench.world.events("event.gate.probing.>").await;
    assert!((1..=4).contains(&probing.len()), "{probing:?}");
    for event in &probing {
        let said = &event["data"]["resets"][0];
        assert_eq!((&event["data"]["by"], &said["by"]), (&json!("gatekeeper"), &json!("tester")));
    }
    assert_eq!(bench.of("api-key").await["calls"].as_u64().unwrap_or(0), 0, "the key is not asked");
}

/// M2, M4: what was cut off may have been billed: it is unknown, nobody is charged, and the most
/// that it can have cost is booked. What cannot be read was billed, and is booked so too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_is_unknown() {
    let bench = Bench::set(true).await;
    let _keeper = bench.gatekeeper().await;
    let _fleet = bench.dispatchers(1, "1");
    for (fault, cause) in [
        ("cut_after", "anthropic.timeout"),
        ("cut_before", "anthropic.timeout"),
        ("garbled", "anthropic.garbled"),
    ] {
        bench.control("faults", json!({fault: 1})).await;
        let before = bench.failures().await.len();
        bench.queue(names(fault, 1)).await;
        bench.failed(before + 1).await;
        let event = bench.world.events("event.failure.>").await.pop().unwrap();
        let data = &event["data"];
        assert_eq!((&data["cause"], &data["charged"]), (&json!(cause), &json!(false)), "{event}");
        // 100 tokens may be written, at 15 dollars a million.
        assert!(1_500 < data["cost_micro_usd"].as_u64().unwrap(), "{event}");
    }
    assert_eq!(bench.of("api-key").await["calls"], 0);
}
