//! The credentials that handlers are lent: see [`keyring`].
//!
//! A handler asks [`Keyring::call`] with what it would send, and says of each answer whether
//! the credential was refused ([`Tried::Refused`]) or not. It holds a secret only inside that
//! call.

pub(crate) use keyring::{Called, Keyring, Lent, Tried};
