use domain::{Handler, Price};

use super::*;

/// A sound file with a kind that asks a language model.
const PROMPTS: &str = r#"[kinds.nightly]
handler = { anthropic = { provider = "anthropic", model = "claude-sonnet-4-5", prompt = "Say {payload.x}" } }
needs = ["anthropic"]
[gates.anthropic]
[providers.anthropic]
gate = "anthropic"
credentials = [{ name = "api-key", env = "ANTHROPIC_API_KEY", scheme = "api-key" }]
[prices.claude-sonnet-4-5]
input = "3.00"
output = "15.00"
"#;

#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    assert!(PROMPTS.contains(old), "{old:?} is not in the file");
    assert_eq!(problems(&PROMPTS.replacen(old, new, 1)), [expected]);
}

/// What is left out has its default; the cache's prices follow from the price of reading.
#[test]
fn a_short_prompt_is_whole() {
    let (config, warnings) = load("p.toml", PROMPTS).unwrap();
    assert_eq!(warnings, []);
    let Handler::Anthropic(model) = &config.kinds[&"nightly".parse().unwrap()].handler else {
        panic!("another handler");
    };
    assert_eq!((model.max_tokens, model.system.as_deref()), (1_024, None));
    let price =
        Price { input: 3_000_000, output: 15_000_000, cache_read: 300_000, cache_write: 3_750_000 };
    assert_eq!(config.prices["claude-sonnet-4-5"], price);
}

/// A model without a price, a provider that is none, a gate that would not hold: each is refused
/// where it stands, with what to do.
#[test]
fn what_would_go_wrong_at_night_is_refused_now() {
    check(
        "[prices.claude-sonnet-4-5]",
        "[prices.claude-sonet-4-5]",
        "p.toml:1: kind `nightly` asks `claude-sonnet-4-5`, which has no price, so nobody could \
         say what an attempt costs; did you mean `claude-sonet-4-5`? Or add \
         [prices.\"claude-sonnet-4-5\"] with input and output",
    );
    check(
        "provider = \"anthropic\"",
        "provider = \"antropic\"",
        "p.toml:1: kind `nightly` uses the unknown provider `antropic`; did you mean `anthropic`? \
         Or add [providers.antropic] with its gate and its credentials",
    );
    check(
        "needs = [\"anthropic\"]",
        "needs = []",
        "p.toml:1: kind `nightly` uses provider `anthropic` and does not need its gate, so that \
         an expired token would be charged to its tasks; add \"anthropic\" to its `needs`",
    );
    check(
        "{payload.x}",
        "{payload.x",
        "p.toml:1: `prompt` of kind `nightly`: {payload is not closed; write {payload.field}",
    );
    check(
        "input = \"3.00\"",
        "input = \"$3\"",
        "p.toml:9: `input = \"$3\"` in [prices.claude-sonnet-4-5] is no price; write dollars per \
         million tokens, with at most six digits after the point: \"3.00\"",
    );
    check(
        "model = \"claude-sonnet-4-5\", ",
        "",
        "p.toml:2: [kinds.nightly.handler.anthropic] has no `model`; add model = \
         \"claude-sonnet-4-5\"",
    );
}

/// The example that is shipped is sound, and the defaults that it shows are the real ones.
#[test]
fn the_shipped_prompt_job() {
    let text = include_str!("../../../../../deploy/examples/nightly.toml");
    let (config, warnings) = load("nightly.toml", text).unwrap();
    assert_eq!(warnings, []);
    let mut told = text.to_owned();
    for key in ["attempts", "rest", "rest_max", "max_tokens", "url", "cache_read", "cache_write"] {
        let shown = format!("\n# {key} = ");
        assert!(told.contains(&shown), "{key} is not shown");
        told = told.replace(&shown, &format!("\n{key} = "));
    }
    assert_eq!(load("nightly.toml", &told).unwrap().0, config);
}
