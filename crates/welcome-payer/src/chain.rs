//! A Stacks API, asked where our nonces went.

mod history;

use std::time::Duration;

use domain::{PayerConfig, Payment, Sats};
use logic::payment::{ChainFacts, ChainTransaction, ChainWord, Fate, WalletFacts, judge};
use serde_json::Value;
use stacks::{Address, ContractId, Network, Principal, sbtc_contract};
use wire::event::shorten;

use crate::{
    balance::sbtc_balance,
    http::{self, Response},
};

const ASK_WITHIN: Duration = Duration::from_secs(15);
/// Transactions a page, and pages, that are searched for a nonce.
const PAGE: usize = 50;
const PAGES_MAX: usize = 20;

/// A Stacks API, asked about one wallet. Only reads.
#[derive(Clone, Debug)]
pub struct Chain {
    client: reqwest::Client,
    url: String,
    network: Network,
    wallet: Address,
    depth: u32,
}

/// The API did not say, and why.
#[derive(Debug, thiserror::Error)]
#[error("ask the Stacks API for {what}: {complaint}")]
pub struct Silent {
    what: &'static str,
    complaint: String,
}

impl Chain {
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new(config: &PayerConfig, network: Network, wallet: Address) -> reqwest::Result<Self> {
        Ok(Chain {
            client: http::client(&config.stacks_url, ASK_WITHIN)?,
            url: config.stacks_url.trim_end_matches('/').to_owned(),
            network,
            wallet,
            depth: config.depth,
        })
    }

    /// What became of the payment's nonce: one of four answers.
    pub(crate) async fn ask(&self, payment: &Payment, nonce: u64) -> ChainWord {
        let facts = match self.facts(payment, nonce).await {
            Ok(facts) => facts,
            Err(silent) => ChainFacts { trouble: silent.to_string(), ..ChainFacts::default() },
        };
        judge(&facts, nonce, self.depth)
    }

    async fn facts(&self, payment: &Payment, nonce: u64) -> Result<ChainFacts, Silent> {
        let next = self.next_nonce().await?;
        let mut facts = ChainFacts { next_nonce: Some(next), ..ChainFacts::default() };
        if next <= nonce {
            facts.in_mempool = self.mempool().await?.contains(&nonce);
            facts.at_nonce = Some(None);
            return Ok(facts);
        }
        let found = self.transaction(nonce).await?;
        facts.at_nonce = Some(found.as_ref().map(|found| read(found, self.network, payment)));
        if facts
            .at_nonce
            .as_ref()
            .is_some_and(|found| found.as_ref().is_some_and(|found| !settled(found)))
        {
            facts.tip = Some(self.tip().await?);
        }
        Ok(facts)
    }

    /// What a signature needs to know: the balance, and then where the nonces are.
    ///
    /// # Errors
    ///
    /// When the API does not say all of it.
    pub(crate) async fn funded_facts(&self) -> Result<WalletFacts, Silent> {
        let balance = self.balance().await?;
        Ok(WalletFacts { balance: Some(balance), ..self.wallet_facts().await? })
    }

    /// What the wallet has in blocks. Every token that it ever had is listed, so that one which
    /// is not is one that it does not have.
    ///
    /// # Errors
    ///
    /// When the API does not say.
    pub(crate) async fn balance(&self) -> Result<Sats, Silent> {
        let (what, path) =
            ("the balance", format!("/extended/v1/address/{}/balances", self.wallet));
        let body = self.get(what, &path).await?;
        sbtc_balance(&body, self.network).map(Sats::new).ok_or_else(|| Silent {
            what,
            complaint: "an answer without a readable balance of sBTC".to_owned(),
        })
    }

    /// What the comparison of our record with the world needs.
    ///
    /// # Errors
    ///
    /// When the API does not say.
    pub async fn wallet_facts(&self) -> Result<WalletFacts, Silent> {
        let (chain_next, mempool) = (self.next_nonce().await?, self.mempool().await?);
        Ok(WalletFacts { chain_next, mempool, balance: None })
    }

    /// The nonce that the chain expects next, confirmed transactions only.
    async fn next_nonce(&self) -> Result<u64, Silent> {
        let path = format!("/v2/accounts/{}?proof=0", self.wallet);
        self.number("the account", &path, "/nonce").await
    }

    /// The height of the newest block.
    ///
    /// # Errors
    ///
    /// When the API does not say.
    pub async fn tip(&self) -> Result<u64, Silent> {
        self.number("the tip", "/v2/info", "/stacks_tip_height").await
    }

