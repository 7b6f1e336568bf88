//! The body of a post: what is to be said, and to whom (wire facts: inbox request body).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::model::{directory::Agent, faults::Generation, inbox::Letter};

use super::reply::Reply;

const CONTENT_MAX: usize = 500;

/// The body of a post as JSON.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Reply> {
    serde_json::from_slice(body).map_err(|error| {
        bad(json!({
            "error": "Malformed JSON body",
            "parseError": error.to_string(),
            "hint": "Ensure Content-Type: application/json is set and the body is valid JSON.",
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
    let content = content(body).map_err(|message| invalid("content", message, generation))?;
    let to_btc = agent.btc_address.clone().unwrap_or_default();
    let pairs = [
        ("toBtcAddress", "BTC", "registeredBtcAddress", &to_btc),
        ("toStxAddress", "STX", "registeredStxAddress", &stx_address.to_owned()),
    ];
    for (field, chain, registered, address) in pairs {
        match body[field].as_str() {
            None if generation == Generation::March => {
                return Err(invalid(field, format!("{field} is required"), generation));
            }
            Some(given) if given != address => {
                return Err(bad(json!({
                    "error": format!("Recipient {chain} address mismatch"),
                    "hint": "The address in your request body is not the registered one.",
                    registered: address,
                    "provided": given,
                })));
            }
            _ => (),
        }
    }
    Ok(Letter { to_btc, to_stx: stx_address.to_owned(), content })
}

/// A non-blank text of at most 500 UTF-16 units.
fn content(body: &Value) -> Result<String, String> {
    let content = body["content"].as_str().ok_or("content must be a string")?;
    if content.trim().is_empty() {
        return Err("content must not be empty".into());
    }
    match content.encode_utf16().count() <= CONTENT_MAX {
        true => Ok(content.to_owned()),
        false => Err(format!("content exceeds maximum length of {CONTENT_MAX} characters")),
    }
}

fn invalid(field: &str, message: impl Into<String>, generation: Generation) -> Reply {
    let message = message.into();
    match generation {
        Generation::March => bad(json!({"error": message})),
        Generation::Typed => bad(json!({
            "error": "validation_failed",
            "errors": [{"field": field, "message": message}],
            "docs_url": "https://aibtc.com/llms.txt",
        })),
    }
}

fn bad(body: Value) -> Reply {
    Reply::new(StatusCode::BAD_REQUEST, body)
}
