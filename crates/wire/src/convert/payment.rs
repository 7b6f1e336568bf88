//! Payments and wallets as they lie in the record, and the way back.
//!
//! Decoding is strict: a payment has exactly the parts that belong to its stage. A record that
//! names a stage and carries the bytes of another must not be acted on.

use std::mem;

use domain::{
    Doubt, Letter, Payee, Payment, PaymentNote, PaymentStage, Proof, Rejection, Reservation, Sats,
    Sent, Settlement, Signed, Spending, Staged, Timestamp, Unfinished, Wallet,
};

use super::{DecodeError, Wire, at, parse, required};
use crate::proto;

/// Why a field of a payment makes no sense, where no parser says it.
#[derive(Debug, thiserror::Error)]
enum PaymentError {
    #[error("{word:?} is not one of its words")]
    Word { word: String },
    #[error("it does not belong to the payment's stage")]
    Stray,
}

impl Wire for Payment {
    type Proto = proto::Payment;

    fn to_proto(&self) -> proto::Payment {
        let mut payment = proto::Payment {
            network: self.payee.network.clone(),
            address: self.payee.address.clone(),
            version: self.payee.version.into(),
            hash160: self.payee.hash160.to_vec(),
            purpose: self.purpose.clone(),
            source_key: self.source_key.to_string(),
            wallet: self.wallet.clone(),
            to_btc: self.letter.to_btc.clone(),
            to_stx: self.letter.to_stx.clone(),
            content: self.letter.content.clone(),
            amount_sats: self.amount.get(),
            at_ms: self.at.as_millis(),
            unconfirmed_told: self.unconfirmed_told,
            history: self.history.iter().map(note_to).collect(),
            signed: self.signed().map(signed_to),
            stage: self.word().to_owned(),
            reserved: self.reserved.as_ref().map(reserved_to),
            ..proto::Payment::default()
        };
        put_stage(&mut payment, &self.stage);
        payment
    }

    fn of_proto(mut payment: proto::Payment) -> Result<Self, DecodeError> {
        let stage = take_stage(&mut payment)?;
        refuse_strays(&payment)?;
        Ok(Payment {
            payee: Payee {
                network: payment.network,
                address: payment.address,
                version: u8::try_from(payment.version).map_err(|error| wrong("version", error))?,
                hash160: <[u8; 20]>::try_from(payment.hash160.as_slice())
                    .map_err(|error| wrong("hash160", error))?,
            },
            purpose: payment.purpose,
            source_key: parse("source_key", &payment.source_key)?,
            wallet: payment.wallet,
            letter: Letter {
                to_btc: payment.to_btc,
                to_stx: payment.to_stx,
                content: payment.content,
            },
            amount: Sats::new(payment.amount_sats),
            at: at(payment.at_ms),
            stage,
            unconfirmed_told: payment.unconfirmed_told,
            history: payment.history.into_iter().map(note_of).collect(),
            reserved: payment.reserved.map(reserved_of).transpose()?,
        })
    }
}

fn put_stage(payment: &mut proto::Payment, stage: &PaymentStage) {
    match stage {
        PaymentStage::Intent | PaymentStage::Signed(_) => (),
        PaymentStage::Sent(_, sent) => payment.sent = Some(sent_to(sent)),
        PaymentStage::Staged(_, sent, staged) => {
            payment.sent = Some(sent_to(sent));
            payment.staged = Some(staged_to(staged));
        }
        PaymentStage::Unknown(_, sent, doubt) => {
            payment.sent = Some(sent_to(sent));
            payment.doubt = Some(doubt_to(doubt));
        }
        PaymentStage::Settled(_, settlement) => payment.settlement = Some(settled_to(settlement)),
        PaymentStage::Rejected(_, rejection) => payment.rejection = Some(rejected_to(rejection)),
    }
}

