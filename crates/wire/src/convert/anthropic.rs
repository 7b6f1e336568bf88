use domain::{AnthropicConfig, Handler, Price};

use super::{DecodeError, parse};
use crate::proto;

pub(super) fn handler_to(config: &AnthropicConfig) -> proto::AnthropicHandler {
    proto::AnthropicHandler {
        provider: config.provider.to_string(),
        model: config.model.clone(),
        system: config.system.clone(),
        prompt: config.prompt.clone(),
        max_tokens: config.max_tokens,
    }
}

pub(super) fn handler_of(handler: proto::AnthropicHandler) -> Result<Handler, DecodeError> {
    Ok(Handler::Anthropic(AnthropicConfig {
        provider: parse("kinds.handler.provider", &handler.provider)?,
        model: handler.model,
        system: handler.system,
        prompt: handler.prompt,
        max_tokens: handler.max_tokens,
    }))
}

pub(super) fn price_to((model, price): (&String, &Price)) -> proto::PriceConfig {
    proto::PriceConfig {
        model: model.clone(),
        input: price.input,
        output: price.output,
        cache_read: price.cache_read,
        cache_write: price.cache_write,
    }
}

pub(super) fn price_of(price: proto::PriceConfig) -> Result<(String, Price), DecodeError> {
    let proto::PriceConfig { model, input, output, cache_read, cache_write } = price;
    Ok((model, Price { input, output, cache_read, cache_write }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a model is asked, and what it costs, read back whole.
    #[test]
    fn reads_back() {
        let config = AnthropicConfig {
            provider: "anthropic".parse().unwrap(),
            model: "claude-sonnet-4-5".to_owned(),
            system: None,
            prompt: Some("say {payload.word}".to_owned()),
            max_tokens: 7,
        };
        let read = handler_of(handler_to(&config)).unwrap();
        assert_eq!(read, Handler::Anthropic(config));
        let price = Price { input: 1, output: 2, cache_read: 3, cache_write: 4 };
        let model = "claude-sonnet-4-5".to_owned();
        assert_eq!(price_of(price_to((&model, &price))).unwrap(), (model, price));
    }
}
