//! Running the whole fleet on one machine, as child processes.

mod command;
mod folder;
pub mod nats;
mod own;
pub mod process;
pub mod settings;
pub mod stage;
pub mod world;

pub use command::{Args, run};
