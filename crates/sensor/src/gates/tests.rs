use domain::{Actor, Admission, Cause, Claim, Cost, Epoch, Phase};

use super::*;

fn gate(name: &str, state: GateState) -> Gate {
    Gate {
        name: name.parse().unwrap(),
        epoch: Epoch::new(7),
        prev: 3,
        state,
        at: Timestamp::from_millis(1_773_223_200_000),
        since: Timestamp::from_millis(1_773_219_600_000),
        incident: 1,
        opening: Epoch::FIRST,
        causes: vec!["relay.nonce-conflict".parse().unwrap()],
        trigger: None,
        by: Actor::Gatekeeper,
        note: String::new(),
        remedy: String::new(),
        canaries_failed: 0,
        without_canary: false,
        resets: Vec::new(),
        failing_since: Timestamp::from_millis(0),
        words_broken: 0,
    }
}

fn open(probing: &[&str], draining: bool) -> view::Verdict {
    let probing = probing.iter().map(|name| name.parse().unwrap()).collect();
    view::Verdict::Open { token: 9, admitted: Vec::new(), probing, draining }
}

/// Each verdict reads so that nobody takes it the other way round, and a closed gate says
/// since when and for what.
#[test]
fn verdicts_in_words() {
    let check = |verdict: &view::Verdict, state, words: &str| {
        assert_eq!(tell(verdict, |name| Some(gate(name.as_str(), state))), words);
    };
    let blocked = view::Verdict::Blocked {
        gate: "relay".parse().unwrap(),
        state: GateState::Closed,
        epoch: Epoch::new(7),
        also: vec!["wallet".parse().unwrap()],
    };
    let since = "since 2026-03-11T09:00:00.000Z for relay.nonce-conflict";
    let closed = |name: &str| format!("{name} CLOSED (blocking) {since}");
    let both = format!("{}; {}", closed("relay"), closed("wallet"));
    check(&blocked, GateState::Closed, &both);
    let probing = format!("relay PROBING (one canary) {since}");
    check(&open(&["relay"], false), GateState::Probing, &probing);
    check(&open(&[], true), GateState::Draining, "DRAINING (paced)");
    check(&open(&[], false), GateState::Open, "OPEN (flowing)");
    let unknown = view::Verdict::Unknown(view::Unknown::Unread);
    let words = "unknown, held as CLOSED (the gates were not read yet)";
    check(&unknown, GateState::Open, words);
    assert_eq!(tell(&blocked, |_| None), "relay not open; wallet not open");
}

/// Only gates that let work through let tasks be created.
#[test]
fn what_admits() {
    assert!(admits(&open(&[], false)) && admits(&open(&["relay"], true)));
    assert!(!admits(&view::Verdict::Unknown(view::Unknown::Stale)));
}

/// Whatever a task was put back for, it is no canary before it is due; the one that is the
/// canary is it also while it rests.
#[test]
fn who_rests_is_no_canary() {
    let (due, cause): (_, Cause) = (Timestamp::from_millis(10), "relay.down".parse().unwrap());
    let rests_now = |epoch, canary: bool, phase| {
        let probing = gate("relay", GateState::Probing);
        let state = TaskState {
            kind: "welcome".parse().unwrap(),
            source_key: "welcome/a".parse().unwrap(),
            at: Timestamp::from_millis(1),
            attempt: 1,
            charged: 0,
            cost: Cost::ZERO,
            admitted: vec![Admission { gate: probing.name.clone(), epoch, seq: 3 }],
            canary: canary.then(|| probing.name.clone()).into_iter().collect(),
            task: None,
            phase,
            newest: Cost::ZERO,
            credential: None,
            resets_at: None,
        };
        let at = |millis| rests(&state, Some(&probing), Timestamp::from_millis(millis));
        (at(9), at(10))
    };
    let returned = || Phase::Returned { gate: None, cause: None, due };
    let unknown = || Phase::Resting { due, cause: cause.clone(), charged: false };
    let claimed = Phase::Claimed(Claim {
        holder: "d1".parse().unwrap(),
        begun: due,
        lease: Duration::from_secs(30),
        renewals: 0,
    });
    let (before, now) = (Epoch::new(6), Epoch::new(7));
    assert_eq!(rests_now(before, false, returned()), (true, false));
    assert_eq!(rests_now(before, true, unknown()), (true, false));
    assert_eq!(rests_now(now, true, unknown()), (false, false));
    assert_eq!(rests_now(before, false, claimed), (false, false));
}