fn take_stage(payment: &mut proto::Payment) -> Result<PaymentStage, DecodeError> {
    let word = mem::take(&mut payment.stage);
    Ok(match word.as_str() {
        "intent" => PaymentStage::Intent,
        "signed" => PaymentStage::Signed(take_signed(payment)?),
        "sent" => PaymentStage::Sent(take_signed(payment)?, take_sent(payment)?),
        "staged" => {
            let staged = staged_of(required("staged", payment.staged.take())?);
            PaymentStage::Staged(take_signed(payment)?, take_sent(payment)?, staged)
        }
        "unknown" => {
            let doubt = doubt_of(required("doubt", payment.doubt.take())?)?;
            PaymentStage::Unknown(take_signed(payment)?, take_sent(payment)?, doubt)
        }
        "settled" => {
            let settlement = settled_of(required("settlement", payment.settlement.take())?)?;
            PaymentStage::Settled(payment.signed.take().map(signed_of), settlement)
        }
        "rejected" => {
            let rejection = rejected_of(required("rejection", payment.rejection.take())?)?;
            PaymentStage::Rejected(payment.signed.take().map(signed_of), rejection)
        }
        _ => return Err(wrong("stage", PaymentError::Word { word })),
    })
}

/// Refuses what [`take_stage`] has left: it would be lost with the next write.
fn refuse_strays(payment: &proto::Payment) -> Result<(), DecodeError> {
    let left = [
        ("signed", payment.signed.is_some()),
        ("sent", payment.sent.is_some()),
        ("staged", payment.staged.is_some()),
        ("doubt", payment.doubt.is_some()),
        ("settlement", payment.settlement.is_some()),
        ("rejection", payment.rejection.is_some()),
    ];
    match left.into_iter().find(|(_, left)| *left) {
        Some((field, _)) => Err(wrong(field, PaymentError::Stray)),
        None => Ok(()),
    }
}

fn take_signed(payment: &mut proto::Payment) -> Result<Signed, DecodeError> {
    required("signed", payment.signed.take()).map(signed_of)
}

fn take_sent(payment: &mut proto::Payment) -> Result<Sent, DecodeError> {
    required("sent", payment.sent.take()).map(sent_of)
}

