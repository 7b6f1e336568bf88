//! Anthropic's API: `POST /v1/messages`, `GET /v1/models`, and the token endpoint.

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use crate::model::{
    anthropic::{EXPIRES_IN_MS, Message, Refusal, Request, Scheme},
    faults::take,
};

use super::{
    Shared,
    connection::Connection,
    reply::{Reply, iso},
};

/// An OAuth token is taken only with this.
const OAUTH_BETA: &str = "oauth-2025-04-20";
/// Nothing larger is read at all; what the API refuses is smaller.
const READ_MAX: usize = 64 * 1024 * 1024;

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/models", get(models))
        .route("/v1/oauth/token", post(token))
        .layer(DefaultBodyLimit::max(READ_MAX))
}

async fn messages(
    State(shared): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let slow_ms = shared.world().anthropic.faults.slow_ms;
    if slow_ms > 0 {
        shared.pause(slow_ms).await;
    }
    let mut world = shared.world();
    let now_ms = world.now_ms;
    let api = &mut world.anthropic;
    if take(&mut api.faults.cut_before) {
        api.calls += 1;
        connection.cut();
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let by = match admitted(&headers, |scheme, secret| api.admit(scheme, secret, now_ms)) {
        Ok(by) => by,
        Err(refusal) => return error(&refusal, api.calls, now_ms).into_response(),
    };
    let asked = read(&body, api.faults.request_max).and_then(|(asked, request)| {
        match api.faults.models.contains(&request.model) {
            true => Ok((asked, request)),
            false => Err(refusal(404, "not_found_error", format!("model: {}", request.model))),
        }
    });
    let (asked, request) = match asked.and_then(|asked| api.spoil().map(|()| asked)) {
        Ok(asked) => asked,
        Err(refusal) => return error(&refusal, api.calls, now_ms).into_response(),
    };
    let message = api.write(by, &request);
    if take(&mut api.faults.cut_after) {
        connection.cut();
    }
    if take(&mut api.faults.garbled) {
        let html = [(header::CONTENT_TYPE, "text/html")];
        return (html, "<html><body>one moment please</body></html>").into_response();
    }
    let id = format!("msg_sandbox_{:08}", api.messages);
    Reply::ok(told(&id, &asked, &message))
        .header("request-id", request_id(api.calls))
        .into_response()
}

fn told(id: &str, model: &Value, message: &Message) -> Value {
    let content = match message.text.is_empty() {
        true => json!([]),
        false => json!([{"type": "text", "text": message.text}]),
    };
    json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": message.stop_reason,
        "stop_sequence": null,
        "usage": {
            "input_tokens": message.usage.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": message.usage.output_tokens,
            "service_tier": "standard",
        },
    })
}

async fn models(State(shared): State<Shared>, headers: HeaderMap) -> Reply {
    let mut world = shared.world();
    let now_ms = world.now_ms;
    let api = &mut world.anthropic;
    if let Err(refusal) = admitted(&headers, |scheme, secret| api.admit(scheme, secret, now_ms)) {
        return error(&refusal, api.calls, now_ms);
    }
    let model = |model: &String| {
        json!({
            "type": "model",
            "id": model,
            "display_name": model,
            "created_at": "2025-09-29T00:00:00Z",
        })
    };
    let models: Vec<Value> = api.faults.models.iter().map(model).collect();
    let ends = [models.first(), models.last()].map(|model| model.map(|model| model["id"].clone()));
    Reply::ok(json!({
        "data": models, "has_more": false, "first_id": ends[0], "last_id": ends[1],
    }))
}

/// The refresh grant. The refresh token that was used is used up.
async fn token(State(shared): State<Shared>, body: Bytes) -> Reply {
    let asked: Map<String, Value> = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(_) => form(&body),
    };
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let invalid = |error: &str, description: &str| {
        let body = json!({"error": error, "error_description": description});
        Reply::new(StatusCode::BAD_REQUEST, body)
    };
    if text("grant_type") != "refresh_token" {
        return invalid("unsupported_grant_type", "Only refresh_token is supported");
    }
    let mut world = shared.world();
    let now_ms = world.now_ms;
    match world.anthropic.refresh(text("refresh_token"), now_ms) {
        Some(fresh) => Reply::ok(json!({
            "token_type": "Bearer",
            "access_token": fresh.secret,
            "refresh_token": fresh.refresh,
            "expires_in": EXPIRES_IN_MS / 1_000,
            "scope": "user:inference user:profile",
        })),
        None => invalid("invalid_grant", "Refresh token not found or invalid"),
    }
}

