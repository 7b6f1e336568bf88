//! Every decision of Portcullis, as pure synchronous machines: events in, effects out.
//!
//! Nothing here performs I/O, reads a clock, draws a random number or logs; so nothing here
//! can fail, and every promise can be checked over generated histories.
//!
//! * [`view`]: what a service may believe about the gates, and for how long;
//! * [`gate`]: how gates close, open, probe and drain;
//! * [`pace`]: how much of what waited may run at once;
//! * [`retries`]: whether a failed attempt may be repeated now;
//! * [`turns`]: which kind gets the next free slot;
//! * [`attempt`]: the life of a task: claim, charge, rest, end, latch;
//! * [`sensor`]: who is to be greeted, under which caps;
//! * [`classify`]: what an answer of the inbox or relay means;
//! * [`credential`]: which secret of a provider is lent next;
//! * [`payment`]: a payment from intent to settlement, and the nonces of a wallet;
//! * [`usd`]: what attempts may cost in dollars;
//! * [`costs`]: what they have cost, summed up;
//! * [`reconcile`]: how record, inbox and chain differ, and what to do about it.

pub mod attempt;
pub mod classify;
pub mod costs;
pub mod credential;
pub mod gate;
pub mod pace;
pub mod payment;
pub mod prompt;
pub mod reconcile;
pub mod retries;
pub mod sensor;
pub mod turns;
pub mod usd;
pub mod view;
