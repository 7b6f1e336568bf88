//! Looking one agent up in the directory.

use std::time::Duration;

use serde_json::Value;
use stacks::Address;

use super::{Found, Looked, Scene};
use crate::http;

/// An agent's row, as far as a letter needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    /// By which the inbox is found.
    pub(crate) bitcoin: String,
    pub(crate) name: Option<String>,
}

const PAGE_WITHIN: Duration = Duration::from_secs(15);
/// As many as the directory gives at once (wire facts: directory).
const ROWS: usize = 100;
const PAGES_MAX: usize = 50;
const NAME_MAX: usize = 60;

/// Reads page after page until the agent is found.
pub(crate) async fn find(scene: &Scene<'_>) -> (Looked, Option<Agent>) {
    let (url, payee) = (scene.directory.url.trim_end_matches('/'), scene.payee);
    let told = |found, said: String| Looked::new("directory", found, said);
    let client = match http::client(url, PAGE_WITHIN) {
        Ok(client) => client,
        Err(error) => return (told(Found::Silent, error.to_string()), None),
    };
    let mut offset = 0;
    for _ in 0..PAGES_MAX {
        let request = client.get(format!("{url}/agents"));
        let request = request.query(&[("limit", ROWS), ("offset", offset)]);
        let response = http::ask(request).await;
        let rows = response.body.get("agents").and_then(Value::as_array);
        let Some(rows) = rows.filter(|_| response.status == Some(200)) else {
            return (told(Found::Silent, format!("{url}: {}", response.complaint())), None);
        };
        if let Some(agent) = rows.iter().find_map(|row| read(row, &payee)) {
            let name = agent.name.clone().unwrap_or_else(|| "no name".to_owned());
            let said = format!("{name}, inbox of {}", agent.bitcoin);
            return (told(Found::Fine, said), Some(agent));
        }
        offset += rows.len();
        if rows.is_empty() {
            break;
        }
    }
    let said = format!("{payee} is not among the {offset} agents of {url}, or has no inbox");
    (told(Found::Unknown, said), None)
}

/// The row, if it is this agent's, and its inbox can be addressed.
fn read(row: &Value, payee: &Address) -> Option<Agent> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let address: Address = text("stxAddress")?.parse().ok()?;
    let bitcoin = text("btcAddress")?;
    // It becomes part of a URL.
    let plain = !bitcoin.is_empty() && bitcoin.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let clean = |name: &str| name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    let agent = Agent { bitcoin: bitcoin.to_owned(), name: text("displayName").map(clean) };
    (address == *payee && plain).then_some(agent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AGENT: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";

    /// Only the agent's own row counts, and only with an inbox that can be addressed.
    #[test]
    fn reads_its_row_alone() {
        let payee = AGENT.parse().unwrap();
        let found = |stx: &str, btc: Value| {
            let row = json!({ "stxAddress": stx, "btcAddress": btc, "displayName": "Swift\nFox" });
            read(&row, &payee)
        };
        let agent = found(AGENT, json!("bc1qxyz")).unwrap();
        assert_eq!((agent.bitcoin.as_str(), agent.name.as_deref()), ("bc1qxyz", Some("SwiftFox")));
        assert_eq!(found("SP2DVM5WFBR7GQ0171Z7N4STMB8JQS5J4JB7SRCJA", json!("bc1qxyz")), None);
        for bitcoin in [Value::Null, json!(""), json!("../../v2/info"), json!(7)] {
            assert_eq!(found(AGENT, bitcoin), None);
        }
    }
}
