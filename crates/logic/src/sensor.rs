//! What a sensor decides: for which rows of a list there is to be a task, and when to stop
//! looking. What a schedule decides stands in `schedule`.
//!
//! One [`Cycle`] is one scan of the directory, newest agents first. For each row:
//!
//! ```text
//! row      --key or address missing, bad, foreign, excluded--> skipped
//!          --seen before in this cycle--------------> skipped (offsets shift while we page)
//!          '-> candidate
//! candidate--ended, parked, in flight, contact------> skipped
//!          --gates block, or nobody knows-----------> skipped
//!          --cap of the cycle reached---------------> skipped
//!          '-> to reserve
//! reserve  --the day's cap is reached---------------> skipped
//!          '-> to create
//! create   --created--------------------------------> created
//!          --refused, one is queued-----------------> in flight; the reservation goes back
//!          --refused, a gate moved------------------> create again, or skipped and given back
//!          --nobody knows---------------------------> unknown; the reservation stays
//! ```
//!
//! Promises kept here: nothing is created on a gate that blocks or is unknown (G1, G2), over
//! the caps, twice for one payee in a cycle, or for whom there was an end or earlier contact
//! (W3, M1); a create whose answer was lost is not repeated blindly (M2); every row is counted
//! in exactly one place (T1).

mod budget;
mod cycle;
pub mod item;
mod report;
mod schedule;
#[cfg(test)]
mod stories;

pub use budget::{DayBudget, day_of};
pub use cycle::{
    Answer, Cycle, Decided, FENCE_TRIES_MAX, Found, Lookup, NextPage, Payee, Plan, Seen, Settled,
    Verdict,
};
pub use report::{CycleReport, Reason, Stop};
pub use schedule::{LOOKED_AT_MAX, Ledger, Looked, Schedule};
