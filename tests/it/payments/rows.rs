//! The fault table: every answer that the inbox and the relay are known to give, and every fault
//! of theirs, one named test each.
//!
//! Each row has one agent and one fault. It says what is told (cause, charged or not, gate),
//! what the record keeps, how often the bytes are posted, and what the ledger shows in the end:
//! one payment, or none. What is not a row is a test of its own in the modules beside this one.
//!
//! | rows | of what |
//! | --- | --- |
//! | [`codes`] | the typed codes of a paid post |
//! | [`statuses`] | its other statuses, and those of the post that asks for the terms |
//! | [`march`] | the relay's codes, as the inbox of March 2026 passes them on |
//! | [`polls`] | the states of a staged payment, and the reasons for which it is given up |
//! | [`redeem`] | the post that names a settled transfer |
//! | [`world`] | what the chain and the relay's wallets do |

mod bench;
mod codes;
mod march;
mod polls;
mod redeem;
mod statuses;
mod world;

/// Each named row as a test.
macro_rules! rows {
    ($($(#[doc = $what:literal])+ $name:ident: $row:expr;)+) => {$(
        $(#[doc = $what])+
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $row.holds().await;
        }
    )+};
}
use rows;
