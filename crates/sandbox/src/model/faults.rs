//! The knobs by which the world is made to misbehave.
//!
//! A count is used up by the requests it spoils; everything else holds until it is set back.
//! Setting knobs is a merge: what is not named stays, and `null` restores the default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::script::Scripted;

/// Every knob, with its effect. All are off by default, apart from what the real services do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    /// How many nonces, from the next one on, sit in the node's mempool and nowhere else.
    pub(crate) stuck_count: u64,
    /// Which sponsor wallet they belong to.
    pub(crate) stuck_wallet: usize,
    /// How many more times the nonce sticks again after it was healed.
    pub(crate) flap: u64,
    /// How many accepted broadcasts pass between a heal and the next sticking.
    pub(crate) flap_after: u64,
    /// Probes say "healthy" whatever happens, as the real ones did. Off: they tell.
    pub(crate) lying_health: bool,
    /// Paid posts that settle and are then cut off without an answer.
    pub(crate) inbox_drop_after_settle: u64,
    /// Paid posts that settle and are then answered 503, the message not stored.
    pub inbox_503_after_settle: u64,
    /// Whether to answer 202 and confirm later. `null` follows the relay: today yes, March no.
    pub(crate) inbox_staged: Option<bool>,
    /// Paid posts that settle and deliver, and are answered as if they were a repeat.
    pub(crate) inbox_already_redeemed: u64,
    /// How long a paid post waits for its answer after all else is done, in milliseconds.
    pub(crate) inbox_stall_ms: u64,
    /// Paid posts refused with 429 before anything happens.
    pub inbox_429: u64,
    /// Posts of one payment header per minute; 0 is no limit.
    pub(crate) inbox_rate_limit: u64,
    /// Paid posts refused with 500 before anything happens.
    pub inbox_500: u64,
    /// Unpaid posts refused with 500.
    pub inbox_unpaid_500: u64,
    /// Paid posts refused for want of funds, in the form that makes naive clients pay again.
    pub(crate) insufficient_funds: u64,
    /// Whom the inbox says is to be paid, in place of the agent.
    pub(crate) pay_to_override: Option<String>,
    /// What the inbox says it costs, in place of 100.
    pub(crate) amount_override: Option<String>,
    /// The asset that the inbox wants to be paid in, in place of sBTC.
    pub(crate) asset_override: Option<String>,
    /// The network that the inbox wants to be paid on, in place of its own.
    pub(crate) network_override: Option<String>,
    /// How long an answer waits for its payment to confirm before it gives up, in milliseconds.
    pub(crate) settle_wait_ms: u64,
    /// How long a broadcast transaction is left out of blocks, in milliseconds.
    pub(crate) confirm_delay_ms: u64,
    /// Broadcast transactions that the chain will abort: nonce spent, nothing moved.
    pub(crate) chain_abort: u64,
    /// What the API calls an aborted transaction: by the contract, or by its post-conditions.
    pub(crate) abort_by_post_condition: bool,
    /// Broadcast transactions that the API calls dropped until a block has them all the same.
    pub(crate) dropped: u64,
    /// Confirmed messages appear without anybody polling. The real inbox waits for a poll.
    pub(crate) deliver_unpolled: bool,
    /// Directory reads answered with 500.
    pub directory_500: u64,
    /// Directory reads answered with 429.
    pub directory_429: u64,
    /// How old the directory's list may be when it is served, in milliseconds.
    pub(crate) directory_stale_ms: u64,
    /// Payments that the relay fails with 5xx before it has done anything.
    pub relay_5xx: u64,
    /// Direct posts to the relay per sender and minute; 0 is no limit.
    pub(crate) relay_rate_limit: u64,
    /// How the inbox words its failures. `null` follows the relay.
    pub(crate) generation: Option<Generation>,
    /// What the inbox says to an origin nonce ahead of its turn.
    pub(crate) gap: Gap,
    /// Many stuck nonces: the inbox queues the payment and fails it after 25 s, as recorded,
    /// in place of a conflict at once.
    pub(crate) queue_contention: bool,
    /// The Stacks API answers 503.
    pub(crate) api_down: bool,
    /// Answers in place of the real ones, word for word.
    pub(crate) scripted: Vec<Scripted>,
    /// What the node says to every broadcast of the relay, in place of taking it.
    pub(crate) node: Option<NodeFault>,
    /// The relay has no wallet yet: it holds everything, unlooked at.
    pub(crate) relay_cold: bool,
    /// Today's relay keeps the sender nonce that it saw first until a payment has been held for
    /// five minutes without a repeat, so a sender's second payment is held. So it was recorded;
    /// off, because with it a payer's day is one payment each five minutes.
    pub(crate) sender_state_stale: bool,
}

