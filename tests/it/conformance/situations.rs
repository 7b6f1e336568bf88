//! For each recording, how the sandbox gets into the situation that it shows.

/// The sandbox's part of one recording.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) recording: &'static str,
    /// `march` or `today`.
    pub(crate) relay: &'static str,
    pub(crate) network: &'static str,
    /// What happens in the world: before which exchange, which control, with what.
    pub(crate) before: &'static [(usize, &'static str, &'static str)],
}

const FAULTS: &str = "/sandbox/faults";
const ACCOUNTS: &str = "/sandbox/accounts";
const AGENTS: &str = "/sandbox/agents";
const HEAL: &str = "/sandbox/heal";

/// Released as if confirmed; nobody tells the relay.
const RELEASED: &str = r#"{"how": "confirm", "resync": false}"#;
/// The sender's account was used before.
const CHAIN_AT_1: &str = r#"{"address": "$sender", "nonce": 1}"#;
const CHAIN_AT_5: &str = r#"{"address": "$sender", "nonce": 5}"#;
/// The agent whose inbox was recorded.
const AGENT: &str = r#"{"agents": [{"stxAddress": "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7",
    "btcAddress": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "displayName": "Test Agent"}]}"#;

const fn today(
    recording: &'static str,
    before: &'static [(usize, &'static str, &'static str)],
) -> Situation {
    Situation { recording, relay: "today", network: "testnet", before }
}

const fn march(
    recording: &'static str,
    before: &'static [(usize, &'static str, &'static str)],
) -> Situation {
    Situation { recording, relay: "march", network: "testnet", before }
}

/// The inbox knows mainnet addresses only.
const fn inbox(
    recording: &'static str,
    before: &'static [(usize, &'static str, &'static str)],
) -> Situation {
    Situation { recording, relay: "today", network: "mainnet", before }
}

pub(crate) const SITUATIONS: &[Situation] = &[
    today("00-operator-bootstrap", &[]),
    today("01-read-endpoints-cold", &[(0, FAULTS, r#"{"relay_cold": true}"#)]),
    today(
        "01b-relay-cold-no-wallets-held",
        &[(0, FAULTS, r#"{"relay_cold": true}"#), (0, ACCOUNTS, CHAIN_AT_1)],
    ),
    today("01c-read-endpoints-ready", &[]),
    today("02-relay-success-vector", &[(0, ACCOUNTS, CHAIN_AT_1)]),
    today("03-relay-refusals", &[]),
    today("04-verify-all-testnet-vectors", &[]),
    today("05-verify-refusals", &[]),
    today("06-settle", &[(13, ACCOUNTS, CHAIN_AT_5)]),
    today("07-settle-payment-identifier", &[]),
    today("08-relay-held-nonce-gap", &[(0, FAULTS, r#"{"sender_state_stale": true}"#)]),
    today("09-relay-stale-sender-nonce", &[(0, ACCOUNTS, CHAIN_AT_5)]),
    today("10-relay-rate-limit", &[]),
    today("11-relay-malformed-ip-block", &[]),
    today("12-relay-pending-then-confirmed", &[(0, FAULTS, r#"{"confirm_delay_ms": 2000}"#)]),
    today(
        "13-relay-chain-and-node-faults",
        &[
            (0, FAULTS, r#"{"chain_abort": 1}"#),
            (2, FAULTS, r#"{"node": "unavailable"}"#),
            (3, FAULTS, r#"{"node": null}"#),
            (4, FAULTS, r#"{"node": "unavailable"}"#),
            (5, FAULTS, r#"{"node": null}"#),
            (6, FAULTS, r#"{"node": "busy"}"#),
            (7, FAULTS, r#"{"node": null}"#),
            (8, FAULTS, r#"{"node": "not-enough-funds"}"#),
            (9, FAULTS, r#"{"node": null}"#),
            (10, FAULTS, r#"{"node": "fee-too-low"}"#),
            (11, FAULTS, r#"{"node": null}"#),
            (12, FAULTS, r#"{"node": "bad-nonce"}"#),
            (13, FAULTS, r#"{"node": null}"#),
            (14, FAULTS, r#"{"node": "too-much-chaining"}"#),
            (15, FAULTS, r#"{"node": null}"#),
            (16, FAULTS, r#"{"node": "too-much-chaining"}"#),
            (17, FAULTS, r#"{"node": null}"#),
            (18, FAULTS, r#"{"node": "signature-validation"}"#),
            (19, FAULTS, r#"{"node": null}"#),
            (20, FAULTS, r#"{"node": "answer-lost"}"#),
            (21, FAULTS, r#"{"node": null}"#),
        ],
    ),
    today("14-relay-second-payment-same-sender", &[(0, FAULTS, r#"{"sender_state_stale": true}"#)]),
    today("17-sponsor-endpoint-with-key", &[]),
    today(
        "20-stuck-nonce-1-wallet-confirm",
        &[(1, FAULTS, r#"{"stuck_count": 1}"#), (29, HEAL, RELEASED)],
    ),
    today(
        "21-stuck-30-nonces-1-wallet",
        &[(1, FAULTS, r#"{"stuck_count": 30}"#), (22, HEAL, RELEASED)],
    ),
    today("23-stuck-1-nonce-watch-6-min", &[(0, FAULTS, r#"{"stuck_count": 1}"#)]),
    inbox("lp-01-unpaid-and-validation", &[(0, AGENTS, AGENT)]),
    inbox("lp-02-paid", &[(0, AGENTS, AGENT), (0, FAULTS, r#"{"confirm_delay_ms": 10000}"#)]),
    inbox(
        "lp-03-paid-refusals",
        &[(0, AGENTS, AGENT), (3, ACCOUNTS, CHAIN_AT_5), (4, FAULTS, r#"{"gap": "misread"}"#)],
    ),
    march("m12-01-reads", &[]),
    march(
        "m12-02-relay-basics",
        &[
            (0, ACCOUNTS, r#"{"address": "$sender", "nonce": 4846}"#),
            (7, ACCOUNTS, CHAIN_AT_5),
            (10, FAULTS, r#"{"node": "answer-lost"}"#),
            (11, FAULTS, r#"{"node": null}"#),
        ],
    ),
    march("m12-03-settle", &[]),
    march("m12-04-stuck-1-wallet", &[(1, FAULTS, r#"{"stuck_count": 1}"#), (18, HEAL, RELEASED)]),
    march("m12-06-sender-nonce-gap", &[]),
];
