//! The gate `relay` in stories: what happened in, what was written and told out.

use std::collections::BTreeMap;

use domain::{
    Admission, Blame, Canary, Cause, Epoch, Gate, GateName, GateState, Incident, Key, SourceKey,
    Timestamp,
};

use super::*;

mod again;
mod resets;

struct Story {
    log: Vec<Gate>,
    records: BTreeMap<u64, Incident>,
}

impl Story {
    fn begin() -> Self {
        let stamp = Stamp { now: at(0), prev: 0, remedy: "look" };
        Story { log: vec![first(relay(), "ann", &stamp)], records: BTreeMap::new() }
    }

    fn gate(&self) -> &Gate {
        self.log.last().unwrap()
    }

    fn record(&self, number: u64) -> Incident {
        self.records.get(&number).cloned().unwrap_or_else(|| Incident::new(relay(), number))
    }

    fn hear(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let prev = self.log.len() as u64;
        let stamp = Stamp { now: at(words[0].parse().unwrap()), prev, remedy: "look" };
        let gate = self.gate().clone();
        let standing = self.records.get(&gate.incident);
        let decision = match words[1] {
            "fail" => {
                let seen = failure(&words, stamp.now);
                if let Some(number) = counted_before(&gate, &seen)
                    && self.record(number).has(&seen.event)
                {
                    return format!("{} counted already in {number}", words[0]);
                }
                let number = match home(&gate, &seen) {
                    Home::None => 0,
                    Home::Incident(number) => number,
                    Home::From(epoch) => {
                        let mut since = self.log.iter().filter(|gate| epoch <= gate.epoch);
                        since.find(|gate| gate.state == GateState::Closed).unwrap().incident
                    }
                };
                on_failure(&gate, &self.record(number), &seen, &stamp).unwrap()
            }
            "done" => {
                let (admitted, canary) = passage(&words);
                on_completed(&gate, &CompletedSeen { admitted, canary }, &stamp)
            }
            "late" => {
                let under_way = stamp.now.since(at(0));
                on_canary_late(&gate, &canary_record(&words), under_way, &stamp)
            }
            "gone" => on_backlog_gone(&gate, epoch(words[2]), &stamp),
            "reset" => match resets::ask(&gate, &self.record(gate.incident), &words, &stamp) {
                Ok(decision) => decision,
                Err(not_yet) => return format!("{} {not_yet}", words[0]),
            },
            "closes" => match close(&gate, None, &closing(&words), &stamp) {
                Ok(decision) => decision,
                Err(refusal) => return format!("{} {refusal}", words[0]),
            },
            "opens" => match open(&gate, standing, &opening(&words), &stamp) {
                Ok(decision) => decision,
                Err(refusal) => return format!("{} {refusal}", words[0]),
            },
            other => panic!("no event {other:?}"),
        };
        self.write(words[0], decision)
    }

    fn write(&mut self, second: &str, decision: Decision) -> String {
        if let Some(record) = decision.incident {
            self.records.insert(record.number, record);
        }
        let mut answer = second.to_owned();
        if let Some(gate) = decision.gate {
            let causes: Vec<&str> = gate.causes.iter().map(Cause::as_str).collect();
            let (word, epoch, incident) = (gate.state.word(), gate.epoch, gate.incident);
            answer += &format!(" {word} {epoch} in {incident} {causes:?}");
            self.log.push(gate);
        }
        for told in decision.told {
            answer += &match told {
                Told::Joined { incident, straggler: true } => format!(" late-joined {incident}"),
                Told::Joined { incident, straggler: false } => format!(" joined {incident}"),
                Told::Counted { tasks, of } => format!(" counted {tasks} of {of}"),
                Told::CanaryFailed { failed } => format!(" canaries failed: {failed}"),
                Told::CauseJoined { .. } => " one more cause".to_owned(),
                Told::Opened { without_canary: true } => " opened without canary".to_owned(),
                other => format!(" told {other:?}"),
            };
        }
        answer
    }
}

/// Tells a story, one event a line, and compares what was written and told, one line each.
///
/// Events: `fail <task> <cause> @<epoch> [canary]`, `done <task> @<epoch> [canary]`,
/// `late <task> @<epoch>` (its canary began at second 0), `gone @<opening>`,
/// `closes <who> <note> [cause=<cause>]`, `opens <who> <note> [accept=<cause>]`. A failure may name
/// the second at which it has passed, `named=<second>`, and be one that a person `allowed` to pass,
/// maybe `also` a stuck nonce;
/// `reset <cause> …` asks whether it has, while those causes are allowed.
#[track_caller]
fn check(story: &str, answer: &str) {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let mut told = Story::begin();
    let heard: Vec<String> = lines(story).iter().map(|line| told.hear(line)).collect();
    assert_eq!(heard, lines(answer));
}

