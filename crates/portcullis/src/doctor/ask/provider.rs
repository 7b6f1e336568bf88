//! What the providers say of each credential, asked as `portcullis credential test` asks.

use std::collections::BTreeSet;

use bus::Bus;
use domain::{Config, Epoch, Handler, ProviderConfig, ProviderName, RefreshStage};
use futures_util::future::join_all;
use keyring::Inspected;
use kit::Clock;
use logic::credential::State;

use crate::{
    credential::test::test,
    doctor::{
        check::Check,
        provider::{self, Credential},
    },
    look::Seen,
};

/// One line for each credential of each provider that a kind uses.
pub(super) async fn checks(config: &Config, bus: Option<&Bus>) -> Vec<Check> {
    let used: BTreeSet<&ProviderName> = config.kinds.values().filter_map(asked_by).collect();
    let all = config.providers.iter().map(async |(name, config)| {
        if !used.contains(name) {
            return vec![provider::unused(name)];
        }
        let credentials = inspected(name, config, bus).await;
        join_all(credentials.iter().map(async |one| check(name, config, one).await)).await
    });
    join_all(all).await.into_iter().flatten().collect()
}

fn asked_by(kind: &domain::KindConfig) -> Option<&ProviderName> {
    match &kind.handler {
        Handler::Anthropic(anthropic) => Some(&anthropic.provider),
        Handler::Service { .. } | Handler::JsonService { .. } | Handler::Exec(_) => None,
    }
}

/// Without a record that can be asked, nothing is taken to be on it.
async fn inspected(
    name: &ProviderName,
    config: &ProviderConfig,
    bus: Option<&Bus>,
) -> Vec<Inspected> {
    let now = Clock.now();
    if let Some(bus) = bus {
        let gate = Seen::read(bus, &config.gate).await.ok();
        let opening = gate.and_then(|seen| Some(seen.gate()?.opening)).unwrap_or(Epoch::default());
        if let Ok(all) = keyring::inspect(bus, name, config, opening, now).await {
            return all;
        }
    }
    keyring::inspect_unrecorded(name, config, now).await
}

/// Whether there is a token to exchange, of which nothing bad is on record.
fn refreshes(one: &Inspected) -> bool {
    let spent = one.refresh.as_ref().is_some_and(|record| {
        matches!(record.stage, RefreshStage::Refused { .. } | RefreshStage::Unknown { .. })
    });
    let token = one.seen.and_then(|seen| seen.refresh);
    one.config.refresh.is_some() && token.is_some() && !spent
}

async fn check(name: &ProviderName, config: &ProviderConfig, one: &Inspected) -> Check {
    provider::judge(&Credential {
        provider: name,
        url: &config.url,
        name: one.config.name.to_string(),
        place: one.config.source.shown(),
        fingerprint: one.seen.map(|seen| seen.fingerprint),
        exposed: one.exposed,
        refused: matches!(one.state, State::Refused(_)),
        left: match one.state {
            State::Left { expires } => Some(expires),
            _ => None,
        },
        refreshes: refreshes(one),
        tested: test(config, one).await,
    })
}

#[cfg(test)]
mod tests;
