//! What goes wrong, and in which order: a function of the seed. When it goes wrong depends on
//! how the work goes on.
//!
//! Every fault is dealt once before any is dealt again, so that a long run has them all.
//! Left out are the answers after which a person has more to do than to open a gate: a transfer
//! that the inbox will never deliver for, and an inbox that tells of a delivery that was none.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Front {
    pub(super) name: &'static str,
    pub(super) act: Act,
    /// Taken back after so long; else it is used up by whom it hits.
    pub(super) lasts: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Faults(Value),
    /// Nonces of the relay stick until somebody heals them.
    Stick(Value),
    KillPayer,
}

/// The names of the faults, by how they are made.
const CODES: [(&str, u16, &str); 13] = [
    ("NONCE_CONFLICT", 409, "NONCE_CONFLICT"),
    ("SENDER_NONCE_STALE", 409, "SENDER_NONCE_STALE"),
    ("SENDER_NONCE_GAP", 409, "SENDER_NONCE_GAP"),
    ("SENDER_NONCE_DUPLICATE", 409, "SENDER_NONCE_DUPLICATE"),
    ("SETTLEMENT_TIMEOUT", 409, "SETTLEMENT_TIMEOUT"),
    ("PAYMENT_NOT_FOUND", 409, "PAYMENT_NOT_FOUND"),
    ("BROADCAST_FAILED", 502, "BROADCAST_FAILED"),
    ("MISSING_CANONICAL_IDENTITY", 502, "MISSING_CANONICAL_IDENTITY"),
    ("RELAY_ERROR closed", 502, "RELAY_ERROR"),
    ("RELAY_ERROR open", 503, "RELAY_ERROR"),
    ("SETTLEMENT_FAILED", 422, "SETTLEMENT_FAILED"),
    ("INVALID_TRANSACTION_FORMAT", 400, "INVALID_TRANSACTION_FORMAT"),
    ("NONCE_CONFLICT of ours", 409, "CLIENT_NONCE_CONFLICT"),
];
/// Answered with the terms once more.
const AGAIN_402: [&str; 4] =
    ["INSUFFICIENT_FUNDS", "PAYMENT_REJECTED", "sender_mismatch", "unexpected_settle_error"];
/// The relay's codes within the 402 of March.
const MARCH: [&str; 8] = [
    "NONCE_CONFLICT",
    "TOO_MUCH_CHAINING",
    "CLIENT_BAD_NONCE",
    "SPONSOR_FAILED",
    "SETTLEMENT_BROADCAST_FAILED",
    "RATE_LIMIT_EXCEEDED",
    "LOW_HEADROOM",
    "SETTLEMENT_VERIFICATION_FAILED",
];
const STATUSES: [(&str, u16); 7] = [
    ("Agent not found", 404),
    ("invalid_payment_payload", 400),
    ("Too many requests", 429),
    ("Internal server error processing inbox message", 500),
    ("transient_d1_unavailable", 503),
    ("cut off", 0),
    ("staged without a name", 202),
];
const UNPAID: [(&str, u16); 4] = [
    ("unpaid: Too many requests", 429),
    ("unpaid: internal error", 500),
    ("unpaid: transient_d1_unavailable", 503),
    ("unpaid: Agent not found", 404),
];
const REDEEM: [(&str, u16); 4] =
    [("TXID_NOT_FOUND", 409), ("TX_NOT_CONFIRMED", 409), ("RATE_LIMITED", 429), ("API_ERROR", 502)];
const POLLS: [(&str, &str); 6] = [
    ("failed", "sponsor_failure"),
    ("failed", "sponsor_nonce_conflict"),
    ("failed", "sender_nonce_gap"),
    ("failed", "chain_abort"),
    ("replaced", "nonce_replacement"),
    ("not_found", "expired"),
];
/// Knobs that are used up.
const COUNTS: [&str; 6] = [
    "inbox_drop_after_settle",
    "inbox_503_after_settle",
    "inbox_already_redeemed",
    "relay_5xx",
    "chain_abort",
    "dropped",
];

/// Deals faults.
pub(super) struct Weather {
    rng: Rng,
    wallets: u64,
    deck: Vec<Front>,
}

