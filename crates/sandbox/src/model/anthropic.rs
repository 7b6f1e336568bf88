//! Anthropic's API as a model: who may call, what goes wrong, and what was counted.
//!
//! A call is judged in this order: its credential, the account's credit, the request, then limits
//! and load. There is no idempotency key, as the real one has none: whoever asks again is answered
//! again, and billed again.
//!
//! The wording is that of the real service where it was seen: an expired and a revoked token, a
//! credit balance that is too low (which is a 400, not a 402 or 403), limits and overload.

mod message;

use domain::Fingerprint;
use serde::{Deserialize, Serialize};

use super::faults::take;

pub(crate) use message::{Message, Request, Usage};

/// How the secret is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheme {
    #[default]
    Bearer,
    ApiKey,
}

/// Why a credential serves no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Death {
    Expired,
    Revoked,
    Invalid,
    Exhausted,
}

/// One credential, with what was done with it.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) scheme: Scheme,
    /// A refresh token that buys a new one, once.
    pub(crate) refresh: Option<String>,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) dead: Option<Death>,
    /// It dies so once it has served so many more calls.
    pub(crate) dies: Option<(u64, Death)>,
    pub(crate) calls: u64,
    pub(crate) served: u64,
    pub(crate) calls_after_death: u64,
}

/// What is to go wrong. Counts are used up by the calls that they spoil.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    /// Answered 429, with the time to wait.
    pub(crate) rate_limited: u64,
    pub(crate) retry_after_secs: u64,
    /// Answered 529.
    pub(crate) overloaded: u64,
    /// Answered 500.
    pub(crate) errors_500: u64,
    /// Cut before anything is done, so that nothing is billed.
    pub(crate) cut_before: u64,
    /// Done and billed, and cut before the answer.
    pub(crate) cut_after: u64,
    /// Done and billed, and answered with what is no JSON.
    pub(crate) garbled: u64,
    /// Answered with a refusal in place of a text.
    pub(crate) refusals: u64,
    /// How long every call takes, in milliseconds.
    pub(crate) slow_ms: u64,
    /// What is answered; left out, it is made of the question.
    pub(crate) answer: Option<String>,
    /// The models that there are.
    pub(crate) models: Vec<String>,
    /// Larger requests are answered 413; in bytes.
    pub(crate) request_max: usize,
}

impl Default for Faults {
    fn default() -> Self {
        let models = ["claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-4-5"];
        Faults {
            rate_limited: 0,
            retry_after_secs: 1,
            overloaded: 0,
            errors_500: 0,
            cut_before: 0,
            cut_after: 0,
            garbled: 0,
            refusals: 0,
            slow_ms: 0,
            answer: None,
            models: models.map(str::to_owned).to_vec(),
            request_max: 32 * 1024 * 1024,
        }
    }
}

/// An error of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// Seconds.
    pub(crate) retry_after: Option<u64>,
}

/// The API, its accounts, and what it counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Anthropic {
    pub(crate) credentials: Vec<Credential>,
    pub(crate) faults: Faults,
    /// Everything that was asked, with whatever credential.
    pub(crate) calls: u64,
    /// Calls with a secret that nobody knows, or with none.
    pub(crate) strangers: u64,
    /// Messages written, and so billed.
    pub(crate) messages: u64,
    pub(crate) refreshes: u64,
    pub(crate) usage: Usage,
    issued: u64,
}

/// What is to be issued.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Issue {
    pub(crate) name: String,
    pub(crate) scheme: Scheme,
    /// Left out, one is made up.
    pub(crate) secret: Option<String>,
    pub(crate) expires_in_ms: Option<u64>,
}

/// What is to become of a credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kill {
    pub(crate) name: String,
    /// `null`: it serves again.
    pub(crate) how: Option<Death>,
    /// Only once it has served so many more calls.
    #[serde(default)]
    pub(crate) after: u64,
}

impl Anthropic {
    /// A new secret under a name, as after a login. The one before is dead from now on.
    pub(crate) fn issue(&mut self, issue: Issue, now_ms: u64) -> &Credential {
        for old in self.credentials.iter_mut().filter(|old| old.name == issue.name) {
            old.dead.get_or_insert(Death::Expired);
        }
        self.issued += 1;
        let (name, number) = (issue.name, self.issued);
        let made_up = |kind: &str| format!("sk-ant-{kind}-sandbox-{name}-{number}");
        let (secret, refresh) = match issue.scheme {
            Scheme::Bearer => (made_up("oat01"), Some(made_up("ort01"))),
            Scheme::ApiKey => (made_up("api03"), None),
        };
        self.credentials.push(Credential {
            secret: issue.secret.unwrap_or(secret),
            scheme: issue.scheme,
            refresh,
            expires_ms: issue.expires_in_ms.map(|within| now_ms.saturating_add(within)),
            dead: None,
            dies: None,
            calls: 0,
            served: 0,
            calls_after_death: 0,
            name,
        });
        &self.credentials[self.credentials.len() - 1]
    }

    /// Whether there is such a credential: the newest of that name is meant.
    pub(crate) fn kill(&mut self, kill: &Kill) -> bool {
        let newest = self.credentials.iter_mut().rev().find(|found| found.name == kill.name);
        let Some(credential) = newest else { return false };
        match kill.how {
            Some(how) if kill.after > 0 => credential.dies = Some((kill.after, how)),
            how => (credential.dead, credential.dies) = (how, None),
        }
        true
    }

