//! The sandbox over real HTTP: the routes as a client meets them, and the faults as they hurt.
#![allow(clippy::unwrap_used, reason = "a test")]

mod anthropic;
mod harness;
mod inbox;
mod relay;
mod services;
