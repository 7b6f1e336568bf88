//! What every binary needs before it can do its own work: arguments, logs, the clock,
//! chance, a word on its health, the programs of its host, and a clean stop.
//!
//! This is the only crate that reads the clock or draws random numbers; everything else
//! takes both as inputs.

mod args;
mod clock;
mod health;
mod logs;
mod program;
mod shutdown;

pub use args::NatsArgs;
pub use clock::{Clock, Instant};
pub use health::{HealthArgs, Ill};
pub use logs::{LogArgs, LogFormat, init_logs};
pub use program::find_program;
pub use shutdown::{Tasks, shutdown_on_signal};

/// A number that tells this process, or this request, from all others. Not a secret.
pub fn fresh_number() -> u64 {
    fastrand::u64(..)
}

/// A number in `0.0..1.0`, for jitter.
pub fn chance() -> f64 {
    fastrand::f64()
}
