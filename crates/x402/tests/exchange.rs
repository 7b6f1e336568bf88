//! Payer and server speak to each other, and a server that asks for too much gets nothing.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use stacks::{Network, PrivateKey, Transfer, sbtc_asset, sign_transfer};
use x402::{
    PaymentId, PaymentIdError, PaymentPayload, PaymentRequired, PaymentRequirement, Resource,
    SettleRequest, SettleResponse, Terms, TermsError, header, select,
};

const SBTC: &str = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token";
const PAYEE: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
const OTHER: &str = "SP2J6EDFG52M1T96VY5Z2QAX5R6W741CMDRP7G2BT";

fn terms() -> Terms {
    let network = Network::Mainnet;
    let pay_to = PAYEE.parse().unwrap();
    Terms { network, asset: sbtc_asset(network), max_amount: 100, pay_to }
}

fn entry(amount: &str, asset: &str, pay_to: &str) -> PaymentRequirement {
    PaymentRequirement::exact("stacks:1", amount, asset, pay_to)
}

/// What `select` answers to a server that offers `entries`.
fn answer(entries: &[PaymentRequirement]) -> Result<u64, TermsError> {
    let required = PaymentRequired::new(Resource::new("https://example.com"), entries);
    let read: PaymentRequired = header::decode(&header::encode(&required)).unwrap();
    select(&read, &terms()).map(|chosen| chosen.amount)
}

/// The whole way: a server asks, a payer signs, the server reads what was signed.
#[test]
fn a_payment_arrives_as_it_was_asked_for() {
    let resource = Resource::new("https://aibtc.com/api/inbox/bc1q");
    let asked = PaymentRequired::new(resource.clone(), &[entry("100", SBTC, PAYEE)]);
    let asked = PaymentRequired::read(Some(&header::encode(&asked)), "").unwrap();

    let chosen = select(&asked, &terms()).unwrap();
    let key = PrivateKey::from_hex(&format!("{:064x}", 5)).unwrap();
    let transfer = Transfer::new(chosen.network, 3, chosen.amount, chosen.pay_to.into());
    let signed = sign_transfer(&transfer, &key).unwrap();
    let id: PaymentId = "pay_0123456789abcdef".parse().unwrap();
    let sent = header::encode(&chosen.payment(&signed.bytes, Some(&id)));

    let seen: PaymentPayload = header::decode(&sent).unwrap();
    assert_eq!(seen.resource, Some(resource));
    assert_eq!(seen.accepted, Some(asked.accepts[0].clone()));
    assert_eq!(seen.id(), Ok(Some(id)));
    let transaction = seen.transaction().unwrap();
    transaction.verify_origin().unwrap();
    let call = transaction.sbtc_transfer().unwrap();
    assert_eq!((call.amount, call.recipient.to_string()), (100, PAYEE.to_owned()));
}

/// The entry goes back exactly as it came: its order, its numbers, its unknown fields.
#[test]
fn the_chosen_entry_is_sent_back_as_it_came() {
    let raw = format!(
        r#"{{ "zebra" : [1.50, 1e2],"payTo":"{PAYEE}", "amount":"100",
            "scheme":"exact","network":"stacks:1", "asset":"{SBTC}" , "extra":{{"b":1,"a":2}} }}"#
    );
    let body = format!(r#"{{"x402Version":2,"accepts":[{raw}],"surprise":true}}"#);
    let chosen = select(&header::decode(&body).unwrap(), &terms()).unwrap();
    let payload = chosen.payment(&[1], None);
    assert_eq!(payload.accepted.as_ref().unwrap().as_str(), raw);
    let seen: PaymentPayload = header::decode(&header::encode(&payload)).unwrap();
    assert_eq!(seen.accepted.unwrap().as_str(), raw);
}

