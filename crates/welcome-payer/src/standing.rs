//! Whether our record of the wallet may be trusted: compared with the world before anything
//! is signed, and again until it agrees.

use domain::{Cause, Cost, Outcome, Wallet};
use fleet::store::Versioned;
use logic::payment::{Comparison, WalletFacts, compare};
use tokio::sync::Mutex;

use crate::{desk::Desk, ledger::LedgerError, tools::Tools};

/// Agreed, for the version of the configuration in which it was seen.
#[derive(Debug, Default)]
pub(crate) struct WalletStanding {
    agreed: Mutex<Option<u64>>,
}

impl WalletStanding {
    /// A person has moved the record: it is to be compared again.
    pub(crate) async fn forget(&self) {
        *self.agreed.lock().await = None;
    }

    /// The wallet's record, once it agrees with the world; else what to answer a request.
    pub(crate) async fn wallet(
        &self,
        desk: &Desk,
        tools: &Tools,
    ) -> Result<Result<Versioned<Wallet>, Outcome>, LedgerError> {
        let address = tools.wallet.to_string();
        let mut agreed = self.agreed.lock().await;
        if *agreed != Some(tools.version) {
            if let Err(outcome) = compared(desk, tools, &address).await? {
                return Ok(Err(outcome));
            }
            *agreed = Some(tools.version);
        }
        Ok(match desk.ledger.wallet(&address).await? {
            Some(kept) => Ok(kept),
            None => Err(failed("record.behind", format!("the record of {address} is gone"))),
        })
    }
}

/// Says at the start what the wallet has, so that nobody learns only from the first payment that
/// it has nothing. It holds nothing back: before each signature the chain is asked anew.
pub(crate) async fn tell_balance(desk: &Desk) {
    let Ok(tools) = desk.tools() else { return };
    let (wallet, most) = (tools.wallet, tools.limits.amount_max);
    match tools.chain.balance().await {
        Ok(balance) if balance < most => {
            tracing::error!(%wallet, %balance, "the wallet cannot pay {most}, which one may cost");
        }
        Ok(balance) => tracing::info!(%wallet, %balance, "the wallet can pay"),
        Err(error) => tracing::warn!(%wallet, %error, "nobody tells what the wallet has"),
    }
}

async fn compared(
    desk: &Desk,
    tools: &Tools,
    address: &str,
) -> Result<Result<(), Outcome>, LedgerError> {
    // The world first: what another payer signs meanwhile only puts the record ahead of it.
    let facts = match tools.chain.wallet_facts().await {
        Ok(facts) => facts,
        Err(silent) => return Ok(Err(failed("chain.unavailable", silent.to_string()))),
    };
    let kept = desk.ledger.wallet(address).await?;
    if kept.is_some() {
        warn_of_messages(desk, tools).await?;
    }
    let (now, lost_after) = (desk.fleet.clock.now(), tools.limits.unconfirmed_after);
    match compare(address, kept.as_ref().map(|kept| &kept.value), &facts, now, lost_after) {
        Comparison::Agrees => Ok(Ok(())),
        Comparison::New(wallet) => {
            tracing::info!(address, next = wallet.next, "a new wallet: its record begins here");
            let begun = desk.ledger.begin_wallet(&wallet).await?;
            tracing::debug!(?begun, "wallet record");
            Ok(Ok(()))
        }
        Comparison::Gap { evidence, known } => {
            tracing::error!(address, evidence, "what is signed next would wait behind this");
            if let (Some(wallet), Some(kept)) = (known, kept) {
                let noted = desk.ledger.keep_wallet(&wallet, kept.seq).await?;
                tracing::debug!(?noted, "known to be filled by the next payment");
            }
            Ok(Err(failed("wallet.sender-nonce", evidence)))
        }
        Comparison::Behind { evidence } => {
            let WalletFacts { chain_next, .. } = facts;
            tracing::error!(address, evidence, chain_next, "the record is older than the world");
            Ok(Err(failed("record.behind", evidence)))
        }
    }
}

/// What was sent before there was a record is no sign of an old one: an old record shows by
/// its nonces. Nobody is paid twice for it either, since the inbox is asked before each
/// payment.
async fn warn_of_messages(desk: &Desk, tools: &Tools) -> Result<(), LedgerError> {
    match unknown_messages(desk, tools).await? {
        Ok(unknown) if unknown.is_empty() => (),
        Ok(unknown) => {
            let first = unknown.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            tracing::warn!(messages = unknown.len(), first, "sent without a record of it");
        }
        Err(complaint) => tracing::warn!(complaint, "the inbox does not say what we sent"),
    }
    Ok(())
}

/// Messages that we have sent to payees of whom the record knows neither payment nor contact;
/// the inner error is the inbox's complaint.
pub(crate) async fn unknown_messages(
    desk: &Desk,
    tools: &Tools,
) -> Result<Result<Vec<String>, String>, LedgerError> {
    let sent = match tools.inbox.sent().await {
        Ok(sent) => sent,
        Err(complaint) => return Ok(Err(complaint)),
    };
    let config = desk.fleet.config();
    let purposes: Vec<&str> =
        config.directories().map(|(_, directory)| directory.purpose.as_str()).collect();
    let mut unknown = Vec::new();
    for (address, message) in sent {
        let Ok(payee) = address.parse::<stacks::Address>() else { continue };
        let network = tools.network.to_string();
        let mut known = purposes.is_empty();
        for purpose in &purposes {
            let key = domain::Key::of_payee(&network, payee.version(), payee.hash160(), purpose);
            known |= desk.ledger.contact(key).await?.is_some();
            known = known || desk.ledger.payment(key).await?.is_some();
        }
        if !known {
            unknown.push(format!("{message} to {address}"));
        }
    }
    Ok(Ok(unknown))
}

fn failed(word: &'static str, evidence: String) -> Outcome {
    let cause = Cause::known(word);
    Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO }
}
