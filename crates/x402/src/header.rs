//! The three headers, and how JSON travels in them: as standard base64.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Serialize, de::DeserializeOwned};

/// From the server, with status 402: a [`PaymentRequired`](crate::PaymentRequired).
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// From the payer: a [`PaymentPayload`](crate::PaymentPayload).
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// What older payers call it. The AIBTC inbox reads both.
pub const PAYMENT_SIGNATURE_LEGACY: &str = "x-payment-signature";
/// From the server, when paid: a [`SettleResponse`](crate::SettleResponse).
pub const PAYMENT_RESPONSE: &str = "payment-response";

/// The longest value that is read; servers stop at less.
pub const LEN_MAX: usize = 64 * 1024;

/// Base64 as it is met in the wild, with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a header (or a body) means nothing.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("read a payment header of {len} bytes, more than {LEN_MAX}")]
    TooLong { len: usize },
    #[error("read a payment header that is neither base64 nor JSON")]
    NotBase64(#[source] base64::DecodeError),
    #[error("read the JSON of a payment header")]
    Json(#[source] serde_json::Error),
}

/// Base64 of JSON. Anything beyond ASCII is escaped, since some readers take the decoded bytes for
/// Latin-1 and some for UTF-8.
///
/// # Panics
///
/// For types that JSON cannot express, of which this crate has none.
pub fn encode(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("strings, numbers and JSON make JSON");
    STANDARD.encode(ascii(&json))
}

/// Reads base64 of JSON, or JSON as it is, which the AIBTC inbox admits too.
///
/// # Errors
///
/// If it is neither, or means something else.
pub fn decode<T: DeserializeOwned>(text: &str) -> Result<T, HeaderError> {
    if text.len() > LEN_MAX {
        return Err(HeaderError::TooLong { len: text.len() });
    }
    let text = text.trim();
    // No JSON object is base64, and the other way round.
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(HeaderError::Json);
    }
    let bytes = LENIENT.decode(text).map_err(HeaderError::NotBase64)?;
    match str::from_utf8(&bytes) {
        Ok(json) => serde_json::from_str(json),
        Err(_) => serde_json::from_str(&latin_1(&bytes)),
    }
    .map_err(HeaderError::Json)
}

/// Escapes what is not ASCII. In JSON that can only stand inside a string.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// What a browser's `btoa` leaves of a text beyond ASCII: one byte a character.
fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Whatever JSON goes in comes out, and the header itself is plain ASCII.
    #[test]
    fn reads_what_it_writes() {
        let value = json!({ "description": "Grüße, 侍 and \u{1F600}\n", "n": 1 });
        let text = encode(&value);
        assert!(STANDARD.decode(&text).unwrap().is_ascii());
        assert_eq!(decode::<Value>(&text).unwrap(), value);
    }

    /// JSON needs no base64, base64 needs no padding, and Latin-1 is understood.
    #[test]
    fn reads_what_others_write() {
        let expected = json!({ "a": "é" });
        assert_eq!(decode::<Value>(" {\"a\": \"é\"}").unwrap(), expected);
        for bytes in ["{\"a\":\"é\"}".as_bytes(), b"{\"a\":\"\xe9\"}"] {
            let text = STANDARD.encode(bytes);
            assert_eq!(decode::<Value>(&text).unwrap(), expected);
            assert_eq!(decode::<Value>(text.trim_end_matches('=')).unwrap(), expected);
        }
    }

    /// Each way of being no header has its own answer.
    #[test]
    fn refuses_the_rest() {
        let refusal = |text: &str| decode::<Value>(text).unwrap_err();
        assert!(matches!(refusal("!!!"), HeaderError::NotBase64(_)));
        assert!(matches!(refusal(""), HeaderError::Json(_)));
        assert!(matches!(refusal("{\"a\""), HeaderError::Json(_)));
        assert!(matches!(refusal(&STANDARD.encode("{")), HeaderError::Json(_)));
        let long = "A".repeat(LEN_MAX + 1);
        assert!(matches!(refusal(&long), HeaderError::TooLong { len: 65_537 }));
    }
}
