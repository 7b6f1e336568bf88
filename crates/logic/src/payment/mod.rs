//! A payment from intent to settlement, and the nonces of the wallet that pays.
//!
//! ```text
//! (none)   --terms, no earlier message, leave--> INTENT
//! INTENT   --signed, nonce fits the chain-----> SIGNED     one batch with the wallet
//! SIGNED   --leave---------------------------> SENT           stored before the post
//! SIGNED   --leave will never come again-----> REJECTED (a)   the nonce is given back
//! SENT     --the post's answer---------------> SETTLED | STAGED | UNKNOWN
//! SENT     --found so by another process-----> UNKNOWN
//! STAGED   --polled: delivered, listed-------> SETTLED
//! STAGED   --polled: no longer stood for-----> UNKNOWN    also: late, nobody knows it, unspent
//! UNKNOWN  --inbox lists it; chain has it----> SETTLED        the latter once redeemed
//! SETTLED  --undelivered, asked for again----> SETTLED        redeemed after all
//! UNKNOWN  --chain: nonce unspent, with leave> SENT           the same bytes
//! UNKNOWN  --chain: nonce gone elsewhere, deep> REJECTED (b)
//! ```
//!
//! A [`Session`] is what one process learns about one payment; [`Standing::next`] says what to
//! do next, given the records as saved. The shell performs the [`Step`], reports to the session
//! and asks again. The records carry everything that matters across a crash.
//!
//! It promises, over any history of crashes, repetitions, timeouts and lies (`tests/payment.rs`):
//!
//! 1. a payee is settled at most once per purpose (M1);
//! 2. bytes that may have left are resolved by asking: an answer that is not a delivery never
//!    rejects a payment (M2);
//! 3. bytes leave only after they are stored, and a nonce whose bytes may have left is signed
//!    for nothing else (M3). At most one nonce is signed and unsent; given back, it is the next
//!    or a known hole, which the next payment fills. A payment keeps its nonce until the chain
//!    is past it, whoever calls it settled;
//! 4. nothing is sent that was not granted leave since the last save but one; asking needs
//!    none;
//! 5. what is signed is reserved in the same batch, and stays so until it is settled or rejected:
//!    spent and reserved together never exceed the budget (M4), see [`reserve`];
//! 6. once the world answers truthfully, every payment is settled, or its outcome names what a
//!    person must decide.

mod budget;
mod chain;
mod record;
mod resolve;
mod session;
mod step;
mod told;
mod wallet;

pub use budget::{Purse, Reached, release, reserve, settle};
pub use chain::{ChainFacts, ChainTransaction, Fate, judge};
pub use session::{ChainWord, InboxWord, Leave, Limits, Mode, Order, Session};
pub use step::{Save, Standing, Step};
pub use told::carry_on;
pub use wallet::{
    Comparison, IN_FLIGHT_MAX, NoRoom, WalletFacts, compare, plan, room, room_in_chain,
};
