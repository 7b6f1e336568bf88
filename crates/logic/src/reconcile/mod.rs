//! How record, inbox and chain differ, and what to do about each difference.
//!
//! [`compare`] is given what the three say of a window of time and answers with every
//! [`Difference`], each with its remedy. It promises (`tests/reconcile.rs`):
//!
//! 1. an honest history differs in nothing, whatever is under way while it is read;
//! 2. a difference is told once, by the line that says most about it;
//! 3. what was not said proves nothing: it is told as not compared, never as fine.
//!
//! * `facts`: what is compared; `difference`: what comes out;
//! * `money`: payments beside the chain; `letters`: payments beside the inbox;
//! * `books`: the wallet's nonces, payments that do not end, contacts.

mod books;
mod difference;
mod facts;
mod letters;
mod money;

use domain::Payment;

pub use difference::{Difference, Findings, Kind};
pub use facts::{Book, Contacts, Did, Facts, Listed, Mined, SentMessage, horizon};

/// Compares record, inbox and chain.
pub fn compare(facts: &Facts) -> Findings {
    let mut findings = Findings::default();
    for payment in compared(facts) {
        *findings.payments.entry(payment.word()).or_default() += 1;
    }
    for book in &facts.wallets {
        money::compare(facts, book, &mut findings);
        letters::compare(facts, book, &mut findings);
        books::nonces(book, &mut findings);
    }
    money::paid_twice(facts, &mut findings);
    books::unfinished(facts, &mut findings);
    books::contacts(facts, &mut findings);
    books::orphans(facts, &mut findings);
    findings.differences.sort_by_key(|difference| difference.kind);
    findings.not_compared.sort();
    findings.not_compared.dedup();
    findings
}

/// The payments that were asked for: moved in the window, or not over yet.
fn compared(facts: &Facts) -> impl Iterator<Item = &Payment> {
    facts.payments.iter().filter(|payment| is_compared(facts, payment))
}

fn is_compared(facts: &Facts, payment: &Payment) -> bool {
    let mut holders = facts.wallets.iter().flat_map(|book| &book.record.unfinished);
    facts.since <= payment.at
        || facts::unfinished(payment)
        || holders.any(|holder| holder.payment == payment.key())
}

/// It is too soon to miss anything of this payment in the world.
fn fresh(facts: &Facts, payment: &Payment) -> bool {
    facts.asked.since(payment.at) < facts.settles_within
}
