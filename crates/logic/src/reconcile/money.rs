//! Payments beside the chain.

use std::collections::BTreeMap;

use domain::{Payment, PaymentStage as Stage, Rejection};

use super::{
    compared,
    difference::{Difference, Findings, Kind},
    facts::{Book, Did, Facts, Listed, Mined, begun},
    fresh, is_compared,
};

/// What the chain has of one wallet, beside the payments of that wallet.
pub(super) fn compare(facts: &Facts, book: &Book, findings: &mut Findings) {
    let mined = match &book.mined {
        Ok(mined) => mined,
        Err(why) => return findings.not_compared.push(why.clone()),
    };
    findings.not_compared.extend(mined.cut.clone());
    for payment in of_wallet(compared(facts), book) {
        let Some(signed) = payment.signed() else { continue };
        let found = mined.entries.iter().find(|mined| mined.nonce == signed.nonce);
        match (&payment.stage, found) {
            (Stage::Settled(..), None) => missing(facts, payment, mined, findings),
            (Stage::Settled(..), Some(found)) => settled(payment, found, findings),
            (Stage::Rejected(_, rejection), Some(found)) => {
                rejected(facts, payment, rejection, found, findings);
            }
            (_, Some(found)) => amount(payment, found, findings),
            (_, None) => (),
        }
    }
    for found in mined.entries.iter().filter(|found| in_window(facts, found)) {
        match &found.did {
            Did::Moved { to, sats } => {
                findings.transfers += 1;
                findings.sats_moved = findings.sats_moved.saturating_add(*sats);
                unknown(facts, book, found, (to, *sats), findings);
            }
            Did::Untold { what } => findings.not_compared.push(format!(
                "the chain tells only in part of {} with our nonce {}: {what}",
                shown(found),
                found.nonce
            )),
            Did::Aborted | Did::Other { .. } => (),
        }
    }
}

fn of_wallet<'a>(
    payments: impl Iterator<Item = &'a Payment>,
    book: &Book,
) -> impl Iterator<Item = &'a Payment> {
    payments.filter(|payment| payment.wallet == book.record.address)
}

/// Without a time of its own it is taken in.
fn in_window(facts: &Facts, found: &Mined) -> bool {
    found.at.is_none_or(|at| facts.since <= at)
}

/// Settled, and the chain lists nothing by its nonce.
fn missing(facts: &Facts, payment: &Payment, mined: &Listed<Mined>, findings: &mut Findings) {
    if fresh(facts, payment) {
        findings.fresh.insert(payment.key());
        return;
    }
    let (agent, nonce) = (&payment.payee.address, nonce(payment));
    if !mined.covers(begun(payment)) {
        let what = format!("the payment to {agent} began before the chain's list as it was read");
        return findings.not_compared.push(what);
    }
    let elsewhere = mined.entries.iter().find(|found| moved_to(found, agent).is_some());
    let elsewhere = elsewhere.map_or_else(String::new, |found| {
        format!("; it has one to this agent by nonce {}, {}", found.nonce, shown(found))
    });
    let what = format!(
        "recorded as settled ({} by nonce {nonce}, {}), and the chain has no transfer by that \
         nonce{elsewhere}",
        payment.amount,
        said(payment)
    );
    findings.differences.push(Difference::of(Kind::NotOnChain, payment, what, unpaid(payment)));
}

fn settled(payment: &Payment, found: &Mined, findings: &mut Findings) {
    let (agent, nonce) = (&payment.payee.address, found.nonce);
    let (kind, what) = match &found.did {
        Did::Moved { to, .. } if to == agent => return amount(payment, found, findings),
        // Told by whoever walks the list of the chain.
        Did::Untold { .. } => return,
        Did::Aborted => (
            Kind::AbortedOnChain,
            format!(
                "recorded as settled ({}, {}), and the chain aborted its transfer {}: nonce \
                 {nonce} is spent and nothing moved",
                payment.amount,
                said(payment),
                shown(found)
            ),
        ),
        Did::Moved { to, sats } => {
            let spent = format!("a transfer of {sats} sats to {to}");
            (Kind::NotOnChain, elsewhere(payment, found, &spent))
        }
        Did::Other { what } => (Kind::NotOnChain, elsewhere(payment, found, what)),
    };
    let mut difference = Difference::of(kind, payment, what, unpaid(payment));
    difference.txid.clone_from(&found.txid);
    findings.differences.push(difference);
}

