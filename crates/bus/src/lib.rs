//! NATS as Portcullis uses it: writes that carry what they expect, reads from the leader,
//! deliveries that owe an answer.
//!
//! This crate knows bytes and subjects, and no word of the domain. Two rules hold everywhere:
//!
//! * a write with consequences carries an expectation ([`Expect`]), because a publish that
//!   timed out may still be stored later ([`PutError::Unknown`]);
//! * what a decision rests on is read from the stream's leader, never from a replica.

mod compare;
mod connect;
mod error;
mod feed;
mod provision;
mod put;
mod queue;
mod read;
mod roam;
mod serve;

pub use async_nats::jetstream::{consumer, stream};
pub use compare::Server;
pub use connect::{Bus, Options};
pub use error::BusError;
pub use feed::{Feed, FeedStart};
pub use provision::{Backlog, Change};
pub use put::{Expect, Put, PutError};
pub use queue::{Delivery, Queue};
pub use read::Stored;
pub use serve::{Inbox, Incoming, Question};
