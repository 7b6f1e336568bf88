//! Whether those who ask language models know what that costs, and what they ask.

use std::collections::BTreeMap;

use domain::{AnthropicConfig, Handler, Kind, ProviderName};
use logic::prompt::Template;

use super::{
    kinds::KindRead, notes::Notes, prices::PriceRead, providers::ProviderRead, value::nearest,
};

pub(super) fn agree(
    kinds: &BTreeMap<Kind, KindRead>,
    prices: &BTreeMap<String, PriceRead>,
    providers: &BTreeMap<ProviderName, ProviderRead>,
    notes: &mut Notes<'_>,
) {
    for (kind, read) in kinds {
        let Some(model) = model_of(read) else { continue };
        if !prices.contains_key(&model.model) {
            let name = &model.model;
            let advice = match nearest(name, prices.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`? Or add"),
                None => "add".to_owned(),
            };
            let text = format!(
                "kind `{kind}` asks `{name}`, which has no price, so nobody could say what an \
                 attempt costs; {advice} [prices.{name:?}] with input and output"
            );
            notes.problem(&read.span, text);
        }
        provider_serves(kind, read, &model.provider, providers, notes);
        for (key, text) in [("prompt", &model.prompt), ("system", &model.system)] {
            if let Some(Err(error)) = text.as_deref().map(Template::parse) {
                notes.problem(&read.span, format!("`{key}` of kind `{kind}`: {error}"));
            }
        }
    }
    let asked = |model: &String| {
        kinds.values().any(|kind| model_of(kind).is_some_and(|asked| asked.model == *model))
    };
    for (model, price) in prices.iter().filter(|(model, _)| !asked(model)) {
        notes.warning(&price.span, format!("[prices.{model:?}] is not used: no kind asks it"));
    }
}

/// What every attempt of a kind shares with others must be able to hold that kind back.
fn provider_serves(
    kind: &Kind,
    read: &KindRead,
    name: &ProviderName,
    providers: &BTreeMap<ProviderName, ProviderRead>,
    notes: &mut Notes<'_>,
) {
    let Some(provider) = providers.get(name) else {
        let advice = match nearest(name.as_str(), providers.keys().map(ProviderName::as_str)) {
            Some(near) => format!("did you mean `{near}`? Or add"),
            None => "add".to_owned(),
        };
        let text = format!(
            "kind `{kind}` uses the unknown provider `{name}`; {advice} [providers.{name}] with \
             its gate and its credentials"
        );
        notes.problem(&read.span, text);
        return;
    };
    let Some(provider) = &provider.config else { return };
    if !read.needs.iter().any(|need| need.value == provider.gate) {
        let text = format!(
            "kind `{kind}` uses provider `{name}` and does not need its gate, so that an expired \
             token would be charged to its tasks; add \"{}\" to its `needs`",
            provider.gate
        );
        notes.problem(&read.span, text);
    }
}

fn model_of(kind: &KindRead) -> Option<&AnthropicConfig> {
    match &kind.config.as_ref()?.handler {
        Handler::Anthropic(model) => Some(model),
        Handler::Service { .. } | Handler::JsonService { .. } | Handler::Exec(_) => None,
    }
}
