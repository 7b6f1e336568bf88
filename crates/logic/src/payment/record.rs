use domain::{
    Cause, Doubt, Payment, PaymentNote, PaymentStage as Stage, Proof, Rejection, Sats, Sent,
    Settlement, Signed, Staged, Timestamp,
};

use super::{session::Order, told};
use crate::{
    attempt::DELAY_MAX,
    classify::{Answer, Failure},
};

/// A payment that is to be made; a rejected one before it keeps its history.
pub(super) fn intent(
    order: &Order,
    amount: Sats,
    before: Option<&Payment>,
    now: Timestamp,
) -> Payment {
    let blank = Payment {
        payee: order.payee.clone(),
        purpose: order.purpose.clone(),
        source_key: order.source_key.clone(),
        wallet: order.wallet.clone(),
        letter: order.letter.clone(),
        amount,
        at: now,
        stage: Stage::Intent,
        unconfirmed_told: false,
        history: before.map(|before| before.history.clone()).unwrap_or_default(),
        reserved: None,
    };
    moved(&blank, Stage::Intent, now, format!("intent: {amount}"))
}

/// A message of ours was there before: nothing is owed to this payee.
pub(super) fn found_earlier(
    order: &Order,
    before: Option<&Payment>,
    message: &str,
    txid: Option<String>,
    now: Timestamp,
) -> Payment {
    let payment = intent(order, Sats::ZERO, before, now);
    let settlement =
        Settlement { txid, message: Some(message.to_owned()), proof: Proof::EarlierMessage };
    let told = format!("earlier message {message}");
    moved(&payment, Stage::Settled(None, settlement), now, told)
}

/// Signed for `order`, which may be newer than the intent: the letter that is posted, the
/// wallet that pays and the task that asks are those of the bytes.
pub(super) fn signed(
    payment: &Payment,
    order: &Order,
    signed: Signed,
    amount: Sats,
    now: Timestamp,
) -> Payment {
    let told = format!("signed with nonce {}, txid {} here", signed.nonce, signed.txid);
    let payment = Payment {
        amount,
        source_key: order.source_key.clone(),
        wallet: order.wallet.clone(),
        letter: order.letter.clone(),
        ..payment.clone()
    };
    moved(&payment, Stage::Signed(signed), now, told)
}

/// The bytes are about to leave, for the first time or again.
pub(super) fn sent(
    payment: &Payment,
    signed: &Signed,
    before: Option<&Sent>,
    by: &str,
    now: Timestamp,
) -> Payment {
    let (first, posts) = before.map_or((now, 0), |before| (before.first, before.posts));
    let sent = Sent { first, last: now, posts: posts.saturating_add(1), by: by.to_owned() };
    let told = format!("post {} of the same bytes", sent.posts);
    moved(payment, Stage::Sent(signed.clone(), sent), now, told)
}

/// What an answer to bytes that left makes of the payment.
pub(super) fn answered(
    payment: &Payment,
    signed: &Signed,
    sent: &Sent,
    answer: &Answer,
    now: Timestamp,
) -> Payment {
    match answer {
        Answer::Delivered { message, txid } => {
            settled(payment, message.clone(), txid.clone(), Proof::Delivered, now)
        }
        Answer::AlreadyRedeemed { message } => {
            settled(payment, message.clone(), None, Proof::AlreadyRedeemed, now)
        }
        Answer::Staged { payment_id, check_url } => {
            let (payment_id, check_url) = (payment_id.clone(), check_url.clone());
            let told = format!("staged as {payment_id}");
            let staged = Staged { payment_id, check_url, since: now };
            moved(payment, Stage::Staged(signed.clone(), sent.clone(), staged), now, told)
        }
        Answer::Failure(failure) | Answer::Disowned(failure) => refused(payment, failure, now),
        Answer::PaymentRequired | Answer::Confirmed { .. } => {
            in_doubt(payment, &Cause::known("payment.unknown"), "the answer does not fit", now)
        }
    }
}

