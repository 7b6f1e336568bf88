use domain::{Actor, Epoch, Timestamp};

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