/// Each way of breaking the terms has its own refusal.
#[test]
fn a_server_that_breaks_the_terms_is_refused() {
    assert_eq!(answer(&[entry("100", SBTC, PAYEE)]), Ok(100));
    assert_eq!(answer(&[entry("99", "sBTC", PAYEE)]), Ok(99));
    assert_eq!(
        answer(&[entry("101", SBTC, PAYEE)]),
        Err(TermsError::Amount { asked: 101, max: 100 })
    );
    let agreed = Box::new(terms().asset);
    assert_eq!(
        answer(&[entry("100", "STX", PAYEE)]),
        Err(TermsError::Asset { asked: "STX".into(), agreed })
    );
    let contract = format!("{PAYEE}.vault");
    for payee in [OTHER, &contract, &PAYEE.to_lowercase(), ""] {
        let refusal = TermsError::Payee { asked: payee.into(), agreed: terms().pay_to };
        assert_eq!(answer(&[entry("100", SBTC, payee)]), Err(refusal));
    }
    for amount in ["", "0", "+5", "-5", "5.0", " 5", "5e1", "0x5", "18446744073709551616", "٥"] {
        let refusal = TermsError::NoAmount { asked: amount.into() };
        assert_eq!(answer(&[entry(amount, SBTC, PAYEE)]), Err(refusal));
    }
}

/// Another network, another scheme, or nothing at all: not offered, whatever else is said.
#[test]
fn what_is_not_for_us_is_passed_over() {
    let foreign = |scheme: &str, network: &str| PaymentRequirement {
        scheme: scheme.into(),
        network: network.into(),
        ..entry("1", SBTC, PAYEE)
    };
    let network = Network::Mainnet;
    assert_eq!(answer(&[]), Err(TermsError::NotOffered { network, offered: 0 }));
    for entry in [
        foreign("upto", "stacks:1"),
        foreign("exact", "stacks:2147483648"),
        foreign("exact", "stacks"),
        foreign("Exact", "stacks:1"),
    ] {
        assert_eq!(answer(&[entry]), Err(TermsError::NotOffered { network, offered: 1 }));
    }
    let ours = entry("100", SBTC, PAYEE);
    assert_eq!(answer(&[foreign("exact", "eip155:1"), ours]), Ok(100));
}

/// With several entries, one that keeps to the terms is enough; with none, the one that came
/// closest says why.
#[test]
fn the_closest_entry_says_why() {
    let (asset, payee) = (entry("9", "STX", PAYEE), entry("9", SBTC, OTHER));
    let (dear, good) = (entry("900", SBTC, PAYEE), entry("90", SBTC, PAYEE));
    let all = [asset.clone(), payee.clone(), dear.clone(), good];
    assert_eq!(answer(&all), Ok(90));
    let refusal = TermsError::Amount { asked: 900, max: 100 };
    assert_eq!(answer(&[asset, dear, payee]), Err(refusal));
}

