use serde_json::json;

use super::*;
use crate::doctor::{answer::json as says, check::Verdict};

const SP: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
const BC: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

fn silent() -> Said<Answer> {
    Err("connection refused".to_owned())
}

#[track_caller]
fn ends(check: &Check, verdict: Verdict, part: &str) {
    assert_eq!(check.verdict, verdict, "{check:?}");
    let all = format!("{} {}", check.measured, check.remedy);
    assert!(all.contains(part), "{part:?} is not in {check:?}");
    let silent = matches!(verdict, Verdict::Ok | Verdict::NotAsked);
    assert_eq!(silent, check.remedy.is_empty(), "{check:?}");
}

/// A directory is sound if somebody in it can be greeted; what answers garbage, nobody, or
/// agents of the other network alone is not.
#[test]
fn directories() {
    let judge = |network, said| {
        let (sensor, url) = ("aibtc".to_owned(), "http://d/api".to_owned());
        directory(&Directory { sensor, url, network, said })
    };
    let ours = json!({ "stxAddress": SP, "btcAddress": BC });
    let page = |rows: Value| says(200, json!({ "agents": rows, "pagination": {} }));
    let mixed =
        page(json!([ours, { "stxAddress": SP }, 7, { "stxAddress": "SPX", "btcAddress": BC }]));
    ends(&judge(Network::Mainnet, mixed), Verdict::Ok, "1 of the 4 newest");
    ends(&judge(Network::Testnet, page(json!([ours]))), Verdict::Fail, "other network");
    ends(&judge(Network::Mainnet, page(json!([{}, 7]))), Verdict::Fail, "two sound addresses");
    ends(&judge(Network::Mainnet, page(json!([]))), Verdict::Warn, "lists nobody");
    ends(&judge(Network::Mainnet, says(200, json!({ "agents": 7 }))), Verdict::Fail, "`agents`");
    ends(&judge(Network::Mainnet, says(500, json!({}))), Verdict::Fail, "answers 500");
    let html = Answer { status: 200, text: "<html>".to_owned(), ..Answer::default() };
    ends(&judge(Network::Mainnet, Ok(html)), Verdict::Fail, "<html>");
    ends(&judge(Network::Mainnet, silent()), Verdict::Fail, "curl 'http://d/api/agents");
}

/// An inbox is asked for messages, and what is none is told from one that knows nobody.
#[test]
fn inboxes() {
    let judge = |said| inbox(&Inbox { url: "http://i/api".to_owned(), said });
    ends(&judge(Some(says(200, json!({ "inbox": { "messages": [] } })))), Verdict::Ok, "--dry-run");
    ends(&judge(Some(says(200, json!({ "agents": [] })))), Verdict::Fail, "no inbox");
    let unknown = says(404, json!({ "error": "Agent not found" }));
    ends(&judge(Some(unknown)), Verdict::Warn, "disagree");
    ends(&judge(Some(says(404, json!({})))), Verdict::Fail, "404");
    ends(&judge(Some(says(503, json!({})))), Verdict::Fail, "inbox_url");
    ends(&judge(Some(silent())), Verdict::Fail, "connection refused");
    ends(&judge(None), Verdict::NotAsked, "no agent");
}

fn relay_says(health: Said<Answer>, supported: Said<Answer>, sponsor: Said<Answer>) -> Check {
    let (url, network) = ("http://r".to_owned(), Network::Mainnet);
    relay(&Relay { url, network, health, supported, sponsor })
}

fn offers(network: &str) -> Said<Answer> {
    let kind = json!({ "x402Version": 2, "scheme": "exact", "network": network });
    says(200, json!({ "kinds": [kind] }))
}

/// Every shape that a relay's health has had is read: one without a pool is not taken for a
/// sick one, and a pool that admits trouble is told. None of them is called proof.
#[test]
fn relays_of_all_versions() {
    let health = |more: Value| {
        let mut body =
            json!({ "success": true, "status": "ok", "network": "mainnet", "version": "1" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        says(200, body)
    };
    let none = || says(404, json!({ "code": "NOT_FOUND" }));
    let judge = |more, sponsor| relay_says(health(more), offers("stacks:1"), sponsor);
    ends(&judge(json!({}), none()), Verdict::Ok, "proves nothing");
    ends(&judge(json!({ "nonce": null }), none()), Verdict::Ok, "proves nothing");
    let pool = json!({ "nonce": { "poolAvailable": 1, "circuitBreakerOpen": false } });
    ends(&judge(pool, none()), Verdict::Ok, "proves nothing");
    let open = json!({ "nonce": { "circuitBreakerOpen": true, "poolStatus": "critical" } });
    ends(
        &judge(open, none()),
        Verdict::Warn,
        "circuit breaker is open, its nonce pool is critical",
    );
    ends(&judge(json!({ "status": "degraded" }), none()), Verdict::Warn, "not ok");
    let can = |can: bool| says(200, json!({ "canSponsor": can, "reasons": ["RECENT_CONFLICT"] }));
    ends(&judge(json!({}), can(true)), Verdict::Ok, "proves nothing");
    ends(&judge(json!({}), can(false)), Verdict::Warn, "cannot sponsor (RECENT_CONFLICT)");
}

/// A relay that is dead, or of the other network by either of its words, is no relay of ours.
#[test]
fn relays_that_are_none() {
    let of = |network: &str| says(200, json!({ "status": "ok", "network": network }));
    ends(&relay_says(silent(), silent(), silent()), Verdict::Fail, "relay_url");
    ends(&relay_says(says(502, json!({})), silent(), silent()), Verdict::Fail, "502");
    ends(&relay_says(of("testnet"), silent(), silent()), Verdict::Fail, "a relay of testnet");
    let other = relay_says(of("mainnet"), offers("stacks:2147483648"), silent());
    ends(&other, Verdict::Fail, "stacks:2147483648");
    ends(&relay_says(of("mainnet"), silent(), silent()), Verdict::Ok, "proves nothing");
}

/// The chain must be the configured one and move.
#[test]
fn chains() {
    let now = Timestamp::from_millis(10_000_000_000);
    let judge = |id: u64, age: Option<u64>| {
        let info = says(200, json!({ "network_id": id, "stacks_tip_height": 7 }));
        let at = age.map(|age| 10_000_000 - age);
        let blocks = says(200, json!({ "results": [{ "block_time": at }] }));
        let (url, network) = ("http://c".to_owned(), Network::Mainnet);
        chain(&Chain { url, network, info, blocks, now })
    };
    ends(&judge(1, Some(30)), Verdict::Ok, "block 7, 30 s old");
    ends(&judge(1, Some(3_600)), Verdict::Warn, "1 h old");
    ends(&judge(1, Some(4 * 3_600)), Verdict::Fail, "4 h old");
    ends(&judge(1, None), Verdict::Warn, "unknown age");
    ends(&judge(2_147_483_648, Some(30)), Verdict::Fail, "is of testnet");
    ends(&judge(5, Some(30)), Verdict::Fail, "is of chain 0x5");
    let (url, network) = ("http://c".to_owned(), Network::Mainnet);
    let (info, blocks) = (silent(), silent());
    ends(&chain(&Chain { url, network, info, blocks, now }), Verdict::Fail, "/v2/info");
}
