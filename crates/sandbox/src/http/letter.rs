//! The body of a post: what is to be said, and to whom (wire facts: inbox request body).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::model::{directory::Agent, faults::Generation, inbox::Letter};

use super::reply::{Reply, defined};

const CONTENT_MAX: usize = 500;

/// The body of a post as JSON.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Reply> {
    serde_json::from_slice(body).map_err(|error| {
        bad(json!({
            "error": "Malformed JSON body",
            "parseError": error.to_string(),
            "expectedBody": expected_body(),
            "hint": "Send valid JSON with Content-Type: application/json.",
            "documentation": "https://aibtc.com/docs/messaging.txt",
        }))
    })
}

/// Reads a post to a registered agent. The agent has a Stacks address; `stx_address` is it.
pub(crate) fn read(
    body: &Value,
    agent: &Agent,
    stx_address: &str,
    generation: Generation,
) -> Result<Letter, Reply> {
    let content = content(body).map_err(|bad| bad.reply(generation))?;
    let to_btc = agent.btc_address.clone().unwrap_or_default();
    let pairs =
        [("toBtcAddress", "BTC", &to_btc), ("toStxAddress", "STX", &stx_address.to_owned())];
    for (field, chain, address) in pairs {
        match body[field].as_str() {
            None if generation == Generation::March => {
                let message = format!("{field} is required");
                return Err(Invalid::new(field, message, "Name the agent.").reply(generation));
            }
            Some(given) if given != address => {
                return Err(elsewhere(chain, given, address, &to_btc));
            }
            _ => (),
        }
    }
    Ok(Letter { to_btc, to_stx: stx_address.to_owned(), content })
}

/// A letter to an address that is not the agent's.
fn elsewhere(chain: &str, given: &str, registered: &str, agent: &str) -> Reply {
    let kind = if chain == "STX" { "Stx" } else { "Btc" };
    let registered_as = format!("registered{kind}Address");
    let verify = format!("GET /api/verify/{agent}");
    bad(json!({
        "error": format!("Recipient {chain} address mismatch"),
        "hint": "The address in the body is not the one that the agent registered.",
        registered_as.as_str(): registered,
        format!("provided{kind}Address"): given,
        "diagnosis": "The agent moved to another key, or the body is stale or mistyped.",
        "action": format!("Look it up at {verify}, and send to {registered_as}."),
        "verifyEndpoint": verify,
    }))
}

/// What a body may hold, for people who sent none that can be read.
fn expected_body() -> Value {
    json!({
        "toBtcAddress": "optional string: the recipient's Bitcoin address",
        "toStxAddress": "optional string: the recipient's Stacks address",
        "content": "string: message text, at most 500 characters",
        "signature": "optional string: over 'Inbox Message | {content}'",
        "paymentTxid": "optional string: the transaction that paid",
        "paymentSatoshis": "optional number: what it paid",
        "replyTo": "optional string: the message that this one answers",
    })
}

/// A non-blank text of at most 500 UTF-16 units.
fn content(body: &Value) -> Result<String, Invalid> {
    let invalid = |message: String, hint: String| Invalid::new("content", message, hint);
    let Some(content) = body["content"].as_str() else {
        let hint = format!("A text of up to {CONTENT_MAX} characters.");
        let invalid = invalid("content must be a string".into(), hint);
        return Err(Invalid { example: Some("Hello!"), ..invalid });
    };
    if content.trim().is_empty() {
        return Err(invalid("content must not be empty".into(), "Say something.".into()));
    }
    match content.encode_utf16().count() {
        0..=CONTENT_MAX => Ok(content.to_owned()),
        length => Err(invalid(
            format!("content exceeds maximum length of {CONTENT_MAX} characters"),
            format!("Shorten it. Current length: {length}."),
        )),
    }
}

/// What is wrong with a field of the body.
struct Invalid {
    field: &'static str,
    message: String,
    hint: String,
    example: Option<&'static str>,
}

impl Invalid {
    fn new(field: &'static str, message: String, hint: impl Into<String>) -> Self {
        Invalid { field, message, hint: hint.into(), example: None }
    }

    fn reply(self, generation: Generation) -> Reply {
        match generation {
            Generation::March => bad(json!({"error": self.message})),
            Generation::Typed => bad(json!({
                "error": "validation_failed",
                "errors": [defined(json!({
                    "field": self.field,
                    "message": self.message,
                    "hint": self.hint,
                    "example": self.example,
                }))],
                "docs_url": "https://aibtc.com/llms.txt",
            })),
        }
    }
}

fn bad(body: Value) -> Reply {
    Reply::new(StatusCode::BAD_REQUEST, body)
}
