//! The life of a task as one dispatcher decides it: claim, charge, rest, end, latch.
//!
//! A task is one message in the queue and one chain of [`TaskState`](domain::TaskState)s, each
//! link written by compare-and-set on the one before. This module says what the next link is;
//! the shell writes it, and whoever loses the compare-and-set reads again and decides again.
//!
//! ```text
//! from                  by                                to           charged  then
//! (none), resting,      delivered, gates admit            claimed      -        run the handler
//!   returned, revived,
//!   parked (not asking)
//! (none), parked,       delivered, earlier contact,       withdrawn    -        ack
//!   revived               nothing ever tried
//! any but an end        delivered without the fence       parked       -        ack
//! (none), returned,     delivered before its time         returned     -        put back
//!   revived
//! not in doubt          delivered when it has expired     withdrawn    -        ack
//! claimed               completed                         completed    -        ack
//! claimed               failed, own fault                 resting      yes      put back
//! claimed               ... and that was the last one     dead         yes      ack
//! claimed               failed or unknown, shared         returned     no       put back, latch
//! claimed               failed, nobody's fault; unknown   resting      no       put back
//! claimed               unknown, the kind reruns          as failed, of the cause's blame
//! claimed               unknown, the kind asks            parked       no       ack
//! claimed               held: nothing was tried           returned     no       put back
//! claimed               moot: earlier contact             withdrawn    -        ack
//! claimed               its holder stood still a lease    resting      yes      put back, due at once
//! claimed               ... and that was the last one     dead         yes      ack
//! claimed               ... and the kind asks             parked       no       ack
//! any but an end        a person withdraws                withdrawn    -
//! dead, withdrawn,      a person revives                  revived      set to 0
//!   parked (asking)
//! completed             anything                          (never)
//! ```
//!
//! Promises kept here: a task ends once and completed is final (W1); no failure makes a task
//! and no shared failure is charged, while a claim that is lost is (W2); of several dispatchers
//! with the same message only the one whose claim was accepted acts, and only within its lease
//! (W4); what may have happened is never charged as failed, unless a person has said of the
//! kind that doing it twice is harmless, and repeated only if its handler is asked first or such
//! a person has said so (M2).
//!
//! Order of the shell, always: write the link, tell its reports, answer the broker. A crash in
//! between is repaired by whoever is delivered the message next: [`Step::TellAndAck`] and the
//! `owed` of [`Step::Claim`] tell again, under the same event ids. Only that last one is told
//! before the link is written, since the claim covers what it was owed for.

mod by_hand;
mod canary;
mod delay;
mod delivery;
mod latch;
mod lease;
mod lineage;
mod outcome;
mod report;
pub mod seat;
#[cfg(test)]
mod stories;
mod times;

pub use by_hand::{NotAllowed, renew, revive, unclaimed, withdraw};
pub use canary::{may_free, win_canary};
pub use delay::{DELAY_MAX, delay};
pub use delivery::{Admitted, Delivered, HOLD, Step, on_delivery, take_over};
pub use latch::{ANSWER_WITHIN, Latches, Unanswered};
pub use lease::{Lease, Watch, Watched};
pub use lineage::{NotFollowed, follow, only, within_lineage};
pub use outcome::{Ending, Latch, Terms, Then, blame_of, cause_of, on_outcome};
pub use report::{Report, Told, owed};
pub use times::{STALE, waited_for};
