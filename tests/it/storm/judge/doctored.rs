//! Shows that the judge bites: a small history in which every promise holds, then one change
//! for each promise, which that promise and no other one finds.

mod whole;

use domain::{
    Actor, Epoch, GateState, PaymentStage as Stage, Phase, Rejection, Timestamp, Unfinished,
    event_id,
};

use self::whole::{
    admitted, canary, claimed, gate, incident, key, link, payment, sent, settled, signed, whole,
};
use super::judge;
use crate::storm::history::{Asked, At, History, Ordered, Transfer};

/// What the judge says of a history that was changed so: promise and words of what broke.
#[track_caller]
fn check(change: impl FnOnce(&mut History), expected: &[&str]) {
    let mut history = whole();
    change(&mut history);
    let verdicts = judge(&history);
    let broken: Vec<_> =
        verdicts.iter().filter(|it| !it.broken.is_empty()).map(|it| it.says).collect();
    let how: Vec<_> = verdicts.iter().flat_map(|verdict| &verdict.broken).collect();
    assert_eq!(broken, expected, "{how:#?}");
}

/// The control: nothing is found where nothing broke, and every promise looked at something.
#[test]
fn an_honest_history_is_found_to_hold() {
    check(|_| (), &[]);
    let unseen: Vec<_> =
        judge(&whole()).iter().filter(|it| it.looked_at == 0).map(|it| it.says).collect();
    assert_eq!(unseen, ["the drain is paced", "each attempt is made once"]);
}

/// G1, G2: work behind the closing, by sequence and by the server's clock.
#[test]
fn work_behind_a_closing_is_found() {
    check(|it| it.creates[0].seq = 21, &["no task is created behind a closing"]);
    // Claimed 10 s after the closing, under the gate as it was before.
    let late = |it: &mut History| {
        it.links[0].ms = 30_000;
        it.links[1].ms = 30_500;
    };
    check(late, &["no attempt begins behind a closing"]);
    // Unless it was frozen meanwhile.
    let frozen = |it: &mut History| {
        late(it);
        it.disturbed.push((19_000, 29_000));
    };
    check(frozen, &[]);
    let asked = Asked {
        source_key: "chore/ok/1".to_owned(),
        attempt: 1,
        holder: "a".to_owned(),
        admitted: admitted(1, 10),
        at_ms: 30_000,
    };
    check(|it| it.asked.push(asked), &["no attempt begins behind a closing"]);
}

/// G3: a gatekeeper that opens, an epoch left out, a forked log.
#[test]
fn an_opening_by_nobody_is_found() {
    let (person, follows) =
        ("only a person opens a gate", "each state of a gate follows from the one before");
    check(|it| it.gates[3].value.by = Actor::Gatekeeper, &[person, follows]);
    check(|it| it.gates[3].value.note.clear(), &[person]);
    check(|it| it.gates[4].value.prev = 20, &[follows]);
    check(|it| it.gates[5].value.epoch = Epoch::new(7), &[follows]);
}

/// G4: a second canary, a claim that is not the canary, a flood.
#[test]
fn more_than_a_canary_is_found() {
    let canary_says = "opening begins with one canary";
    let other = domain::Key::of_payee("mainnet", 22, &[9; 20], "welcome");
    let second = At { seq: 2, ms: 0, value: canary(other) };
    check(|it| it.canaries.push(second), &[canary_says]);
    check(|it| it.links[2].value.canary.clear(), &[canary_says]);
    // Two at once of a kind of three, and the drain lets one through until one completes.
    let crowd = |it: &mut History, epoch, count| {
        it.links.truncate(2);
        for number in 0..count {
            let under = admitted(epoch, epoch * 10);
            let mut claim = link(10 + number, 51_000, 1, under, claimed("c", 0));
            claim.value.source_key = format!("welcome/SP9{number}").parse().unwrap();
            it.links.push(claim);
        }
    };
    check(|it| crowd(it, 4, 2), &["the drain is paced"]);
    check(|it| crowd(it, 5, 3), &[]);
    check(|it| crowd(it, 5, 4), &["the fleet keeps to each kind's concurrency"]);
    // What the tape misses proves nothing.
    let unseen = |it: &mut History| {
        crowd(it, 5, 4);
        it.gaps.insert(12);
    };
    check(unseen, &[]);
}

