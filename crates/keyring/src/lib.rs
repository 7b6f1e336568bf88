//! Secrets: read where they lie, lent to one call at a time, and never shown.
//!
//! * [`source`]: a file, a variable or a command, read into a [`Secret`] or into a reason why
//!   not;
//! * [`Keyring`]: makes a call with the credentials of a provider, in their order, until one
//!   serves, and keeps them fresh in between;
//! * [`record`]: what the fleet knows of secrets, by their fingerprints.
//!
//! Which one is lent is [`logic::credential`]'s to say. Promises: a secret is in nothing that
//! is printed, logged, told or stored, but in the request that it is lent for and, refreshed,
//! in the file that it was read from. No call begins with a secret whose refusal was on record
//! when it began.

mod inspect;
mod keyring;
mod provider;
pub mod record;
mod refresh;
mod secret;
pub mod source;
mod tell;

pub use inspect::{Inspected, inspect, inspect_unrecorded};
pub use keyring::{Called, Keyring, Lent, Tried};
pub use secret::{Secret, SecretError};
