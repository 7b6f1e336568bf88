//! Payments beside the inbox.

use std::collections::BTreeSet;

use domain::{Payment, PaymentStage as Stage, Proof, Settlement};

use super::{
    compared,
    difference::{Difference, Findings, Kind},
    facts::{Book, Facts, Listed, SentMessage, begun},
    fresh,
};

pub(super) fn compare(facts: &Facts, book: &Book, findings: &mut Findings) {
    let sent = book.sent.as_ref();
    match sent {
        Ok(sent) => {
            findings.not_compared.extend(sent.cut.clone());
            unknown(facts, book, sent, findings);
        }
        Err(why) => findings.not_compared.push(why.clone()),
    }
    for payment in compared(facts).filter(|payment| payment.wallet == book.record.address) {
        if let Stage::Settled(_, settlement) = &payment.stage {
            delivered(facts, payment, settlement, sent.ok(), findings);
        }
    }
}

/// A settled payment has its message in the inbox.
fn delivered(
    facts: &Facts,
    payment: &Payment,
    settlement: &Settlement,
    sent: Option<&Listed<SentMessage>>,
    findings: &mut Findings,
) {
    let agent = &payment.payee.address;
    let listed = |sent: &Listed<SentMessage>| sent.entries.iter().any(|found| found.to == *agent);
    if settlement.proof == Proof::EarlierMessage || sent.is_some_and(listed) {
        return;
    }
    let Some(message) = &settlement.message else {
        let txid = settlement.txid.as_deref().unwrap_or("not told");
        let what = format!(
            "{} paid ({}, txid {txid}) and never delivered: the inbox gave nothing for it",
            payment.amount,
            settlement.proof.word()
        );
        let remedy = format!(
            "the transfer still buys its message; put back, its task asks the inbox once more and \
             pays nothing: portcullis task retry {} --note \"…\"",
            payment.source_key
        );
        let mut difference = Difference::of(Kind::Undelivered, payment, what, remedy);
        difference.txid.clone_from(&settlement.txid);
        return findings.differences.push(difference);
    };
    let Some(sent) = sent else { return };
    if fresh(facts, payment) {
        findings.fresh.insert(payment.key());
        return;
    }
    if !sent.covers(begun(payment)) {
        let what = format!("the message to {agent} is older than the inbox's list as it was read");
        return findings.not_compared.push(what);
    }
    let what = format!(
        "recorded as delivered by {message} ({}), and the inbox lists no message of ours to this \
         agent",
        settlement.proof.word()
    );
    let remedy = format!(
        "the payment stands on the chain or it does not, see the other lines; ask the inbox what \
         became of {message}. Nobody is greeted or paid again for it"
    );
    findings.differences.push(Difference::of(Kind::MessageGone, payment, what, remedy));
}

/// Messages of ours to agents of whom the record knows neither payment nor contact.
fn unknown(facts: &Facts, book: &Book, sent: &Listed<SentMessage>, findings: &mut Findings) {
    let paid = |payment: &&Payment| !matches!(payment.stage, Stage::Intent | Stage::Rejected(..));
    let paid: BTreeSet<&str> =
        facts.payments.iter().filter(paid).map(|payment| payment.payee.address.as_str()).collect();
    let in_window = |found: &&SentMessage| found.at.is_none_or(|at| facts.since <= at);
    let mut told = BTreeSet::new();
    for found in sent.entries.iter().filter(in_window) {
        findings.messages += 1;
        let agent = found.to.as_str();
        let known = paid.contains(agent) || facts.contacts.agents.contains(agent);
        if known || !told.insert(agent) {
            continue;
        }
        let at = found.at.map_or_else(String::new, |at| format!(" at {at}"));
        findings.differences.push(Difference {
            kind: Kind::UnknownMessage,
            agent: Some(agent.to_owned()),
            wallet: book.record.address.clone(),
            key: None,
            nonce: None,
            txid: None,
            what: format!(
                "the inbox lists {} of ours to this agent{at}, and the record knows neither \
                 payment nor contact",
                found.message
            ),
            remedy: "so that it is never greeted again: portcullis contact import --from-inbox \
                     takes all of these over"
                .to_owned(),
        });
    }
}
