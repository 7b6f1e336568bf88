use domain::{Letter, Payee, Task};
use logic::payment::Order;
use serde::Deserialize;
use stacks::{Address, Network};

/// What a task of ours must say, as the sensor writes it.
#[derive(Debug, Deserialize)]
struct Payload {
    address: String,
    #[serde(default)]
    btc_address: Option<String>,
    message: String,
    purpose: String,
    network: String,
}

/// Why a task's payload is no order to pay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("read the payload as JSON with address, message, purpose and network")]
    Json(#[source] serde_json::Error),
    #[error("pay {address}")]
    Address { address: String, source: stacks::AddressError },
    #[error("pay {address} on {network}: it is not an account there")]
    OtherNetwork { address: String, network: String },
    #[error("pay on {found}: this payer is configured for {ours}")]
    OtherConfig { found: String, ours: Network },
    #[error("post to {found:?}: that is no Bitcoin address")]
    Bitcoin { found: String },
    #[error("deliver a message of {len} characters: 1 to {MESSAGE_MAX} are allowed")]
    Message { len: usize },
    #[error("pay for the purpose {found:?}: use a-z, 0-9 and '-'")]
    Purpose { found: String },
    #[error("pay under another contact key than the task names")]
    Contact,
}

/// In UTF-16 units, as the inbox counts (wire facts: inbox request body).
const MESSAGE_MAX: usize = 500;

/// Reads whom a task wants greeted. `wallet` is our own address.
///
/// # Errors
///
/// Whatever it is, the task makes no sense: nothing outside was asked.
pub(crate) fn order(task: &Task, ours: Network, wallet: &Address) -> Result<Order, OrderError> {
    let payload: Payload = serde_json::from_str(&task.payload).map_err(OrderError::Json)?;
    let address: Address = payload.address.parse().map_err(|source| OrderError::Address {
        address: payload.address.chars().take(60).collect(),
        source,
    })?;
    if address.network() != payload.network.parse().ok() {
        let network = payload.network.chars().take(60).collect();
        return Err(OrderError::OtherNetwork { address: payload.address, network });
    }
    // Sound in itself, and made under another configuration than ours.
    if address.network() != Some(ours) {
        return Err(OrderError::OtherConfig { found: payload.network, ours });
    }
    let order = Order {
        payee: Payee {
            network: payload.network,
            address: address.to_string(),
            version: address.version(),
            hash160: *address.hash160(),
        },
        purpose: purpose(payload.purpose)?,
        source_key: task.source_key.clone(),
        wallet: wallet.to_string(),
        letter: Letter {
            to_btc: bitcoin(payload.btc_address)?,
            to_stx: address.to_string(),
            content: message(payload.message)?,
        },
    };
    match task.contact {
        Some(contact) if contact != order.payee.key(&order.purpose) => Err(OrderError::Contact),
        _ => Ok(order),
    }
}

/// It becomes part of a URL, so it is checked here; whether it exists, the inbox knows.
fn bitcoin(address: Option<String>) -> Result<String, OrderError> {
    let address = address.unwrap_or_default();
    let well_formed = address.len() <= 90 && address.bytes().all(|b| b.is_ascii_alphanumeric());
    if well_formed {
        return Ok(address);
    }
    Err(OrderError::Bitcoin { found: address.chars().take(90).collect() })
}

fn message(message: String) -> Result<String, OrderError> {
    let len = message.encode_utf16().count();
    let blank = message.trim().is_empty();
    if blank || MESSAGE_MAX < len { Err(OrderError::Message { len }) } else { Ok(message) }
}

fn purpose(purpose: String) -> Result<String, OrderError> {
    let word = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
    if !purpose.is_empty() && purpose.len() <= 48 && purpose.chars().all(word) {
        return Ok(purpose);
    }
    Err(OrderError::Purpose { found: purpose.chars().take(48).collect() })
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    const AGENT: &str = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";

    fn payload() -> Value {
        json!({
            "address": AGENT,
            "btc_address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "name": "Swift Fox",
            "message": "Welcome",
            "purpose": "welcome",
            "network": "mainnet",
        })
    }

    fn read(payload: &Value) -> Result<Order, OrderError> {
        let task = Task {
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/x".parse().unwrap(),
            created_by: String::new(),
            created_at: Timestamp::from_millis(0),
            contact: None,
            payload: payload.to_string(),
            not_before: None,
            expires_at: None,
            follows: None,
        };
        order(&task, Network::Mainnet, &AGENT.parse().unwrap())
    }

    /// What the sensor writes is an order.
    #[test]
    fn reads_what_the_sensor_writes() {
        let order = read(&payload()).unwrap();
        assert_eq!((order.payee.address.as_str(), order.payee.version), (AGENT, 22));
        assert_eq!(order.letter.content, "Welcome");
        let mut without = payload();
        without["btc_address"] = Value::Null;
        assert_eq!(read(&without).unwrap().letter.to_btc, "");
    }

    /// Each thing that cannot be paid, posted or put into a URL is refused.
    #[test]
    fn refuses_nonsense() {
        let refused = |field: &str, value: Value| {
            let mut payload = payload();
            payload[field] = value;
            assert!(read(&payload).is_err(), "{field}: {payload}");
        };
        refused("address", json!("SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ8"));
        refused("address", json!("ST2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKQVX8X0G"));
        refused("address", json!(7));
        refused("btc_address", json!("../../v2/info"));
        refused("message", json!("  "));
        refused("message", json!("x".repeat(501)));
        refused("purpose", json!("Wel come"));
        refused("network", json!("testnet"));
        assert!(read(&json!([])).is_err());
    }
}
