//! What the chain, the relay's wallets and the network between do.

use serde_json::json;

use super::{bench::Row, rows};

rows! {
    /// The plain row, without which the others show little.
    nothing_wrong: Row::of(json!({}));

    /// M1, M2: the API calls the transaction dropped, its nonce looks free, and the answer was
    /// lost: the same bytes go out again, and the transfer takes place once.
    dropped_then_confirmed: Row::of(json!({
        "dropped": 1, "confirm_delay_ms": 1_500,
        "scripted": [{ "to": "paid", "status": 0, "after": "accepted" }],
    })).tells("inbox.unavailable").posts(2);

    /// M2: the same while the relay says "pending": nothing is posted again.
    dropped_while_staged: Row::of(json!({ "dropped": 1, "confirm_delay_ms": 1_500 }))
        .today().also("relay.pending").proved("listed");

    /// M2, T1: aborted by the contract: told uncharged, and paid by a new payment.
    abort_by_response: Row::of(json!({ "chain_abort": 1 }))
        .tells("wallet.transfer-aborted").doubts("payment.unknown").also("payment.unknown")
        .posts(2).signed(2);

    /// M2, T1: the same by its post-conditions.
    abort_by_post_condition: Row::of(json!({ "chain_abort": 1, "abort_by_post_condition": true }))
        .tells("wallet.transfer-aborted").doubts("payment.unknown").also("payment.unknown")
        .posts(2).signed(2);

    /// G2, M3: one of the relay's three wallets is stuck, and every health probe says ok: the
    /// first conflict closes the gate; opened, the same bytes go by another wallet.
    one_stuck_wallet_of_three: Row::of(json!({ "stuck_nonce": true, "stuck_wallet": 0 }))
        .wallets(3).tells("relay.nonce-conflict").closes("relay").posts(2);

    /// T1: one error of the relay before it did anything.
    relay_5xx: Row::of(json!({ "relay_5xx": 1 })).tells("relay.unavailable").posts(2);

    /// M2: the answer comes after twenty seconds, long after the dispatcher has stopped waiting:
    /// unknown and never failed; one post, and what it brought is kept.
    a_stall_of_twenty_seconds: Row::of(json!({ "inbox_stall_ms": 20_000 }))
        .tells_before("service.timeout").also("service.timeout");

    /// M1: nobody polls, and the message appears all the same.
    delivered_unpolled: Row::of(json!({ "deliver_unpolled": true, "confirm_delay_ms": 800 }))
        .today().also("relay.pending").proved("listed");
}
