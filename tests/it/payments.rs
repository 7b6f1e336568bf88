//! The whole payment path on a real NATS: sensor, dispatcher, payer and gatekeeper as
//! processes, and the sandbox over HTTP with one fault at a time.
//!
//! Judged by what the sandbox's chain moved, by what was told, by where the gates stand, and
//! by how each task ended.

pub(crate) mod bench;
mod budget;
mod chain;
mod lost;
mod people;
mod refused;
mod relay;
mod rows;
mod terms;
mod wallet;
