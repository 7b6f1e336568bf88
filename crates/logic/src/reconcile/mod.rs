//! How record, inbox and chain differ, and what to do about each difference.

mod facts;

pub use facts::{Did, Listed, Mined, SentMessage};