/// Only version 2 is spoken; its absence is no version.
#[test]
fn other_versions_are_refused() {
    let mut required = PaymentRequired::new(Resource::new("x"), &[entry("1", SBTC, PAYEE)]);
    required.x402_version = 1;
    assert_eq!(select(&required, &terms()).unwrap_err(), TermsError::Version { found: 1 });
    assert!(header::decode::<PaymentRequired>(r#"{"accepts":[]}"#).is_err());
}

/// An entry that says a thing twice could be read in two ways, so it is read in none.
#[test]
fn an_ambiguous_entry_is_passed_over() {
    let raw = format!(
        r#"{{"scheme":"exact","network":"stacks:1","amount":"1","amount":"1000",
            "asset":"{SBTC}","payTo":"{PAYEE}"}}"#
    );
    let required = header::decode(&format!(r#"{{"x402Version":2,"accepts":[{raw}]}}"#)).unwrap();
    let refusal = select(&required, &terms()).unwrap_err();
    assert_eq!(refusal, TermsError::NotOffered { network: Network::Mainnet, offered: 1 });
}

/// The body stands in for a header that is missing or spoilt; of two that disagree the header
/// counts.
#[test]
fn the_body_stands_in_for_the_header() {
    let required = |amount| {
        PaymentRequired::new(Resource::new("https://example.com"), &[entry(amount, SBTC, PAYEE)])
    };
    let (by_header, by_body) = (required("1"), required("2"));
    let body = serde_json::to_string(&by_body).unwrap();
    let read = |header: Option<&str>, body: &str| PaymentRequired::read(header, body);
    assert_eq!(read(Some(&header::encode(&by_header)), &body).unwrap(), by_header);
    assert_eq!(read(Some("!!!"), &body).unwrap(), by_body);
    assert_eq!(read(None, &body).unwrap(), by_body);
    let spoilt = read(Some("!!!"), "neither").unwrap_err();
    assert!(matches!(spoilt, header::HeaderError::NotBase64(_)));
    read(None, "").unwrap_err();
}

/// What nothing depends on may be missing, null or of another kind.
#[test]
fn reads_leniently_what_does_not_matter() {
    let body = json!({
        "x402Version": 2, "resource": "just a text", "error": { "code": 1 }, "extensions": [],
        "accepts": [ null, 7, { "scheme": "exact" }, {
            "scheme": "exact", "network": "stacks:1", "amount": "100", "asset": SBTC,
            "payTo": PAYEE, "maxTimeoutSeconds": "soon", "extra": null, "memo": "?" } ],
    });
    let chosen = select(&header::decode(&body.to_string()).unwrap(), &terms()).unwrap();
    assert_eq!((chosen.amount, chosen.max_timeout_secs), (100, None));

    let payload: PaymentPayload =
        header::decode(r#"{"payload":{"transaction":"zz"},"accepted":null,"more":1}"#).unwrap();
    assert_eq!((&payload.accepted, payload.id()), (&None, Ok(None)));
    assert!(payload.transaction().is_err());
    assert!(header::decode::<PaymentPayload>(r#"{"payload":{}}"#).is_err());
}

/// What a server says of the id extension is said back around the id.
#[test]
fn the_id_extension_keeps_its_schema() {
    let mut required = PaymentRequired::new(Resource::new("x"), &[entry("1", SBTC, PAYEE)]);
    let schema = json!({ "type": "object" });
    required.extensions = serde_json::Map::from_iter([
        ("payment-identifier".into(), json!({ "info": { "required": true }, "schema": schema })),
        ("other".into(), json!(1)),
    ]);
    let chosen = select(&required, &terms()).unwrap();
    let id: PaymentId = "pay_0123456789abcdef".parse().unwrap();
    let extensions = Value::Object(chosen.payment(&[], Some(&id)).extensions);
    let info = json!({ "required": true, "id": id.as_str() });
    let expected = json!({ "payment-identifier": { "info": info, "schema": schema } });
    assert_eq!(extensions, expected);
    assert!(chosen.payment(&[], None).extensions.is_empty());
}

/// Ids are as long and as plain as relays demand; one that is not is no absent one.
#[test]
fn ids_are_checked() {
    let refusal = |text: &str| text.parse::<PaymentId>().unwrap_err();
    assert_eq!(refusal("pay_0123456789a"), PaymentIdError::Length { len: 15 });
    assert_eq!(refusal(&"a".repeat(129)), PaymentIdError::Length { len: 129 });
    assert_eq!(refusal("pay 0123456789ab"), PaymentIdError::BadChar { found: ' ' });
    let with = |extension: Value| {
        let payload = json!({ "payload": { "transaction": "" },
            "extensions": { "payment-identifier": extension } });
        header::decode::<PaymentPayload>(&payload.to_string()).unwrap().id()
    };
    assert_eq!(with(json!({ "info": {} })), Err(PaymentIdError::Absent));
    assert_eq!(with(json!({ "info": { "id": "x" } })), Err(PaymentIdError::Length { len: 1 }));
}

/// A relay's request and answer have the names that relays use.
#[test]
fn settles_in_the_relays_words() {
    let text = json!({
        "x402Version": 2,
        "paymentPayload": { "x402Version": 2, "payload": { "transaction": "0x00" } },
        "paymentRequirements": { "scheme": "exact", "network": "stacks:1", "amount": "100",
            "asset": SBTC, "payTo": PAYEE, "maxTimeoutSeconds": 300 },
    });
    let request: SettleRequest = serde_json::from_str(&text.to_string()).unwrap();
    assert_eq!(request.payment_requirements.max_timeout_secs, Some(300));
    assert_eq!(serde_json::to_value(&request).unwrap(), text);

    let failed: SettleResponse = serde_json::from_str(
        r#"{"success":false,"errorReason":"conflicting_nonce","transaction":null}"#,
    )
    .unwrap();
    assert_eq!(failed.error_reason.as_deref(), Some("conflicting_nonce"));
    assert_eq!(failed.txid(), None);
    let settled = SettleResponse {
        success: true,
        payer: Some(PAYEE.into()),
        transaction: "ab".repeat(32),
        network: "stacks:1".into(),
        ..SettleResponse::default()
    };
    let read: SettleResponse = header::decode(&header::encode(&settled)).unwrap();
    assert_eq!(read, settled);
    assert_eq!(read.txid().unwrap().to_string(), "ab".repeat(32));
}
