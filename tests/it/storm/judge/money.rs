use std::collections::{BTreeMap, BTreeSet};

use domain::{Payment, PaymentStage as Stage, Rejection};

use super::Verdict;
use crate::storm::history::History;

/// By the ledger: at most one transfer to each payee, of what a welcome costs.
pub(super) fn m1_nobody_is_paid_twice(history: &History) -> Verdict {
    let mut verdict = Verdict::new("M1", "a payee is paid at most once");
    let mut paid = BTreeSet::new();
    for transfer in &history.transfers {
        let once = paid.insert(&transfer.recipient);
        verdict.look(once && transfer.amount == 100, || format!("{transfer:?}"));
    }
    verdict
}

/// Bytes that left are rejected only for a nonce that went elsewhere, and then the ledger has
/// no transfer of theirs; at rest nothing is in doubt.
pub(super) fn m2_no_payment_in_doubt_is_given_up(history: &History) -> Verdict {
    let mut verdict = Verdict::new("M2", "what may have happened is resolved by asking");
    for chain in history.payment_chains().values() {
        let mut sent = BTreeSet::new();
        for payment in chain.iter().map(|at| &at.value) {
            if let Stage::Sent(signed, _) = &payment.stage {
                sent.insert(signed.txid.clone());
            }
            let Stage::Rejected(Some(signed), why) = &payment.stage else { continue };
            let holds = match why {
                Rejection::Unsent { .. } => !sent.contains(&signed.txid),
                Rejection::SpentElsewhere { .. } => !history.transfers.iter().any(|transfer| {
                    transfer.nonce == signed.nonce && transfer.recipient == payment.payee.address
                }),
            };
            verdict.look(holds, || format!("{} was rejected: {why:?}", payment.payee.address));
        }
        if let Some(last) = chain.last() {
            let over = matches!(last.value.stage, Stage::Settled(..) | Stage::Rejected(..));
            verdict.look(over || matches!(last.value.stage, Stage::Intent), || {
                format!("{} is {} at rest", last.value.payee.address, last.value.word())
            });
        }
    }
    verdict
}

/// The table of section 8; bytes are stored as signed before they are stored as sent, and stay
/// what they are.
pub(super) fn m3_each_step_of_a_payment_is_legal(history: &History) -> Verdict {
    let mut verdict = Verdict::new("M3", "each step of a payment is legal");
    for chain in history.payment_chains().values() {
        let mut before = "none";
        let mut bytes: Option<&[u8]> = None;
        for payment in chain.iter().map(|at| &at.value) {
            let after = payment.word();
            let kept = match &payment.stage {
                Stage::Intent => true,
                Stage::Signed(signed) => {
                    bytes = Some(&signed.bytes);
                    true
                }
                _ => payment.signed().is_none_or(|signed| bytes == Some(&signed.bytes[..])),
            };
            verdict.look(kept && legal(before, after), || {
                format!("{}: {before} then {after}, bytes kept: {kept}", payment.payee.address)
            });
            before = after;
        }
    }
    verdict
}

fn legal(before: &str, after: &str) -> bool {
    match before {
        "none" => matches!(after, "intent" | "settled"),
        "intent" => matches!(after, "intent" | "signed" | "settled"),
        "signed" => matches!(after, "sent" | "rejected"),
        "sent" => matches!(after, "sent" | "staged" | "unknown" | "settled" | "rejected"),
        "staged" => matches!(after, "staged" | "unknown" | "settled" | "rejected"),
        "unknown" => matches!(after, "unknown" | "sent" | "staged" | "settled" | "rejected"),
        "settled" => after == "settled",
        "rejected" => matches!(after, "rejected" | "intent" | "settled"),
        _ => false,
    }
}

/// Of one nonce, the bytes of one payment have left, ever.
pub(super) fn m3_no_nonce_is_lent(history: &History) -> Verdict {
    let mut verdict = Verdict::new("M3", "a nonce that left passes to no other payment");
    let mut left: BTreeMap<u64, &Payment> = BTreeMap::new();
    for (_, at) in &history.payments {
        let Stage::Sent(signed, _) = &at.value.stage else { continue };
        let first = *left.entry(signed.nonce).or_insert(&at.value);
        let same = first.signed().is_some_and(|other| other.txid == signed.txid);
        verdict.look(same, || {
            let (one, other) = (&first.payee.address, &at.value.payee.address);
            format!("nonce {} left for {one} and for {other}", signed.nonce)
        });
    }
    verdict
}

/// At rest the chain has used every nonce that was signed, and nobody waits for one.
pub(super) fn m3_no_nonce_is_missing(history: &History) -> Verdict {
    let mut verdict = Verdict::new("M3", "no nonce is missing at rest");
    if let Some(wallet) = history.wallets.last().map(|at| &at.value) {
        let used = Some(wallet.next) == history.chain_nonce;
        // What settled on the inbox's word stays listed until the next payment asks the chain.
        let over = wallet.unfinished.iter().all(|holder| holder.settled.is_some());
        verdict.look(used && over && wallet.holes.is_empty(), || {
            format!("{wallet:?}, the chain expects {:?}", history.chain_nonce)
        });
    }
    let mut nonces = BTreeSet::new();
    for transfer in &history.transfers {
        verdict.look(nonces.insert(transfer.nonce), || format!("{transfer:?} once more"));
    }
    verdict
}
