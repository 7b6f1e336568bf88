//! What is told: CloudEvents 1.0 as structured JSON, on `event.>`.
//!
//! An event's id is a function of what it tells, so that telling twice counts once.

mod attempt;
mod credential;
mod gate;

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use attempt::{AttemptTold, AttemptVerb};
pub use credential::{CredentialTold, CredentialVerb};
pub use gate::{GateTold, gate_json};

/// One event, ready to be published on its subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The NATS subject it is published on.
    pub subject: String,
    /// Also the message's `Nats-Msg-Id`.
    pub id: String,
    /// The CloudEvents type, such as `portcullis.attempt.failed`.
    pub kind: String,
    /// Who tells it, such as `dispatcher/4f2a…`.
    pub source: String,
    pub at: Timestamp,
    pub data: Value,
}

/// Why bytes are not an event of ours.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("event is not readable as CloudEvents JSON")]
    Json(#[source] serde_json::Error),
    #[error("event field `{field}` makes no sense: {found:?}")]
    Field { field: &'static str, found: String },
}

/// The envelope as it is read; unknown attributes are other people's.
#[derive(Deserialize, Serialize)]
struct Envelope {
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

impl Event {
    pub fn to_json(&self) -> Vec<u8> {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.kind,
            "subject": self.subject,
            "time": self.at.to_string(),
            "datacontenttype": "application/json",
            "data": self.data,
        })
        .to_string()
        .into_bytes()
    }
}

fn field<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, EventError> {
    text.parse().map_err(|_| EventError::Field { field, found: text.chars().take(80).collect() })
}

/// The first `max` characters, so that an answer from outside cannot flood an event.
pub fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max).chain(['…']).collect()
}