fn relay() -> GateName {
    "relay".parse().unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn epoch(word: &str) -> Epoch {
    Epoch::new(word.strip_prefix('@').unwrap().parse().unwrap())
}

fn passage(words: &[&str]) -> (Vec<Admission>, Vec<GateName>) {
    let under = words.iter().find(|word| word.starts_with('@')).unwrap();
    let admission = Admission { gate: relay(), epoch: epoch(under), seq: 0 };
    (vec![admission], words.contains(&"canary").then(relay).into_iter().collect())
}

fn task(word: &str) -> (Key, SourceKey) {
    let source: SourceKey = format!("welcome/{word}").parse().unwrap();
    (source.key(), source)
}

fn failure(words: &[&str], at: Timestamp) -> FailureSeen {
    let (task, source_key) = task(words[2]);
    let cause: Cause = words[3].parse().unwrap();
    let (admitted, canary) = passage(words);
    FailureSeen {
        event: format!("{}/1/{}", words[2], words[4]),
        kind: "welcome".parse().unwrap(),
        task,
        source_key,
        attempt: 1,
        blame: cause.rule().map_or(Blame::Own, domain::Rule::blame),
        cause,
        admitted,
        canary,
        at,
        evidence: "409".to_owned(),
        resets_at: words
            .iter()
            .find_map(|word| Some(self::at(word.strip_prefix("named=")?.parse().ok()?))),
        allowed: resets::said(words),
    }
}

fn canary_record(words: &[&str]) -> Canary {
    let (task, source_key) = task(words[2]);
    let (gate, holder, epoch) = (relay(), "d1".parse().unwrap(), epoch(words[3]));
    let kind = "welcome".parse().unwrap();
    let (attempt, begun, released) = (1, at(0), false);
    Canary { gate, epoch, kind, task, source_key, attempt, holder, begun, released }
}

fn closing(words: &[&str]) -> PersonCloses {
    let cause = words.iter().find_map(|word| word.strip_prefix("cause="));
    let cause = cause.map(|cause| cause.parse().unwrap());
    PersonCloses { by: words[2].to_owned(), note: words[3..].join(" "), cause }
}

fn opening(words: &[&str]) -> PersonOpens {
    let accept = words.iter().filter_map(|word| word.strip_prefix("accept="));
    let accept: Vec<Cause> = accept.map(|cause| cause.parse().unwrap()).collect();
    PersonOpens {
        by: words[2].to_owned(),
        note: words[3..].join(" "),
        without_canary: words[3..].iter().any(|word| word.starts_with("accept=")),
        accept,
        expected_epoch: None,
    }
}

/// One stuck nonce: the first failure closes, the others join, a person opens, one canary
/// proves it, and the end of the backlog ends the incident.
#[test]
fn a_stuck_nonce_from_closing_to_opening() {
    check(
        "1 fail a relay.nonce-conflict @1
         2 fail b relay.nonce-conflict @1
         3 fail b relay.nonce-conflict @1
         4 opens ann nonce replaced
         5 done a @3 canary
         6 gone @3",
        "1 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         2 joined 1
         3 joined 1
         4 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         5 draining 4 in 1 [\"relay.nonce-conflict\"] told Draining
         6 open 5 in 1 [] told Opened { without_canary: false }",
    );
}

/// A flaky cause takes distinct tasks within its window: one task that fails often, or
/// failures too far apart, close nothing.
#[test]
fn a_threshold_counts_distinct_tasks_within_its_window() {
    check(
        "0   fail a relay.unavailable @1
         10  fail a relay.unavailable @1
         20  fail b relay.unavailable @1
         900 fail c relay.unavailable @1
         901 fail d relay.unavailable @1
         902 fail e relay.unavailable @1",
        "0 counted 1 of 3
         10 counted 1 of 3
         20 counted 2 of 3
         900 counted 1 of 3
         901 counted 2 of 3
         902 closed 2 in 1 [\"relay.unavailable\"] told Closed joined 1",
    );
}

/// What was admitted before an opening joins the incident it belongs to, however many
/// openings ago, and moves nothing; nor does its late success.
#[test]
fn stragglers_join_their_own_incident() {
    check(
        "1 fail a relay.nonce-conflict @1
         2 opens ann fixed
         3 fail z relay.nonce-conflict @1
         4 done y @1
         5 done a @3 canary
         6 gone @3
         7 fail b relay.nonce-conflict @5
         8 opens ann fixed
         9 fail x relay.nonce-conflict @1
         9 fail w relay.nonce-conflict @5",
        "1 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         2 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         3 late-joined 1
         4
         5 draining 4 in 1 [\"relay.nonce-conflict\"] told Draining
         6 open 5 in 1 [] told Opened { without_canary: false }
         7 closed 6 in 2 [\"relay.nonce-conflict\"] told Closed joined 2
         8 probing 7 in 2 [\"relay.nonce-conflict\"] told Probing
         9 late-joined 1
         9 late-joined 2",
    );
}

/// A canary that fails for its own fault gives way to the next; one that fails for a shared
/// cause closes the gate in the same incident, whatever that cause's threshold.
#[test]
fn canaries_fail_in_two_ways() {
    check(
        "1 fail a relay.nonce-conflict @1
         2 opens ann fixed
         3 fail a target.invalid @3 canary
         4 fail a target.invalid @3 canary
         5 fail b relay.rate-limited @4 canary
         6 fail b wallet.insufficient-funds @4 canary
         7 fail c relay.unavailable @5 canary
         8 opens ann again",
        "1 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         2 probing 3 in 1 [\"relay.nonce-conflict\"] told Probing
         3 probing 4 in 1 [\"relay.nonce-conflict\"] canaries failed: 1
         4 canaries failed: 1
         5
         6 probing 5 in 1 [\"relay.nonce-conflict\"] canaries failed: 2
         7 closed 6 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] told Closed joined 1
         8 probing 7 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] told Probing",
    );
}

/// A canary may be unknown for half an hour, not for longer.
#[test]
fn an_undecided_canary_closes_the_gate() {
    check(
        "0 closes bob maintenance
         0 opens ann done
         1799 late a @3
         1800 late b @2
         1800 late a @3
         1801 done a @3 canary",
        "0 closed 2 in 1 [\"person.closed\"] told Closed
         0 probing 3 in 1 [\"person.closed\"] told Probing
         1799
         1800
         1800 closed 4 in 1 [\"person.closed\", \"canary.undecided\"] told Undecided
         1801",
    );
}

/// How long a canary was under way is measured, not read off two clocks: one begun "long ago"
/// or "tomorrow" by its dispatcher's clock gets its half hour, and no more.
#[test]
fn a_canary_is_late_by_one_clock() {
    let mut story = Story::begin();
    story.hear("0 closes bob maintenance");
    story.hear("1 opens ann done");
    let stamp = Stamp { now: at(100_000), prev: 3, remedy: "look" };
    let late = |begun, under_way| {
        let canary = Canary { begun: at(begun), ..canary_record(&["", "", "a", "@3"]) };
        on_canary_late(story.gate(), &canary, under_way, &stamp).gate.is_some()
    };
    let short = UNDECIDED_AFTER - std::time::Duration::from_secs(1);
    assert!(!late(0, short) && late(200_000, UNDECIDED_AFTER));
}

/// Past the canary only with every cause accepted, also those that joined later.
#[test]
fn opening_without_canary_needs_every_cause_accepted() {
    check(
        "1 fail a relay.nonce-conflict @1
         2 fail b relay.unavailable @1
         3 opens ann sure accept=relay.nonce-conflict
         4 opens ann sure accept=relay.nonce-conflict accept=relay.unavailable
         5 opens ann sure",
        "1 closed 2 in 1 [\"relay.nonce-conflict\"] told Closed joined 1
         2 closed 3 in 1 [\"relay.nonce-conflict\", \"relay.unavailable\"] one more cause joined 1
         3 opening gate relay without a canary needs each of its causes accepted: \
            add --accept relay.unavailable
         4 open 4 in 1 [] opened without canary
         5 gate relay is OPEN (flowing) since 1970-01-01T00:00:04.000Z already: \
            there is nothing to open",
    );
}

/// A command without a reason, or against the state of the gate, says what to do instead.
#[test]
fn commands_are_refused_with_what_to_do() {
    check(
        "1 closes bob
         2 closes bob broken
         3 closes bob broken
         4 opens ann fixed
         5 opens ann fixed
         6 closes bob no",
        "1 a gate is moved with a reason: say what was done with --note
         2 closed 2 in 1 [\"person.closed\"] told Closed
         3 gate relay is CLOSED (blocking) since 1970-01-01T00:00:02.000Z already, by bob
         4 probing 3 in 1 [\"person.closed\"] told Probing
         5 gate relay is PROBING (one canary) already, opened by ann: wait for it, close it, \
            or open it with --without-canary
         6 closed 4 in 1 [\"person.closed\"] told Closed",
    );
}