fn elsewhere(payment: &Payment, found: &Mined, spent: &str) -> String {
    format!(
        "recorded as settled ({} by nonce {}, {}), and that nonce was spent by {spent}, {}",
        payment.amount,
        found.nonce,
        said(payment),
        shown(found)
    )
}

fn rejected(
    facts: &Facts,
    payment: &Payment,
    rejection: &Rejection,
    found: &Mined,
    findings: &mut Findings,
) {
    let agent = &payment.payee.address;
    let Some(sats) = moved_to(found, agent) else { return };
    if owner(facts, &payment.wallet, found.nonce, agent).is_some() {
        return;
    }
    let why = match rejection {
        Rejection::Unsent { why } | Rejection::SpentElsewhere { why, .. } => why,
    };
    let what = format!(
        "recorded as rejected ({why}), and the chain moved {sats} sats to this agent by that \
         very nonce {}, {}",
        found.nonce,
        shown(found)
    );
    let mut difference =
        Difference::of(Kind::PaidThoughRejected, payment, what, keep_from_paying(agent));
    difference.txid.clone_from(&found.txid);
    findings.differences.push(difference);
}

/// The transfer is this payment's: of the amount that was signed.
fn amount(payment: &Payment, found: &Mined, findings: &mut Findings) {
    let Some(sats) = moved_to(found, &payment.payee.address) else { return };
    if sats == payment.amount.get() {
        return;
    }
    let what = format!(
        "recorded as {}, and the chain moved {sats} sats by nonce {}, {}",
        payment.amount,
        found.nonce,
        shown(found)
    );
    let remedy = "the bytes that paid are not those on record: whoever else holds the wallet's \
                  key has signed them; portcullis gate close wallet --note \"…\", then change \
                  the key"
        .to_owned();
    let mut difference = Difference::of(Kind::AmountDiffers, payment, what, remedy);
    difference.txid.clone_from(&found.txid);
    findings.differences.push(difference);
}

/// A transfer to somebody of whom the record knows nothing that explains it.
fn unknown(
    facts: &Facts,
    book: &Book,
    found: &Mined,
    (agent, sats): (&str, u64),
    findings: &mut Findings,
) {
    let ours = facts.wallets.iter().any(|book| book.record.address == agent);
    if ours || explained(facts, &book.record.address, found, agent) || 1 < paid(facts, agent) {
        return;
    }
    let known = facts.payments.iter().find(|payment| payment.payee.address == agent);
    let known = known.map_or_else(String::new, |payment| match payment.signed() {
        Some(signed) => {
            format!("; its payment to this agent is {} with nonce {}", payment.word(), signed.nonce)
        }
        None => format!("; its payment to this agent is {}", payment.word()),
    });
    findings.differences.push(Difference {
        kind: Kind::UnknownTransfer,
        agent: Some(agent.to_owned()),
        wallet: book.record.address.clone(),
        key: None,
        nonce: Some(found.nonce),
        txid: found.txid.clone(),
        what: format!(
            "the chain moved {sats} sats by nonce {}, {}, and the record knows no such \
             payment{known}",
            found.nonce,
            shown(found)
        ),
        remedy: keep_from_paying(agent),
    });
}

/// Something on record stands for this transfer, or a line about a payment tells of it.
fn explained(facts: &Facts, wallet: &str, found: &Mined, agent: &str) -> bool {
    let mut told = false;
    let mut settled = false;
    for payment in facts.payments.iter().filter(|payment| payment.payee.address == agent) {
        let nonce = payment.signed().map(|signed| signed.nonce);
        let own = payment.wallet == wallet && nonce == Some(found.nonce);
        told |= match &payment.stage {
            Stage::Rejected(..) => own && is_compared(facts, payment),
            Stage::Settled(Some(_), _) => own || is_missing(facts, payment),
            Stage::Settled(None, _) => true,
            _ => own,
        };
        settled |= matches!(payment.stage, Stage::Settled(Some(_), _));
    }
    // Every settled payment leaves a contact: that stands for its own transfer, for no second.
    told || (!settled && facts.contacts.agents.contains(agent))
}

/// A settled payment that [`missing`] tells of, and with it of whatever paid in its place.
fn is_missing(facts: &Facts, payment: &Payment) -> bool {
    let book = facts.wallets.iter().find(|book| book.record.address == payment.wallet);
    let mined = book.and_then(|book| book.mined.as_ref().ok());
    let nonce = payment.signed().map(|signed| signed.nonce);
    is_compared(facts, payment)
        && !fresh(facts, payment)
        && mined.is_some_and(|mined| {
            mined.covers(begun(payment))
                && !mined.entries.iter().any(|found| Some(found.nonce) == nonce)
        })
}

