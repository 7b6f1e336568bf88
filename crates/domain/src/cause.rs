use std::{fmt, str::FromStr, time::Duration};

use crate::{GateName, ProviderName};

/// Why an attempt failed: `relay.nonce-conflict`, `target.invalid`.
///
/// One to four words of `a-z`, `0-9` and `-`, joined by dots, so that it can stand in a
/// subject and be subscribed to by its first word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause(Box<str>);

/// Why a string is not a [`Cause`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cause {text:?} is not one to four dotted words of a-z, 0-9 and '-'")]
pub struct CauseError {
    pub text: String,
}

/// Who is to blame for a failure, and so what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A dependency that others share: not charged to the task; `tasks` distinct tasks that
    /// fail so within `within` close `gate`. With `tasks` 0 it never closes.
    Shared { gate: GateName, tasks: u32, within: Duration },
    /// The task itself: charged.
    Own,
    /// Nobody yet: the task waits and asks again, uncharged. What may have happened is
    /// unknown, never failed (M2).
    Nobody,
}

/// What a cause means unless the configuration says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub cause: &'static str,
    pub blame: RuleBlame,
    pub means: &'static str,
}

/// [`Blame`] as it can stand in a table.
#[derive(Clone, Copy, Debug)]
pub enum RuleBlame {
    Shared {
        gate: &'static str,
        tasks: u32,
        within_secs: u64,
    },
    /// Shared by all tasks of the kind: it closes the kind's own gate.
    OfKind {
        tasks: u32,
        within_secs: u64,
    },
    /// Shared through the gate of the provider that the cause's first word names; which one
    /// that is only the configuration knows: see [`crate::Config::blame`].
    Provider {
        tasks: u32,
        within_secs: u64,
    },
    Own,
    Nobody,
}

const fn provider(cause: &'static str, tasks: u32, means: &'static str) -> Rule {
    Rule { cause, blame: RuleBlame::Provider { tasks, within_secs: 600 }, means }
}

const fn shared(cause: &'static str, gate: &'static str, tasks: u32, means: &'static str) -> Rule {
    Rule { cause, blame: RuleBlame::Shared { gate, tasks, within_secs: 600 }, means }
}

const fn of_kind(cause: &'static str, tasks: u32, means: &'static str) -> Rule {
    Rule { cause, blame: RuleBlame::OfKind { tasks, within_secs: 600 }, means }
}

const fn own(cause: &'static str, means: &'static str) -> Rule {
    Rule { cause, blame: RuleBlame::Own, means }
}

const fn nobody(cause: &'static str, means: &'static str) -> Rule {
    Rule { cause, blame: RuleBlame::Nobody, means }
}

/// The one rule set: every cause that Portcullis itself reports, and what closes on it.
///
/// A `closes_on` of the configuration overrides a line; a cause that stands in neither is
/// the task's own. A `*` stands for the name of any provider: `anthropic.auth-expired` is
/// found under `*.auth-expired`, unless it has a line of its own.
pub const RULES: &[Rule] = &[
    shared("relay.nonce-conflict", "relay", 1, "the relay's own nonce is stuck"),
    shared("relay.unconfirmed", "relay", 1, "the relay accepted a payment that never confirms"),
    shared("relay.unavailable", "relay", 3, "the relay answers with errors or not at all"),
    shared("relay.sponsor-failed", "relay", 3, "the relay could not sponsor the transaction"),
    nobody("relay.rate-limited", "the relay asks to slow down"),
    nobody("relay.pending", "the relay accepted the payment and has not confirmed it yet"),
    shared("inbox.unavailable", "inbox", 3, "the inbox answers with errors or not at all"),
    shared("inbox.garbled", "inbox", 3, "the inbox answers what nobody understands"),
    nobody("inbox.rate-limited", "the inbox asks to slow down"),
    shared("wallet.insufficient-funds", "wallet", 1, "the wallet cannot pay"),
    shared("wallet.sender-nonce", "wallet", 1, "our own nonce does not fit the chain"),
    shared("wallet.payment-refused", "wallet", 1, "our payment was refused as it was signed"),
    shared("wallet.transfer-aborted", "wallet", 2, "the chain aborted our transfer"),
    shared("wallet.other-key", "wallet", 1, "another wallet than ours has begun the payment"),
    shared("budget.reached", "budget", 1, "the kind may not spend more, today or in all"),
    shared("payment.unresolved", "wallet", 1, "nobody can tell whether a payment was made"),
    shared("record.behind", "wallet", 1, "the chain knows payments that our record does not"),
    nobody("payment.unknown", "a payment may have been made; asking goes on"),
    shared("chain.unavailable", "chain", 3, "the Stacks API answers with errors or not at all"),
    shared(
        "payment.stranded",
        "wallet",
        1,
        "a sent payment is refused for good and keeps its nonce",
    ),
    own("inbox.undelivered", "the payment is on the chain and the inbox refuses to deliver for it"),
    own("target.invalid", "the agent cannot be greeted: no such inbox or a bad address"),
    own("target.payment-terms", "the inbox asks for other terms than ours"),
    nobody("service.unavailable", "the service that handles this kind is not running"),
    nobody("service.timeout", "the service did not answer in time; what it did is unknown"),
    own("service.failed", "the service failed and did not say why"),
    own("service.garbled", "the service's answer could not be read"),
    of_kind("exec.not-found", 1, "the command or its directory is missing, or may not be run"),
    nobody("exec.unavailable", "the host could not start a process just now"),
    nobody("exec.try-again", "the command asks to be run again later (exit code 75)"),
    own("exec.failed", "the command failed"),
    own("exec.timeout", "the command took too long and was killed; what it did is unknown"),
    own("exec.killed", "the command died by a signal; what it did is unknown"),
    own("exec.garbled", "the command ended well and its outcome cannot be read"),
    nobody("anthropic.rate-limited", "the model's API asks to slow down"),
    nobody("anthropic.no-time", "no time was left before anything was sent"),
    of_kind("anthropic.model-unknown", 1, "the provider knows no model of that name"),
    own("anthropic.invalid-request", "the model's API cannot make sense of the request"),
    own("anthropic.too-large", "the request is larger than the model's API takes"),
    own("anthropic.refused", "the model declined to answer"),
    own("task.invalid", "the task's payload makes no sense to its handler"),
    own("stale", "the task had not begun when it expired, and is withdrawn"),
    own("task.unfenced", "the task was created past the gates and is parked"),
    provider("*.auth-expired", 1, "no credential is left: the first that was tried has expired"),
    provider("*.auth-revoked", 1, "no credential is left: the first that was tried was revoked"),
    provider("*.auth-invalid", 1, "no credential is left: the provider does not know it"),
    provider("*.credit-exhausted", 1, "no credential is left: what it may spend is used up"),
    provider("*.credential-unreadable", 1, "no credential can be read where the dispatcher runs"),
    provider("*.unavailable", 3, "the provider answers with errors"),
    provider("*.unreachable", 3, "the provider cannot be reached"),
    provider("*.overloaded", 3, "the provider has too much to do"),
    provider("*.timeout", 3, "the provider did not answer in time; it may have been billed"),
    provider("*.garbled", 3, "the provider's answer could not be read; it was billed"),
    nobody("person.closed", "a person closed the gate by hand"),
    nobody("canary.undecided", "the canary did not end within half an hour"),
    own("dispatcher.lost", "the dispatcher that ran the attempt vanished"),
    nobody("dispatcher.stopped", "the dispatcher was stopped in the middle of the attempt"),
    own("unknown", "nobody knows; alarmed, so that it gets a name"),
];

