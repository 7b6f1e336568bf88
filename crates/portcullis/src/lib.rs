//! The operators' command line.
//!
//! * [`file`]: the configuration file, read with every problem told at once;
//! * [`apply`]: brings the bus to what the file says;
//! * [`gate`], [`task`], [`watch`]: see and move what runs;
//! * [`cost`]: what attempts have cost;
//! * [`payment`]: what is on record of the money, and whether the world agrees;
//! * [`contact`]: who is never greeted again; `ping`: ask after NATS;
//! * [`credential`]: what providers are called with;
//! * [`doctor`]: everything that can be set up wrongly, line by line;
//! * [`up`], [`replay`]: the whole fleet on one machine;
//! * [`exit`]: the exit codes; [`stop`]: signals; [`out`]: stdout is data, stderr is talk.

pub mod apply;
mod args;
pub mod contact;
pub mod cost;
pub mod credential;
pub mod doctor;
pub mod exit;
pub mod file;
pub mod gate;
mod look;
pub mod out;
pub mod payment;
mod ping;
mod reach;
mod rehearse;
pub mod replay;
mod show;
pub mod stop;
pub mod task;
pub mod up;
pub mod watch;

pub use args::{ApplyArgs, Args, BusArgs, Command, PersonArgs};

use out::Out;
use tokio_util::sync::CancellationToken;

/// Carries out one command. Following something ends early when `shutdown` is cancelled.
///
/// # Errors
///
/// What went wrong; [`exit::code_of`] gives it its number.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    match &args.command {
        Command::Apply(apply) => apply::command::run(apply, &Out::new(apply.bus.json)).await,
        Command::Gate(gate) => gate::run(gate, &shutdown).await,
        Command::Task(task) => task::run(task).await,
        Command::Cost(cost) => cost::run(cost).await,
        Command::Payment(payment) => payment::run(payment).await,
        Command::Contact(contact) => contact::run(contact).await,
        Command::Credential(credential) => credential::run(credential).await,
        Command::Ping(ping) => ping::run(ping).await,
        Command::Doctor(doctor) => doctor::run(doctor).await,
        Command::Watch(watch) => watch::run(watch, &shutdown).await,
        Command::Up(up) => up::run(up, shutdown).await,
        Command::Replay(replay) => replay::run(replay, shutdown).await,
    }
}
