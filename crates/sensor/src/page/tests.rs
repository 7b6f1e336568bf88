use std::time::Duration;

use super::*;

const STX: &str = "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA";
const BTC: &str = "bc1q0lylxhl4upwwy77vv6j6fkkhswexz2p20xws7u";

/// The rows of a page whose `agents` are `rows`, written as JSON.
#[track_caller]
fn read(rows: &str) -> Vec<Row> {
    let body = format!(r#"{{"agents":[{rows}],"pagination":{{"hasMore":false,"total":1}}}}"#);
    Page::read(body.as_bytes(), Network::Mainnet, 0).unwrap().rows
}

/// A row with these two fields, as raw JSON.
fn row(stx: &str, btc: &str) -> String {
    format!(r#"{{"stxAddress":{stx},"btcAddress":{btc},"displayName":"Ionic Anchor","level":1}}"#)
}

/// Every odd row is skipped for its own reason and takes no other row along.
#[test]
fn odd_rows() {
    let (stx, btc) = (format!("{STX:?}"), format!("{BTC:?}"));
    let testnet = Address::new(26, [7; 20]).unwrap().to_string();
    let nobodys = Address::new(3, [7; 20]).unwrap().to_string();
    let misspelt = format!("{}B", &STX[..STX.len() - 1]);
    let cases = [
        ("whole", row(&stx, &btc), "good"),
        ("no row at all", "null".to_owned(), "missing"),
        ("another type", "17".to_owned(), "missing"),
        ("an array", format!("[{stx},{btc}]"), "missing"),
        ("a text", format!("{STX:?}"), "missing"),
        ("empty", "{}".to_owned(), "missing"),
        ("null address", row("null", &btc), "missing"),
        ("null inbox", row(&stx, "null"), "missing"),
        ("absent inbox", format!(r#"{{"stxAddress":{stx}}}"#), "missing"),
        ("named twice", format!(r#"{{"stxAddress":{stx},"stxAddress":{stx}}}"#), "missing"),
        ("a number", row("17", &btc), "bad"),
        ("a number too big for any type", row("1e999", &btc), "bad"),
        ("an object", row(r#"{"a":1}"#, &btc), "bad"),
        ("half a character", row(r#""\ud800""#, &btc), "bad"),
        ("empty text", row(r#""""#, &btc), "bad"),
        ("lower case", row(&stx.to_lowercase(), &btc), "bad"),
        ("spaces", row(&format!("\" {STX}\""), &btc), "bad"),
        ("O for 0", row(&stx.replace('0', "O"), &btc), "bad"),
        ("checksum", row(&format!("{misspelt:?}"), &btc), "bad"),
        ("not an address", row("\"Ionic Anchor\"", &btc), "bad"),
        ("inbox is a path", row(&stx, "\"bc1q/../../x\""), "bad"),
        ("inbox in upper case", row(&stx, &btc.to_uppercase()), "bad"),
        ("inbox is a number", row(&stx, "17"), "bad"),
        ("testnet", row(&format!("{testnet:?}"), &btc), "foreign"),
        ("a version that nobody has", row(&format!("{nobodys:?}"), &btc), "foreign"),
    ];
    for (name, odd, expected) in cases {
        let rows = read(&format!("{},{odd},{}", row(&stx, &btc), row(&stx, &btc)));
        let found = match rows[1].found() {
            Found::Missing => "missing",
            Found::Bad => "bad",
            Found::Foreign => "foreign",
            Found::Good(_) => "good",
            other => panic!("{other:?} is nothing that an agent can be"),
        };
        assert_eq!(found, expected, "{name}: {odd}");
        assert!(matches!(rows[0], Row::Agent(_)) && rows[0] == rows[2], "{name}: others hurt");
    }
}

/// A name that cannot be read or shown is no reason to skip; fields that nobody knows are
/// passed over, readable or not.
#[test]
fn names_and_strangers_do_no_harm() {
    let with = |more: &str| {
        let rows = read(&format!(r#"{{"stxAddress":{STX:?},"btcAddress":{BTC:?}{more}}}"#));
        match rows.into_iter().next() {
            Some(Row::Agent(agent)) => agent.name,
            other => panic!("{more}: {other:?}"),
        }
    };
    assert_eq!(with(r#","displayName":"Ionic Anchor""#).as_deref(), Some("Ionic Anchor"));
    assert_eq!(with(r#","displayName":null"#), None);
    assert_eq!(with(""), None);
    assert_eq!(with(r#","displayName":17"#), None);
    assert_eq!(with(r#","displayName":"\ud83e""#), None);
    assert_eq!(with(r#","level":1e999,"description":"\udc00","owner":{"deep":[[[]]]}"#), None);
}

/// One agent is one payee, and it is the decoded address that says so.
#[test]
fn payees_are_decoded_addresses() {
    let address: Address = STX.parse().unwrap();
    let rows = read(&row(&format!("{STX:?}"), &format!("{BTC:?}")));
    let payee = Payee { version: 22, hash160: *address.hash160() };
    assert_eq!(rows[0].found(), Found::Good(payee));
}

/// Whether there is more is believed from either word that the directory has for it, and
/// where it has none, one more page settles it.
#[test]
fn more_or_not() {
    let check = |pagination: &str, rows: &str, offset, more| {
        let body = format!(r#"{{"agents":[{rows}]{pagination}}}"#);
        let page = Page::read(body.as_bytes(), Network::Mainnet, offset).unwrap();
        assert_eq!(page.has_more, more, "{body} from {offset}");
    };
    check(r#","pagination":{"hasMore":true,"total":300}"#, "{}", 100, true);
    check(r#","pagination":{"hasMore":false,"total":101}"#, "{}", 100, false);
    check(r#","pagination":{"hasMore":false,"total":102}"#, "{}", 100, true);
    check(r#","pagination":{"hasMore":true,"total":101}"#, "{}", 100, true);
    check(r#","pagination":{"hasMore":"yes","total":null}"#, "{}", 0, true);
    check(r#","pagination":{"hasMore":"yes"}"#, "", 0, false);
    check(r#","pagination":"none""#, "{}", 0, true);
    check("", "{}", 0, true);
    check("", "", 0, false);
}

/// What is no page is an error, never an empty page: that would look like the end.
#[test]
fn what_is_no_page() {
    for body in ["", "null", "[[]]", "<html>", r#"{"error":"x"}"#, r#"{"agents":null}"#, "{\"age"] {
        assert!(Page::read(body.as_bytes(), Network::Mainnet, 0).is_err(), "{body}");
    }
    let broken = [br#"{"agents":[],"note":""#.as_slice(), &[0xff, 0xfe], br#""}"#].concat();
    assert!(Page::read(&broken, Network::Mainnet, 0).unwrap().rows.is_empty());
}

/// Both forms of `Retry-After` are understood; a date in the past asks for nothing.
#[test]
fn retry_after_forms() {
    let now = Timestamp::from_millis(1_773_219_600_000);
    let check = |text, secs: Option<u64>| {
        assert_eq!(retry_after(text, now), secs.map(Duration::from_secs), "{text}");
    };
    check("60", Some(60));
    check(" 0 ", Some(0));
    check("Wed, 11 Mar 2026 09:02:00 GMT", Some(120));
    check("Wed, 11 Mar 2026 08:00:00 GMT", Some(0));
    for nonsense in ["", "-1", "soon", "1.5"] {
        check(nonsense, None);
    }
}
