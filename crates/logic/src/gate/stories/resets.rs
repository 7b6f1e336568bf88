//! What passes by itself, by a word given beforehand.

use domain::{Config, GateConfig, Reset, ResetPolicy};

use super::*;

const NOTE: &str = "the quota turns by itself";

/// A configuration by which these causes pass by themselves.
pub(super) fn allowing(version: u64, causes: &[&str]) -> Config {
    let policy =
        |cause: &&str| ResetPolicy { cause: cause.parse().unwrap(), note: NOTE.to_owned() };
    let resets = causes.iter().map(policy).collect();
    let gates = [(relay(), GateConfig { resets, ..GateConfig::default() })].into();
    Config { version, gates, ..Config::default() }
}

/// What a person allowed, by the words of a line.
pub(super) fn said(words: &[&str]) -> Vec<Reset> {
    let also = words.contains(&"also");
    let own = (also || words.contains(&"allowed")).then(|| allowed(words[3]));
    own.into_iter().chain(also.then(|| allowed("relay.nonce-conflict"))).collect()
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
    Ok(on_reset_due(gate, record, &[allowing(4, &words[2..])], stamp))
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
         30 reset relay.nonce-conflict
         31 opens ann go on
         32 fail a relay.nonce-conflict @4 canary named=40 allowed
         50 reset relay.nonce-conflict",
        "10 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         11 closed 3 in 1 [\"relay.nonce-conflict\", \"person.closed\"] told Closed
         12 joined 1
         30 a person is asked
         31 probing 4 in 1 [\"relay.nonce-conflict\", \"person.closed\"] told Probing
         32 closed 5 in 1 [\"relay.nonce-conflict\", \"person.closed\"] told Closed joined 1
         50 a person is asked",
    );
}

/// Whoever names a time again and again and does not keep it is asked ever less often, and at
/// least each quarter of an hour.
#[test]
fn broken_words_wear_out() {
    let mut story = Story::begin();
    story.hear("0 fail a relay.nonce-conflict @1 named=1 allowed");
    let mut second = 1;
    let waits = (0..10).map(|_| {
        story.hear(&format!("{second} reset relay.nonce-conflict"));
        let failed = format!(
            "{second} fail a relay.nonce-conflict @{} canary named={second} allowed",
            story.gate().epoch
        );
        assert!(story.hear(&failed).contains("closed"), "{failed}");
        let due = resets_at(story.gate(), &story.record(1)).unwrap();
        let wait = due.since(at(second)).as_secs();
        second += wait;
        wait
    });
    assert_eq!(waits.collect::<Vec<_>>(), [10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
}

/// A canary that has passed has kept the word: whoever limits again while the drain goes on is
/// taken at their new word, and what they named before is over. So it is when a person opens.
#[test]
fn what_was_named_before_is_over() {
    check(
        "0    fail a relay.nonce-conflict @1 named=1 allowed
         1    reset relay.nonce-conflict
         2    fail a relay.nonce-conflict @3 canary named=5000 allowed
         3    opens ann topped up
         4    done a @5 canary
         100  fail b relay.nonce-conflict @6 named=120 allowed
         119  reset relay.nonce-conflict
         120  reset relay.nonce-conflict",
        "0 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         1 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         2 closed 4 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         3 probing 5 in 1 [\"relay.nonce-conflict\"] told Probing
         4 draining 6 in 1 [\"relay.nonce-conflict\"] told Draining
         100 closed 7 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         119 not before 120
         120 probing 8 in 1 [\"relay.nonce-conflict\"] told Probing",
    );
    check(
        "0   fail a relay.nonce-conflict @1 named=5000 allowed
         3   opens ann topped up
         4   done a @3 canary
         100 fail b relay.nonce-conflict @4 allowed
         101 reset relay.nonce-conflict",
        "0 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         3 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         4 draining 4 in 1 [\"relay.nonce-conflict\"] told Draining
         100 closed 5 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         101 a person is asked",
    );
}

/// What has passed need not pass again where another cause closes the gate next; and of what adds
/// up to a closing, only what was told within its window counts.
#[test]
fn what_is_named_since_counts() {
    check(
        "0   fail a relay.nonce-conflict @1 named=20 allowed
         20  reset relay.nonce-conflict
         21  done a @3 canary
         100 fail b relay.unavailable @4 named=120 also
         119 reset relay.nonce-conflict relay.unavailable
         120 reset relay.nonce-conflict relay.unavailable",
        "0 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         20 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         21 draining 4 in 1 [\"relay.nonce-conflict\"] told Draining
         100 closed 5 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] told Closed joined 1
         119 not before 120
         120 probing 6 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] told Probing",
    );
    check(
        "0  fail a relay.nonce-conflict @1 named=5000 allowed
         10 opens ann topped up
         11 fail a relay.nonce-conflict @3 canary named=20 allowed
         20 reset relay.nonce-conflict",
        "0 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         10 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         11 closed 4 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         20 probing 5 in 1 [\"relay.nonce-conflict\"] told Probing",
    );
    check(
        "0    fail a relay.unavailable @1 named=90000 allowed
         1000 fail b relay.unavailable @1 named=1010 allowed
         1001 fail c relay.unavailable @1 named=1010 allowed
         1002 fail d relay.unavailable @1 named=1010 allowed
         1010 reset relay.unavailable",
        "0 counted 1 of 3
         1000 counted 1 of 3
         1001 counted 2 of 3
         1002 closed 2 in 1 [\"relay.unavailable\"] told Closed joined 1
         1010 probing 3 in 1 [\"relay.unavailable\"] told Probing",
    );
}

/// A word that was taken back stays so for this closing, whatever is applied later.
#[test]
fn a_word_taken_back_does_not_return() {
    let mut story = Story::begin();
    story.hear("10 fail a relay.nonce-conflict @1 named=20 allowed");
    let (gate, record) = (story.gate(), story.record(1));
    let stamp = Stamp { now: at(30), prev: 2, remedy: "" };
    let says = |version| allowing(version, &["relay.nonce-conflict"]);
    let silent = |version| allowing(version, &["relay.unavailable"]);
    let probes = |configs: &[Config]| on_reset_due(gate, &record, configs, &stamp).gate.is_some();
    assert!(probes(&[says(4)]) && probes(&[silent(3), says(4), says(6)]));
    assert!(!probes(&[says(4), silent(5)]) && !probes(&[says(4), silent(5), says(6)]));
    assert_eq!(taken_back(gate, &[says(4), silent(5), says(6)]), Some(5));
}

/// However many failures join, a record keeps by what the gate resets, and by what it does not.
#[test]
fn a_full_record_keeps_what_matters() {
    let mut story = Story::begin();
    for second in 0..1_000 {
        let named = if second == 60 { "named=5000" } else { "named=2000" };
        story.hear(&format!("{second} fail t{second} relay.nonce-conflict @1 {named} allowed"));
    }
    assert_eq!(story.hear("1000 reset relay.nonce-conflict"), "1000 not before 5000");
    assert_eq!(story.record(1).failures.len(), Incident::KEPT_MAX);
    story.hear("5000 reset relay.nonce-conflict");
    story.hear("5001 fail a relay.nonce-conflict @3 canary named=6000 allowed");
    story.hear("5002 fail a relay.unavailable @1 named=5003 allowed");
    story.hear("5004 fail a relay.unavailable @4 allowed");
    for second in 5_005..6_005 {
        let named = "named=9000 allowed";
        story.hear(&format!("{second} fail s{second} relay.nonce-conflict @1 {named}"));
    }
    assert!(story.record(1).has("a/1/@3"), "what closed the gate last");
    assert_eq!(story.hear("9000 reset relay.nonce-conflict"), "9000 a person is asked");
}

/// A record that does not know yet what closed the gate again is no record to go by: the time
/// that it holds is the one that was not kept.
#[test]
fn a_record_that_is_behind_says_nothing() {
    let mut story = Story::begin();
    story.hear("10 fail a relay.nonce-conflict @1 named=20 allowed");
    story.hear("11 fail b relay.nonce-conflict @1 named=40 allowed");
    let before = story.record(1);
    story.hear("40 reset relay.nonce-conflict");
    story.hear("40 fail a relay.nonce-conflict @3 canary named=90 allowed");
    assert_eq!(resets_at(story.gate(), &before), None);
    assert_eq!(resets_at(story.gate(), &story.record(1)), Some(at(90)));
}
