use domain::{AnthropicConfig, Price};

use crate::file::spell_dollars;

/// How a model is asked, as the file says it.
pub(super) fn of_handler(config: &AnthropicConfig) -> Vec<(&'static str, String)> {
    let text = |text: &Option<String>| {
        text.as_ref().map_or("from the payload".to_owned(), |text| format!("{text:?}"))
    };
    vec![
        ("handler.anthropic.provider", config.provider.to_string()),
        ("handler.anthropic.model", config.model.clone()),
        ("handler.anthropic.system", text(&config.system)),
        ("handler.anthropic.prompt", text(&config.prompt)),
        ("handler.anthropic.max_tokens", config.max_tokens.to_string()),
    ]
}

/// In dollars per million tokens, as the file says it.
pub(super) fn of_price(price: &Price) -> Vec<(&'static str, String)> {
    vec![
        ("input", spell_dollars(price.input)),
        ("output", spell_dollars(price.output)),
        ("cache_read", spell_dollars(price.cache_read)),
        ("cache_write", spell_dollars(price.cache_write)),
    ]
}
