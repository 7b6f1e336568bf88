//! What nobody can ask of the real API: issue and kill credentials, break it, look at its counts.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use crate::model::anthropic::{Anthropic, Credential, Faults, Issue, Kill};

use super::{
    Shared,
    control::{bad, read},
    reply::Reply,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sandbox/anthropic", get(counts))
        .route("/sandbox/anthropic/credentials", post(issue))
        .route("/sandbox/anthropic/kill", post(kill))
        .route("/sandbox/anthropic/faults", get(faults).post(set_faults))
}

/// What was asked of the API, credential by credential; never their secrets.
async fn counts(State(shared): State<Shared>) -> Reply {
    let world = shared.world();
    let api = &world.anthropic;
    let credentials: Vec<Value> = api.credentials.iter().map(counted).collect();
    let after_death: u64 = api.credentials.iter().map(|it| it.calls_after_death).sum();
    Reply::ok(json!({
        "calls": api.calls,
        "calls_after_death": after_death,
        "strangers": api.strangers,
        "messages": api.messages,
        "refreshes": api.refreshes,
        "usage": api.usage,
        "credentials": credentials,
    }))
}

fn counted(credential: &Credential) -> Value {
    json!({
        "name": credential.name,
        "fingerprint": credential.fingerprint().to_string(),
        "scheme": credential.scheme,
        "dead": credential.dead,
        "calls": credential.calls,
        "served": credential.served,
        "calls_after_death": credential.calls_after_death,
    })
}

/// Issues a credential: the only answer that holds a secret, as with a login.
async fn issue(State(shared): State<Shared>, body: Bytes) -> Reply {
    let issue: Issue = match read(&body) {
        Ok(issue) => issue,
        Err(reply) => return reply,
    };
    let mut world = shared.world();
    let now_ms = world.now_ms;
    let issued = world.anthropic.issue(issue, now_ms);
    Reply::ok(json!({
        "name": issued.name,
        "secret": issued.secret,
        "refresh_token": issued.refresh,
        "expires_at_ms": issued.expires_ms,
        "fingerprint": issued.fingerprint().to_string(),
    }))
}

async fn kill(State(shared): State<Shared>, body: Bytes) -> Reply {
    let kill: Kill = match read(&body) {
        Ok(kill) => kill,
        Err(reply) => return reply,
    };
    match shared.world().anthropic.kill(&kill) {
        true => Reply::ok(json!({"name": kill.name})),
        false => {
            let error = json!({"error": format!("no credential is called {}", kill.name)});
            Reply::new(StatusCode::NOT_FOUND, error)
        }
    }
}

async fn faults(State(shared): State<Shared>) -> Reply {
    Reply::ok(json!(shared.world().anthropic.faults))
}

/// Merges the named knobs, `null` for the default, and answers all of them.
async fn set_faults(State(shared): State<Shared>, body: Bytes) -> Reply {
    let named: Map<String, Value> = match read(&body) {
        Ok(named) => named,
        Err(reply) => return reply,
    };
    let mut world = shared.world();
    match merged(&world.anthropic, named) {
        Ok(faults) => {
            world.anthropic.faults = faults;
            Reply::ok(json!(world.anthropic.faults))
        }
        Err(error) => bad(&error.into()),
    }
}

fn merged(api: &Anthropic, named: Map<String, Value>) -> serde_json::Result<Faults> {
    let Value::Object(mut all) = serde_json::to_value(&api.faults)? else {
        return Ok(api.faults.clone());
    };
    for (knob, value) in named {
        match value {
            Value::Null => all.remove(&knob),
            value => all.insert(knob, value),
        };
    }
    serde_json::from_value(Value::Object(all))
}