/// `a=b&c=d`, without escapes: no token has any.
fn form(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// Whoever the headers say is asking, if that one may.
fn admitted(
    headers: &HeaderMap,
    admit: impl FnOnce(Scheme, &str) -> Result<usize, Refusal>,
) -> Result<usize, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (scheme, secret) = match (text("x-api-key"), text("authorization")) {
        (Some(key), _) => (Scheme::ApiKey, key),
        (None, Some(bearer)) => {
            (Scheme::Bearer, bearer.strip_prefix("Bearer ").unwrap_or_default())
        }
        (None, None) => (Scheme::ApiKey, ""),
    };
    let by = admit(scheme, secret)?;
    let beta = text("anthropic-beta").unwrap_or_default();
    if scheme == Scheme::Bearer && !beta.split(',').any(|beta| beta.trim() == OAUTH_BETA) {
        let message = "OAuth authentication is currently not supported.".to_owned();
        return Err(refusal(401, "authentication_error", message));
    }
    if text("anthropic-version").is_none() {
        let message = "anthropic-version: header is required".to_owned();
        return Err(refusal(400, "invalid_request_error", message));
    }
    Ok(by)
}

/// The model as it was named, and what the request comes down to.
fn read(body: &[u8], request_max: usize) -> Result<(Value, Request), Refusal> {
    if request_max < body.len() {
        let message = "Request exceeds the maximum size".to_owned();
        return Err(refusal(413, "request_too_large", message));
    }
    let invalid = |message: &str| refusal(400, "invalid_request_error", message.to_owned());
    let asked: Value =
        serde_json::from_slice(body).map_err(|_| invalid("The request body is not valid JSON"))?;
    let model = asked["model"].as_str().ok_or_else(|| invalid("model: Field required"))?;
    let max_tokens =
        asked["max_tokens"].as_u64().ok_or_else(|| invalid("max_tokens: Field required"))?;
    if max_tokens == 0 {
        return Err(invalid("max_tokens: must be greater than or equal to 1"));
    }
    let messages = asked["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or_else(|| invalid("messages: at least one message is required"))?;
    let mut question = String::new();
    let mut bytes = words(&asked["system"]).map_or(0, |system| system.len());
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant"].contains(&role) {
            return Err(invalid(&format!(
                "messages.{at}.role: Input should be 'user' or 'assistant'"
            )));
        }
        question = words(&message["content"])
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| invalid("messages: text content blocks must be non-empty"))?;
        bytes += question.len();
    }
    Ok((asked["model"].clone(), Request { model: model.to_owned(), question, bytes, max_tokens }))
}

/// The text of a content: a text, or blocks of it.
fn words(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => {
            Some(blocks.iter().filter_map(|block| block["text"].as_str()).collect())
        }
        _ => None,
    }
}

fn refusal(status: u16, kind: &'static str, message: String) -> Refusal {
    Refusal { status, kind, message, retry_after: None }
}

fn error(refusal: &Refusal, call: u64, now_ms: u64) -> Reply {
    let request_id = request_id(call);
    let body = json!({
        "type": "error",
        "error": {"type": refusal.kind, "message": refusal.message},
        "request_id": request_id,
    });
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let reply = Reply::new(status, body).header("request-id", request_id);
    match refusal.retry_after {
        Some(secs) => {
            let reset = iso(now_ms.saturating_add(secs * 1_000));
            reply
                .header("anthropic-ratelimit-requests-limit", 50)
                .header("anthropic-ratelimit-requests-remaining", 0)
                .header("anthropic-ratelimit-requests-reset", reset)
                .retry_after(Some(secs))
        }
        None => reply,
    }
}

fn request_id(call: u64) -> String {
    format!("req_sandbox_{call:08}")
}
