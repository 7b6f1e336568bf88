//! The messages on the bus: every subject, every encoding, and the way to and from [`domain`].
//!
//! Generated structs stop at this crate's door: every other crate speaks `domain` through
//! [`Wire`]. `gen/` is written by `cargo xtask codegen` from `proto/` and committed.
//!
//! Protobuf goes on the streams that services read; JSON (CloudEvents 1.0) on `event.>`, since
//! people subscribe to that with whatever they have.

mod convert;
pub mod event;
pub mod message;
pub mod plain;
pub mod subject;

pub use convert::{DecodeError, Wire};

/// The version of the messages and of the streams. A service refuses to run on an older one.
pub const SCHEMA: u32 = 4;

/// Generated from `proto/portcullis/v1`.
#[allow(clippy::all, unreachable_pub, reason = "generated")]
mod proto {
    include!("gen/portcullis.v1.rs");
}
