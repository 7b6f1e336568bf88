use serde::{Deserialize, Serialize};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};
use stacks::{Asset, Network};

use crate::{
    SCHEME, VERSION, asset,
    header::{self, HeaderError},
    lenient,
};

/// What a server answers with status 402: what it would be paid for, and how it may be paid.
///
/// ```
/// use x402::{PaymentRequired, PaymentRequirement, Resource, header};
///
/// let pay_to = "SP2J6ZY48GV1EZ5V2V5RB9MP66SW86PYKKNRV9EJ7";
/// let entry = PaymentRequirement {
///     max_timeout_secs: Some(300),
///     ..PaymentRequirement::exact("stacks:1", "100", "sBTC", pay_to)
/// };
/// let required = PaymentRequired::new(Resource::new("https://example.com/inbox"), &[entry]);
/// let text = header::encode(&required);
/// assert_eq!(header::decode::<PaymentRequired>(&text).unwrap(), required);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentRequired {
    #[serde(rename = "x402Version")]
    pub x402_version: u64,
    /// Why the server asks, or asks again.
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub error: Option<String>,
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub resource: Option<Resource>,
    /// Each as it came: what one entry says cannot spoil the others.
    pub accepts: Vec<RawRequirement>,
    #[serde(default, deserialize_with = "lenient::object", skip_serializing_if = "Map::is_empty")]
    pub extensions: Map<String, Value>,
}

impl PaymentRequired {
    pub fn new(resource: Resource, accepts: &[PaymentRequirement]) -> Self {
        PaymentRequired {
            x402_version: VERSION,
            error: None,
            resource: Some(resource),
            accepts: accepts.iter().map(RawRequirement::new).collect(),
            extensions: Map::new(),
        }
    }

    /// Reads an answer with status 402: its header, or its body, which says the same, where there
    /// is no header or it is spoilt.
    ///
    /// # Errors
    ///
    /// If neither can be read; says why of the header, if there was one.
    pub fn read(header: Option<&str>, body: &str) -> Result<Self, HeaderError> {
        match header.map(header::decode) {
            None => header::decode(body),
            Some(Ok(required)) => Ok(required),
            Some(Err(error)) => header::decode(body).map_err(|_| error),
        }
    }
}

/// What is paid for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    pub url: String,
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<String>,
    #[serde(
        rename = "mimeType",
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub mime_type: Option<String>,
    /// What else the server said of it, to be said back.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Resource {
    pub fn new(url: impl Into<String>) -> Self {
        Resource { url: url.into(), description: None, mime_type: None, rest: Map::new() }
    }
}

/// One way to pay, as the text that came.
///
/// It goes back to the server unchanged, fields and all that are unknown here (only what is beyond
/// ASCII is escaped on the way). Two are equal if their texts are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawRequirement(Box<RawValue>);

impl RawRequirement {
    /// # Panics
    ///
    /// Never: a requirement is made of what JSON can express.
    pub fn new(requirement: &PaymentRequirement) -> Self {
        RawRequirement(to_raw_value(requirement).expect("strings and numbers make JSON"))
    }

    /// What the text means, if it is an entry of the kind known here.
    ///
    /// # Errors
    ///
    /// If it lacks anything that payment depends on, or says it twice.
    pub fn parse(&self) -> serde_json::Result<PaymentRequirement> {
        serde_json::from_str(self.0.get())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for RawRequirement {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// One way to pay: whom, how much, of what, where. The texts are the server's and not checked yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaymentRequirement {
    pub scheme: String,
    /// CAIP-2, such as `stacks:1`.
    pub network: String,
    /// In the smallest unit of the asset, decimal.
    pub amount: String,
    pub asset: String,
    #[serde(rename = "payTo")]
    pub pay_to: String,
    #[serde(
        rename = "maxTimeoutSeconds",
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_timeout_secs: Option<u64>,
    #[serde(
        default,
        deserialize_with = "lenient::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub extra: Option<Value>,
}

impl PaymentRequirement {
    /// An entry of the scheme known here.
    pub fn exact(
        network: impl Into<String>,
        amount: impl Into<String>,
        asset: impl Into<String>,
        pay_to: impl Into<String>,
    ) -> Self {
        PaymentRequirement {
            scheme: SCHEME.into(),
            network: network.into(),
            amount: amount.into(),
            asset: asset.into(),
            pay_to: pay_to.into(),
            max_timeout_secs: None,
            extra: None,
        }
    }

    /// Which asset is wanted, whichever of its spellings in use the entry chose; a contract alone
    /// means the token that bears its name.
    pub fn asset_on(&self, network: Network) -> Option<Asset> {
        asset::read(&self.asset, network)
    }
}
