use std::{fmt, path::PathBuf, time::Duration};

use crate::{Cause, CredentialName, Epoch, Fingerprint, GateName, ProviderName, Timestamp};

/// Which credential an attempt was made with. Never its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CredentialUse {
    pub provider: ProviderName,
    pub credential: CredentialName,
    pub fingerprint: Fingerprint,
}

/// Whoever takes credentials, and in which order they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Closes when none of them serves.
    pub gate: GateName,
    /// Where the provider answers. Its secrets are sent nowhere else.
    pub url: String,
    /// A credential that is known to expire is left so long before.
    pub margin: Duration,
    /// And told of so long before.
    pub warn: Duration,
    /// The first that serves is used.
    pub credentials: Vec<CredentialConfig>,
}

/// Where one credential is found. Never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialConfig {
    pub name: CredentialName,
    pub source: CredentialSource,
    pub scheme: Scheme,
    /// How a new secret is asked for before the old one expires; only of a file.
    pub refresh: Option<RefreshConfig>,
}

/// What is read to get the secret, by each dispatcher where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A file, watched. With a JSON pointer (RFC 6901) the secret is one field of it; another
    /// field may say when it expires, in milliseconds or seconds since 1970 or as RFC 3339.
    File { path: PathBuf, pointer: Option<String>, expires_pointer: Option<String> },
    /// An environment variable of the dispatcher.
    Env { variable: String },
    /// A command and its arguments; the secret is the first line that it prints.
    Command { command: Vec<String> },
}

/// RFC 6749 section 6: a refresh token buys a new access token. What comes back is written
/// into the file that the old one was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshConfig {
    pub token_url: String,
    pub client_id: String,
    /// Where in the file the refresh token stands, as a JSON pointer.
    pub refresh_pointer: String,
    /// How long before it expires the old one is exchanged.
    pub before: Duration,
}

/// How the secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `x-api-key: …`.
    ApiKey,
}

/// What a provider said of a credential that it did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It was good once.
    Expired,
    /// Somebody took it back.
    Revoked,
    /// Nobody knows it.
    Invalid,
    /// What it may spend is used up.
    Exhausted,
}

/// What is on record of one secret, under its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialRecord {
    pub used: CredentialUse,
    pub standing: CredentialStanding,
    /// Whoever wrote this: `dispatcher/4f2a…`, or a person.
    pub by: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialStanding {
    /// Nobody lends it again until a person allows it, or opens the gate of the provider.
    Refused {
        why: Refusal,
        /// What the provider answered, shortened, without secrets.
        evidence: String,
        /// The epoch of the provider's gate as whoever was refused saw it.
        epoch: Epoch,
    },
    /// A person has said that it serves.
    Allowed { note: String },
}

/// The one exchange that is made of a refresh token, under the token's fingerprint. Another
/// exchange of the same one might lose what the first bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshRecord {
    pub provider: ProviderName,
    pub credential: CredentialName,
    /// Of the refresh token.
    pub fingerprint: Fingerprint,
    pub stage: RefreshStage,
    /// Whoever asks: `dispatcher/4f2a…`.
    pub by: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshStage {
    /// About to be asked for, or asked for by somebody who vanished.
    Asked,
    /// What it bought is in the file. `fingerprint` is that of the new secret.
    Done { fingerprint: Fingerprint },
    /// Nothing was exchanged: nobody answered, or was too busy. It may be tried again.
    Put { evidence: String },
    /// The provider does not take it any more.
    Refused { evidence: String },
    /// It may have been exchanged, and what it bought is lost.
    Unknown { evidence: String },
}

impl Refusal {
    pub const ALL: [Refusal; 4] =
        [Refusal::Expired, Refusal::Revoked, Refusal::Invalid, Refusal::Exhausted];

    pub const fn word(self) -> &'static str {
        match self {
            Refusal::Expired => "expired",
            Refusal::Revoked => "revoked",
            Refusal::Invalid => "invalid",
            Refusal::Exhausted => "exhausted",
        }
    }

    /// The cause under which an attempt fails when no credential is left, such as
    /// `anthropic.auth-expired`.
    pub fn cause(self, provider: &ProviderName) -> Cause {
        Cause::of_provider(
            provider,
            match self {
                Refusal::Expired => "auth-expired",
                Refusal::Revoked => "auth-revoked",
                Refusal::Invalid => "auth-invalid",
                Refusal::Exhausted => "credit-exhausted",
            },
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for CredentialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ({})", self.credential, self.provider, self.fingerprint)
    }
}

impl Scheme {
    pub const fn word(self) -> &'static str {
        match self {
            Scheme::Bearer => "bearer",
            Scheme::ApiKey => "api-key",
        }
    }
}

impl CredentialSource {
    /// Where it is, for people: the file, the variable, or the command's name. A command's
    /// arguments may be secret and are left out.
    pub fn shown(&self) -> String {
        match self {
            CredentialSource::File { path, pointer: None, .. } => {
                format!("file {}", path.display())
            }
            CredentialSource::File { path, pointer: Some(pointer), .. } => {
                format!("file {} {pointer}", path.display())
            }
            CredentialSource::Env { variable } => format!("variable {variable}"),
            CredentialSource::Command { command } => {
                format!("command {}", command.first().map_or("", String::as_str))
            }
        }
    }
}
