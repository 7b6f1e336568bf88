use std::time::Duration;

use domain::{PayerConfig, Sats};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const SBTC: &str = "SM3VDXK3WZZSA84XXFKAFAF15NNZX32CTSG82JFQ4.sbtc-token";
const AGENT: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";

fn transfer() -> Value {
    json!({
        "tx_status": "success",
        "tx_type": "contract_call",
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

fn changed(path: &str, value: Value) -> Did {
    let mut found = transfer();
    *found.pointer_mut(path).unwrap() = value;
    did(&found, Network::Mainnet)
}

/// M2: only what the API tells whole is a transfer; an answer told in part is no proof that
/// money moved, nor that it did not.
#[test]
fn reads_only_what_is_told() {
    let moved = Did::Moved { to: AGENT.to_owned(), sats: 100 };
    assert_eq!(did(&transfer(), Network::Mainnet), moved);
    assert_eq!(changed("/tx_status", json!("abort_by_post_condition")), Did::Aborted);
    let other = |did| matches!(did, Did::Other { .. });
    assert!(other(changed("/tx_type", json!("token_transfer"))));
    assert!(other(changed("/contract_call/function_name", json!("burn"))));
    assert!(other(changed("/contract_call/contract_id", json!(SBTC.replace("sbtc-t", "t")))));
    for (path, value) in [
        ("/tx_status", json!("pending")),
        ("/tx_status", Value::Null),
        ("/tx_type", json!("tenure_change")),
        ("/contract_call/contract_id", json!("nobody")),
        ("/contract_call/function_name", json!("")),
        ("/contract_call/function_args/0/repr", json!("u-1")),
        ("/contract_call/function_args/2/repr", json!("none")),
    ] {
        let did = changed(path, value.clone());
        assert!(matches!(did, Did::Untold { .. }), "{path} {value} {did:?}");
    }
}

/// How many transactions the account of these tests has, the newest with the highest nonce and
/// one a minute, mixed with as many that others sent.
const COUNT: u64 = 120;

fn entry(at: u64) -> Value {
    let mut found = transfer();
    let sender =
        if at.is_multiple_of(2) { AGENT } else { "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA" };
    let nonce = COUNT - 1 - at / 2;
    found["sender_address"] = json!(sender);
    (found["nonce"], found["canonical"]) = (json!(nonce), json!(true));
    (found["block_time"], found["tx_id"]) = (json!(nonce * 60), json!(format!("0x{nonce:064x}")));
    found
}

/// A page as the API answers it, with the total or without.
fn page(head: &str, total: Option<u64>) -> String {
    let number = |name: &str| {
        let from = head.find(name).unwrap() + name.len();
        let digits: String = head[from..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap()
    };
    let (limit, offset) = (number("limit="), number("offset="));
    let entries = (offset..(offset + limit).min(2 * COUNT)).map(entry);
    let mut body = json!({ "results": entries.collect::<Vec<_>>() });
    if let Some(total) = total {
        body["total"] = json!(total);
    }
    body.to_string()
}

async fn history(total: Option<u64>, since: u64) -> (Result<Listed<Mined>, Silent>, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut asked = 0;
    let answering = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked += 1;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let body = page(&String::from_utf8(request).unwrap(), total);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let minute = Duration::from_secs(60);
    let config = PayerConfig {
        network: "mainnet".to_owned(),
        inbox_url: url.clone(),
        relay_url: url.clone(),
        stacks_url: url,
        amount_max: Sats::new(100),
        in_flight: 1,
        unconfirmed_after: minute,
        unresolved_after: minute,
        ask_every: minute,
        depth: 1,
    };
    let chain = Chain::new(&config, Network::Mainnet, AGENT.parse().unwrap()).unwrap();
    let listed = tokio::select! {
        listed = chain.history(Timestamp::from_millis(since)) => listed,
        () = answering => unreachable!("it answers for ever"),
    };
    (listed, asked)
}

/// The whole list is read to its end, with or without a total, and holds what we sent alone,
/// newest first.
#[tokio::test]
async fn the_list_is_read_to_its_end() {
    for total in [Some(2 * COUNT), None] {
        let listed = history(total, 0).await.0.unwrap();
        let nonces: Vec<u64> = listed.entries.iter().map(|mined| mined.nonce).collect();
        assert_eq!(nonces, (0..COUNT).rev().collect::<Vec<_>>());
        assert_eq!((listed.whole_since, listed.cut), (Timestamp::default(), None));
    }
}

/// It is read no further back than was asked, and says that it is whole only since then.
#[tokio::test]
async fn the_list_is_read_no_further_than_asked() {
    let since = (COUNT - 30) * 60_000;
    let (listed, asked) = history(Some(2 * COUNT), since).await;
    let listed = listed.unwrap();
    assert_eq!((listed.whole_since, &listed.cut), (Timestamp::from_millis(since), &None));
    assert_eq!(asked, 2, "pages of 50 back to the 60th entry");
    assert!(listed.entries.iter().any(|mined| mined.nonce == COUNT - 30), "{listed:?}");
}
