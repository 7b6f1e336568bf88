//! Whole services against a real NATS server. One binary; each test has its own server.
//!
//! Needs the services built beside the test (`cargo build --workspace --bins`) and a
//! `nats-server` on the PATH or in NATS_SERVER; `cargo xtask check` sees to both.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

mod anthropic;
mod budgets;
mod claims;
mod cli;
mod cluster;
mod conformance;
mod costs;
mod credentials;
mod doctor;
mod exec;
mod faults;
mod fence;
mod garbage;
mod gates;
mod harness;
mod health;
mod payments;
mod queueing;
mod reconcile;
mod replay;
mod scale;
mod seats;
mod sensor;
mod sensors;
mod services;
mod setup;
mod storm;
mod welcomes;
