use std::{fmt, path::PathBuf};

use anyhow::{Context as _, bail};
use stacks::PrivateKey;

/// Pays and greets agents as the dispatchers ask, each exactly once.
///
/// Whom it talks to and what it may spend stands in the applied configuration. Safe to run
/// more than once with the same wallet: every nonce is taken by compare-and-set.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub struct Args {
    #[command(flatten)]
    pub nats: kit::NatsArgs,

    #[command(flatten)]
    pub logs: kit::LogArgs,

    #[command(flatten)]
    pub health: kit::HealthArgs,

    #[command(flatten)]
    pub wallet: WalletArgs,

    /// Only show what paying this agent would sign: nothing is sent, nothing is recorded
    ///
    /// Asks the directory, the inbox for its terms, and the chain; then builds and signs, and
    /// prints the transaction decoded. Exits 0 if it would be paid, 3 if a rule refuses it, 4
    /// if somebody does not answer, 5 if the agent is not known.
    #[arg(long, value_name = "ADDRESS")]
    pub dry_run: Option<String>,
}

/// The key of the wallet that pays, as every program takes it that needs one.
#[derive(Clone, Debug, clap::Args)]
pub struct WalletArgs {
    /// File with the wallet's key: hexadecimal, or the words of a mnemonic
    ///
    /// Without it the variable WALLET_KEY is read. There is no flag for the key itself, since
    /// others can see the arguments of a process.
    #[arg(long, value_name = "PATH", env = "WALLET_KEY_FILE")]
    pub wallet_key_file: Option<PathBuf>,

    /// Account of the mnemonic that pays
    #[arg(long, value_name = "N", env = "WALLET_ACCOUNT", default_value_t = 0)]
    pub wallet_account: u32,

    /// The key itself, from WALLET_KEY
    #[arg(skip = Secret::from_environment())]
    pub wallet_key: Secret,
}

/// A text that is not shown.
#[derive(Clone, Default)]
pub struct Secret(Option<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Some(text.into()))
    }

    #[expect(clippy::disallowed_methods, reason = "clap prints the values of its variables")]
    fn from_environment() -> Self {
        Secret(std::env::var("WALLET_KEY").ok().filter(|text| !text.trim().is_empty()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Secret(..)" } else { "Secret(none)" })
    }
}

impl WalletArgs {
    /// Whether anything was given that may be a key.
    pub const fn given(&self) -> bool {
        self.wallet_key_file.is_some() || self.wallet_key.0.is_some()
    }

    /// Reads the wallet's key.
    ///
    /// # Errors
    ///
    /// When there is none, or it is no key. Nothing of it is repeated.
    pub fn key(&self) -> anyhow::Result<PrivateKey> {
        let text = match (&self.wallet_key_file, &self.wallet_key.0) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("read the wallet key from {}", path.display()))?,
            (None, Some(text)) => text.clone(),
            (None, None) => bail!(
                "there is no wallet key: set WALLET_KEY_FILE to a file with it (hexadecimal, \
                 or the words of a mnemonic), or WALLET_KEY to the key itself"
            ),
        };
        let text = text.trim();
        if text.contains(char::is_whitespace) {
            PrivateKey::from_mnemonic(text, self.wallet_account).context("use the wallet key")
        } else {
            PrivateKey::from_hex(text).context("use the wallet key")
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn args(key: &str) -> WalletArgs {
        let args = Args::parse_from(["welcome-payer"]).wallet;
        WalletArgs { wallet_key_file: None, wallet_key: Secret::new(key), ..args }
    }

    /// Hexadecimal and mnemonics are read; what is neither is refused without being repeated,
    /// and nothing shows the key.
    #[test]
    fn reads_the_key_and_never_shows_it() {
        let hex = format!("{:064x}", 7);
        assert!(args(&format!(" {hex}01\n")).key().is_ok());
        let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon about";
        assert!(args(words).key().is_ok());
        let wrong = "not-a-key-but-a-secret";
        let told = format!("{:#} {:?}", args(wrong).key().unwrap_err(), args(wrong));
        assert!(!told.contains(wrong), "{told}");
    }
}
