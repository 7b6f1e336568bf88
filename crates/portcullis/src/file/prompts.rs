//! `handler = { anthropic = { … } }`: how a language model is asked.

use domain::{AnthropicConfig, Handler, ProviderName};

use super::{notes::Notes, section::Section};

/// More than any model writes.
const TOKENS_MAX: u64 = 1_000_000;

pub(super) fn handler(handler: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Handler> {
    let mut section = handler.section("anthropic", notes)?;
    let provider = section.required("provider", "\"anthropic\"", notes);
    let provider =
        provider.and_then(|word| section.parse::<ProviderName>("provider", &word, notes));
    let model = section.required("model", "\"claude-sonnet-4-5\"", notes);
    let system = text(&mut section, "system", notes);
    let prompt = text(&mut section, "prompt", notes);
    let max_tokens = section.number("max_tokens", 1, "nothing could be written", notes);
    let max_tokens = max_tokens.unwrap_or(AnthropicConfig::MAX_TOKENS);
    if TOKENS_MAX < max_tokens {
        let text = format!(
            "`max_tokens = {max_tokens}`{} is more than any model writes",
            section.within()
        );
        notes.problem(&section.span, text);
    }
    section.finish(notes);
    let (provider, model) = (provider?.value, model?);
    Some(Handler::Anthropic(AnthropicConfig {
        provider,
        model: model.value.to_owned(),
        system,
        prompt,
        max_tokens,
    }))
}

fn text(section: &mut Section<'_>, key: &'static str, notes: &mut Notes<'_>) -> Option<String> {
    let word = section.text(key, notes)?;
    if word.value.trim().is_empty() {
        let text = format!(
            "`{key}`{} is empty; say something, or leave it out and let the payload say it",
            section.within()
        );
        notes.problem(&word.span, text);
    }
    Some(word.value.to_owned())
}