fn wrong<E>(field: &'static str, source: E) -> DecodeError
where
    E: std::error::Error + Send + Sync + 'static,
{
    DecodeError::Field { field, source: Box::new(source) }
}

fn signed_to(signed: &Signed) -> proto::Signed {
    proto::Signed {
        nonce: signed.nonce,
        transaction: signed.bytes.clone(),
        txid: signed.txid.clone(),
        payment_id: signed.payment_id.clone(),
        header: signed.header.clone(),
    }
}

fn signed_of(signed: proto::Signed) -> Signed {
    let proto::Signed { nonce, transaction, txid, payment_id, header } = signed;
    Signed { nonce, bytes: transaction, txid, payment_id, header }
}

fn sent_to(sent: &Sent) -> proto::Sent {
    proto::Sent {
        first_ms: sent.first.as_millis(),
        last_ms: sent.last.as_millis(),
        posts: sent.posts,
        by: sent.by.clone(),
    }
}

fn sent_of(sent: proto::Sent) -> Sent {
    let proto::Sent { first_ms, last_ms, posts, by } = sent;
    Sent { first: at(first_ms), last: at(last_ms), posts, by }
}

fn staged_to(staged: &Staged) -> proto::Staged {
    proto::Staged {
        payment_id: staged.payment_id.clone(),
        check_url: staged.check_url.clone(),
        since_ms: staged.since.as_millis(),
    }
}

fn staged_of(staged: proto::Staged) -> Staged {
    let proto::Staged { payment_id, check_url, since_ms } = staged;
    Staged { payment_id, check_url, since: at(since_ms) }
}

fn doubt_to(doubt: &Doubt) -> proto::Doubt {
    proto::Doubt {
        since_ms: doubt.since.as_millis(),
        cause: doubt.cause.to_string(),
        evidence: doubt.evidence.clone(),
        untold_since_ms: doubt.untold_since.map(Timestamp::as_millis),
        not_before_ms: doubt.not_before.map(Timestamp::as_millis),
    }
}

fn doubt_of(doubt: proto::Doubt) -> Result<Doubt, DecodeError> {
    Ok(Doubt {
        since: at(doubt.since_ms),
        cause: parse("doubt.cause", &doubt.cause)?,
        evidence: doubt.evidence,
        untold_since: doubt.untold_since_ms.map(at),
        not_before: doubt.not_before_ms.map(at),
    })
}

fn settled_to(settlement: &Settlement) -> proto::Settlement {
    proto::Settlement {
        txid: settlement.txid.clone(),
        message: settlement.message.clone(),
        proof: settlement.proof.word().to_owned(),
    }
}

fn settled_of(settlement: proto::Settlement) -> Result<Settlement, DecodeError> {
    let proto::Settlement { txid, message, proof: word } = settlement;
    let proof = PROOFS.into_iter().find(|proof| proof.word() == word);
    let proof = proof.ok_or_else(|| wrong("settlement.proof", PaymentError::Word { word }))?;
    Ok(Settlement { txid, message, proof })
}

const PROOFS: [Proof; 6] = [
    Proof::Delivered,
    Proof::AlreadyRedeemed,
    Proof::Listed,
    Proof::Redeemed,
    Proof::Chain,
    Proof::EarlierMessage,
];

fn rejected_to(rejection: &Rejection) -> proto::Rejection {
    match rejection.clone() {
        Rejection::Unsent { why } => proto::Rejection { why, ..proto::Rejection::default() },
        Rejection::SpentElsewhere { txid, aborted, why, told } => {
            proto::Rejection { txid: Some(txid), aborted, why, told }
        }
    }
}

fn rejected_of(rejection: proto::Rejection) -> Result<Rejection, DecodeError> {
    let proto::Rejection { txid, aborted, why, told } = rejection;
    match txid {
        Some(txid) => Ok(Rejection::SpentElsewhere { txid, aborted, why, told }),
        // Bytes that never left cannot have been aborted by the chain, nor is that told.
        None if aborted || told => Err(DecodeError::Missing { field: "rejection.txid" }),
        None => Ok(Rejection::Unsent { why }),
    }
}

fn note_to(note: &PaymentNote) -> proto::PaymentNote {
    proto::PaymentNote { at_ms: note.at.as_millis(), what: note.what.clone() }
}

fn note_of(note: proto::PaymentNote) -> PaymentNote {
    PaymentNote { at: at(note.at_ms), what: note.what }
}

fn reserved_to(reserved: &Reservation) -> proto::Reservation {
    proto::Reservation { kind: reserved.kind.to_string(), sats: reserved.amount.get() }
}

fn reserved_of(reserved: proto::Reservation) -> Result<Reservation, DecodeError> {
    let kind = parse("reserved.kind", &reserved.kind)?;
    Ok(Reservation { kind, amount: Sats::new(reserved.sats) })
}

impl Wire for Spending {
    type Proto = proto::Spending;

    fn to_proto(&self) -> proto::Spending {
        proto::Spending {
            kind: self.kind.to_string(),
            day: self.day,
            today_sats: self.today.get(),
            spent_sats: self.spent.get(),
            reserved_sats: self.reserved.get(),
        }
    }

    fn of_proto(spending: proto::Spending) -> Result<Self, DecodeError> {
        Ok(Spending {
            kind: parse("kind", &spending.kind)?,
            day: spending.day,
            today: Sats::new(spending.today_sats),
            spent: Sats::new(spending.spent_sats),
            reserved: Sats::new(spending.reserved_sats),
        })
    }
}

impl Wire for Wallet {
    type Proto = proto::Wallet;

    fn to_proto(&self) -> proto::Wallet {
        proto::Wallet {
            address: self.address.clone(),
            next: self.next,
            unfinished: self.unfinished.iter().map(unfinished_to).collect(),
            holes: self.holes.clone(),
            spent: self.spent,
        }
    }

    fn of_proto(wallet: proto::Wallet) -> Result<Self, DecodeError> {
        Ok(Wallet {
            address: wallet.address,
            next: wallet.next,
            unfinished: wallet
                .unfinished
                .into_iter()
                .map(unfinished_of)
                .collect::<Result<_, _>>()?,
            holes: wallet.holes,
            spent: wallet.spent,
        })
    }
}

fn unfinished_to(holder: &Unfinished) -> proto::Unfinished {
    proto::Unfinished {
        nonce: holder.nonce,
        payment: holder.payment.to_string(),
        sent: holder.sent,
        settled_ms: holder.settled.map(Timestamp::as_millis),
        sats: holder.amount.get(),
    }
}

fn unfinished_of(holder: proto::Unfinished) -> Result<Unfinished, DecodeError> {
    Ok(Unfinished {
        nonce: holder.nonce,
        payment: parse("unfinished.payment", &holder.payment)?,
        sent: holder.sent,
        settled: holder.settled_ms.map(at),
        amount: Sats::new(holder.sats),
    })
}

#[cfg(test)]
mod tests;
