//! Reading fields that nothing depends on: whatever is not as expected is as good as absent.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

pub(crate) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

pub(crate) fn object<'de, D>(deserializer: D) -> Result<Map<String, Value>, D::Error>
where
    D: Deserializer<'de>,
{
    optional(deserializer).map(Option::unwrap_or_default)
}

pub(crate) fn text<'de, D>(deserializer: D) -> Result<String, D::Error>
where
    D: Deserializer<'de>,
{
    optional(deserializer).map(Option::unwrap_or_default)
}

/// So much of a foreign text as an error may repeat.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    text.chars().take(CHARS_MAX).collect()
}
