//! What the relay says of a payment that it has put aside.

use serde_json::{Value, json};

use crate::model::{
    World,
    payment::{Hold, Stage},
    relay::PaymentIndex,
};

use super::reply::iso;

/// So many missing nonces are named.
const MISSING_MAX: usize = 20;

/// The queue's view of a held payment, and after how many seconds to ask again; `None` for one
/// that is not held.
pub(crate) fn queue(world: &mut World, payment: PaymentIndex) -> Option<(Value, u64)> {
    let payment = world.relay.payment(payment).clone();
    let Stage::Held { expires_ms, why } = payment.stage else { return None };
    let (sender, nonce) = (payment.parcel.sender, payment.parcel.nonce);
    let World { relay, chain, faults, ids, now_ms, .. } = world;
    let desk = crate::model::relay::Desk { chain, faults, ids, now_ms: *now_ms };
    let expected = relay.expected(&desk, &sender);
    let of_sender = relay.held().filter(|held| held.parcel.sender == sender);
    let hand: Vec<u64> = of_sender.map(|held| held.parcel.nonce).collect();
    let missing = (expected..nonce).filter(|nonce| !hand.contains(nonce));
    let missing: Vec<u64> = missing.take(MISSING_MAX).collect();
    let (help, estimate_ms, after_secs) = match why {
        Hold::Gap => (gap_help(&missing), None, 30),
        Hold::Capacity => {
            ("No wallet has room; dispatched when one has".to_owned(), Some(10_000), 10)
        }
    };
    let queue = json!({
        "status": "held",
        "senderNonce": nonce,
        "nextExpectedNonce": expected,
        "missingNonces": missing,
        "handSize": hand.len(),
        "estimatedDispatchMs": estimate_ms,
        "expiresAt": iso(expires_ms),
        "help": help,
    });
    Some((queue, after_secs))
}

fn gap_help(missing: &[u64]) -> String {
    let missing: Vec<String> = missing.iter().map(u64::to_string).collect();
    format!("Submit the transactions with nonces {} to unblock dispatch", missing.join(", "))
}
