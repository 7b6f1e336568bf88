//! What a model is asked for one task: the kind's words, filled from the payload.
//!
//! What the configuration says stands, and what it leaves out the payload may say: `prompt` or
//! `messages`, and `system`. So whoever writes the payload of a kind that has a prompt, be it
//! somebody outside, fills its places and changes nothing else. `max_tokens` of the payload may
//! only be less than the kind's. Anything wrong is the task's own, and nothing is sent: so is what
//! nobody here can tell the price of, such as a document, whose pages are billed as pictures.

use domain::{AnthropicConfig, MicroUsd, Price, Tokens};
use logic::prompt::Template;
use serde_json::{Map, Value, json};

/// A request, whole, and what it can cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) body: Vec<u8>,
    pub(super) max_tokens: u64,
    /// How many images stand in it.
    images: u64,
    /// It may put what it says into the provider's cache, which costs more than reading it.
    caches: bool,
}

/// Beyond what is said, a request counts as so many tokens at most.
const OVERHEAD: u64 = 200;
/// An image counts as so many more at most, however few bytes it is packed into. It is billed by
/// its area, about one token for 750 pixels, once it is scaled down to what the model sees: at
/// most some 1,600 tokens, and 4,784 for models that see up to 2,576 pixels a side
/// (<https://platform.claude.com/docs/en/build-with-claude/vision>).
const IMAGE: u64 = 5_000;

impl Ask {
    /// The request for a payload; else what is wrong with that.
    pub(super) fn of(config: &AnthropicConfig, payload: &str) -> Result<Self, String> {
        let payload: Value = serde_json::from_str(payload)
            .map_err(|error| format!("the payload is no JSON: {error}"))?;
        let mut body = Map::new();
        let max_tokens = max_tokens(config, &payload)?;
        body.insert("model".to_owned(), json!(config.model));
        body.insert("max_tokens".to_owned(), json!(max_tokens));
        let system = match &config.system {
            Some(template) => Some(filled("system", template, &payload)?),
            None => text("system", &payload)?,
        };
        if let Some(system) = system {
            body.insert("system".to_owned(), json!(system));
        }
        let messages = match &config.prompt {
            Some(template) => said(&filled("prompt", template, &payload)?)?,
            None => messages(&payload)?,
        };
        let images = images(&messages)?;
        cached_briefly(&messages)?;
        body.insert("messages".to_owned(), messages);
        let body = Value::Object(body).to_string();
        let caches = body.contains("\"cache_control\"");
        Ok(Ask { body: body.into_bytes(), max_tokens, images, caches })
    }

    /// The most that it can cost: no token of a text is shorter than a byte, an image has so many
    /// at most, and no more are written than were asked for.
    pub(super) fn most(&self, price: Price) -> MicroUsd {
        let bytes = u64::try_from(self.body.len()).unwrap_or(u64::MAX);
        let input = if self.caches { price.input.max(price.cache_write) } else { price.input };
        let tokens = Tokens {
            input: bytes.saturating_add(OVERHEAD).saturating_add(self.images.saturating_mul(IMAGE)),
            output: self.max_tokens,
            ..Tokens::default()
        };
        Price { input, ..price }.of(tokens)
    }
}

fn max_tokens(config: &AnthropicConfig, payload: &Value) -> Result<u64, String> {
    let most = config.max_tokens;
    match payload.get("max_tokens") {
        None | Some(Value::Null) => Ok(most),
        Some(asked) => {
            let fits = asked.as_u64().filter(|asked| (1..=most).contains(asked));
            fits.ok_or_else(|| {
                format!("the payload's `max_tokens` is {asked}; the kind allows 1 to {most}")
            })
        }
    }
}

/// A field of the payload that is text, if it is there.
fn text(name: &str, payload: &Value) -> Result<Option<String>, String> {
    match payload.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("the payload's `{name}` is no text, or an empty one")),
    }
}

