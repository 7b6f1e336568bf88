use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use stacks::{DecodeError, Transaction, hex};

use crate::{RawRequirement, Resource, VERSION, lenient};

/// The extension under which a payment bears its own id.
const PAYMENT_IDENTIFIER: &str = "payment-identifier";

/// What a payer sends: a signed transaction, and what it answers to.
///
/// Only the transaction is demanded when reading, as by the AIBTC inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentPayload {
    #[serde(rename = "x402Version", default = "version")]
    pub x402_version: u64,
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub resource: Option<Resource>,
    /// The server's entry, as the payer says it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<RawRequirement>,
    pub payload: ExactPayload,
    #[serde(default, deserialize_with = "lenient::object", skip_serializing_if = "Map::is_empty")]
    pub extensions: Map<String, Value>,
}

/// The part that the scheme defines: a transaction in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactPayload {
    pub transaction: String,
}

/// Why a payment holds no transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    #[error("read the transaction of a payment")]
    Hex(#[source] hex::HexError),
    #[error("decode the transaction of a payment")]
    Decode(#[source] DecodeError),
}

impl PaymentPayload {
    /// The transaction, decoded. Whether it pays what was asked is for the reader to compare.
    ///
    /// # Errors
    ///
    /// If it is not hexadecimal or no transaction known to [`stacks`].
    pub fn transaction(&self) -> Result<Transaction, TransactionError> {
        stacks::decode(&self.payload.bytes().map_err(TransactionError::Hex)?)
            .map_err(TransactionError::Decode)
    }

    /// The payment's own id, if it bears one.
    ///
    /// # Errors
    ///
    /// If what it bears is no id.
    pub fn id(&self) -> Result<Option<PaymentId>, PaymentIdError> {
        let Some(extension) = self.extensions.get(PAYMENT_IDENTIFIER) else { return Ok(None) };
        let id = extension.pointer("/info/id").and_then(Value::as_str);
        id.ok_or(PaymentIdError::Absent)?.parse().map(Some)
    }
}

impl ExactPayload {
    pub fn new(transaction: &[u8]) -> Self {
        ExactPayload { transaction: format!("0x{}", hex::encode(transaction)) }
    }

    /// The bytes of the transaction, with or without `0x` before them.
    ///
    /// # Errors
    ///
    /// If it is not hexadecimal.
    pub fn bytes(&self) -> Result<Vec<u8>, hex::HexError> {
        hex::decode(&self.transaction)
    }
}

/// A name that a payer gives a payment, so that repeating it is not paying twice.
///
/// ```
/// use x402::PaymentId;
///
/// assert!("pay_0123456789ab".parse::<PaymentId>().is_ok());
/// assert!("pay_1".parse::<PaymentId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(String);

/// Why a text is no payment id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentIdError {
    #[error("read a payment id that is not there")]
    Absent,
    #[error("read a payment id of {len} bytes, not 16 to 128")]
    Length { len: usize },
    #[error("read a payment id that contains {found:?}")]
    BadChar { found: char },
}

impl PaymentId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PaymentId {
    type Err = PaymentIdError;

    fn from_str(text: &str) -> Result<Self, PaymentIdError> {
        if !(16..=128).contains(&text.len()) {
            return Err(PaymentIdError::Length { len: text.len() });
        }
        match text.chars().find(|c| !c.is_ascii_alphanumeric() && !"_-".contains(*c)) {
            Some(found) => Err(PaymentIdError::BadChar { found }),
            None => Ok(PaymentId(text.into())),
        }
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The extension with the id in it, and around it what the server said of the extension (its
/// schema, most of all).
pub(crate) fn identified(offered: &Map<String, Value>, id: &PaymentId) -> Map<String, Value> {
    let of_server = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
    let mut extension = of_server(offered.get(PAYMENT_IDENTIFIER)).unwrap_or_default();
    let mut info = of_server(extension.get("info")).unwrap_or_default();
    info.insert("id".into(), json!(id.as_str()));
    extension.insert("info".into(), info.into());
    Map::from_iter([(PAYMENT_IDENTIFIER.to_owned(), extension.into())])
}

const fn version() -> u64 {
    VERSION
}