impl Cause {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A cause of the rule set, by its word. What stands in no line of it is `unknown`.
    pub fn known(word: &'static str) -> Cause {
        let known = RULES.iter().any(|rule| rule.cause == word);
        Cause(if known { word } else { "unknown" }.into())
    }

    /// A cause of the rule set that is shared by whoever uses a provider: with `overloaded`,
    /// `anthropic.overloaded`. What stands in no line under `*` is `unknown`.
    pub fn of_provider(provider: &ProviderName, word: &'static str) -> Cause {
        let cause = format!("{provider}.{word}").parse::<Cause>().ok();
        let known = cause.filter(|cause| cause.rule().is_some());
        known.unwrap_or_else(|| Cause::known("unknown"))
    }

    /// What the rule set says of this cause, if it knows it.
    pub fn rule(&self) -> Option<&'static Rule> {
        let exact = RULES.iter().find(|rule| rule.cause == &*self.0);
        exact.or_else(|| {
            let (_, word) = self.0.split_once('.')?;
            RULES.iter().find(|rule| rule.cause.strip_prefix("*.") == Some(word))
        })
    }

    /// The provider that the first word names, if it could be one.
    pub(crate) fn provider(&self) -> Option<ProviderName> {
        self.0.split_once('.')?.0.parse().ok()
    }
}

impl Rule {
    /// Without knowing kind and configuration: what closes the gate of a kind or of a provider
    /// is [`Blame::Own`] here, and [`Config::blame`](crate::Config::blame) names that gate.
    pub fn blame(&self) -> Blame {
        match self.blame {
            RuleBlame::Own | RuleBlame::OfKind { .. } | RuleBlame::Provider { .. } => Blame::Own,
            RuleBlame::Nobody => Blame::Nobody,
            RuleBlame::Shared { gate, tasks, within_secs } => match gate.parse() {
                Ok(gate) => Blame::Shared { gate, tasks, within: Duration::from_secs(within_secs) },
                Err(_) => Blame::Own,
            },
        }
    }
}

impl FromStr for Cause {
    type Err = CauseError;

    fn from_str(text: &str) -> Result<Self, CauseError> {
        let word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        };
        let well_formed = text.len() <= 64 && text.split('.').count() <= 4;
        if well_formed && text.split('.').all(word) {
            Ok(Cause(text.into()))
        } else {
            Err(CauseError { text: text.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of the rule set is a cause and names a gate that can exist, once.
    #[test]
    fn rules_are_well_formed() {
        for (at, rule) in RULES.iter().enumerate() {
            let cause: Cause = rule.cause.replace('*', "anthropic").parse().unwrap();
            assert_eq!(cause.rule().unwrap().cause, rule.cause);
            assert!(RULES[..at].iter().all(|other| other.cause != rule.cause), "{cause} twice");
            let of_provider = matches!(rule.blame, RuleBlame::Provider { .. });
            assert_eq!(rule.cause.starts_with("*."), of_provider, "{cause}");
            if let RuleBlame::Shared { .. } = rule.blame {
                assert!(matches!(rule.blame(), Blame::Shared { .. }), "{cause} names no gate");
            }
        }
    }
}