/// G5: a second number for one closing, one failure in two incidents, a straggler that closes.
#[test]
fn an_incident_told_wrongly_is_found() {
    let one = "one closing is one incident";
    check(|it| it.gates[5].value.incident = 2, &[one]);
    let event = event_id(&"welcome".parse().unwrap(), key(), 1, "failed");
    let again = At { seq: 2, ms: 0, value: incident(2, &event) };
    check(|it| it.incidents.push(again), &[one]);
    check(|it| it.incidents.clear(), &[one]);
    let straggler = |it: &mut History| {
        let mut closing = gate(6, 60, 50, GateState::Closed, false);
        closing.value.incident = 2;
        closing.value.trigger = it.gates[2].value.trigger.clone();
        it.gates.push(closing);
    };
    check(straggler, &[one, "no straggler moves a gate"]);
}

/// W1, W2, W3, W4.
#[test]
fn a_task_gone_wrong_is_found() {
    let again = link(5, 33_000, 3, admitted(5, 50), claimed("c", 0));
    check(|it| it.links.push(again), &["a task ends once"]);
    let lost = Ordered { source_key: "chore/ok/1".to_owned(), seq: Some(13) };
    check(|it| it.ordered.push(lost), &["nothing is lost"]);
    check(|it| it.creates[0].created_by = "dispatcher".to_owned(), &["no failure makes a task"]);
    let budget = "attempts are bounded, shared failures are not charged";
    let spent = |it: &mut History| {
        it.states.values_mut().for_each(|state| state.charged = 3);
    };
    check(spent, &[budget, "the sums agree"]);
    check(|it| it.told[0].told.charged = true, &[budget, "the sums agree"]);
    check(|it| it.transfers.clear(), &["done means that the effect is recorded"]);
    check(|it| it.contacts.clear(), &["done means that the effect is recorded"]);
    let holder = "one holder acts for a task at a time";
    let snatched = link(2, 15_001, 2, admitted(1, 10), claimed("b", 0));
    check(|it| it.links.splice(1..2, [snatched]).for_each(drop), &[holder]);
    // Taken over a second after it was renewed.
    let lost = Phase::Resting {
        due: Timestamp::from_millis(0),
        cause: "dispatcher.lost".parse().unwrap(),
        charged: false,
    };
    let hasty = link(2, 16_000, 1, admitted(1, 10), lost);
    let uncharged = "attempts are bounded, shared failures are not charged";
    check(|it| it.links[1] = hasty, &[uncharged, holder]);
    let asked = Asked {
        source_key: "chore/ok/1".to_owned(),
        attempt: 1,
        holder: "a".to_owned(),
        admitted: Vec::new(),
        at_ms: 0,
    };
    check(|it| it.asked.extend([asked.clone(), asked]), &["each attempt is made once"]);
}

/// M1, M2, M3.
#[test]
fn money_gone_wrong_is_found() {
    let twice = Transfer { recipient: "SP1".to_owned(), amount: 100, nonce: 1 };
    check(|it| it.transfers.push(twice), &["a payee is paid at most once"]);
    let in_doubt = "what may have happened is resolved by asking";
    let given_up = |it: &mut History| {
        let why = Rejection::Unsent { why: String::new() };
        it.payments[3] = payment(1, Stage::Rejected(Some(signed(0, "x")), why));
    };
    check(given_up, &["done means that the effect is recorded", in_doubt]);
    check(|it| drop(it.payments.pop()), &["done means that the effect is recorded", in_doubt]);
    let legal = "each step of a payment is legal";
    check(|it| drop(it.payments.remove(1)), &[legal]);
    check(|it| it.payments[3] = payment(1, settled(0, "y")), &[legal]);
    let lent = |it: &mut History| {
        it.payments.push(payment(2, Stage::Intent));
        it.payments.push(payment(2, Stage::Signed(signed(0, "z"))));
        it.payments.push(payment(2, Stage::Sent(signed(0, "z"), sent())));
        it.payments.push(payment(2, settled(0, "z")));
    };
    check(lent, &["a nonce that left passes to no other payment"]);
    let missing = "no nonce is missing at rest";
    check(|it| it.chain_nonce = Some(0), &[missing]);
    let held = Unfinished {
        nonce: 0,
        payment: key(),
        sent: true,
        settled: None,
        amount: domain::Sats::new(100),
    };
    check(|it| it.wallets[0].value.unfinished.push(held), &[missing]);
}

/// T1.
#[test]
fn what_is_told_wrongly_is_found() {
    check(|it| it.told[0].told.cause = None, &["every failure has a cause"]);
    let again = |it: &mut History| it.event_ids.push(("other".to_owned(), 21_000));
    check(again, &["no event counts twice"]);
    check(|it| drop(it.told.pop()), &["the sums agree"]);
    check(|it| it.unreadable.push("pay.x".to_owned()), &["what is stored can be read"]);
}