    /// A new access token for a refresh token, which is used up: the next one comes with it.
    pub(crate) fn refresh(&mut self, token: &str, now_ms: u64) -> Option<&Credential> {
        let found = self.credentials.iter_mut().find(|it| it.refresh.as_deref() == Some(token))?;
        let revoked = found.dead == Some(Death::Revoked);
        let issue = Issue {
            name: found.name.clone(),
            expires_in_ms: Some(EXPIRES_IN_MS),
            ..Issue::default()
        };
        found.refresh = None;
        if revoked {
            return None;
        }
        self.refreshes += 1;
        Some(self.issue(issue, now_ms))
    }

    /// Counts a call and says whether its credential serves.
    pub(crate) fn admit(
        &mut self,
        scheme: Scheme,
        secret: &str,
        now_ms: u64,
    ) -> Result<usize, Refusal> {
        self.calls += 1;
        let found = self.credentials.iter().position(|known| known.secret == secret);
        let Some(at) = found.filter(|at| self.credentials[*at].scheme == scheme) else {
            self.strangers += 1;
            return Err(dead(Death::Invalid, scheme));
        };
        let credential = &mut self.credentials[at];
        credential.calls += 1;
        if credential.expires_ms.is_some_and(|expires| expires <= now_ms) {
            credential.dead.get_or_insert(Death::Expired);
        }
        match credential.dead {
            Some(death) => {
                credential.calls_after_death += 1;
                Err(dead(death, scheme))
            }
            None => Ok(at),
        }
    }

    /// What load and limits say to a call that may be made.
    pub(crate) fn spoil(&mut self) -> Result<(), Refusal> {
        let error = |status, kind, message: &str| {
            Err(Refusal { status, kind, message: message.to_owned(), retry_after: None })
        };
        let faults = &mut self.faults;
        if take(&mut faults.rate_limited) {
            let retry_after = Some(faults.retry_after_secs);
            let message = "This request would exceed your organization's rate limit. Please try \
                           again later."
                .to_owned();
            return Err(Refusal { status: 429, kind: "rate_limit_error", message, retry_after });
        }
        if take(&mut faults.overloaded) {
            return error(529, "overloaded_error", "Overloaded");
        }
        if take(&mut faults.errors_500) {
            return error(500, "api_error", "Internal server error");
        }
        Ok(())
    }

    /// Writes and bills a message.
    pub(crate) fn write(&mut self, by: usize, request: &Request) -> Message {
        self.messages += 1;
        let refuses = take(&mut self.faults.refusals);
        let message = message::write(request, self.faults.answer.as_deref(), refuses);
        self.usage.add(message.usage);
        let credential = &mut self.credentials[by];
        credential.served += 1;
        if let Some((left, how)) = credential.dies {
            credential.dies = Some((left.saturating_sub(1), how)).filter(|(left, _)| *left > 0);
            if credential.dies.is_none() {
                credential.dead = Some(how);
            }
        }
        message
    }
}

impl Credential {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("anthropic", &self.secret)
    }
}

/// How long a refreshed token is good for: eight hours, as the real ones are.
pub(crate) const EXPIRES_IN_MS: u64 = 8 * 3_600 * 1_000;

fn dead(death: Death, scheme: Scheme) -> Refusal {
    let (status, kind, message) = match (death, scheme) {
        (Death::Expired, Scheme::Bearer) => (
            401,
            "authentication_error",
            "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        ),
        (Death::Revoked, Scheme::Bearer) => {
            (403, "permission_error", "OAuth token has been revoked. Please obtain a new token.")
        }
        (Death::Exhausted, _) => (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & \
             Billing to upgrade or purchase credits.",
        ),
        (Death::Invalid, Scheme::Bearer) => (401, "authentication_error", "Invalid bearer token"),
        // A key does not expire: it is deleted, and then nobody knows it.
        (_, Scheme::ApiKey) => (401, "authentication_error", "invalid x-api-key"),
    };
    Refusal { status, kind, message: message.to_owned(), retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (Anthropic, String) {
        let mut world = Anthropic::default();
        let issue = Issue { name: "oauth".into(), expires_in_ms: Some(100), ..Issue::default() };
        let secret = world.issue(issue, 1_000).secret.clone();
        (world, secret)
    }

    /// A token serves until its time, and each call after that is counted against it.
    #[test]
    fn a_token_expires_at_its_time() {
        let (mut world, secret) = world();
        assert!(world.admit(Scheme::Bearer, &secret, 1_099).is_ok());
        let refused = world.admit(Scheme::Bearer, &secret, 1_100).unwrap_err();
        assert_eq!((refused.status, refused.kind), (401, "authentication_error"));
        assert!(world.admit(Scheme::ApiKey, &secret, 1_000).is_err());
        let it = &world.credentials[0];
        assert_eq!((it.calls, it.calls_after_death, world.strangers), (2, 1, 1));
    }

    /// On command it dies after so many calls that it served, and a refresh token works once.
    #[test]
    fn dies_in_mid_run_and_is_refreshed_once() {
        let (mut world, secret) = world();
        let request = Request { question: "hi".into(), max_tokens: 9, ..Request::default() };
        let kill = Kill { name: "oauth".into(), how: Some(Death::Revoked), after: 2 };
        assert!(world.kill(&kill));
        for _ in 0..2 {
            let by = world.admit(Scheme::Bearer, &secret, 1_000).unwrap();
            world.write(by, &request);
        }
        assert_eq!(world.admit(Scheme::Bearer, &secret, 1_000).unwrap_err().status, 403);
        assert!(world.kill(&Kill { name: "oauth".into(), how: None, after: 0 }));
        let refresh = world.credentials[0].refresh.clone().unwrap();
        let renewed = world.refresh(&refresh, 2_000).unwrap().secret.clone();
        assert!(world.refresh(&refresh, 2_000).is_none());
        assert!(world.admit(Scheme::Bearer, &secret, 1_000).is_err(), "the old one is dead");
        assert!(world.admit(Scheme::Bearer, &renewed, 2_000).is_ok());
    }
}
