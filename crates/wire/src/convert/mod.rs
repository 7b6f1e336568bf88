mod anthropic;
mod config;
mod credential;
mod gate;
mod handler;
mod message;
mod payment;
mod queueing;
mod sensor;
mod task;
mod usd;

use std::{str::FromStr, time::Duration};

use domain::Timestamp;
use prost::Message as _;

pub(crate) use task::{EFFECT_MAX, EVIDENCE_MAX};

/// A type of [`domain`] (or of [`crate::message`]) that travels on the bus as protobuf.
pub trait Wire: Sized {
    #[doc(hidden)]
    #[expect(private_bounds, reason = "generated types stop at this crate's door")]
    type Proto: Generated;

    #[doc(hidden)]
    fn to_proto(&self) -> Self::Proto;

    #[doc(hidden)]
    fn of_proto(proto: Self::Proto) -> Result<Self, DecodeError>;

    fn encode(&self) -> Vec<u8> {
        self.to_proto().encode_to_vec()
    }

    /// # Errors
    ///
    /// When the bytes are not such a message, or mean nothing: see [`DecodeError`].
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::of_proto(Self::Proto::decode(bytes).map_err(DecodeError::Bytes)?)
    }
}

trait Generated: prost::Message + Default {}
impl<M: prost::Message + Default> Generated for M {}

/// Why bytes from the bus mean nothing to us.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("message is not readable as protobuf")]
    Bytes(#[source] prost::DecodeError),
    #[error("field `{field}` is missing")]
    Missing { field: &'static str },
    #[error("field `{field}` makes no sense")]
    Field {
        field: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("field `{field}` has the unknown value {value}")]
    Unknown { field: &'static str, value: i32 },
}

/// Parses one text field.
fn parse<T>(field: &'static str, text: &str) -> Result<T, DecodeError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|source| DecodeError::Field { field, source: Box::new(source) })
}

/// Parses one text field that may be empty.
fn parse_some<T>(field: &'static str, text: &str) -> Result<Option<T>, DecodeError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

fn parse_all<T>(field: &'static str, texts: &[String]) -> Result<Vec<T>, DecodeError>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    texts.iter().map(|text| parse(field, text)).collect()
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { field })
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn some_at(millis: u64) -> Option<Timestamp> {
    (millis != 0).then_some(Timestamp::from_millis(millis))
}
