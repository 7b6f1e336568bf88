//! What a record remembers, and that a failure which is known moves nothing again.

use super::*;

/// A failure that was counted and is told once more, without the epoch it was admitted under,
/// moves nothing: not while its incident stands, and not after.
#[test]
fn a_counted_failure_closes_nothing_again() {
    check(
        "1 fail a relay.nonce-conflict @0
         2 opens ann fixed
         3 fail a relay.nonce-conflict @0
         4 done b @3 canary
         5 fail a relay.nonce-conflict @0
         6 gone @3
         7 fail a relay.nonce-conflict @0
         8 fail c relay.nonce-conflict @0",
        "1 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         2 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         3 joined 1
         4 draining 4 in 1 [\"relay.nonce-conflict\"] told Draining
         5 joined 1
         6 open 5 in 1 [] told Opened { without_canary: false }
         7 counted already in 1
         8 closed 6 in 2 [\"relay.nonce-conflict\"] told Closed joined 2",
    );
}

/// One that is counted while the gate is OPEN closes nothing when it comes again, whatever
/// the policy says by now.
#[test]
fn a_gathered_failure_closes_nothing_again() {
    let mut story = Story::begin();
    story.hear("1 fail a relay.unavailable @1");
    let words = ["2", "fail", "a", "relay.unavailable", "@1"];
    let blame = Blame::Shared { gate: relay(), tasks: 1, within: UNDECIDED_AFTER };
    let seen = FailureSeen { blame, ..failure(&words, at(1)) };
    let stamp = Stamp { now: at(2), prev: 1, remedy: "look" };
    let again = on_failure(story.gate(), &story.record(1), &seen, &stamp).unwrap();
    assert_eq!((again.gate, again.incident), (None, None));
}

/// Failures that never add up do not make the record grow for ever: what cannot close any
/// more makes room, and what could still closes.
#[test]
fn gathering_stays_small_and_still_closes() {
    let mut story = Story::begin();
    for number in 0..2_000 {
        let (second, task) = (number * 400, number % 7);
        story.hear(&format!("{second} fail t{task} relay.unavailable @{number}"));
    }
    let record = story.record(1);
    assert_eq!((record.failures.len(), record.more), (20, 0));
    let mut story = Story::begin();
    story.hear("1 fail a relay.unavailable @1");
    for number in 0..2_000 {
        story.hear(&format!("{} fail b relay.unavailable @{number}", 2 + number / 10));
    }
    assert_eq!(story.gate().state, GateState::Open);
    assert_eq!(story.record(1).failures.len(), 21);
    story.hear("300 fail c relay.unavailable @1");
    assert_eq!(story.gate().state, GateState::Closed, "the first task is still counted");
}

/// A full record keeps how it began and what is new, and still counts everything.
#[test]
fn a_full_record_keeps_the_first_and_the_newest() {
    let mut story = Story::begin();
    for number in 0..=Incident::KEPT_MAX {
        story.hear(&format!("1 fail t{number} relay.nonce-conflict @1"));
    }
    let record = story.record(1);
    assert_eq!((record.failures.len(), record.count()), (200, 201));
    assert!(record.has("t0/1/@1") && record.has("t200/1/@1") && !record.has("t50/1/@1"));
}
