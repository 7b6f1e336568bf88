//! Anthropic as a client meets it: its answers, its refusals, and what it counts.

use sandbox::RelayVersion;
use serde_json::{Value, json};

use crate::harness::{Answer, Sandbox, options, with_sandbox};

/// Issues a credential and answers its secret.
async fn issue(sandbox: &Sandbox, issue: Value) -> Value {
    let issued = sandbox.post("/sandbox/anthropic/credentials", issue).await;
    assert_eq!(issued.status, 200, "{issued:?}");
    issued.body
}

async fn ask_with(sandbox: &Sandbox, secret: &Value, body: Value) -> Answer {
    let secret = secret.as_str().unwrap();
    let ask = sandbox.client.post(sandbox.url("/v1/messages"));
    let ask = ask.header("anthropic-version", "2023-06-01").json(&body);
    let ask = match secret.contains("-oat01-") {
        true => ask.bearer_auth(secret).header("anthropic-beta", "a,oauth-2025-04-20"),
        false => ask.header("x-api-key", secret),
    };
    Answer::read(ask.send().await.unwrap()).await
}

fn question() -> Value {
    json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "why?"}],
    })
}

async fn knobs(sandbox: &Sandbox, knobs: Value) {
    let set = sandbox.post("/sandbox/anthropic/faults", knobs).await;
    assert_eq!(set.status, 200, "{set:?}");
}

async fn kill(sandbox: &Sandbox, kill: Value) {
    assert_eq!(sandbox.post("/sandbox/anthropic/kill", kill).await.status, 200);
}

#[track_caller]
fn refused(answer: &Answer, status: u16, kind: &str, words: &str) {
    assert_eq!(
        (answer.status, &answer.body["error"]["type"]),
        (status, &json!(kind)),
        "{answer:?}"
    );
    assert!(answer.body["error"]["message"].as_str().unwrap().contains(words), "{answer:?}");
}

/// The same question gets the same answer, billed each time: there is no idempotency to rely on.
/// What is wrong with a request is said as the real one says it.
#[tokio::test]
async fn answers_and_bills() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let key =
            issue(&sandbox, json!({"name": "key", "scheme": "api-key"})).await["secret"].clone();
        let [first, second] = [
            ask_with(&sandbox, &key, question()).await.body,
            ask_with(&sandbox, &key, question()).await.body,
        ];
        assert_eq!(first["content"][0]["text"], "You asked: why?");
        assert_eq!(
            (&first["stop_reason"], &first["usage"]["output_tokens"]),
            (&json!("end_turn"), &json!(4))
        );
        assert_eq!((&first["content"], &first["usage"]), (&second["content"], &second["usage"]));
        assert_ne!(first["id"], second["id"]);

        let with = |name: &str, value: Value| {
            let mut body = question();
            body[name] = value;
            body
        };
        let ask = |body| ask_with(&sandbox, &key, body);
        refused(&ask(with("model", json!("gpt-1"))).await, 404, "not_found_error", "model: gpt-1");
        refused(
            &ask(with("messages", json!([]))).await,
            400,
            "invalid_request_error",
            "at least one",
        );
        refused(
            &ask(with("max_tokens", json!(null))).await,
            400,
            "invalid_request_error",
            "required",
        );
        assert_eq!(ask(with("max_tokens", json!(1))).await.body["stop_reason"], "max_tokens");
        knobs(&sandbox, json!({"request_max": 20, "slow_ms": 1})).await;
        refused(&ask(question()).await, 413, "request_too_large", "size");
        let bare = sandbox
            .client
            .post(sandbox.url("/v1/messages"))
            .header("x-api-key", key.as_str().unwrap());
        let bare = Answer::read(bare.body("{}").send().await.unwrap()).await;
        refused(&bare, 400, "invalid_request_error", "anthropic-version");
        let counts = sandbox.get("/sandbox/anthropic").await.body;
        assert_eq!((&counts["messages"], &counts["calls"]), (&json!(3), &json!(8)), "{counts}");
        assert!(!counts.to_string().contains(key.as_str().unwrap()), "a secret is told");
    })
    .await;
}

