//! What passes by itself, by a word given beforehand.

use domain::{GateConfig, Reset, ResetPolicy};

use super::*;

const NOTE: &str = "the quota turns by itself";

/// A gate of which these causes pass by themselves.
pub(super) fn allowing(causes: &[&str]) -> GateConfig {
    let policy =
        |cause: &&str| ResetPolicy { cause: cause.parse().unwrap(), note: NOTE.to_owned() };
    GateConfig { resets: causes.iter().map(policy).collect(), ..GateConfig::default() }
}

/// Asks whether a canary may go, while the causes at the end of the line are allowed.
pub(super) fn ask(
    gate: &Gate,
    record: &Incident,
    words: &[&str],
    stamp: &Stamp<'_>,
) -> Result<Decision, String> {
    let due = resets_at(gate, record).ok_or("a person is asked")?;
    if stamp.now < due {
        return Err(format!("not before {}", due.as_millis() / 1_000));
    }
    Ok(on_reset_due(gate, record, &allowing(&words[2..]), stamp))
}

/// The same of one cause, as a closing cites it.
pub(super) fn allowed(cause: &str) -> Reset {
    let (by, note) = ("bob".to_owned(), NOTE.to_owned());
    Reset { cause: cause.parse().unwrap(), version: 4, by, note }
}

/// The latest time that was named counts, whoever named it; then one canary goes, and its failure
/// closes the gate in the same incident, for the time that this one names.
#[test]
fn a_canary_goes_at_the_time_that_was_named() {
    check(
        "10  fail a relay.nonce-conflict @1 named=60 allowed
         11  fail b relay.nonce-conflict @1 named=90 allowed
         12  fail c relay.nonce-conflict @1 allowed
         89  reset relay.nonce-conflict
         90  reset relay.nonce-conflict
         91  fail d relay.nonce-conflict @1 named=95 allowed
         92  fail a relay.nonce-conflict @3 canary named=300 allowed
         299 reset relay.nonce-conflict
         300 reset relay.nonce-conflict
         301 done a @5 canary
         302 gone @5
         303 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 joined 1
         12 joined 1
         89 not before 90
         90 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         91 late-joined 1
         92 closed 4 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         299 not before 300
         300 probing 5 in 1 [\"relay.nonce-conflict\"] told Probing
         301 draining 6 in 1 [\"relay.nonce-conflict\"] told Draining
         302 open 7 in 1 [] told Opened { without_canary: false }
         303 a person is asked",
    );
}

/// The opening says by whose word, and in which configuration it stands.
#[test]
fn the_opening_cites_who_allowed_it() {
    let mut story = Story::begin();
    story.hear("10 fail a relay.nonce-conflict @1 named=60 allowed");
    story.hear("60 reset relay.nonce-conflict");
    let gate = story.gate();
    assert_eq!(gate.by, Actor::Gatekeeper);
    assert_eq!(gate.resets, [allowed("relay.nonce-conflict")]);
    assert_eq!(
        gate.note,
        "the time named was 1970-01-01T00:01:00.000Z; relay.nonce-conflict passes by itself, said \
         bob in configuration 4: the quota turns by itself"
    );
}

/// Every cause must be one that passes, with a time of its own, named after its last failure.
#[test]
fn a_person_is_asked_for_anything_else() {
    check(
        "10 fail a relay.nonce-conflict @1 allowed
         11 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 a person is asked",
    );
    check(
        "10 fail a relay.nonce-conflict @1 named=20
         30 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         30 a person is asked",
    );
    check(
        "10 fail a relay.nonce-conflict @1 named=20 allowed
         21 fail b relay.nonce-conflict @1
         30 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         21 joined 1
         30 a person is asked",
    );
    check(
        "10 fail a relay.nonce-conflict @1 named=20 allowed
         11 fail b relay.unavailable @1 named=20
         30 reset relay.nonce-conflict relay.unavailable",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 closed 3 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] one more cause joined 1
         30 a person is asked",
    );
    check(
        "10 fail a relay.nonce-conflict @1 named=9999999 allowed
         11 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 a person is asked",
    );
}

/// A second cause that passes too waits for the later of the two; a word that was taken back does
/// nothing any more.
#[test]
fn causes_that_all_pass() {
    check(
        "10 fail a relay.nonce-conflict @1 named=20 allowed
         11 fail b relay.unavailable @1 named=40 allowed
         39 reset relay.nonce-conflict relay.unavailable
         40 reset relay.nonce-conflict
         41 reset relay.nonce-conflict relay.unavailable",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 closed 3 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] one more cause joined 1
         39 not before 40
         40
         41 probing 4 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] told Probing",
    );
}

/// A person who closes has the last word: over a gate that could reset, and with a cause that
/// otherwise could.
#[test]
fn what_a_person_closes_stays_closed() {
    check(
        "10 fail a relay.nonce-conflict @1 named=20 allowed
         11 closes ann wait for me
         12 closes ann wait for me
         30 reset relay.nonce-conflict
         31 fail b relay.nonce-conflict @1 named=35 allowed
         40 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 closed 3 in 1 [\"relay.nonce-conflict\", \"person.closed\"] told Closed
         12 gate relay is CLOSED (blocking) since 1970-01-01T00:00:10.000Z already, by ann
         30 a person is asked
         31 joined 1
         40 a person is asked",
    );
    check(
        "10 fail a relay.nonce-conflict @1 named=20 allowed
         11 closes ann wait cause=relay.nonce-conflict
         12 fail b relay.nonce-conflict @1 named=25 allowed
         30 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 closed 3 in 1 [\"relay.nonce-conflict\"] told Closed
         12 joined 1
         30 a person is asked",
    );
}

/// Whoever names a time again and again and does not keep it is asked ever less often, and at
/// least each quarter of an hour.
#[test]
fn broken_words_wear_out() {
    check(
        "0    fail a relay.nonce-conflict @1 named=1 allowed
         1    reset relay.nonce-conflict
         100  fail a relay.nonce-conflict @3 canary named=101 allowed
         101  reset relay.nonce-conflict
         150  reset relay.nonce-conflict
         9000 fail a relay.nonce-conflict @5 canary named=9001 allowed
         9001 reset relay.nonce-conflict",
        "0 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         1 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         100 closed 4 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         101 not before 150
         150 probing 5 in 1 [\"relay.nonce-conflict\"] told Probing
         9000 closed 6 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         9001 not before 9900",
    );
}

/// However many failures join, the latest time that was named stays in the record.
#[test]
fn a_full_record_keeps_the_latest_time() {
    let mut story = Story::begin();
    for second in 0..1_000 {
        let named = if second == 60 { "named=5000" } else { "named=2000" };
        story.hear(&format!("{second} fail t{second} relay.nonce-conflict @1 {named} allowed"));
    }
    assert_eq!(story.hear("1000 reset relay.nonce-conflict"), "1000 not before 5000");
    assert_eq!(story.record(1).failures.len(), Incident::KEPT_MAX);
}
