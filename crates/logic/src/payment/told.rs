use std::time::Duration;

use domain::{Blame, Cause, Cost, Doubt, GateName, Outcome, Payment, Proof, Settlement, Timestamp};

use super::budget::Reached;
use crate::classify::{Answer, Failure};

/// Blame as the rule set has it; whoever holds the configuration looks there first.
fn blame(cause: &Cause) -> Blame {
    cause.rule().map_or(Blame::Own, |rule| rule.blame())
}

/// Whether a gate stands for what failed.
pub(super) fn shared(cause: &Cause) -> bool {
    matches!(blame(cause), Blame::Shared { .. })
}

/// A failure as the answer to a task: *unknown* where the payment may have been made and no
/// shared dependency is to blame, since nothing in doubt may be charged (M2).
pub(super) fn failed(failure: &Failure) -> Outcome {
    let Failure { cause, evidence, retry_after, in_doubt } = failure.clone();
    if in_doubt && !shared(&cause) {
        return Outcome::Unknown { cause, evidence, retry_after, cost: Cost::ZERO };
    }
    Outcome::Failed { cause, evidence, retry_after, cost: Cost::ZERO }
}

pub(super) fn failed_for(word: &'static str, evidence: impl Into<String>) -> Outcome {
    let (cause, evidence) = (Cause::known(word), evidence.into());
    Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

/// A budget has not enough left, until the day turns or for good.
pub(super) fn reached(reached: &Reached, now: Timestamp) -> Outcome {
    let (cause, evidence) = (Cause::known("budget.reached"), reached.to_string());
    Outcome::Failed { cause, evidence, retry_after: reached.retry_after(now), cost: Cost::ZERO }
}

pub(super) fn unknown(
    word: &'static str,
    evidence: impl Into<String>,
    retry_after: Duration,
) -> Outcome {
    let (cause, evidence) = (Cause::known(word), evidence.into());
    Outcome::Unknown { cause, evidence, retry_after: Some(retry_after), cost: Cost::ZERO }
}

/// The other side has asked us to wait, and `left` of that is to come.
pub(super) fn held_back(doubt: &Doubt, left: Duration) -> Outcome {
    let Doubt { cause, evidence, .. } = doubt.clone();
    let evidence = format!("not sent again for {} s: {evidence}", left.as_secs());
    Outcome::Unknown { cause, evidence, retry_after: Some(left), cost: Cost::ZERO }
}

pub(super) fn held(gate: Option<GateName>, why: &str) -> Outcome {
    Outcome::Held { gate, why: why.to_owned() }
}

pub(super) fn foreign_terms(answer: &Answer) -> Outcome {
    match answer {
        Answer::PaymentRequired => failed_for(
            "target.payment-terms",
            "the inbox asks for another network, asset or payee than ours",
        ),
        _ => failed_for("inbox.garbled", "the inbox accepted a post that carried no payment"),
    }
}

/// The answer for a payment that is settled, also when it was settled long ago.
pub(super) fn settled(payment: &Payment, settlement: &Settlement) -> Outcome {
    let message = settlement.message.as_deref().unwrap_or("none");
    let txid = settlement.txid.as_deref().unwrap_or("not told");
    match settlement.proof {
        Proof::EarlierMessage => Outcome::Moot { why: format!("earlier message {message}") },
        Proof::Chain => failed_for(
            "inbox.undelivered",
            format!("{} paid as {txid}; the inbox delivers nothing for it", payment.amount),
        ),
        proof => Outcome::Completed {
            effect: format!(
                "{} paid, message {message}, txid {txid}, {}",
                payment.amount,
                proof.word()
            ),
            cost: Cost { sats: payment.amount, ..Cost::ZERO },
        },
    }
}

/// Whether a request may go on to its own payment after one ahead of it ended so.
///
/// # Errors
///
/// What the request must answer instead: a failure that it shares, or that it is held.
pub fn carry_on(ahead: &Payment, outcome: &Outcome) -> Result<(), Outcome> {
    match outcome {
        Outcome::Failed { cause, evidence, retry_after, .. } => {
            if !shared(cause) {
                return Ok(());
            }
            Err(Outcome::Failed {
                cause: cause.clone(),
                evidence: format!("payment to {} ahead of it: {evidence}", ahead.payee.address),
                retry_after: *retry_after,
                cost: Cost::ZERO,
            })
        }
        Outcome::Held { .. } => Err(outcome.clone()),
        Outcome::Completed { .. } | Outcome::Unknown { .. } | Outcome::Moot { .. } => Ok(()),
    }
}
