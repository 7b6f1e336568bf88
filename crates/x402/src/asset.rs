//! The spellings of an asset that are met in the wild.

use stacks::{Asset, ContractId, Network, sbtc_asset};

/// Reads what a server calls the asset that it wants on `network`.
///
/// Deployed servers write the contract alone, the relay also takes `sBTC`, and the draft of the
/// scheme writes `sip010:<contract>.<token>`, which CAIP-19 puts behind `<network>/`. A contract
/// alone means the token that bears its name.
pub(crate) fn read(text: &str, network: Network) -> Option<Asset> {
    if text.eq_ignore_ascii_case("sbtc") {
        return Some(sbtc_asset(network));
    }
    let rest = match text.split_once('/') {
        Some((chain, rest)) if chain == network.caip2() && rest.starts_with("sip010:") => rest,
        Some(_) => return None,
        None => text,
    };
    let (contract, token) = match rest.strip_prefix("sip010:") {
        Some(qualified) => qualified.rsplit_once('.')?,
        None => (rest, rest.rsplit_once('.')?.1),
    };
    let contract: ContractId = contract.parse().ok()?;
    Some(Asset { contract, name: token.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token";

    /// All spellings of sBTC in use mean sBTC.
    #[test]
    fn reads_every_spelling() {
        let spellings = [
            CONTRACT.to_owned(),
            "sBTC".to_owned(),
            format!("sip010:{CONTRACT}.sbtc-token"),
            format!("stacks:1/sip010:{CONTRACT}.sbtc-token"),
        ];
        for text in spellings {
            assert_eq!(read(&text, Network::Mainnet), Some(sbtc_asset(Network::Mainnet)), "{text}");
        }
    }

    /// What looks like sBTC and is not is told apart from it.
    #[test]
    fn takes_nothing_else_for_it() {
        let others = [
            format!("stacks:2147483648/sip010:{CONTRACT}.sbtc-token"),
            format!("stacks:1/{CONTRACT}"),
            format!("sip010:{CONTRACT}"),
            format!("sip010:{CONTRACT}.sbtc-token-locked"),
            format!("sip010:{CONTRACT}."),
            format!("{CONTRACT}.sbtc-token"),
            "ST1F7QA2MDF17S807EPA36TSS8AMEFY4KA9TVGWXT.sbtc-token".to_owned(),
            CONTRACT.to_lowercase(),
            "STX".to_owned(),
            String::new(),
        ];
        for text in others {
            assert_ne!(read(&text, Network::Mainnet), Some(sbtc_asset(Network::Mainnet)), "{text}");
        }
    }
}