fn messages(payload: &Value) -> Result<Value, String> {
    let prompt = text("prompt", payload)?;
    match (prompt, payload.get("messages")) {
        (Some(prompt), None) => said(&prompt),
        (None, Some(Value::Array(messages))) if !messages.is_empty() => {
            Ok(Value::Array(messages.clone()))
        }
        (None, Some(_)) => {
            Err("the payload's `messages` is no list with something in it".to_owned())
        }
        (Some(_), Some(_)) => Err("the payload has `prompt` and `messages`; keep one".to_owned()),
        (None, None) => {
            Err("the kind has no prompt, and the payload neither `prompt` nor `messages`"
                .to_owned())
        }
    }
}

fn said(prompt: &str) -> Result<Value, String> {
    if prompt.trim().is_empty() {
        return Err("the prompt is empty once it is filled".to_owned());
    }
    Ok(json!([{ "role": "user", "content": prompt }]))
}

fn filled(name: &str, template: &str, payload: &Value) -> Result<String, String> {
    let template = Template::parse(template).map_err(|error| format!("`{name}`: {error}"))?;
    let find = |names: &[String]| {
        let found = names.iter().try_fold(payload, |at, name| match at {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            at => at.get(name),
        })?;
        match found {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    template.fill(find).map_err(|error| format!("`{name}`: {error}"))
}

/// How many images the messages hold beside their text. Of anything else nobody here knows what
/// reading it costs, least of all where the provider fetches it.
fn images(messages: &Value) -> Result<u64, String> {
    let mut images = 0;
    for message in messages.as_array().into_iter().flatten() {
        let blocks = match &message["content"] {
            Value::String(_) => continue,
            Value::Array(blocks) => blocks,
            _ => return Err("a message's `content` is neither text nor a list".to_owned()),
        };
        for block in blocks {
            match (block["type"].as_str(), block["source"]["type"].as_str()) {
                (Some("text"), _) => (),
                (Some("image"), Some("base64")) => images += 1,
                (_, Some("url" | "file")) => {
                    return Err("a message refers to what lies elsewhere: send it along".to_owned());
                }
                _ => {
                    let told: String = block["type"].to_string().chars().take(40).collect();
                    return Err(format!(
                        "a message holds a block of type {told}: what that costs cannot be told \
                         before it is sent; only text and base64 images are"
                    ));
                }
            }
        }
    }
    Ok(images)
}

/// What is to be kept for longer than by default costs more than [`Price`] says.
fn cached_briefly(messages: &Value) -> Result<(), String> {
    match messages {
        Value::Object(fields) => {
            let ttl = fields.get("cache_control").and_then(|cache| cache.get("ttl"));
            if let Some(ttl) = ttl.filter(|ttl| !ttl.is_null() && *ttl != "5m") {
                let told: String = ttl.to_string().chars().take(40).collect();
                return Err(format!(
                    "`cache_control` with ttl {told}: the configuration has a price for 5m only; \
                     leave `ttl` out"
                ));
            }
            fields.values().try_for_each(cached_briefly)
        }
        Value::Array(items) => items.iter().try_for_each(cached_briefly),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(prompt: Option<&str>) -> AnthropicConfig {
        AnthropicConfig {
            provider: "anthropic".parse().unwrap(),
            model: "claude-sonnet-4-5".to_owned(),
            system: None,
            prompt: prompt.map(str::to_owned),
            max_tokens: 100,
        }
    }

    fn body(prompt: Option<&str>, payload: &Value) -> Result<Value, String> {
        let ask = Ask::of(&config(prompt), &payload.to_string())?;
        Ok(serde_json::from_slice(&ask.body).unwrap())
    }

    /// A kind's own prompt is filled, and a payload with a prompt of its own changes nothing.
    #[test]
    fn the_kind_has_the_word() {
        let payload = json!({"repo": {"name": "x\"y"}, "n": [1, 2], "prompt": "ignore all that"});
        let body = body(Some("Look at {payload.repo.name} {payload.n.1} {payload.n}"), &payload);
        let body = body.unwrap();
        assert_eq!(body["messages"], json!([{"role": "user", "content": "Look at x\"y 2 [1,2]"}]));
        assert_eq!((&body["max_tokens"], body.get("system")), (&json!(100), None));
    }

    /// What the kind leaves open the payload says, within the kind's limits.
    #[test]
    fn the_payload_may_say_the_rest() {
        let said = json!({"messages": [{"role": "user", "content": "hi"}], "system": "s", "max_tokens": 7});
        let read = body(None, &said).unwrap();
        assert_eq!(read["messages"], said["messages"]);
        assert_eq!((&read["system"], &read["max_tokens"]), (&json!("s"), &json!(7)));
        assert_eq!(body(None, &json!({"prompt": "hi"})).unwrap()["messages"], said["messages"]);
    }

    /// What makes no sense is the task's own, says what is wrong, and is never sent.
    #[test]
    fn refuses_what_makes_no_sense() {
        let url = json!({"messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "url", "url": "https://x"}}]}]});
        for (prompt, payload, told) in [
            (None, json!({}), "the kind has no prompt"),
            (None, json!({"prompt": " "}), "`prompt` is no text"),
            (None, json!({"messages": []}), "no list"),
            (None, json!({"messages": [1], "prompt": "x"}), "keep one"),
            (None, json!({"prompt": "x", "max_tokens": 101}), "the kind allows 1 to 100"),
            (None, json!({"prompt": "x", "system": 3}), "`system` is no text"),
            (None, url, "lies elsewhere"),
            (None, json!({"messages": [1]}), "neither text nor a list"),
            (Some("{payload.gone}"), json!({"x": 1}), "`prompt`: the payload has no field `gone`"),
            (Some("{payload.empty}"), json!({"empty": ""}), "empty once it is filled"),
        ] {
            let error = body(prompt, &payload).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert!(Ask::of(&config(None), "{").unwrap_err().contains("no JSON"));
    }

    /// The most that a call can cost is never less than what it is billed.
    #[test]
    fn estimates_upwards() {
        let price =
            Price { input: 3_000_000, output: 15_000_000, cache_read: 0, cache_write: 3_750_000 };
        let payload = json!({"prompt": "x".repeat(4_000)});
        let ask = Ask::of(&config(None), &payload.to_string()).unwrap();
        let worst = price.of(Tokens { input: 4_100, output: 100, ..Tokens::default() });
        assert!(worst <= ask.most(price), "{:?}", ask.most(price));
        let cached = json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]});
        let cached = Ask::of(&config(None), &cached.to_string()).unwrap();
        let dearer = Price { cache_write: 30_000_000, ..price };
        assert!(cached.most(price) < cached.most(dearer));
    }

    /// M4: an image costs by its area, and not by the bytes that it is packed into; what costs
    /// more than anybody here can tell is refused before it is sent.
    #[test]
    fn counts_what_is_no_text() {
        let price = Price { input: 1_000_000, output: 0, cache_read: 0, cache_write: 1_000_000 };
        let of = |blocks: Value| {
            let payload = json!({"messages": [{"role": "user", "content": blocks}]});
            Ask::of(&config(None), &payload.to_string())
        };
        let block = |kind: &str| {
            let source = json!({"type": "base64", "media_type": "x/y", "data": "AAAA"});
            json!({"type": kind, "source": source})
        };
        let most = |blocks| of(blocks).unwrap().most(price).get();
        let one = most(json!([block("image")]));
        assert!(4_784 <= one, "{one}");
        assert!(one + 4_784 <= most(json!([block("image"), block("image")])));
        let cached = |ttl: Value| {
            let cache = json!({"type": "ephemeral", "ttl": ttl});
            json!([{"type": "text", "text": "x", "cache_control": cache}])
        };
        assert!(of(cached(json!("5m"))).is_ok());
        for (blocks, told) in [
            (json!([block("document")]), "a block of type \"document\""),
            (json!([{"type": "tool_result", "content": [block("image")]}]), "\"tool_result\""),
            (json!([{"source": {}}]), "a block of type null"),
            (cached(json!("1h")), "ttl \"1h\""),
        ] {
            let error = of(blocks).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
