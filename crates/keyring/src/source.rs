//! Where a secret lies: a file, an environment variable or a command.
//!
//! What is read is a [`Reading`], or a sentence that says why there is none. Neither shows
//! what was read.

mod command;
mod file;
pub(crate) mod stamp;

use std::path::Path;

use domain::{CredentialConfig, CredentialSource, ProviderName, Timestamp};
use logic::credential::Seen;

use crate::{Secret, secret::SecretError};

pub use file::exposed_to_others;
pub(crate) use file::{Pointers, pick};

/// A secret and what lies beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub secret: Secret,
    pub expires: Option<Timestamp>,
    pub refresh: Option<Secret>,
}

impl Reading {
    /// As the machine that chooses sees it.
    pub fn seen(&self, provider: &ProviderName) -> Seen {
        Seen {
            fingerprint: self.secret.fingerprint(provider),
            expires: self.expires,
            refresh: self.refresh.as_ref().map(|token| token.fingerprint(provider)),
        }
    }
}

/// Reads a credential where this process runs.
///
/// # Errors
///
/// A sentence for people, without anything of what was read.
pub async fn read(credential: &CredentialConfig) -> Result<Reading, String> {
    match &credential.source {
        CredentialSource::File { path, .. } => {
            let bytes = contents(path).await?;
            let read = pick(&bytes, &Pointers::of(credential));
            read.map_err(|why| format!("{}: {why}", path.display()))
        }
        CredentialSource::Env { variable } => env(variable),
        CredentialSource::Command { command } => command::read(command).await,
    }
}

/// Off the threads that serve everything else: a file may lie on a network.
pub(crate) async fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let (path, shown) = (path.to_owned(), path.display().to_string());
    let reading = tokio::task::spawn_blocking(move || file::contents(&path));
    match tokio::time::timeout(file::WITHIN, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => Err(format!("{shown}: {error}")),
        Err(_) => Err(format!("{shown}: not read within {} s", file::WITHIN.as_secs())),
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration names the variable")]
fn env(variable: &str) -> Result<Reading, String> {
    match std::env::var(variable) {
        Ok(text) => plain(&text).map_err(|error| format!("variable {variable}: {error}")),
        Err(std::env::VarError::NotPresent) => Err(format!("variable {variable} is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("variable {variable} is no text")),
    }
}

/// A secret with nothing beside it; line ends around it are not part of it.
fn plain(text: &str) -> Result<Reading, SecretError> {
    let secret = text.trim_matches(['\n', '\r']).parse()?;
    Ok(Reading { secret, expires: None, refresh: None })
}
