//! `portcullis credential`: what providers are called with, and what is known of it.
//!
//! Every secret is read where this command runs; dispatchers elsewhere may find other files.
//! What is shown is a name, a place and a fingerprint, never a secret.

mod allow;
mod list;
pub(crate) mod test;

use clap::{Args, Subcommand};
use domain::{Config, CredentialName, Epoch, ProviderConfig, ProviderName, Timestamp};
use keyring::Inspected;

use crate::{
    args::{BusArgs, PersonArgs},
    exit::Ended,
    file::nearest,
    look::Seen,
};

#[derive(Clone, Debug, Subcommand)]
pub enum CredentialCommand {
    /// Every credential in the order of use: where it lies, until when it serves, how it stands
    List(ListArgs),
    /// Ask the providers whether they take each one, with a question that moves and costs nothing
    ///
    /// Nothing is put on record. Ends with 1 where one is not taken or cannot be read, with 4
    /// where a provider did not answer and nothing else was found.
    Test(TestArgs),
    /// Have a secret lent again that is on record as refused
    ///
    /// For when the refusal was wrong, or what it was for is mended: credit was bought. A new
    /// secret needs no such word.
    Allow(AllowArgs),
}

#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Only this provider's
    pub provider: Option<ProviderName>,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// Only this provider's
    pub provider: Option<ProviderName>,

    /// Only this credential
    pub credential: Option<CredentialName>,

    #[command(flatten)]
    pub bus: BusArgs,
}

#[derive(Clone, Debug, Args)]
pub struct AllowArgs {
    pub provider: ProviderName,

    /// Its fingerprint, or its name where the secret can be read here
    #[arg(value_name = "FINGERPRINT|NAME")]
    pub credential: String,

    /// Why it serves, for the log
    #[arg(long, value_name = "TEXT")]
    pub note: String,

    #[command(flatten)]
    pub person: PersonArgs,

    #[command(flatten)]
    pub bus: BusArgs,
}

pub(crate) async fn run(command: &CredentialCommand) -> anyhow::Result<()> {
    match command {
        CredentialCommand::List(args) => list::run(args).await,
        CredentialCommand::Test(args) => test::run(args).await,
        CredentialCommand::Allow(args) => allow::run(args).await,
    }
}

/// One provider with its credentials, as they look from here.
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a ProviderName,
    pub(crate) config: &'a ProviderConfig,
    pub(crate) gate: Seen,
    pub(crate) credentials: Vec<Inspected>,
}

/// The providers of the configuration, or the one that is asked for.
async fn look<'a>(
    bus: &bus::Bus,
    config: &'a Config,
    only: Option<&ProviderName>,
    now: Timestamp,
) -> anyhow::Result<Vec<Shown<'a>>> {
    if let Some(only) = only {
        known(config, only)?;
    }
    let mut all = Vec::new();
    for (name, config) in &config.providers {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let gate = Seen::read(bus, &config.gate).await?;
        let opening = gate.gate().map_or(Epoch::default(), |gate| gate.opening);
        let credentials = keyring::inspect(bus, name, config, opening, now).await?;
        all.push(Shown { name, config, gate, credentials });
    }
    Ok(all)
}

/// Refuses a provider that the configuration does not know, with the one that was meant.
fn known<'a>(config: &'a Config, name: &ProviderName) -> Result<&'a ProviderConfig, Ended> {
    if let Some(found) = config.providers.get(name) {
        return Ok(found);
    }
    let names: Vec<&str> = config.providers.keys().map(ProviderName::as_str).collect();
    Err(Ended::not_found(match nearest(name.as_str(), names.iter().copied()) {
        Some(near) => format!("no provider `{name}`; did you mean `{near}`?"),
        None if names.is_empty() => format!(
            "no provider `{name}`: the configuration has none; add [providers.{name}] and apply it"
        ),
        None => format!("no provider `{name}`; there are: {}", names.join(", ")),
    }))
}
