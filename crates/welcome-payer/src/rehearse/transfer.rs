//! What was signed, read back from its bytes: a reader of it sees what the relay would see.

use anyhow::{Context as _, ensure};
use stacks::{
    FungibleCode, PostCondition, PostConditionMode, PostConditionPrincipal, Transaction, decode,
};
use x402::Chosen;

use super::Scene;
use crate::work;

/// A signed transfer without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub sender: String,
    pub recipient: String,
    /// In sats.
    pub amount: u128,
    /// Contract and token.
    pub asset: String,
    pub memo: Option<Vec<u8>>,
    pub nonce: u64,
    /// In micro-STX; the sponsor's is not chosen yet.
    pub fee: u64,
    /// `sponsored, its slot empty`, or else what is wrong with it.
    pub auth: String,
    pub chain_id: u32,
    /// Each promise of what moves, and what becomes of all else.
    pub conditions: Vec<String>,
    /// Of these bytes; on chain it will have another, once sponsored.
    pub txid: String,
    /// Under which inbox and relay would know the payment.
    pub payment_id: String,
    pub bytes_len: usize,
    /// Of the header `payment-signature` that would carry it.
    pub header_len: usize,
}

/// Signs by the payer's own code, reads the bytes back, and drops them.
pub(crate) fn signed(scene: &Scene<'_>, chosen: &Chosen, nonce: u64) -> anyhow::Result<Transfer> {
    let signed = work::signed(chosen, scene.key, scene.payment, nonce, chosen.amount)?;
    let read = decode(&signed.bytes).context("read back what was signed")?;
    read.verify_origin().context("verify our own signature")?;
    let call = read.sbtc_transfer().context("read back what was signed")?;
    ensure!(read.network == scene.network, "it was signed for {}", read.network);
    Ok(Transfer {
        sender: read.origin_address().to_string(),
        recipient: call.recipient.to_string(),
        amount: call.amount,
        asset: asset(&read).unwrap_or_else(|| "no token".to_owned()),
        memo: call.memo,
        nonce: read.origin.nonce,
        fee: read.origin.fee,
        auth: auth(&read),
        chain_id: read.network.chain_id(),
        conditions: conditions(&read),
        txid: signed.txid,
        payment_id: signed.payment_id,
        bytes_len: signed.bytes.len(),
        header_len: signed.header.len(),
    })
}

/// The token of its first condition.
fn asset(read: &Transaction) -> Option<String> {
    read.post_conditions.iter().find_map(|condition| match condition {
        PostCondition::Fungible { asset, .. } => {
            Some(format!("{}::{}", asset.contract, asset.name))
        }
        PostCondition::Stx { .. } | PostCondition::NonFungible { .. } => None,
    })
}

fn auth(read: &Transaction) -> String {
    match (read.sponsored(), read.sponsor_slot_empty()) {
        (true, true) => "sponsored, its slot empty: the relay pays the fee".to_owned(),
        (true, false) => "sponsored, its slot taken".to_owned(),
        (false, _) => "standard: the sender would pay the fee".to_owned(),
    }
}

fn conditions(read: &Transaction) -> Vec<String> {
    let told = |condition: &PostCondition| match condition {
        PostCondition::Fungible { principal, asset, code, amount } => format!(
            "{} sends {} {amount} of {}::{}",
            who(principal, read),
            word(*code),
            asset.contract,
            asset.name
        ),
        PostCondition::Stx { principal, code, amount } => {
            format!("{} sends {} {amount} micro-STX", who(principal, read), word(*code))
        }
        PostCondition::NonFungible { principal, .. } => {
            format!("{} moves a token of its own", who(principal, read))
        }
    };
    let mode = match read.post_condition_mode {
        PostConditionMode::Deny => "whatever else moves undoes it all (deny)",
        PostConditionMode::Allow => "whatever else moves is allowed",
    };
    read.post_conditions.iter().map(told).chain([mode.to_owned()]).collect()
}

fn who(principal: &PostConditionPrincipal, read: &Transaction) -> String {
    match principal {
        PostConditionPrincipal::Origin => read.origin_address().to_string(),
        PostConditionPrincipal::Standard(address) => address.to_string(),
        PostConditionPrincipal::Contract(contract) => contract.to_string(),
    }
}

const fn word(code: FungibleCode) -> &'static str {
    match code {
        FungibleCode::Equal => "exactly",
        FungibleCode::Greater => "more than",
        FungibleCode::GreaterOrEqual => "at least",
        FungibleCode::Less => "less than",
        FungibleCode::LessOrEqual => "at most",
    }
}
