use domain::{Letter, Payee, PaymentStage, Sats, Timestamp};
use serde_json::{Value, json};

use super::*;

const AGENT: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
const SBTC: &str = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token";

fn payment() -> Payment {
    Payment {
        payee: Payee {
            network: "mainnet".to_owned(),
            address: AGENT.to_owned(),
            version: 22,
            hash160: [0; 20],
        },
        purpose: "welcome".to_owned(),
        source_key: "welcome/x".parse().unwrap(),
        wallet: AGENT.to_owned(),
        letter: Letter {
            to_btc: String::new(),
            to_stx: AGENT.to_owned(),
            content: "Welcome".to_owned(),
        },
        amount: Sats::new(100),
        at: Timestamp::from_millis(0),
        stage: PaymentStage::Intent,
        unconfirmed_told: false,
        history: Vec::new(),
        reserved: None,
    }
}

/// Our transfer in a block, as the API shows it.
fn transfer() -> Value {
    json!({
        "tx_id": format!("0x{}", "ab".repeat(32)),
        "tx_status": "success",
        "tx_type": "contract_call",
        "canonical": true,
        "block_height": 10,
        "contract_call": {
            "contract_id": SBTC,
            "function_name": "transfer",
            "function_args": [
                { "repr": "u100" },
                { "repr": format!("'{AGENT}") },
                { "repr": format!("'{AGENT}") },
                { "repr": "none" },
            ],
        },
    })
}

/// The verdict far above the block: `settled`, `elsewhere`, `aborted` or `cannot tell`.
fn verdict(found: &Value) -> &'static str {
    let found = read(found, Network::Mainnet, &payment());
    let facts = ChainFacts {
        next_nonce: Some(8),
        tip: Some(1_000),
        at_nonce: Some(Some(found)),
        ..ChainFacts::default()
    };
    match judge(&facts, 7, 6) {
        ChainWord::Settled { .. } => "settled",
        ChainWord::SpentElsewhere { aborted: true, deep: true, .. } => "aborted",
        ChainWord::SpentElsewhere { aborted: false, deep: true, .. } => "elsewhere",
        ChainWord::CannotTell { silent: false, .. } => "cannot tell",
        word => panic!("{word:?}"),
    }
}

fn with(path: &str, value: Value) -> Value {
    let mut found = transfer();
    *found.pointer_mut(path).unwrap() = value;
    found
}

/// What is our transfer, what is another, and what is ours and moved nothing.
#[test]
fn tells_our_transfer_from_others() {
    assert_eq!(verdict(&transfer()), "settled");
    assert_eq!(verdict(&with("/tx_status", json!("abort_by_post_condition"))), "aborted");
    assert_eq!(verdict(&with("/tx_type", json!("token_transfer"))), "elsewhere");
    let args = "/contract_call/function_args";
    assert_eq!(verdict(&with(&format!("{args}/0/repr"), json!("u101"))), "elsewhere");
    let contract = json!(format!("'{SBTC}"));
    assert_eq!(verdict(&with(&format!("{args}/2/repr"), contract)), "elsewhere");
    assert_eq!(verdict(&with("/contract_call/function_name", json!("mint"))), "elsewhere");
    let other = json!(format!("{AGENT}.other"));
    assert_eq!(verdict(&with("/contract_call/contract_id", other)), "elsewhere");
}

/// Whatever field is missing, empty, or of another type: it proves nothing, neither that
/// the payment was made nor that it was not.
#[test]
fn a_missing_field_proves_nothing() {
    let fields = [
        "/tx_id",
        "/tx_status",
        "/tx_type",
        "/canonical",
        "/contract_call",
        "/contract_call/contract_id",
        "/contract_call/function_name",
        "/contract_call/function_args",
        "/contract_call/function_args/0",
        "/contract_call/function_args/0/repr",
        "/contract_call/function_args/2",
        "/contract_call/function_args/2/repr",
    ];
    for field in fields {
        for value in [Value::Null, json!(""), json!(7), json!({}), json!([])] {
            let found = with(field, value);
            assert_eq!(verdict(&found), "cannot tell", "{field}: {found}");
        }
    }
    // Where it lies matters only for what is not our transfer.
    let mut aborted = with("/tx_status", json!("abort_by_response"));
    aborted["block_height"] = Value::Null;
    assert_eq!(verdict(&aborted), "cannot tell");
    for status in ["pending", "dropped_replace_by_fee", "Success"] {
        assert_eq!(verdict(&with("/tx_status", json!(status))), "cannot tell", "{status}");
    }
}
