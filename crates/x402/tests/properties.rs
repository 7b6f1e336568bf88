//! Over arbitrary servers: the terms are kept, and nothing panics.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use stacks::{Network, sbtc_asset};
use x402::{
    PaymentId, PaymentPayload, PaymentRequired, SettleRequest, SettleResponse, Terms, header,
    select,
};

const SBTC: &str = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token";
const PAYEE: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
const OTHER: &str = "SP2J6EDFG52M1T96VY5Z2QAX5R6W741CMDRP7G2BT";
const MAX: u64 = 100;

fn terms() -> Terms {
    let network = Network::Mainnet;
    let pay_to = PAYEE.parse().unwrap();
    Terms { network, asset: sbtc_asset(network), max_amount: MAX, pay_to }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z]{1,3}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A field that is mostly right, sometimes wrong, sometimes absurd, sometimes missing.
fn field(right: &'static str, wrong: &'static str) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        6 => Just(Some(json!(right))),
        2 => Just(Some(json!(wrong))),
        1 => any_json().prop_map(Some),
        1 => Just(None),
    ]
}

fn entry() -> impl Strategy<Value = Value> {
    (
        field("exact", "upto"),
        field("stacks:1", "stacks:2147483648"),
        prop_oneof![field("100", "101"), field("1", "0")],
        prop_oneof![field(SBTC, "STX"), field("sBTC", PAYEE)],
        field(PAYEE, OTHER),
        any_json(),
    )
        .prop_map(|(scheme, network, amount, asset, pay_to, extra)| {
            let mut entry = Map::new();
            let names = ["scheme", "network", "amount", "asset", "payTo", "extra"];
            let fields = [scheme, network, amount, asset, pay_to, Some(extra)];
            for (name, field) in names.into_iter().zip(fields) {
                if let Some(field) = field {
                    entry.insert(name.into(), field);
                }
            }
            entry.into()
        })
}

/// Whether an entry keeps to the terms, told from its fields alone.
fn acceptable(entry: &Value) -> bool {
    let is =
        |name: &str, among: &[&str]| entry[name].as_str().is_some_and(|text| among.contains(&text));
    is("scheme", &["exact"])
        && is("network", &["stacks:1"])
        && is("amount", &["100", "1"])
        && is("asset", &[SBTC, "sBTC"])
        && is("payTo", &[PAYEE])
}

proptest! {
    /// An entry is chosen exactly if one keeps to the terms, it is the first that does, and it
    /// goes back as it came.
    #[test]
    fn the_terms_are_kept(entries in vec(prop_oneof![4 => entry(), 1 => any_json()], 0..6)) {
        let body = json!({ "x402Version": 2, "accepts": entries }).to_string();
        let required: PaymentRequired = header::decode(&body).unwrap();
        let first = entries.iter().find(|entry| acceptable(entry));
        match select(&required, &terms()) {
            Ok(chosen) => {
                let first = first.unwrap();
                prop_assert!(chosen.amount <= MAX);
                prop_assert_eq!(json!(chosen.amount.to_string()), first["amount"].clone());
                prop_assert_eq!(chosen.accepted.as_str(), first.to_string());
                let sent = chosen.payment(&[7], None);
                let seen: PaymentPayload = header::decode(&header::encode(&sent)).unwrap();
                prop_assert_eq!(seen.payload, sent.payload);
            }
            Err(refusal) => prop_assert!(first.is_none(), "{refusal}"),
        }
    }

    /// No text makes a reader panic.
    #[test]
    fn no_text_panics(text in "\\PC{0,80}", json in any_json(), base64 in "[A-Za-z0-9+/]{0,60}={0,2}") {
        for text in [text, json.to_string(), header::encode(&json), base64] {
            let _ = header::decode::<PaymentRequired>(&text).map(|read| select(&read, &terms()));
            let _ = header::decode::<PaymentPayload>(&text);
            let _ = header::decode::<SettleResponse>(&text);
            let _ = header::decode::<SettleRequest>(&text);
            let _ = text.parse::<PaymentId>();
        }
    }

    /// Whatever a payer puts where the transaction goes is read or refused.
    #[test]
    fn no_payment_panics(transaction in "(0x)?[0-9a-f]{0,80}", extensions in any_json()) {
        let body = json!({ "payload": { "transaction": transaction }, "accepted": extensions,
            "extensions": { "payment-identifier": extensions } });
        let payload: PaymentPayload = header::decode(&body.to_string()).unwrap();
        let _ = (payload.transaction(), payload.id(), payload.accepted.map(|raw| raw.parse()));
    }

    /// A header says what was put into it, whatever the letters.
    #[test]
    fn headers_survive(json in any_json()) {
        // Only objects travel; anything else could be taken for the other of the two forms.
        let json = json!({ "json": json });
        prop_assert_eq!(header::decode::<Value>(&header::encode(&json)).unwrap(), json);
    }
}
