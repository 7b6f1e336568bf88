use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stacks::TxId;

use crate::{PaymentPayload, PaymentRequirement, VERSION, lenient};

/// What a server asks a relay to do with a payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettleRequest {
    #[serde(rename = "x402Version", default = "version")]
    pub x402_version: u64,
    #[serde(rename = "paymentPayload")]
    pub payment_payload: PaymentPayload,
    #[serde(rename = "paymentRequirements")]
    pub payment_requirements: PaymentRequirement,
}

/// What became of a payment, from a relay or in the header of a server that was paid.
///
/// Relays answer HTTP 200 whether or not it succeeded, and success is no proof that the money
/// arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SettleResponse {
    pub success: bool,
    /// The address that paid.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub payer: Option<String>,
    /// The id on chain; empty if it is not there, or not known to be.
    #[serde(default, deserialize_with = "lenient::text")]
    pub transaction: String,
    #[serde(default, deserialize_with = "lenient::text")]
    pub network: String,
    #[serde(
        rename = "errorReason",
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub error_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient::object", skip_serializing_if = "Map::is_empty")]
    pub extensions: Map<String, Value>,
}

impl SettleResponse {
    /// The id on chain, if there is one.
    pub fn txid(&self) -> Option<TxId> {
        self.transaction.parse().ok()
    }
}

const fn version() -> u64 {
    VERSION
}
