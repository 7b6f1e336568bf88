use domain::PayerConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const US: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";

/// A list that ends without a message of ours says that there is none. One that does not end,
/// or does not say whether it does, says nothing: the message may be in the rest.
#[tokio::test]
async fn only_a_whole_list_says_that_nothing_is_there() {
    let more = |more: Value| json!({ "hasMore": more });
    let theirs = vec![message("SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA", "Hello")];
    let ours = vec![message(US, "Welcome")];
    let other = vec![message(US, "Something else")];
    assert_eq!(look(&[], &more(json!(false))).await, InboxWord::Absent);
    assert_eq!(look(&theirs, &more(json!(false))).await, InboxWord::Absent);
    for endless in [more(json!(true)), json!({}), more(json!("no")), Value::Null] {
        for messages in [&[][..], &theirs, &other] {
            let word = look(messages, &endless).await;
            assert!(matches!(word, InboxWord::Silent { .. }), "{endless} {word:?}");
        }
        let word = look(&ours, &endless).await;
        assert!(matches!(word, InboxWord::Found { same: true, .. }), "{word:?}");
    }
    let word = look(&other, &more(json!(false))).await;
    assert!(matches!(word, InboxWord::Found { same: false, .. }), "{word:?}");
}

/// The id of a message is kept for ever, so it is cut; the message is there all the same.
#[tokio::test]
async fn ids_are_bounded() {
    let mut message = message(US, "Welcome");
    message["messageId"] = json!("m".repeat(50_000));
    message["paymentTxid"] = json!("f".repeat(50_000));
    let word = look(&[message], &json!({ "hasMore": false })).await;
    let InboxWord::Found { message, txid, same: true } = &word else { panic!("{word:?}") };
    assert_eq!((message.len(), txid), (MESSAGE_ID_MAX, &None));
}

fn message(from: &str, content: &str) -> Value {
    json!({ "messageId": "msg_1", "fromAddress": from, "content": content })
}

/// Asks an inbox whose every page is this one.
async fn look(messages: &[Value], pagination: &Value) -> InboxWord {
    let body = json!({ "inbox": { "messages": messages, "pagination": pagination } }).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let config = PayerConfig {
        network: "mainnet".to_owned(),
        inbox_url: url.clone(),
        relay_url: url.clone(),
        stacks_url: url,
        amount_max: Sats::new(100),
        in_flight: 1,
        unconfirmed_after: ASK_WITHIN,
        unresolved_after: ASK_WITHIN,
        ask_every: ASK_WITHIN,
        depth: 1,
    };
    let inbox = Inbox::new(&config, Network::Mainnet, US.parse().unwrap()).unwrap();
    let letter = Letter {
        to_btc: String::new(),
        to_stx: "SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA".to_owned(),
        content: "Welcome".to_owned(),
    };
    tokio::select! {
        word = inbox.look(&letter) => word,
        () = answering => unreachable!("it answers for ever"),
    }
}