    async fn mempool(&self) -> Result<Vec<u64>, Silent> {
        let path = format!("/extended/v1/address/{}/nonces", self.wallet);
        let body = self.get("the nonces", &path).await?;
        let nonces = body.pointer("/detected_mempool_nonces").and_then(Value::as_array);
        let listed: Option<Vec<u64>> =
            nonces.and_then(|nonces| nonces.iter().map(Value::as_u64).collect());
        let Some(mut nonces) = listed else {
            let complaint = "an answer without detected_mempool_nonces".to_owned();
            return Err(Silent { what: "the nonces", complaint });
        };
        nonces.extend(body.pointer("/last_mempool_tx_nonce").and_then(Value::as_u64));
        Ok(nonces)
    }

    /// The transaction in the chain with our `nonce`, looked for newest first.
    async fn transaction(&self, nonce: u64) -> Result<Option<Value>, Silent> {
        for page in 0..PAGES_MAX {
            let (address, offset) = (self.wallet, page * PAGE);
            let path =
                format!("/extended/v1/address/{address}/transactions?limit={PAGE}&offset={offset}");
            let what = "the transactions";
            let body = self.get(what, &path).await?;
            let results = body.pointer("/results").and_then(Value::as_array);
            let Some(results) = results else {
                return Err(Silent { what, complaint: "an answer without results".to_owned() });
            };
            if let Some(found) = results.iter().find(|found| self.has(found, nonce)) {
                return Ok(Some(found.clone()));
            }
            if results.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }

    fn has(&self, found: &Value, nonce: u64) -> bool {
        let sender = found.get("sender_address").and_then(Value::as_str);
        let ours = sender.and_then(|sender| sender.parse().ok()) == Some(self.wallet);
        let canonical = found.get("canonical").and_then(Value::as_bool).unwrap_or(true);
        ours && canonical && found.get("nonce").and_then(Value::as_u64) == Some(nonce)
    }

    async fn number(&self, what: &'static str, path: &str, field: &str) -> Result<u64, Silent> {
        let body = self.get(what, path).await?;
        let number = body.pointer(field).and_then(Value::as_u64);
        number.ok_or_else(|| Silent { what, complaint: format!("an answer without {field}") })
    }

    async fn get(&self, what: &'static str, path: &str) -> Result<Value, Silent> {
        let request = self.client.get(format!("{}{path}", self.url));
        match http::ask(request).await {
            Response { status: Some(200), body, .. } if !body.is_null() => Ok(body),
            response => Err(Silent { what, complaint: response.complaint() }),
        }
    }
}

fn settled(found: &ChainTransaction) -> bool {
    found.ours == Some(true) && found.fate == Some(Fate::Succeeded)
}

/// Reads a transaction as the API shows it. What is missing or unreadable stays `None`.
fn read(found: &Value, network: Network, payment: &Payment) -> ChainTransaction {
    let text = |path: &str| found.pointer(path).and_then(Value::as_str);
    let (status, kind) = (text("/tx_status"), text("/tx_type"));
    let function = text("/contract_call/function_name");
    let canonical = found.get("canonical").and_then(Value::as_bool) == Some(true);
    let txid = text("/tx_id").map(|id| id.trim_start_matches("0x")).filter(|id| is_txid(id));
    ChainTransaction {
        txid: txid.map(str::to_owned),
        height: found.get("block_height").and_then(Value::as_u64),
        fate: match status {
            Some("success") => Some(Fate::Succeeded),
            Some(status) if status.starts_with("abort_") => Some(Fate::Aborted),
            _ => None,
        },
        ours: ours(found, network, payment).filter(|_| canonical),
        what: [kind, function, status].map(|text| shorten(text.unwrap_or("-"), 60)).join(" "),
    }
}

/// Is it the transfer of this payment? Its id tells nothing, since the sponsor changes it.
/// Told only where every field that decides it is there and makes sense.
fn ours(found: &Value, network: Network, payment: &Payment) -> Option<bool> {
    let text = |path: &str| found.pointer(path).and_then(Value::as_str);
    match text("/tx_type")? {
        "contract_call" => (),
        // The other kinds that an account can spend a nonce on (Stacks API: tx_type).
        "token_transfer" | "smart_contract" | "poison_microblock" => return Some(false),
        _ => return None,
    }
    let contract: ContractId = text("/contract_call/contract_id")?.parse().ok()?;
    let function = text("/contract_call/function_name").filter(|name| !name.is_empty())?;
    if contract != sbtc_contract(network) || function != "transfer" {
        return Some(false);
    }
    let amount = text("/contract_call/function_args/0/repr")?.strip_prefix('u')?;
    let amount: u128 = amount.parse().ok()?;
    let to = text("/contract_call/function_args/2/repr")?.strip_prefix('\'')?;
    let to: Principal = to.parse().ok()?;
    let wanted: Principal = payment.letter.to_stx.parse().ok()?;
    Some(amount == u128::from(payment.amount.get()) && to == wanted)
}

fn is_txid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