/// What a node can say to a broadcast (recorded with a node that was told to).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeFault {
    /// 503.
    Unavailable,
    /// 429.
    Busy,
    /// The sponsor cannot pay the fee; the relay blames the sender.
    NotEnoughFunds,
    FeeTooLow,
    BadNonce,
    TooMuchChaining,
    SignatureValidation,
    /// It takes the transaction, and the relay never hears so.
    AnswerLost,
}

/// The two wire forms of the inbox's failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Generation {
    /// HTTP 402 with the relay's JSON inside a string.
    March,
    /// Status codes and `code` fields.
    Typed,
}

/// What happens to a payment whose origin nonce is ahead of its turn (today's relay).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Gap {
    /// It is accepted and waits for the missing ones.
    Hold,
    /// It is refused with `SENDER_NONCE_GAP`.
    Refuse,
    /// It is accepted and waits, but the inbox cannot read the warning that comes with that and
    /// answers 502, as recorded for a sender whom the relay had never seen.
    Misread,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            stuck_count: 0,
            stuck_wallet: 0,
            flap: 0,
            flap_after: 3,
            lying_health: true,
            inbox_drop_after_settle: 0,
            inbox_503_after_settle: 0,
            inbox_staged: None,
            inbox_already_redeemed: 0,
            inbox_stall_ms: 0,
            inbox_429: 0,
            inbox_rate_limit: 20,
            inbox_500: 0,
            inbox_unpaid_500: 0,
            insufficient_funds: 0,
            pay_to_override: None,
            amount_override: None,
            asset_override: None,
            network_override: None,
            settle_wait_ms: 5_000,
            confirm_delay_ms: 0,
            chain_abort: 0,
            abort_by_post_condition: false,
            dropped: 0,
            deliver_unpolled: false,
            directory_500: 0,
            directory_429: 0,
            directory_stale_ms: 0,
            relay_5xx: 0,
            relay_rate_limit: 10,
            generation: None,
            gap: Gap::Hold,
            queue_contention: false,
            api_down: false,
            scripted: Vec::new(),
            node: None,
            relay_cold: false,
            sender_state_stale: false,
        }
    }
}

/// Why a merge was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("merge the given knobs")]
pub(crate) struct FaultsError(#[source] serde_json::Error);

impl Faults {
    /// These knobs with the named ones replaced. `stuck_nonce` is short for a `stuck_count`: a
    /// number, or `true` for one and `false` for none.
    pub(crate) fn merged(&self, mut named: Map<String, Value>) -> Result<Faults, FaultsError> {
        if let Some(stuck) = named.remove("stuck_nonce") {
            let count = match stuck {
                Value::Bool(stuck) => Value::from(u64::from(stuck)),
                other => other,
            };
            named.insert("stuck_count".into(), count);
        }
        let Value::Object(mut all) = serde_json::to_value(self).map_err(FaultsError)? else {
            return Ok(self.clone());
        };
        for (knob, value) in named {
            match value {
                Value::Null => all.remove(&knob),
                value => all.insert(knob, value),
            };
        }
        serde_json::from_value(Value::Object(all)).map_err(FaultsError)
    }
}

/// Uses up one of a count; false when none is left.
pub(crate) fn take(count: &mut u64) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merge(faults: &Faults, named: Value) -> Result<Faults, FaultsError> {
        faults.merged(named.as_object().unwrap().clone())
    }

    /// A merge touches what it names, `null` restores, and the short form of sticking works.
    #[test]
    fn merges_only_what_is_named() {
        let one = merge(&Faults::default(), json!({"inbox_500": 2, "stuck_nonce": true})).unwrap();
        assert_eq!(one, Faults { inbox_500: 2, stuck_count: 1, ..Faults::default() });
        let two = merge(&one, json!({"inbox_500": null, "generation": "typed"})).unwrap();
        let typed = Some(Generation::Typed);
        assert_eq!(two, Faults { stuck_count: 1, generation: typed, ..Faults::default() });
    }

    /// A misspelt knob is an error, not a silent nothing that would leave a test without its fault.
    #[test]
    fn refuses_an_unknown_knob() {
        merge(&Faults::default(), json!({"inbox_501": 1})).unwrap_err();
        merge(&Faults::default(), json!({"inbox_500": "many"})).unwrap_err();
    }
}
