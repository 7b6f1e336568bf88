//! Payments and wallets as they lie in the record, and the way back.

use domain::{
    Doubt, Letter, Payee, Payment, PaymentNote, PaymentStage, Proof, Rejection, Sats, Sent,
    Settlement, Signed, Staged, Timestamp, Unfinished, Wallet,
};
use prost::Message as _;

mod messages;

use messages::{
    DoubtMessage, NoteMessage, PaymentMessage, RejectionMessage, SentMessage, SettlementMessage,
    SignedMessage, StagedMessage, UnfinishedMessage, WalletMessage,
};

/// Why bytes of the record mean nothing to us.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoredError {
    #[error("record is not readable as protobuf")]
    Bytes(#[source] prost::DecodeError),
    #[error("field `{field}` of a record makes no sense")]
    Field { field: &'static str },
}

/// What lies in the record as protobuf.
pub(crate) trait Stored: Sized + PartialEq {
    fn encode(&self) -> Vec<u8>;

    /// # Errors
    ///
    /// When the bytes are not such a record.
    fn decode(bytes: &[u8]) -> Result<Self, StoredError>;
}

impl Stored for Payment {
    fn encode(&self) -> Vec<u8> {
        let mut message = PaymentMessage {
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
            history: self.history.iter().map(note).collect(),
            signed: self.signed().map(signed),
            stage: self.word().to_owned(),
            ..PaymentMessage::default()
        };
        put_stage(&mut message, &self.stage);
        message.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut message = PaymentMessage::decode(bytes).map_err(StoredError::Bytes)?;
        let stage = take_stage(&mut message)?;
        let wrong = |field| StoredError::Field { field };
        Ok(Payment {
            payee: Payee {
                network: message.network,
                address: message.address,
                version: u8::try_from(message.version).map_err(|_| wrong("version"))?,
                hash160: message.hash160.try_into().map_err(|_| wrong("hash160"))?,
            },
            purpose: message.purpose,
            source_key: message.source_key.parse().map_err(|_| wrong("source_key"))?,
            wallet: message.wallet,
            letter: Letter {
                to_btc: message.to_btc,
                to_stx: message.to_stx,
                content: message.content,
            },
            amount: Sats::new(message.amount_sats),
            at: Timestamp::from_millis(message.at_ms),
            stage,
            unconfirmed_told: message.unconfirmed_told,
            history: message
                .history
                .into_iter()
                .map(|note| PaymentNote { at: at(note.at_ms), what: note.what })
                .collect(),
        })
    }
}

fn put_stage(message: &mut PaymentMessage, stage: &PaymentStage) {
    match stage {
        PaymentStage::Intent | PaymentStage::Signed(_) => (),
        PaymentStage::Sent(_, posts) => message.sent = Some(sent(posts)),
        PaymentStage::Staged(_, posts, staged) => {
            message.sent = Some(sent(posts));
            message.staged = Some(StagedMessage {
                payment_id: staged.payment_id.clone(),
                check_url: staged.check_url.clone(),
                since_ms: staged.since.as_millis(),
            });
        }
        PaymentStage::Unknown(_, posts, doubt) => {
            message.sent = Some(sent(posts));
            message.doubt = Some(DoubtMessage {
                since_ms: doubt.since.as_millis(),
                cause: doubt.cause.to_string(),
                evidence: doubt.evidence.clone(),
                untold_since_ms: doubt.untold_since.map(Timestamp::as_millis),
            });
        }
        PaymentStage::Settled(_, settlement) => {
            message.settlement = Some(SettlementMessage {
                txid: settlement.txid.clone(),
                message: settlement.message.clone(),
                proof: settlement.proof.word().to_owned(),
            });
        }
        PaymentStage::Rejected(_, rejection) => message.rejection = Some(rejected(rejection)),
    }
}

fn take_stage(message: &mut PaymentMessage) -> Result<PaymentStage, StoredError> {
    let missing = |field| StoredError::Field { field };
    let signed = message.signed.take().map(|signed| Signed {
        nonce: signed.nonce,
        bytes: signed.bytes,
        txid: signed.txid,
        payment_id: signed.payment_id,
        header: signed.header,
    });
    let sent = message.sent.take().map(|sent| Sent {
        first: at(sent.first_ms),
        last: at(sent.last_ms),
        posts: sent.posts,
        by: sent.by,
    });
    let bytes = || signed.clone().ok_or(missing("signed"));
    let posts = || sent.clone().ok_or(missing("sent"));
    Ok(match message.stage.as_str() {
        "intent" => PaymentStage::Intent,
        "signed" => PaymentStage::Signed(bytes()?),
        "sent" => PaymentStage::Sent(bytes()?, posts()?),
        "staged" => {
            let staged = message.staged.take().ok_or(missing("staged"))?;
            let StagedMessage { payment_id, check_url, since_ms } = staged;
            let staged = Staged { payment_id, check_url, since: at(since_ms) };
            PaymentStage::Staged(bytes()?, posts()?, staged)
        }
        "unknown" => {
            let doubt = message.doubt.take().ok_or(missing("doubt"))?;
            PaymentStage::Unknown(bytes()?, posts()?, take_doubt(doubt)?)
        }
        "settled" => {
            let settlement = message.settlement.take().ok_or(missing("settlement"))?;
            let SettlementMessage { txid, message, proof } = settlement;
            let proof = proof_of(&proof).ok_or(missing("settlement.proof"))?;
            PaymentStage::Settled(signed, Settlement { txid, message, proof })
        }
        "rejected" => {
            let rejection = message.rejection.take().ok_or(missing("rejection"))?;
            let RejectionMessage { txid, aborted, why } = rejection;
            let rejection = match txid.is_empty() {
                true => Rejection::Unsent { why },
                false => Rejection::SpentElsewhere { txid, aborted, why },
            };
            PaymentStage::Rejected(signed, rejection)
        }
        _ => return Err(missing("stage")),
    })
}

fn take_doubt(doubt: DoubtMessage) -> Result<Doubt, StoredError> {
    let wrong = |_| StoredError::Field { field: "doubt.cause" };
    Ok(Doubt {
        since: at(doubt.since_ms),
        cause: doubt.cause.parse().map_err(wrong)?,
        evidence: doubt.evidence,
        untold_since: doubt.untold_since_ms.map(at),
    })
}

fn proof_of(word: &str) -> Option<Proof> {
    let all = [
        Proof::Delivered,
        Proof::AlreadyRedeemed,
        Proof::Listed,
        Proof::Redeemed,
        Proof::Chain,
        Proof::EarlierMessage,
    ];
    all.into_iter().find(|proof| proof.word() == word)
}

fn note(note: &PaymentNote) -> NoteMessage {
    NoteMessage { at_ms: note.at.as_millis(), what: note.what.clone() }
}

fn signed(signed: &Signed) -> SignedMessage {
    SignedMessage {
        nonce: signed.nonce,
        bytes: signed.bytes.clone(),
        txid: signed.txid.clone(),
        payment_id: signed.payment_id.clone(),
        header: signed.header.clone(),
    }
}

fn sent(sent: &Sent) -> SentMessage {
    SentMessage {
        first_ms: sent.first.as_millis(),
        last_ms: sent.last.as_millis(),
        posts: sent.posts,
        by: sent.by.clone(),
    }
}

fn rejected(rejection: &Rejection) -> RejectionMessage {
    match rejection.clone() {
        Rejection::Unsent { why } => RejectionMessage { txid: String::new(), aborted: false, why },
        Rejection::SpentElsewhere { txid, aborted, why } => RejectionMessage { txid, aborted, why },
    }
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

impl Stored for Wallet {
    fn encode(&self) -> Vec<u8> {
        let holder = |holder: &Unfinished| UnfinishedMessage {
            nonce: holder.nonce,
            payment: holder.payment.to_string(),
            sent: holder.sent,
        };
        let unfinished = self.unfinished.iter().map(holder).collect();
        WalletMessage { address: self.address.clone(), next: self.next, unfinished }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoredError> {
        let message = WalletMessage::decode(bytes).map_err(StoredError::Bytes)?;
        let holder = |holder: UnfinishedMessage| {
            let payment = holder.payment.parse();
            let payment = payment.map_err(|_| StoredError::Field { field: "payment" })?;
            Ok(Unfinished { nonce: holder.nonce, payment, sent: holder.sent })
        };
        let unfinished: Result<_, StoredError> =
            message.unfinished.into_iter().map(holder).collect();
        Ok(Wallet { address: message.address, next: message.next, unfinished: unfinished? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(stage: PaymentStage) -> Payment {
        let hash160 = [7; 20];
        Payment {
            payee: Payee {
                network: "mainnet".to_owned(),
                address: "SP1".to_owned(),
                version: 22,
                hash160,
            },
            purpose: "welcome".to_owned(),
            source_key: "welcome/SP1".parse().unwrap(),
            wallet: "SP2".to_owned(),
            letter: Letter {
                to_btc: "bc1".to_owned(),
                to_stx: "SP1".to_owned(),
                content: "hello".to_owned(),
            },
            amount: Sats::new(100),
            at: at(5),
            stage,
            unconfirmed_told: true,
            history: vec![PaymentNote { at: at(4), what: "intent".to_owned() }],
        }
    }

    fn stages() -> Vec<PaymentStage> {
        let signed = Signed {
            nonce: 7,
            bytes: vec![1, 2],
            txid: "ab".to_owned(),
            payment_id: "pay_1".to_owned(),
            header: "h".to_owned(),
        };
        let sent = Sent { first: at(1), last: at(2), posts: 3, by: "me".to_owned() };
        let staged = Staged {
            payment_id: "pay_2".to_owned(),
            check_url: Some("u".to_owned()),
            since: at(3),
        };
        let doubt = Doubt {
            since: at(3),
            cause: "relay.nonce-conflict".parse().unwrap(),
            evidence: "409".to_owned(),
            untold_since: Some(at(4)),
        };
        let settlement =
            Settlement { txid: None, message: Some("m".to_owned()), proof: Proof::Chain };
        let unsent = Rejection::Unsent { why: "withdrawn".to_owned() };
        let (txid, why) = ("cd".to_owned(), "other".to_owned());
        let spent = Rejection::SpentElsewhere { txid, aborted: true, why };
        vec![
            PaymentStage::Intent,
            PaymentStage::Signed(signed.clone()),
            PaymentStage::Sent(signed.clone(), sent.clone()),
            PaymentStage::Staged(signed.clone(), sent.clone(), staged),
            PaymentStage::Unknown(signed.clone(), sent, doubt),
            PaymentStage::Settled(None, settlement.clone()),
            PaymentStage::Settled(Some(signed.clone()), settlement),
            PaymentStage::Rejected(Some(signed.clone()), unsent),
            PaymentStage::Rejected(Some(signed), spent),
        ]
    }

    /// Every stage reads back as it was written, and half a record is refused.
    #[test]
    fn reads_back() {
        for stage in stages() {
            let payment = payment(stage);
            let bytes = payment.encode();
            assert_eq!(Payment::decode(&bytes).unwrap(), payment);
            assert!(Payment::decode(&bytes[..bytes.len() - 1]).is_err());
        }
        let payment = payment(PaymentStage::Intent).key();
        let unfinished = vec![Unfinished { nonce: 7, payment, sent: true }];
        let wallet = Wallet { address: "SP2".to_owned(), next: 8, unfinished };
        assert_eq!(Wallet::decode(&wallet.encode()).unwrap(), wallet);
        assert!(Payment::decode(b"garbage").is_err());
        assert!(Payment::decode(b"").is_err());
    }
}
