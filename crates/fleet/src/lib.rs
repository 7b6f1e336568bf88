//! What every member of the fleet does with the bus, so that each does it the same way.
//!
//! * [`Fleet::join`]: connect, refuse an unprepared bus, load the configuration;
//! * [`Gates`]: the gate view of [`logic::view`], kept fresh from the broker;
//! * [`store`]: typed reads from the leader and compare-and-set writes;
//! * [`gate_log`]: reading and writing the gate log behind its fence;
//! * [`create`]: the fenced create of a task;
//! * [`tell`]: events, [`attempt_told`]: those of an attempt; [`beat`]: signs of life;
//! * `time`: the one clock that the fleet goes by.

pub mod beat;
pub mod create;
pub mod gate_log;
mod gates;
mod join;
mod report;
pub mod store;
pub mod tell;
mod time;

pub use gates::Gates;
pub use join::{Fleet, JoinError, configs_since_closing, current_config, options, patient_config};
pub use report::attempt_told;
pub use time::begin as go_by_brokers_time;
