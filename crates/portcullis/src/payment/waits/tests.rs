use std::time::Duration;

use domain::{Cause, Letter, Payee, Rejection, Sats, Sent, Settlement, Signed, Staged, Unfinished};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(10_000_000);

fn payer_config() -> PayerConfig {
    PayerConfig {
        network: "mainnet".to_owned(),
        inbox_url: String::new(),
        relay_url: String::new(),
        stacks_url: String::new(),
        amount_max: Sats::new(100),
        in_flight: 1,
        unconfirmed_after: Duration::from_secs(600),
        unresolved_after: Duration::from_secs(600),
        ask_every: Duration::from_secs(10),
        depth: 1,
    }
}

fn payment(stage: Stage) -> Payment {
    Payment {
        payee: Payee {
            network: "mainnet".to_owned(),
            address: "SP1".to_owned(),
            version: 22,
            hash160: [1; 20],
        },
        purpose: "welcome".to_owned(),
        source_key: "welcome/SP1".parse().unwrap(),
        wallet: "SPW".to_owned(),
        letter: Letter { to_btc: String::new(), to_stx: "SP1".to_owned(), content: String::new() },
        amount: Sats::new(100),
        at: NOW,
        stage,
        unconfirmed_told: false,
        history: vec![],
        reserved: None,
    }
}

fn signed() -> Signed {
    Signed {
        nonce: 5,
        bytes: vec![],
        txid: String::new(),
        payment_id: String::new(),
        header: String::new(),
    }
}

fn sent() -> Sent {
    Sent { first: NOW, last: NOW, posts: 1, by: "payer".to_owned() }
}

fn doubt() -> Doubt {
    Doubt {
        since: NOW,
        cause: Cause::known("relay.nonce-conflict"),
        evidence: String::new(),
        untold_since: None,
        not_before: None,
    }
}

fn of(stage: Stage, closed: &[&str], ended: bool, payers: usize) -> Waits {
    let closed: Vec<GateName> = closed.iter().map(|gate| gate.parse().unwrap()).collect();
    let task =
        Standing { kind: "welcome".parse().unwrap(), phase: "resting", why: String::new(), ended };
    let holder = Unfinished {
        nonce: 4,
        payment: "0".repeat(32).parse().unwrap(),
        sent: true,
        settled: None,
        amount: Sats::new(100),
    };
    let wallet = Wallet {
        address: "SPW".to_owned(),
        next: 6,
        unfinished: vec![holder],
        holes: vec![],
        spent: 0,
    };
    let around = Around {
        payer: &payer_config(),
        wallet: Some(&wallet),
        tasks: &[task],
        closed: &closed,
        payers: Some(payers),
        now: NOW,
    };
    waits(&payment(stage), &around)
}

/// A closed gate is a person's turn, with the command that opens it: for whatever would leave.
#[test]
fn a_closed_gate_is_a_persons_turn() {
    let unknown = || Stage::Unknown(signed(), sent(), doubt());
    for stage in [Stage::Intent, Stage::Signed(signed()), unknown()] {
        let waits = of(stage, &["relay"], false, 1);
        assert_eq!(waits.who, Who::Person, "{waits:?}");
        let command = waits.command.unwrap();
        assert_eq!(command, "portcullis gate open relay --note \"…\"");
    }
    assert_eq!(of(unknown(), &[], false, 1).who, Who::Payer);
    // Asking is not sending: what only waits for an answer waits for no gate.
    assert_eq!(of(Stage::Sent(signed(), sent()), &["relay"], false, 1).who, Who::Payer);
}

/// With no payer alive, whatever it would do by itself is a person's turn: to start it.
#[test]
fn without_a_payer_a_person_starts_one() {
    let (payment_id, check_url) = ("pay_1".to_owned(), None);
    let staged = Staged { payment_id, check_url, since: NOW };
    for stage in [
        Stage::Intent,
        Stage::Sent(signed(), sent()),
        Stage::Staged(signed(), sent(), staged),
        Stage::Unknown(signed(), sent(), doubt()),
    ] {
        let waits = of(stage, &[], false, 0);
        assert_eq!((waits.who, waits.command.as_deref()), (Who::Person, Some("welcome-payer")));
    }
}

/// Nonce order is payment order: what goes first is named.
#[test]
fn what_goes_first_is_named() {
    let waits = of(Stage::Signed(signed()), &[], false, 1);
    assert!(waits.what.contains("nonces 4"), "{waits:?}");
}

/// A doubt that nobody can resolve is a person's turn only after its time; a wait that was
/// asked for has its end.
#[test]
fn a_doubt_has_its_times() {
    let since = |seconds: u64| Timestamp::from_millis(NOW.as_millis() - seconds * 1_000);
    let untold = |seconds| Doubt { untold_since: Some(since(seconds)), ..doubt() };
    let of = |doubt| of(Stage::Unknown(signed(), sent(), doubt), &[], false, 1);
    assert_eq!(of(untold(599)).who, Who::Payer);
    let waits = of(untold(600));
    assert_eq!(
        (waits.who, waits.command.as_deref()),
        (Who::Person, Some("portcullis gate show wallet"))
    );
    let later = Doubt { not_before: Some(NOW.after(Duration::from_secs(30))), ..doubt() };
    assert!(of(later).what.contains("in 30 s"));
}

/// What is over is over; what was paid and never delivered is a person's to deliver.
#[test]
fn what_is_over_waits_for_nobody() {
    let settled = |proof| {
        let settlement = Settlement { txid: Some("ab".to_owned()), message: None, proof };
        Stage::Settled(Some(signed()), settlement)
    };
    assert_eq!(of(settled(Proof::Delivered), &["relay"], true, 0).who, Who::Nobody);
    let waits = of(settled(Proof::Chain), &[], true, 1);
    let retry = "portcullis task retry welcome/SP1 --note \"…\"";
    assert_eq!((waits.who, waits.command.as_deref()), (Who::Person, Some(retry)));
    assert_eq!(of(settled(Proof::Chain), &[], false, 1).who, Who::Payer);
    let rejected = || {
        let why = "withdrawn".to_owned();
        Stage::Rejected(Some(signed()), Rejection::Unsent { why })
    };
    assert_eq!(of(rejected(), &["relay"], true, 1).who, Who::Nobody);
    assert_eq!(of(rejected(), &[], false, 1).who, Who::Payer);
    assert_eq!(of(Stage::Intent, &["relay"], true, 1).who, Who::Nobody);
}
