//! A deterministic simulation: the machines of `logic`, driven by shells like the real ones,
//! on a model of the broker and of the world outside, from one seed.
//!
//! | part | is |
//! | --- | --- |
//! | `exec`, `wait` | virtual time, tasks, what they wait for |
//! | `broker`, `queue`, `bus` | the streams and consumers, and the way there and back |
//! | `outside`, `quota` | chain, relay, inbox, a tool: they lose answers, stick, refuse for a while, lie and heal |
//! | `fleet`, `sensor`, `dispatcher`, `payer`, `gatekeeper` | the services, step for step |
//! | `persons`, `faults` | who opens and closes; what crashes, freezes and is cut off |
//! | `witness`, `promises` | what truly took place, and what must hold of it after each step |
//! | `mutant` | seeded faults of the services, each to be caught by a promise |
//!
//! The same seed does the same again, to the last step.

mod broker;
mod bus;
mod dispatcher;
mod exec;
mod faults;
mod fleet;
mod gatekeeper;
mod mutant;
mod outside;
mod payer;
mod persons;
mod process;
mod promises;
mod queue;
mod quota;
mod run;
mod sensor;
mod serve;
mod setting;
mod shown;
mod wait;
mod witness;
mod words;
mod world;

pub use mutant::Mutant;
pub use promises::Broken;
pub use run::{Plan, Ran, run};
