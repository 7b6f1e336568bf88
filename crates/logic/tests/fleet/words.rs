//! Outcomes and gate messages by the word.

use std::time::Duration;

use domain::{Actor, Blame, Cause, Cost, Epoch, Gate, GateName, GateState, Outcome, Timestamp};

use super::Answer;

pub(super) fn relay() -> GateName {
    "relay".parse().unwrap()
}

fn cause(text: &str) -> Cause {
    text.parse().unwrap()
}

pub(super) fn outcome(answer: Answer) -> (Outcome, Blame) {
    let shared = Blame::Shared { gate: relay(), tasks: 1, within: Duration::from_secs(600) };
    let evidence = "raw".to_owned();
    let failed = |text| Outcome::Failed {
        cause: cause(text),
        evidence: evidence.clone(),
        retry_after: None,
        cost: Cost::ZERO,
    };
    match answer {
        Answer::Completed => {
            (Outcome::Completed { effect: "paid".to_owned(), cost: Cost::ZERO }, Blame::Nobody)
        }
        Answer::Own => (failed("target.invalid"), Blame::Own),
        Answer::Shared => (failed("relay.nonce-conflict"), shared),
        Answer::Nobody => (failed("relay.rate-limited"), Blame::Nobody),
        Answer::Unknown => {
            let cause = cause("payment.unknown");
            let outcome = Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO };
            // Whoever is to blame, what may have happened is never charged.
            (outcome, Blame::Own)
        }
        Answer::Held => (Outcome::Held { gate: None, why: "queued".to_owned() }, Blame::Nobody),
        Answer::Moot => (Outcome::Moot { why: "earlier contact".to_owned() }, Blame::Nobody),
    }
}

pub(crate) fn gate(epoch: Epoch, state: GateState) -> Gate {
    Gate {
        name: relay(),
        epoch,
        prev: 0,
        state,
        at: Timestamp::from_millis(0),
        since: Timestamp::from_millis(0),
        incident: 1,
        opening: Epoch::FIRST,
        causes: Vec::new(),
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
