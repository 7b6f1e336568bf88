use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Cause, CredentialUse, ProviderName, Refusal, Scheme};
use fleet::Fleet;
use logic::credential::{Choice, Refused};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use crate::{
    Secret,
    provider::{Patience, Provider},
};

/// The credentials of every provider of the configuration, as one process may use them.
#[derive(Debug)]
pub struct Keyring {
    fleet: Fleet,
    providers: Mutex<BTreeMap<ProviderName, Arc<Provider>>>,
}

/// A secret for one call.
#[derive(Clone, Debug)]
pub struct Lent {
    pub secret: Secret,
    pub scheme: Scheme,
    pub used: CredentialUse,
}

/// What came of one call with one credential.
#[derive(Debug)]
pub enum Tried<T> {
    /// Whatever the provider answered, it was not the credential's fault. So are 429, 5xx and
    /// silence.
    Answered(T),
    /// It does not take this credential; the next one is tried at once.
    Refused {
        why: Refusal,
        /// What it answered, shortened, without secrets.
        evidence: String,
    },
}

/// What came of a call in the end.
#[derive(Debug)]
pub enum Called<T> {
    Answered {
        answer: T,
        used: CredentialUse,
    },
    /// None is left: the cause closes the provider's gate.
    Exhausted {
        cause: Cause,
        evidence: String,
    },
    /// The configuration names no such provider, or nothing could be read.
    Unreadable {
        cause: Cause,
        evidence: String,
    },
}

/// How often what lies on disk is looked at while no call asks for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Keyring {
    pub fn new(fleet: Fleet) -> Self {
        Keyring { fleet, providers: Mutex::default() }
    }

    /// Makes a call with the credentials of a provider, in their order, until one serves.
    ///
    /// `call` is asked at most once with each secret. A refusal is on record before the next
    /// one is tried, or is remembered here until it is.
    pub async fn call<T, F>(&self, provider: &ProviderName, call: impl Fn(Lent) -> F) -> Called<T>
    where
        F: Future<Output = Tried<T>>,
    {
        let Some(provider) = self.provider(provider) else {
            return Called::Unreadable {
                cause: Cause::of_provider(provider, "credential-unreadable"),
                evidence: format!("the configuration has no [providers.{provider}]"),
            };
        };
        provider.look(&self.fleet).await;
        let (mut confirmed, mut tried) = (BTreeSet::new(), BTreeMap::new());
        loop {
            match provider.choose(&self.fleet, &confirmed, &tried) {
                (Choice::Confirm { fingerprint }, _) => {
                    provider.confirm(&self.fleet, fingerprint).await;
                    confirmed.insert(fingerprint);
                }
                (Choice::Lend(loan), Some(lent)) => {
                    let used = loan.used.clone();
                    tracing::info!(credential = %used, "calls with");
                    let (why, evidence) = match call(lent).await {
                        Tried::Answered(answer) => {
                            provider.served(&loan);
                            return Called::Answered { answer, used };
                        }
                        Tried::Refused { why, evidence } => (why, evidence),
                    };
                    tried.insert(used.fingerprint, why);
                    // What was on record may have changed while the provider thought.
                    confirmed.clear();
                    let (by, at) = (self.fleet.source(), self.fleet.clock.now());
                    let refused = Refused { why, evidence, by, at };
                    provider.refused(&self.fleet, &loan, refused).await;
                    provider.look(&self.fleet).await;
                }
                (Choice::Exhausted { cause, evidence }, _) => {
                    provider.tell_exhausted(&self.fleet, &cause, &evidence).await;
                    return Called::Exhausted { cause, evidence };
                }
                (Choice::Unreadable { cause, evidence }, _) => {
                    return Called::Unreadable { cause, evidence };
                }
                (Choice::Exchange { slot }, _) => {
                    provider.exchange(&self.fleet, slot, Patience::Waits).await;
                    confirmed.clear();
                }
                (Choice::Rerun { slot }, _) => provider.run(&self.fleet, slot).await,
                // What was chosen was replaced in between: look again.
                (Choice::Lend(_), None) => provider.look(&self.fleet).await,
            }
        }
    }

    /// Looks at what lies on disk each second, warns, and stores what could not be stored yet;
    /// until `shutdown`.
    pub async fn keep(self: Arc<Self>, shutdown: CancellationToken) {
        let keeping = async {
            loop {
                let config = self.fleet.config();
                for provider in config.providers.keys().filter_map(|name| self.provider(name)) {
                    provider.look(&self.fleet).await;
                    provider.on_time(&self.fleet).await;
                }
                self.fleet.clock.sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = keeping => (),
        }
    }

    /// A provider as the configuration in force has it.
    fn provider(&self, name: &ProviderName) -> Option<Arc<Provider>> {
        let config = self.fleet.config();
        let config = config.providers.get(name)?;
        let mut known = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(name).filter(|provider| provider.config == *config).cloned();
        Some(found.unwrap_or_else(|| {
            let provider = Arc::new(Provider::new(name.clone(), config.clone()));
            known.insert(name.clone(), provider.clone());
            provider
        }))
    }
}

impl Lent {
    /// The header that carries the secret; marked so that no HTTP client prints it.
    pub fn header(&self) -> (HeaderName, HeaderValue) {
        let (name, text) = match self.scheme {
            Scheme::Bearer => (AUTHORIZATION, format!("Bearer {}", self.secret.expose())),
            Scheme::ApiKey => {
                (HeaderName::from_static("x-api-key"), self.secret.expose().to_owned())
            }
        };
        // A secret is visible ASCII, hence always a header value.
        let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        (name, value)
    }
}
