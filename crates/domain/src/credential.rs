use std::path::PathBuf;

use crate::{CredentialName, Fingerprint, GateName, ProviderName};

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
    /// The first that serves is used.
    pub credentials: Vec<CredentialConfig>,
}

/// Where one credential is found. Never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialConfig {
    pub name: CredentialName,
    pub source: CredentialSource,
    pub scheme: Scheme,
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

/// How the secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `x-api-key: …`.
    ApiKey,
}
