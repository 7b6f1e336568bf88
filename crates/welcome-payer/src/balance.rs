//! How much sBTC an account has, by the Stacks API's list of its tokens.

use serde_json::Value;
use stacks::{Network, sbtc_asset};

/// Sats, from the answer to `/extended/v1/address/{address}/balances`. An account that never
/// had any is not listed, and has none. `None`: the answer does not say.
pub fn sbtc_balance(body: &Value, network: Network) -> Option<u64> {
    let asset = sbtc_asset(network);
    let token = format!("{}::{}", asset.contract, asset.name);
    match body.get("fungible_tokens")?.as_object()?.get(&token) {
        None => Some(0),
        Some(held) => held.get("balance")?.as_str()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Only our own token counts, on its own network; what is no number is not taken for zero.
    #[test]
    fn reads_our_token_alone() {
        let mainnet = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token::sbtc-token";
        let testnet = "ST1F7QA2MDF17S807EPA36TSS8AMEFY4KA9TVGWXT.sbtc-token::sbtc-token";
        let listed = |token: &str, balance: Value| {
            let body = json!({ "fungible_tokens": { token: { "balance": balance } } });
            [Network::Mainnet, Network::Testnet].map(|network| sbtc_balance(&body, network))
        };
        assert_eq!(listed(mainnet, json!("250")), [Some(250), Some(0)]);
        assert_eq!(listed(testnet, json!("250")), [Some(0), Some(250)]);
        assert_eq!(listed(mainnet, json!("-1")), [None, Some(0)]);
        assert_eq!(listed(mainnet, json!(250)), [None, Some(0)]);
        for unreadable in [json!({}), json!({ "fungible_tokens": [] }), json!("none")] {
            assert_eq!(sbtc_balance(&unreadable, Network::Mainnet), None);
        }
    }
}
