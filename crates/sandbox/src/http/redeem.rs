//! `paymentTxid`: a confirmed transfer that has bought no message yet is shown in place of a
//! payment (wire facts: recovery by transaction id).

use axum::http::StatusCode;
use serde_json::{Value, json};
use stacks::TxId;

use crate::model::{
    Unredeemable, World,
    inbox::{Delivery, Letter, Message},
    relay::Mismatch,
};

use super::{
    inbox_answers::already_redeemed,
    reply::{Reply, iso},
};

/// Redeems the transaction that a post names.
pub(crate) fn redeem(world: &mut World, named: &Value, letter: Letter) -> Reply {
    let bare = named.as_str().filter(|text| !text.starts_with("0x"));
    let Some(txid) = bare.and_then(|text| text.parse::<TxId>().ok()) else {
        let error = json!({"error": "paymentTxid must be 64 hex characters"});
        return Reply::new(StatusCode::BAD_REQUEST, error);
    };
    let refuse = |status, code: &str, after_secs: Option<u64>| {
        let retryable = after_secs.is_some();
        let body = json!({"error": code, "code": code, "retryable": retryable});
        Reply::new(status, body).retry_after(after_secs)
    };
    match world.redeem(&txid, letter) {
        Ok(Delivery::Stored(message)) => redeemed(&message),
        Ok(Delivery::Already(id)) => already_redeemed(&id),
        Err(Unredeemable::NotFound) => refuse(StatusCode::CONFLICT, "TXID_NOT_FOUND", Some(15)),
        Err(Unredeemable::NotConfirmed) => {
            refuse(StatusCode::CONFLICT, "TX_NOT_CONFIRMED", Some(600))
        }
        Err(Unredeemable::Mismatch(Mismatch::Recipient)) => {
            refuse(StatusCode::BAD_REQUEST, "RECIPIENT_MISMATCH", None)
        }
        Err(Unredeemable::Mismatch(Mismatch::Amount)) => {
            refuse(StatusCode::BAD_REQUEST, "INSUFFICIENT_AMOUNT", None)
        }
    }
}

fn redeemed(message: &Message) -> Reply {
    let body = json!({
        "success": true,
        "message": "Message sent successfully (recovered via paymentTxid)",
        "inbox": {
            "messageId": message.id,
            "fromAddress": message.from.to_string(),
            "toBtcAddress": message.letter.to_btc,
            "sentAt": iso(message.sent_ms),
            "authenticated": false,
            "recoveredViaTxid": true,
        },
    });
    Reply::new(StatusCode::CREATED, body)
}
