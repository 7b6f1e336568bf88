//! A Stacks API, asked where our nonces went.

use std::time::Duration;

use domain::{PayerConfig, Payment};
use logic::payment::{ChainFacts, ChainTransaction, ChainWord, WalletFacts, judge};
use serde_json::Value;
use stacks::{Address, Network, sbtc_contract};

use crate::http::{self, Response};

const ASK_WITHIN: Duration = Duration::from_secs(15);
/// Transactions a page, and pages, that are searched for a nonce.
const PAGE: usize = 50;
const PAGES_MAX: usize = 20;

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    client: reqwest::Client,
    url: String,
    network: Network,
    wallet: Address,
    depth: u32,
}

/// The API did not say, and why.
#[derive(Debug, thiserror::Error)]
#[error("ask the Stacks API for {what}: {complaint}")]
pub(crate) struct Silent {
    what: &'static str,
    complaint: String,
}

impl Chain {
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub(crate) fn new(
        config: &PayerConfig,
        network: Network,
        wallet: Address,
    ) -> reqwest::Result<Self> {
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
        facts.at_nonce = Some(found.as_ref().map(|found| self.read(found, payment)));
        if facts.at_nonce.as_ref().is_some_and(|found| {
            found.as_ref().is_some_and(|found| !(found.ours && found.succeeded))
        }) {
            facts.tip = Some(self.tip().await?);
        }
        Ok(facts)
    }

    /// What the comparison of our record with the world needs.
    ///
    /// # Errors
    ///
    /// When the API does not say.
    pub(crate) async fn wallet_facts(&self) -> Result<WalletFacts, Silent> {
        let (chain_next, mempool) = (self.next_nonce().await?, self.mempool().await?);
        Ok(WalletFacts { chain_next, mempool, unknown_messages: Vec::new() })
    }

    /// The nonce that the chain expects next, confirmed transactions only.
    async fn next_nonce(&self) -> Result<u64, Silent> {
        let path = format!("/v2/accounts/{}?proof=0", self.wallet);
        self.number("the account", &path, "/nonce").await
    }

    async fn tip(&self) -> Result<u64, Silent> {
        self.number("the tip", "/v2/info", "/stacks_tip_height").await
    }

    async fn mempool(&self) -> Result<Vec<u64>, Silent> {
        let path = format!("/extended/v1/address/{}/nonces", self.wallet);
        let body = self.get("the nonces", &path).await?;
        let nonces = body.pointer("/detected_mempool_nonces").and_then(Value::as_array);
        let last = body.pointer("/last_mempool_tx_nonce").and_then(Value::as_u64);
        let listed = nonces.into_iter().flatten().filter_map(Value::as_u64);
        Ok(listed.chain(last).collect())
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

    /// Is it the transfer of this payment? Its id tells nothing, since the sponsor changes it.
    fn read(&self, found: &Value, payment: &Payment) -> ChainTransaction {
        let text = |path: &str| found.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let contract = sbtc_contract(self.network).to_string();
        let ours = text("/contract_call/contract_id") == contract
            && text("/contract_call/function_name") == "transfer"
            && text("/contract_call/function_args/0/repr") == format!("u{}", payment.amount.get())
            && text("/contract_call/function_args/2/repr") == format!("'{}", payment.letter.to_stx);
        let (status, kind) = (text("/tx_status"), text("/tx_type"));
        ChainTransaction {
            txid: text("/tx_id").trim_start_matches("0x").to_owned(),
            height: found.pointer("/block_height").and_then(Value::as_u64).unwrap_or(u64::MAX),
            succeeded: status == "success",
            ours,
            what: format!("{kind} {} {status}", text("/contract_call/function_name")),
        }
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
