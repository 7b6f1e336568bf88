use crate::{MicroUsd, ProviderName};

/// How a language model is asked for the tasks of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnthropicConfig {
    /// Whose credentials are used.
    pub provider: ProviderName,
    /// One that has a [`Price`].
    pub model: String,
    /// What the model is told of its role. Without it, the payload may say.
    pub system: Option<String>,
    /// What it is asked, with `{payload.field}` where the payload comes in. Without it, the
    /// payload says what is asked.
    pub prompt: Option<String>,
    /// The most that it may write; the payload may ask for less.
    pub max_tokens: u64,
}

/// What a language model costs, in millionths of a US dollar per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// Of what was read from the provider's cache, and of what was put there.
    pub cache_read: u64,
    pub cache_write: u64,
}

/// What one call was billed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

impl AnthropicConfig {
    /// What it may write when nothing else is said.
    pub const MAX_TOKENS: u64 = 1_024;
}

impl Price {
    /// What so many tokens cost, rounded up.
    ///
    /// ```
    /// use domain::{MicroUsd, Price, Tokens};
    ///
    /// let price = Price { input: 3_000_000, output: 15_000_000, ..Price::default() };
    /// let tokens = Tokens { input: 1_000, output: 10, ..Tokens::default() };
    /// assert_eq!(price.of(tokens), MicroUsd::new(3_150));
    /// ```
    pub fn of(self, tokens: Tokens) -> MicroUsd {
        const PER: u128 = 1_000_000;
        let lines = [
            (tokens.input, self.input),
            (tokens.output, self.output),
            (tokens.cache_read, self.cache_read),
            (tokens.cache_write, self.cache_write),
        ];
        let all = lines.into_iter().fold(0_u128, |sum, (tokens, price)| {
            sum.saturating_add(u128::from(tokens) * u128::from(price))
        });
        MicroUsd::new(u64::try_from(all.div_ceil(PER)).unwrap_or(u64::MAX))
    }
}

impl Tokens {
    /// Everything that was read.
    pub const fn read(self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Blame, Cause, Config, GateName, Handler, Kind, KindConfig, ProviderConfig};

    /// A wrong model stops its own kind and no other; load stops whoever uses the provider, by
    /// whatever name; limits stop nobody.
    #[test]
    fn whom_a_failure_stops() {
        let kind: Kind = "nightly".parse().unwrap();
        let provider: ProviderName = "claude-eu".parse().unwrap();
        let gate: GateName = "claude".parse().unwrap();
        let handler = Handler::Anthropic(AnthropicConfig {
            provider: provider.clone(),
            model: "claude-sonnet-4-5".to_owned(),
            system: None,
            prompt: None,
            max_tokens: 1,
        });
        let mut config = Config::default();
        let kind_config = KindConfig { needs: vec![gate.clone()], ..KindConfig::of(handler) };
        config.kinds.insert(kind.clone(), kind_config);
        let provider_config = ProviderConfig {
            gate: gate.clone(),
            url: String::new(),
            margin: Duration::ZERO,
            warn: Duration::ZERO,
            credentials: Vec::new(),
        };
        config.providers.insert(provider.clone(), provider_config);
        let shared = |gate, tasks| Blame::Shared { gate, tasks, within: Duration::from_secs(600) };
        let blame = |cause: Cause| config.blame(&kind, &cause);
        let own = GateName::of_kind(&kind);
        assert_eq!(blame(Cause::known("anthropic.model-unknown")), shared(own, 1));
        assert_eq!(blame(Cause::of_provider(&provider, "overloaded")), shared(gate, 3));
        assert_eq!(blame(Cause::known("anthropic.rate-limited")), Blame::Nobody);
        assert_eq!(blame(Cause::known("anthropic.refused")), Blame::Own);
    }

    /// A part of a millionth is a whole one, and what no number holds is the largest there is.
    #[test]
    fn rounds_up_and_never_wraps() {
        let price =
            Price { input: 1, output: u64::MAX, cache_read: 300_000, cache_write: 3_750_000 };
        assert_eq!(price.of(Tokens::default()), MicroUsd::ZERO);
        assert_eq!(price.of(Tokens { input: 1, ..Tokens::default() }), MicroUsd::new(1));
        assert_eq!(price.of(Tokens { output: u64::MAX, ..Tokens::default() }).get(), u64::MAX);
        let cached = Tokens { cache_read: 10, cache_write: 100, ..Tokens::default() };
        assert_eq!((price.of(cached).get(), cached.read()), (378, 110));
    }
}
