use serde_json::{Value, json};

use crate::model::{
    World,
    chain::{Tx, TxState},
};

use super::reply::{defined, iso};

/// A transaction as the Stacks API shows it, as much as a sponsored sBTC transfer has.
pub(crate) fn tx(world: &World, tx: &Tx) -> Value {
    let contract = stacks::sbtc_contract(world.options.network).to_string();
    let (status, mined) = match tx.state {
        TxState::Pending if tx.dropped => ("dropped_stale_garbage_collect", None),
        TxState::Pending => ("pending", None),
        TxState::Confirmed { height, at_ms } => ("success", Some((height, at_ms))),
        TxState::Aborted { height, at_ms } if world.faults.abort_by_post_condition => {
            ("abort_by_post_condition", Some((height, at_ms)))
        }
        TxState::Aborted { height, at_ms } => ("abort_by_response", Some((height, at_ms))),
    };
    let moved = status == "success";
    let result = match moved {
        true => json!({"hex": "0x0703", "repr": "(ok true)"}),
        false => json!({"hex": "0x0800000000000000000000000000000001", "repr": "(err u1)"}),
    };
    defined(json!({
        "tx_id": format!("0x{}", tx.txid),
        "nonce": tx.origin_nonce,
        "fee_rate": tx.fee.to_string(),
        "sender_address": tx.sender.to_string(),
        "sponsored": true,
        "sponsor_address": tx.sponsor.to_string(),
        "sponsor_nonce": tx.sponsor_nonce,
        "anchor_mode": "any",
        "post_condition_mode": "deny",
        "tx_status": status,
        "receipt_time": mined.is_none().then_some(tx.broadcast_ms / 1_000),
        "receipt_time_iso": mined.is_none().then(|| iso(tx.broadcast_ms)),
        "canonical": mined.is_some().then_some(true),
        "block_height": mined.map(|(height, _)| height),
        "block_hash": mined.map(|(height, _)| block_hash(height)),
        "block_time": mined.map(|(_, at_ms)| at_ms / 1_000),
        "block_time_iso": mined.map(|(_, at_ms)| iso(at_ms)),
        "tx_result": mined.map(|_| result),
        "event_count": u64::from(moved),
        "events": if moved { json!([moved_event(tx, &contract)]) } else { json!([]) },
        "tx_type": "contract_call",
        "contract_call": {
            "contract_id": contract,
            "function_name": "transfer",
            "function_args": arguments(tx),
        },
    }))
}

/// A made-up block hash that is the same whenever the block is asked for.
pub(crate) fn block_hash(height: u64) -> String {
    format!("0x{height:064x}")
}

fn arguments(tx: &Tx) -> Value {
    let memo = match &tx.memo {
        Some(memo) => format!("(some 0x{})", stacks::hex::encode(memo)),
        None => "none".into(),
    };
    json!([
        {"name": "amount", "type": "uint", "repr": format!("u{}", tx.amount)},
        {"name": "sender", "type": "principal", "repr": format!("'{}", tx.sender)},
        {"name": "recipient", "type": "principal", "repr": format!("'{}", tx.recipient)},
        {"name": "memo", "type": "(optional (buff 34))", "repr": memo},
    ])
}

fn moved_event(tx: &Tx, contract: &str) -> Value {
    json!({
        "event_index": 0,
        "event_type": "fungible_token_asset",
        "tx_id": format!("0x{}", tx.txid),
        "asset": {
            "asset_event_type": "transfer",
            "asset_id": format!("{contract}::sbtc-token"),
            "sender": tx.sender.to_string(),
            "recipient": tx.recipient.to_string(),
            "amount": tx.amount.to_string(),
        },
    })
}
