use super::*;

fn payment(stage: PaymentStage) -> Payment {
    Payment {
        payee: Payee {
            network: "mainnet".to_owned(),
            address: "SP1".to_owned(),
            version: 22,
            hash160: *b"twenty bytes of hash",
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
        history: vec![
            PaymentNote { at: at(3), what: "to be paid".to_owned() },
            PaymentNote { at: at(4), what: String::new() },
        ],
        reserved: None,
    }
}

fn signed() -> Signed {
    Signed {
        nonce: 7,
        bytes: vec![0, 1, 255],
        txid: "ab".to_owned(),
        payment_id: "pay_1".to_owned(),
        header: "h".to_owned(),
    }
}

fn sent() -> Sent {
    Sent { first: at(1), last: at(2), posts: 3, by: "me".to_owned() }
}

fn staged(check_url: Option<&str>) -> Staged {
    let check_url = check_url.map(str::to_owned);
    Staged { payment_id: "pay_2".to_owned(), check_url, since: at(3) }
}

fn doubt(untold_since: Option<Timestamp>) -> Doubt {
    let cause = "relay.nonce-conflict".parse().unwrap();
    Doubt { since: at(3), cause, evidence: "409".to_owned(), untold_since, not_before: None }
}

fn held_back(not_before: Timestamp) -> Doubt {
    Doubt { not_before: Some(not_before), ..doubt(None) }
}

fn settlement(proof: Proof) -> Settlement {
    Settlement { txid: None, message: Some("m".to_owned()), proof }
}

fn spent(txid: &str, aborted: bool, told: bool) -> Rejection {
    Rejection::SpentElsewhere { txid: txid.to_owned(), aborted, why: "other".to_owned(), told }
}

/// Every stage, with each of its parts there and not there, and each value that looks like
/// an absent one.
fn stages() -> Vec<PaymentStage> {
    let unsent = Rejection::Unsent { why: "withdrawn".to_owned() };
    let paid = Settlement { txid: Some(String::new()), message: None, proof: Proof::Chain };
    let mut stages = vec![
        PaymentStage::Intent,
        PaymentStage::Signed(signed()),
        PaymentStage::Sent(signed(), sent()),
        PaymentStage::Staged(signed(), sent(), staged(Some("u"))),
        PaymentStage::Staged(signed(), sent(), staged(Some(""))),
        PaymentStage::Staged(signed(), sent(), staged(None)),
        PaymentStage::Unknown(signed(), sent(), doubt(Some(at(4)))),
        PaymentStage::Unknown(signed(), sent(), doubt(Some(at(0)))),
        PaymentStage::Unknown(signed(), sent(), doubt(None)),
        PaymentStage::Unknown(signed(), sent(), held_back(at(6))),
        PaymentStage::Unknown(signed(), sent(), held_back(at(0))),
        PaymentStage::Settled(Some(signed()), paid),
        PaymentStage::Rejected(None, unsent.clone()),
        PaymentStage::Rejected(Some(signed()), unsent),
        PaymentStage::Rejected(Some(signed()), spent("cd", true, false)),
        PaymentStage::Rejected(Some(signed()), spent("cd", true, true)),
        PaymentStage::Rejected(Some(signed()), spent("", false, false)),
        PaymentStage::Rejected(Some(signed()), spent("", false, true)),
    ];
    let proofs = PROOFS.into_iter().map(settlement);
    stages.extend(proofs.map(|settlement| PaymentStage::Settled(None, settlement)));
    stages
}

fn wallet() -> Wallet {
    let payment = payment(PaymentStage::Intent).key();
    let unfinished = [(6, true), (7, false)];
    let unfinished = unfinished.map(|(nonce, sent)| Unfinished {
        nonce,
        payment,
        sent,
        settled: None,
        amount: Sats::ZERO,
    });
    Wallet {
        address: "SP2".to_owned(),
        next: 8,
        unfinished: unfinished.into(),
        holes: Vec::new(),
        spent: 6,
    }
}

/// Decodes what `spoil` has made of a payment, and returns the error with its causes.
#[track_caller]
fn refusal(stage: PaymentStage, spoil: impl FnOnce(&mut proto::Payment)) -> String {
    let mut spoilt = payment(stage).to_proto();
    spoil(&mut spoilt);
    let error = Payment::of_proto(spoilt).expect_err("a spoilt payment was read");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    [Some(error.to_string()), source].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// What is written reads back whole, in every stage.
#[test]
fn reads_back() {
    for stage in stages() {
        let payment = payment(stage);
        assert_eq!(Payment::decode(&payment.encode()).unwrap(), payment);
    }
    assert_eq!(Wallet::decode(&wallet().encode()).unwrap(), wallet());
    for settled in [0, 9] {
        let mut wallet = Wallet { holes: vec![0, 5], ..wallet() };
        wallet.unfinished[0].settled = Some(at(settled));
        assert_eq!(Wallet::decode(&wallet.encode()).unwrap(), wallet);
    }
}

/// M4: what is held for a payment, what a wallet owes for it, and what a kind has spent read
/// back; spending that is nobody's is refused.
#[test]
fn reads_back_what_is_counted() {
    let kind: domain::Kind = "welcome".parse().unwrap();
    let amount = Sats::new(100);
    let reserved = Some(Reservation { kind: kind.clone(), amount });
    let payment = Payment { reserved, ..payment(PaymentStage::Signed(signed())) };
    assert_eq!(Payment::decode(&payment.encode()).unwrap(), payment);
    let mut wallet = wallet();
    wallet.unfinished[1].amount = amount;
    assert_eq!(Wallet::decode(&wallet.encode()).unwrap(), wallet);
    let sats = Sats::new;
    let spending = Spending { day: 4, today: sats(1), spent: sats(2), reserved: sats(3), kind };
    assert_eq!(Spending::decode(&spending.encode()).unwrap(), spending);
    let nameless = Spending::to_proto(&spending);
    let nameless = proto::Spending { kind: String::new(), ..nameless };
    assert_eq!(
        Spending::of_proto(nameless).unwrap_err().to_string(),
        "field `kind` makes no sense"
    );
}

/// A record that breaks off is refused wherever it breaks off, and one with any one bit turned
/// is refused or is another record: nothing panics, and nothing reads as what it is not.
#[test]
fn refuses_half_records() {
    for stage in stages() {
        let payment = payment(stage);
        let whole = payment.encode();
        for len in 0..whole.len() {
            assert!(Payment::decode(&whole[..len]).is_err(), "{len} bytes of {payment:?}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Payment::decode(&bytes) {
                assert_eq!(Payment::decode(&read.encode()).unwrap(), read);
            }
        }
    }
    assert!(Payment::decode(b"garbage").is_err());
    assert!(Wallet::decode(b"garbage").is_err());
}

/// A stage without one of its parts, or with a part of another stage, is refused by name.
#[test]
fn refuses_wrong_parts() {
    let staged = || PaymentStage::Staged(signed(), sent(), staged(None));
    let unknown = || PaymentStage::Unknown(signed(), sent(), doubt(None));
    let rejected = || PaymentStage::Rejected(None, spent("cd", true, false));
    let settled = || PaymentStage::Settled(None, settlement(Proof::Listed));
    let is = |stage: &'static str| move |payment: &mut proto::Payment| payment.stage = stage.into();
    let stray = |field| {
        format!("field `{field}` makes no sense: it does not belong to the payment's stage")
    };
    let missing = |field| format!("field `{field}` is missing");

    assert_eq!(refusal(staged(), |payment| payment.signed = None), missing("signed"));
    assert_eq!(refusal(staged(), |payment| payment.sent = None), missing("sent"));
    assert_eq!(refusal(staged(), |payment| payment.staged = None), missing("staged"));
    assert_eq!(refusal(unknown(), |payment| payment.doubt = None), missing("doubt"));
    assert_eq!(refusal(settled(), |payment| payment.settlement = None), missing("settlement"));
    assert_eq!(refusal(rejected(), |payment| payment.rejection = None), missing("rejection"));

    assert_eq!(refusal(PaymentStage::Signed(signed()), is("intent")), stray("signed"));
    assert_eq!(refusal(PaymentStage::Sent(signed(), sent()), is("signed")), stray("sent"));
    assert_eq!(refusal(staged(), is("sent")), stray("staged"));
    assert_eq!(refusal(unknown(), is("sent")), stray("doubt"));
    assert_eq!(refusal(settled(), is("intent")), stray("settlement"));
    assert_eq!(refusal(rejected(), is("intent")), stray("rejection"));
}

/// A field whose value means nothing is refused by name.
#[test]
fn refuses_wrong_values() {
    let check = |stage, spoil: fn(&mut proto::Payment), expected: &str| {
        let refusal = refusal(stage, spoil);
        assert!(refusal.starts_with(expected), "{refusal}");
    };
    let intent = || PaymentStage::Intent;
    check(intent(), |payment| payment.version = 256, "field `version`");
    check(intent(), |payment| payment.hash160.push(0), "field `hash160`");
    check(intent(), |payment| payment.hash160.clear(), "field `hash160`");
    check(intent(), |payment| payment.source_key.clear(), "field `source_key`");
    check(intent(), |payment| payment.stage.clear(), "field `stage`");
    check(intent(), |payment| payment.stage = "Intent".into(), "field `stage`");
    let spoil = |payment: &mut proto::Payment| payment.doubt.as_mut().unwrap().cause.clear();
    check(PaymentStage::Unknown(signed(), sent(), doubt(None)), spoil, "field `doubt.cause`");
    let spoil = |payment: &mut proto::Payment| {
        payment.settlement.as_mut().unwrap().proof = "hearsay".into();
    };
    let settled = PaymentStage::Settled(None, settlement(Proof::Listed));
    check(settled, spoil, "field `settlement.proof`");
    let spoil = |payment: &mut proto::Payment| payment.rejection.as_mut().unwrap().txid = None;
    let rejected = PaymentStage::Rejected(None, spent("cd", true, false));
    check(rejected, spoil, "field `rejection.txid`");

    let mut spoilt = wallet().to_proto();
    spoilt.unfinished[1].payment = "pay.1".to_owned();
    let refusal = Wallet::of_proto(spoilt).unwrap_err();
    assert_eq!(refusal.to_string(), "field `unfinished.payment` makes no sense");
}

/// The record is for ever: these bytes, once written, are read and written so from then on.
#[test]
fn reads_old_records() {
    let old = b"\n\x07mainnet\x12\x03SP1\x18\x16\"\x14twenty bytes of hash*\x07welcome\
        2\x0bwelcome/SP1:\x03SP2B\x03bc1J\x03SP1R\x05helloXd`\x05h\x01\
        r\x0e\x08\x03\x12\nto be paidr\x02\x08\x04z\x15\x08\x07\x12\x03\x00\x01\xff\x1a\x02ab\
        \"\x05pay_1*\x01h\x82\x01\n\x08\x01\x10\x02\x18\x03\"\x02me\x8a\x01\x07unknown\
        \x9a\x01\x1f\x08\x03\x12\x14relay.nonce-conflict\x1a\x03409 \x04";
    let payment = payment(PaymentStage::Unknown(signed(), sent(), doubt(Some(at(4)))));
    assert_eq!(Payment::decode(old).unwrap(), payment);
    assert_eq!(payment.encode(), old);

    let old = b"\n\x03SP2\x10\x08\x1a&\x08\x06\x12 84e5cef2c174c90dcb5ab822dde7fa0e\x18\x01\
        \x1a$\x08\x07\x12 84e5cef2c174c90dcb5ab822dde7fa0e";
    // From before it was kept how far the chain was seen.
    let older = Wallet { spent: 0, ..wallet() };
    assert_eq!(Wallet::decode(old).unwrap(), older);
    assert_eq!(older.encode(), old);
    let old = [old.as_slice(), b"\x28\x06"].concat();
    assert_eq!(Wallet::decode(&old).unwrap(), wallet());
    assert_eq!(wallet().encode(), old);
}