/// The payment to this agent that such a transfer is the making of.
fn owner<'a>(facts: &'a Facts, wallet: &str, nonce: u64, agent: &str) -> Option<&'a Payment> {
    facts.payments.iter().find(|payment| {
        let signed = payment.signed().filter(|_| !matches!(payment.stage, Stage::Rejected(..)));
        payment.payee.address == agent
            && payment.wallet == wallet
            && signed.is_some_and(|signed| signed.nonce == nonce)
    })
}

/// How often the chain, as far as it was read, moved sBTC of ours to this agent.
fn paid(facts: &Facts, agent: &str) -> usize {
    transfers(facts).filter(|(_, found)| moved_to(found, agent).is_some()).count()
}

fn transfers(facts: &Facts) -> impl Iterator<Item = (&Book, &Mined)> {
    facts.wallets.iter().flat_map(|book| {
        let mined = book.mined.as_ref().ok().into_iter().flat_map(|mined| &mined.entries);
        mined.map(move |found| (book, found))
    })
}

/// Agents whom our wallets paid more often than there are payments to them.
pub(super) fn paid_twice(facts: &Facts, findings: &mut Findings) {
    let mut by_agent: BTreeMap<&str, Vec<(&Book, &Mined)>> = BTreeMap::new();
    for (book, found) in transfers(facts) {
        if let Did::Moved { to, .. } = &found.did {
            by_agent.entry(to).or_default().push((book, found));
        }
    }
    for (agent, paid) in by_agent {
        let ours = facts.wallets.iter().any(|book| book.record.address == agent);
        let recent = paid.iter().any(|(_, found)| in_window(facts, found));
        let stray = paid
            .iter()
            .find(|(book, found)| owner(facts, &book.record.address, found.nonce, agent).is_none());
        let Some((book, first)) = stray.filter(|_| 1 < paid.len() && recent && !ours) else {
            continue;
        };
        let each: Vec<String> = paid.iter().map(|(_, found)| told(found, agent)).collect();
        findings.differences.push(Difference {
            kind: Kind::PaidTwice,
            agent: Some(agent.to_owned()),
            wallet: book.record.address.clone(),
            key: None,
            nonce: Some(first.nonce),
            txid: first.txid.clone(),
            what: format!("the chain paid this agent {} times: {}", paid.len(), each.join("; ")),
            remedy: "money has left that no record explains: portcullis gate close wallet --note \
                     \"…\" before more does, then find who else signs with this wallet's key; \
                     please report it, it breaks promise M1"
                .to_owned(),
        });
    }
}

fn told(found: &Mined, agent: &str) -> String {
    let sats = moved_to(found, agent).unwrap_or(0);
    let at = found.at.map_or_else(String::new, |at| format!(" at {at}"));
    format!("{sats} sats by nonce {}{at}, {}", found.nonce, shown(found))
}

fn moved_to(found: &Mined, agent: &str) -> Option<u64> {
    match &found.did {
        Did::Moved { to, sats } if to == agent => Some(*sats),
        _ => None,
    }
}

fn shown(found: &Mined) -> String {
    found.txid.as_ref().map_or_else(|| "txid not told".to_owned(), |txid| format!("txid 0x{txid}"))
}

/// By which word the record calls it settled.
fn said(payment: &Payment) -> String {
    let Stage::Settled(_, settlement) = &payment.stage else { return String::new() };
    let txid = settlement.txid.as_deref().unwrap_or("not told");
    format!("{}, txid {txid}", settlement.proof.word())
}

fn nonce(payment: &Payment) -> u64 {
    payment.signed().map_or(0, |signed| signed.nonce)
}

fn unpaid(payment: &Payment) -> String {
    format!(
        "nothing pays this agent again by itself. Look at the nonce in an explorer and at \
         `portcullis payment show {}`; if it holds, send what is owed by hand",
        payment.payee.address
    )
}

fn keep_from_paying(agent: &str) -> String {
    format!(
        "put it on record, so that nobody pays this agent again: portcullis contact add {agent} \
         --how \"…\"; if you do not know who signed it: portcullis gate close wallet --note \"…\""
    )
}