impl Weather {
    pub(super) fn new(seed: u64, wallets: u64) -> Weather {
        Weather { rng: Rng::with_seed(seed), wallets, deck: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Front {
        if self.deck.is_empty() {
            self.deck = self.all();
            self.rng.shuffle(&mut self.deck);
        }
        self.deck.pop().unwrap()
    }

    /// Each fault once, as it is this time.
    fn all(&mut self) -> Vec<Front> {
        let mut all = self.answers();
        for knob in COUNTS {
            let count = self.rng.u64(1..=3);
            all.push(front(knob, json!({ knob: count })));
        }
        all.extend(self.lasting());
        all.push(Front { name: "the payer is killed", act: Act::KillPayer, lasts: self.ms(1_000) });
        all
    }

    /// Answers word for word, to a payment that has got as far as it may.
    fn answers(&mut self) -> Vec<Front> {
        let mut all = Vec::new();
        for (name, status, code) in CODES {
            let text = "Payment could not be processed.";
            let body = json!({ "error": text, "code": code, "relayCode": code });
            all.push(front(name, self.paid(status, body, false)));
        }
        for code in AGAIN_402 {
            let body = json!({ "error": "Payment refused.", "code": code });
            all.push(front(code, self.paid(402, body, true)));
        }
        for code in MARCH {
            let relay = json!({ "success": false, "code": code, "retryAfter": 1 });
            let error = format!("Sponsor relay failed: {relay}");
            let body = json!({ "error": error, "errorCode": "unexpected_settle_error" });
            all.push(front(code, self.paid(402, body, true)));
        }
        for (error, status) in STATUSES {
            all.push(front(error, self.paid(status, json!({ "error": error }), false)));
        }
        for (error, status) in UNPAID {
            all.push(front(error, scripted("unpaid", status, json!({ "error": error }))));
        }
        for (code, status) in REDEEM {
            let mut faults = scripted("redeem", status, json!({ "error": code, "code": code }));
            faults["inbox_503_after_settle"] = json!(1);
            all.push(front(code, faults));
        }
        for (state, reason) in POLLS {
            let status = if state == "not_found" { 404 } else { 200 };
            let body = json!({ "status": state, "terminalReason": reason });
            all.push(front(reason, scripted("poll", status, body)));
        }
        all
    }

    fn paid(&mut self, status: u16, body: Value, terms: bool) -> Value {
        let done = ["nothing", "accepted", "settled", "delivered"];
        let mut faults = scripted("paid", status, body);
        let answer = &mut faults["scripted"][0];
        answer["after"] = json!(done[self.rng.usize(..done.len())]);
        answer["terms"] = json!(terms);
        answer["times"] = json!(self.rng.u64(1..=2));
        faults
    }

    /// What is so for a while.
    fn lasting(&mut self) -> Vec<Front> {
        let wallet = self.rng.u64(..self.wallets);
        let stick = |name, faults, lasts| Front { name, act: Act::Stick(faults), lasts };
        let mut all = vec![
            stick(
                "one stuck nonce of one wallet",
                json!({ "stuck_nonce": 1, "stuck_wallet": wallet }),
                self.ms(2_500),
            ),
            stick("thirty stuck nonces", json!({ "stuck_nonce": 30 }), self.ms(2_500)),
            stick("flap", json!({ "stuck_nonce": 1, "flap": 2, "flap_after": 2 }), self.ms(1_500)),
        ];
        let knobs = [
            ("staged", json!({ "inbox_staged": true }), 3_000),
            ("not staged", json!({ "inbox_staged": false }), 3_000),
            ("slow confirmations", json!({ "confirm_delay_ms": 1_500 }), 2_000),
            ("a stall", json!({ "inbox_stall_ms": 6_000 }), 400),
            ("no patience", json!({ "settle_wait_ms": 20 }), 2_000),
            ("the other form", json!({ "generation": "typed" }), 4_000),
            ("the form of March", json!({ "generation": "march" }), 4_000),
            ("contention", json!({ "queue_contention": true }), 3_000),
            ("the Stacks API is down", json!({ "api_down": true }), 1_500),
            ("an honest health", json!({ "lying_health": false }), 3_000),
            ("an amount of 101", json!({ "amount_override": "101" }), 400),
            (
                "another asset",
                json!({ "asset_override": "SP3K8BC0PPEVCV7NZ6QSRWPQ2JE9E5B6N3PA0KBR9.wbtc" }),
                400,
            ),
            ("another payee", json!({ "pay_to_override": "SP000000000000000000002Q6VF78" }), 400),
            ("the directory fails", json!({ "directory_500": 3, "directory_429": 2 }), 2_000),
            ("an old directory", json!({ "directory_stale_ms": 2_000 }), 3_000),
        ];
        for (name, faults, ms) in knobs {
            all.push(Front { name, act: Act::Faults(faults), lasts: self.ms(ms) });
        }
        all
    }

    /// Half of it at least.
    fn ms(&mut self, most: u64) -> Option<Duration> {
        Some(Duration::from_millis(self.rng.u64(most / 2..=most)))
    }
}

fn front(name: &'static str, faults: Value) -> Front {
    Front { name, act: Act::Faults(faults), lasts: None }
}

fn scripted(to: &str, status: u16, body: Value) -> Value {
    json!({ "scripted": [{ "to": to, "status": status, "body": body, "retry_after": 1 }] })
}

/// Everything as it should be.
pub(super) fn calm() -> Value {
    let knobs = [
        "stuck_nonce",
        "flap",
        "inbox_staged",
        "inbox_stall_ms",
        "confirm_delay_ms",
        "settle_wait_ms",
        "generation",
        "queue_contention",
        "api_down",
        "amount_override",
        "asset_override",
        "pay_to_override",
        "directory_500",
        "directory_429",
        "directory_stale_ms",
        "scripted",
    ];
    let knobs = knobs.iter().chain(&COUNTS).map(|knob| ((*knob).to_owned(), Value::Null));
    let mut calm: Value = Value::Object(knobs.collect());
    calm["stuck_nonce"] = json!(false);
    calm
}

/// One seed is one weather, and all of it comes before any of it comes again.
#[test]
fn a_weather_follows_from_its_seed() {
    let mut one = Weather::new(7, 3);
    let count = one.all().len();
    let deal = |seed| {
        let mut weather = Weather::new(seed, 3);
        (0..count).map(|_| weather.next()).collect::<Vec<_>>()
    };
    assert_eq!(deal(7), deal(7));
    assert_ne!(deal(7), deal(8));
    let names: std::collections::BTreeSet<_> = deal(7).iter().map(|front| front.name).collect();
    assert!(count - 3 <= names.len(), "{count} faults, {} names", names.len());
}
