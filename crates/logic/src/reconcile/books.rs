//! The wallet's nonces beside the chain's, payments that do not end, and contacts.

use std::collections::BTreeSet;

use domain::{Payment, PaymentStage as Stage, Wallet};

use super::{
    compared,
    difference::{Difference, Findings, Kind},
    facts::{Book, Facts, unfinished as is_unfinished},
};
use crate::payment::WalletFacts;

/// No more holes than this are looked at: a node lets no more transactions of one sender wait.
const HOLES_MAX: usize = 25;

pub(super) fn nonces(book: &Book, findings: &mut Findings) {
    let nonces = match &book.nonces {
        Ok(nonces) => nonces,
        Err(why) => return findings.not_compared.push(why.clone()),
    };
    let wallet = &book.record;
    if let Some(difference) = behind(wallet, nonces).or_else(|| hole(wallet, nonces)) {
        findings.differences.push(difference);
    }
}

fn behind(wallet: &Wallet, nonces: &WalletFacts) -> Option<Difference> {
    let waiting = nonces.mempool.iter().max().map_or(0, |nonce| nonce.saturating_add(1));
    let used = nonces.chain_next.max(waiting);
    (wallet.next < used).then(|| Difference {
        nonce: Some(wallet.next),
        ..of_wallet(
            Kind::RecordBehind,
            wallet,
            format!(
                "the record's next nonce is {}, and the world has used all below {used}",
                wallet.next
            ),
            "somebody else signs with this wallet's key, or the record is an old one: find out \
             which, then portcullis payment adopt --note \"…\""
                .to_owned(),
        )
    })
}

/// The lowest nonce that the chain waits for and nobody brings, where something waits behind it
/// or the record does not know it. One that was given back last is no hole: the next payment
/// takes it, and nothing waits.
fn hole(wallet: &Wallet, nonces: &WalletFacts) -> Option<Difference> {
    let held = |nonce: u64| wallet.unfinished.iter().any(|holder| holder.nonce == nonce);
    let brought = |nonce: u64| held(nonce) || nonces.mempool.contains(&nonce);
    let from = nonces.chain_next.max(wallet.spent);
    let missing: Vec<u64> =
        (from..wallet.next).filter(|nonce| !brought(*nonce)).take(HOLES_MAX).collect();
    let first = *missing.first()?;
    let behind: BTreeSet<u64> = (first.saturating_add(1)..wallet.next)
        .take(HOLES_MAX)
        .filter(|nonce| brought(*nonce))
        .collect();
    let known = wallet.holes.contains(&first);
    if known && behind.is_empty() {
        return None;
    }
    let waits = match behind.len() {
        0 => "nothing waits behind it".to_owned(),
        1 => "one payment waits behind it".to_owned(),
        count => format!("{count} payments wait behind it"),
    };
    let record = if known { "the next payment fills it" } else { "the record does not know it" };
    Some(Difference {
        nonce: Some(first),
        ..of_wallet(
            Kind::NonceHole,
            wallet,
            format!("the chain waits for nonce {first}, and nobody holds it: {waits}, {record}"),
            format!(
                "the next welcome that is let through takes it (missing: {}); if the gate is \
                 closed: portcullis gate open wallet --note \"…\"",
                missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        )
    })
}

fn of_wallet(kind: Kind, wallet: &Wallet, what: String, remedy: String) -> Difference {
    let wallet = wallet.address.clone();
    Difference { kind, agent: None, wallet, key: None, nonce: None, txid: None, what, remedy }
}

/// Payments whose bytes are signed, and which do not end.
pub(super) fn unfinished(facts: &Facts, findings: &mut Findings) {
    for payment in facts.payments.iter().filter(|payment| is_unfinished(payment)) {
        let (since, what) = match &payment.stage {
            Stage::Signed(_) => (payment.at, "signed, its bytes have not left".to_owned()),
            Stage::Sent(_, sent) => (sent.first, format!("sent, {} posts", sent.posts)),
            Stage::Staged(_, sent, staged) => {
                (sent.first, format!("accepted as {} and not confirmed", staged.payment_id))
            }
            Stage::Unknown(_, sent, doubt) => {
                (sent.first, format!("in doubt for {}: {}", doubt.cause, doubt.evidence))
            }
            Stage::Intent | Stage::Settled(..) | Stage::Rejected(..) => continue,
        };
        let age = facts.asked.since(since);
        if age <= facts.finishes_within {
            continue;
        }
        let what = format!("unfinished for {} s: {what}", age.as_secs());
        let remedy = format!(
            "the payer goes on by itself as soon as it runs and its gates admit; what it waits \
             for: portcullis payment show {}",
            payment.payee.address
        );
        findings.differences.push(Difference::of(Kind::Unfinished, payment, what, remedy));
    }
}

/// Whoever was paid has contact on record.
pub(super) fn contacts(facts: &Facts, findings: &mut Findings) {
    let settled = compared(facts).filter(|payment| payment.settled());
    for payment in settled.filter(|payment| !facts.contacts.keys.contains(&payment.key())) {
        let (agent, purpose) = (&payment.payee.address, &payment.purpose);
        let what = "settled, and no contact is on record: a sensor would queue it again".to_owned();
        let remedy = format!(
            "portcullis contact add {agent} --purpose {purpose} --how \"settled payment, found by \
             reconcile\""
        );
        findings.differences.push(Difference::of(Kind::NoContact, payment, what, remedy));
    }
}

/// Payments by a wallet that has no record cannot be compared with anything.
pub(super) fn orphans(facts: &Facts, findings: &mut Findings) {
    let books: BTreeSet<&str> =
        facts.wallets.iter().map(|book| book.record.address.as_str()).collect();
    let orphan =
        |payment: &&Payment| payment.signed().is_some() && !books.contains(payment.wallet.as_str());
    let orphans: BTreeSet<&str> =
        compared(facts).filter(orphan).map(|payment| payment.wallet.as_str()).collect();
    let lines = orphans.into_iter().map(|wallet| {
        format!("wallet {wallet} has payments and no record of its nonces: nothing of it was asked")
    });
    findings.not_compared.extend(lines);
}