/// Nobody knows what became of the bytes.
pub(super) fn in_doubt(
    payment: &Payment,
    cause: &Cause,
    evidence: &str,
    now: Timestamp,
) -> Payment {
    let (signed, sent) = match &payment.stage {
        Stage::Sent(signed, sent)
        | Stage::Staged(signed, sent, _)
        | Stage::Unknown(signed, sent, _) => (signed, sent),
        Stage::Intent | Stage::Signed(_) | Stage::Settled(..) | Stage::Rejected(..) => {
            return payment.clone();
        }
    };
    let doubt = Doubt {
        since: now,
        cause: cause.clone(),
        evidence: evidence.to_owned(),
        untold_since: None,
        not_before: None,
    };
    let told = format!("in doubt: {cause}");
    moved(payment, Stage::Unknown(signed.clone(), sent.clone(), doubt), now, told)
}

/// In doubt for a failure, and not to be posted again before the time that it names. What a
/// gate stands for is held back by that gate, and sent when a person opens it.
pub(super) fn refused(payment: &Payment, failure: &Failure, now: Timestamp) -> Payment {
    let mut payment = in_doubt(payment, &failure.cause, &failure.evidence, now);
    if let Stage::Unknown(_, _, doubt) = &mut payment.stage {
        // No longer than the task waits, else the nonce would be held for nobody.
        let asked = failure.retry_after.filter(|_| !told::shared(&failure.cause));
        doubt.not_before = asked.map(|time| now.after(time.min(DELAY_MAX)));
    }
    payment
}

/// The same doubt, with since when nobody could tell.
pub(super) fn untold(payment: &Payment, since: Option<Timestamp>, now: Timestamp) -> Payment {
    let mut payment = Payment { at: now, ..payment.clone() };
    if let Stage::Unknown(_, _, doubt) = &mut payment.stage {
        doubt.untold_since = since;
    }
    payment
}

pub(super) fn settled(
    payment: &Payment,
    message: Option<String>,
    txid: Option<String>,
    proof: Proof,
    now: Timestamp,
) -> Payment {
    let told = format!(
        "settled: {}, message {}, txid {}",
        proof.word(),
        message.as_deref().unwrap_or("none"),
        txid.as_deref().unwrap_or("not told"),
    );
    let signed = payment.signed().cloned();
    let settlement = Settlement { txid, message, proof };
    moved(payment, Stage::Settled(signed, settlement), now, told)
}

/// (a): the bytes never left.
pub(super) fn unsent(payment: &Payment, why: &str, now: Timestamp) -> Payment {
    let rejection = Rejection::Unsent { why: why.to_owned() };
    let told = format!("rejected, the bytes never left: {why}");
    moved(payment, Stage::Rejected(payment.signed().cloned(), rejection), now, told)
}

/// (b): the nonce went to something else.
pub(super) fn spent_elsewhere(
    payment: &Payment,
    txid: &str,
    aborted: bool,
    why: &str,
    now: Timestamp,
) -> Payment {
    let (txid, why) = (txid.to_owned(), why.to_owned());
    let note = format!("rejected, its nonce went to {txid}: {why}");
    let rejection = Rejection::SpentElsewhere { txid, aborted, why, told: false };
    moved(payment, Stage::Rejected(payment.signed().cloned(), rejection), now, note)
}

pub(super) fn unconfirmed_told(payment: &Payment, now: Timestamp) -> Payment {
    let payment = Payment { unconfirmed_told: true, ..payment.clone() };
    let stage = payment.stage.clone();
    moved(&payment, stage, now, "told as unconfirmed".to_owned())
}

/// A task is told of a rejection (b).
pub(super) fn rejection_told(payment: &Payment, now: Timestamp) -> Payment {
    let mut stage = payment.stage.clone();
    if let Stage::Rejected(_, Rejection::SpentElsewhere { told, .. }) = &mut stage {
        *told = true;
    }
    moved(payment, stage, now, "told as rejected".to_owned())
}

fn moved(payment: &Payment, stage: Stage, now: Timestamp, what: String) -> Payment {
    let mut payment = Payment { stage, at: now, ..payment.clone() };
    if Payment::HISTORY_MAX <= payment.history.len() {
        payment.history.remove(1);
    }
    payment.history.push(PaymentNote { at: now, what });
    payment
}