/// Each way in which a credential dies is answered in its own form, and every call made with it
/// after that is counted; a refresh token buys one new token.
#[tokio::test]
async fn credentials_die_each_in_its_way() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let oauth = issue(&sandbox, json!({"name": "oauth", "expires_in_ms": 3_600_000})).await;
        let secret = &oauth["secret"];
        assert_eq!(ask_with(&sandbox, secret, question()).await.status, 200);
        for (how, status, kind, words) in [
            ("expired", 401, "authentication_error", "has expired"),
            ("revoked", 403, "permission_error", "has been revoked"),
            ("invalid", 401, "authentication_error", "Invalid bearer"),
            ("exhausted", 400, "invalid_request_error", "credit balance is too low"),
        ] {
            kill(&sandbox, json!({"name": "oauth", "how": how})).await;
            refused(&ask_with(&sandbox, secret, question()).await, status, kind, words);
        }
        let counts = sandbox.get("/sandbox/anthropic").await.body["credentials"][0].clone();
        assert_eq!((&counts["calls"], &counts["calls_after_death"]), (&json!(5), &json!(4)));
        let grant = json!({"grant_type": "refresh_token", "refresh_token": oauth["refresh_token"], "client_id": "x"});
        let fresh = sandbox.post("/v1/oauth/token", grant.clone()).await;
        assert_eq!(fresh.body["expires_in"], 28_800, "{fresh:?}");
        assert_eq!(ask_with(&sandbox, &fresh.body["access_token"], question()).await.status, 200);
        let again = sandbox.post("/v1/oauth/token", grant).await;
        assert_eq!((again.status, &again.body["error"]), (400, &json!("invalid_grant")));
        let list = sandbox.client.get(sandbox.url("/v1/models")).header("anthropic-version", "2023-06-01");
        let list = list.bearer_auth(fresh.body["access_token"].as_str().unwrap());
        let list = list.header("anthropic-beta", "oauth-2025-04-20").send().await.unwrap();
        assert_eq!(Answer::read(list).await.body["data"][2]["id"], "claude-sonnet-4-5");
    })
    .await;
}

/// Limits, load, cuts and garbage come as often as they were asked for; what was cut afterwards
/// was billed all the same.
#[tokio::test]
async fn breaks_as_told() {
    with_sandbox(options(RelayVersion::March), async |sandbox: Sandbox| {
        let key =
            issue(&sandbox, json!({"name": "key", "scheme": "api-key"})).await["secret"].clone();
        let ask = || ask_with(&sandbox, &key, question());
        knobs(
            &sandbox,
            json!({"rate_limited": 1, "retry_after_secs": 7, "overloaded": 1, "errors_500": 1}),
        )
        .await;
        let limited = ask().await;
        refused(&limited, 429, "rate_limit_error", "rate limit");
        assert_eq!(limited.header("retry-after"), "7");
        assert!(limited.header("anthropic-ratelimit-requests-reset").ends_with('Z'));
        refused(&ask().await, 529, "overloaded_error", "Overloaded");
        refused(&ask().await, 500, "api_error", "Internal");
        let messages = async || sandbox.get("/sandbox/anthropic").await.body["messages"].clone();
        knobs(&sandbox, json!({"cut_before": 1, "cut_after": 1, "refusals": 1})).await;
        for billed in [0, 1] {
            let cut = sandbox.client.post(sandbox.url("/v1/messages")).json(&question());
            let cut = cut.header("x-api-key", key.as_str().unwrap());
            cut.header("anthropic-version", "2023-06-01").send().await.unwrap_err();
            assert_eq!(messages().await, billed);
        }
        knobs(&sandbox, json!({"refusals": 1, "answer": "never"})).await;
        assert_eq!(ask().await.body["stop_reason"], "refusal");
        assert_eq!(ask().await.body["content"][0]["text"], "never");
    })
    .await;
}
