//! What the chain shows that a wallet did: its transactions, read back to a stated time.

use domain::Timestamp;
use logic::reconcile::{Did, Listed, Mined};
use serde_json::Value;
use stacks::{ContractId, Network, Principal, sbtc_contract};
use wire::event::shorten;

use super::{Chain, PAGE, Silent, is_txid};

/// So many pages are read and no more: an account with a longer history is told as cut off.
const HISTORY_PAGES_MAX: usize = 200;
const WHAT: &str = "the transactions";

impl Chain {
    /// The wallet's transactions in the chain, newest first, back to `since` and to
    /// 10,000 transactions at most; the answer says how far it reaches.
    ///
    /// # Errors
    ///
    /// When the API does not say.
    pub async fn history(&self, since: Timestamp) -> Result<Listed<Mined>, Silent> {
        let mut mined: Vec<Mined> = Vec::new();
        let (mut offset, mut oldest) = (0, None);
        for _ in 0..HISTORY_PAGES_MAX {
            let address = self.wallet;
            let path =
                format!("/extended/v1/address/{address}/transactions?limit={PAGE}&offset={offset}");
            let body = self.get(WHAT, &path).await?;
            let Some(page) = body.pointer("/results").and_then(Value::as_array) else {
                let complaint = "an answer without results".to_owned();
                return Err(Silent { what: WHAT, complaint });
            };
            offset += page.len();
            for found in page {
                oldest = block_time(found).or(oldest);
                // A page may repeat the end of the one before it, where something came meanwhile.
                let entry = self.mined(found)?;
                mined.extend(entry.filter(|entry| !mined.contains(entry)));
            }
            let total = body.pointer("/total").and_then(Value::as_u64);
            let at_end = total.is_some_and(|total| total <= offset.try_into().unwrap_or(u64::MAX));
            if at_end || page.is_empty() {
                return Ok(Listed { entries: mined, whole_since: Timestamp::default(), cut: None });
            }
            if oldest.is_some_and(|oldest| oldest < since) {
                return Ok(Listed { entries: mined, whole_since: since, cut: None });
            }
        }
        let cut = format!("the chain's list was read no further than {offset} transactions");
        let whole_since = oldest.unwrap_or(Timestamp::from_millis(u64::MAX));
        Ok(Listed { entries: mined, whole_since, cut: Some(cut) })
    }

    /// `None` for what another account did, or what the chain has dropped again.
    fn mined(&self, found: &Value) -> Result<Option<Mined>, Silent> {
        let text = |path: &str| found.pointer(path).and_then(Value::as_str);
        let sender = text("/sender_address").and_then(|sender| sender.parse().ok());
        let canonical = found.get("canonical").and_then(Value::as_bool).unwrap_or(true);
        if sender != Some(self.wallet) || !canonical {
            return Ok(None);
        }
        let Some(nonce) = found.get("nonce").and_then(Value::as_u64) else {
            let complaint = "a transaction of ours without a nonce".to_owned();
            return Err(Silent { what: WHAT, complaint });
        };
        let txid = text("/tx_id").map(|id| id.trim_start_matches("0x")).filter(|id| is_txid(id));
        Ok(Some(Mined {
            nonce,
            txid: txid.map(str::to_owned),
            at: block_time(found),
            did: did(found, self.network),
        }))
    }
}

/// Seconds since 1970, as the API tells it of a block.
fn block_time(found: &Value) -> Option<Timestamp> {
    let seconds = found.get("block_time").and_then(Value::as_u64)?;
    Some(Timestamp::from_millis(seconds.saturating_mul(1_000)))
}

/// What is missing or not readable makes it [`Did::Untold`]: it proves nothing, neither way.
fn did(found: &Value, network: Network) -> Did {
    let text = |path: &str| found.pointer(path).and_then(Value::as_str);
    let parts = ["/tx_type", "/contract_call/function_name", "/tx_status"].map(text);
    let what = parts.map(|part| shorten(part.unwrap_or("-"), 60)).join(" ");
    match text("/tx_status") {
        Some("success") => (),
        Some(status) if status.starts_with("abort_") => return Did::Aborted,
        _ => return Did::Untold { what },
    }
    match transfer(found, network) {
        Some(Some((to, sats))) => Did::Moved { to, sats },
        Some(None) => Did::Other { what },
        None => Did::Untold { what },
    }
}

/// Whom it paid, and how much: `Some(None)` where it is no transfer of sBTC, `None` where that
/// is not told.
fn transfer(found: &Value, network: Network) -> Option<Option<(String, u64)>> {
    let text = |path: &str| found.pointer(path).and_then(Value::as_str);
    match text("/tx_type")? {
        "contract_call" => (),
        // The other kinds that an account can spend a nonce on (Stacks API: tx_type).
        "token_transfer" | "smart_contract" | "poison_microblock" => return Some(None),
        _ => return None,
    }
    let contract: ContractId = text("/contract_call/contract_id")?.parse().ok()?;
    let function = text("/contract_call/function_name").filter(|name| !name.is_empty())?;
    if contract != sbtc_contract(network) || function != "transfer" {
        return Some(None);
    }
    let amount = text("/contract_call/function_args/0/repr")?.strip_prefix('u')?;
    let to = text("/contract_call/function_args/2/repr")?.strip_prefix('\'')?;
    let to: Principal = to.parse().ok()?;
    Some(Some((to.to_string(), amount.parse().ok()?)))
}

#[cfg(test)]
mod tests;
