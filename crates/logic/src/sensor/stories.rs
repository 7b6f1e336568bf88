//! What a sensor does, told in words.

use std::collections::BTreeSet;

use super::*;

/// Plays a cycle with a cap of two and compares its line.
///
/// Each line is a row or a page's end, then what the broker says to the create, if there is one.
#[track_caller]
fn check(story: &str, expected: &str) {
    let plan = Plan { pages_max: 3, cap_cycle: 2, excluded: BTreeSet::from([payee("us")]) };
    let mut cycle = Cycle::new(plan);
    let mut stop = Stop::Interrupted;
    for line in story.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["no-address"] => {
                cycle.row(Found::Missing);
            }
            ["bad-address"] => {
                cycle.row(Found::Bad);
            }
            ["more"] => match cycle.page_read(true) {
                NextPage::Read { .. } => (),
                NextPage::Stop(why) => stop = why,
            },
            ["end"] => match cycle.page_read(false) {
                NextPage::Read { .. } => panic!("reads past the end"),
                NextPage::Stop(why) => stop = why,
            },
            ["fails"] => stop = cycle.page_failed("answered 503".to_owned(), None),
            [agent] => play(&mut cycle, agent, "open", ""),
            [agent, gate] => play(&mut cycle, agent, gate, ""),
            [agent, gate, answer] => play(&mut cycle, agent, gate, answer),
            _ => panic!("no such line: {line}"),
        }
    }
    assert_eq!(cycle.finish(stop).to_string(), expected);
}

fn play(cycle: &mut Cycle, agent: &str, gate: &str, answer: &str) {
    let relay = || "relay".parse().unwrap();
    let verdict = match gate {
        "open" => Verdict::Admits,
        "closed" => Verdict::Blocked { gate: relay() },
        "probing" => Verdict::Probing { gate: relay(), waiting: 0 },
        "waiting" => Verdict::Probing { gate: relay(), waiting: 5 },
        "blind" => Verdict::Unknown,
        other => panic!("no such gate: {other}"),
    };
    let Seen::Candidate(payee) = cycle.row(Found::Good(payee(agent))) else { return };
    let contact = agent == "friend";
    let lookup = Lookup { state: None, contact, queued: agent == "waiter" };
    if cycle.weigh(&payee, &lookup, &verdict) != Decided::Reserve {
        return;
    }
    if cycle.reserved(&payee, answer != "refused") != Decided::Create {
        return;
    }
    match answer {
        "lost" => assert_eq!(cycle.answered(&payee, Answer::Unknown, &verdict), Settled::Keep),
        "queued" => {
            assert_eq!(cycle.answered(&payee, Answer::InFlight, &verdict), Settled::GiveBack);
        }
        "moved" => while_moving(cycle, payee, &verdict),
        "moved-shut" => {
            let shut = Verdict::Blocked { gate: relay() };
            let settled = cycle.answered(&payee, Answer::FenceMoved, &shut);
            assert_eq!(settled, Settled::GiveBack);
        }
        _ => assert_eq!(cycle.answered(&payee, Answer::Created, &verdict), Settled::Keep),
    }
}

fn while_moving(cycle: &mut Cycle, payee: Payee, verdict: &Verdict) {
    let moved = || Answer::FenceMoved;
    let tries = (1..).take_while(|_| cycle.answered(&payee, moved(), verdict) == Settled::Again);
    assert_eq!(tries.count(), 4, "tried five times in all");
}

fn payee(agent: &str) -> Payee {
    let mut hash160 = [0; 20];
    hash160[..agent.len()].copy_from_slice(agent.as_bytes());
    Payee { version: 22, hash160 }
}

/// Agents seen again behind a shifted offset, bad rows, ourselves and friends make no task.
#[test]
fn greets_whom_it_must() {
    check(
        "ann
         us
         no-address
         more
         ann
         bad-address
         friend
         waiter
         end",
        "seen 7 = created 1 + unknown 0 + in flight 1 + ended 0 + skipped 5 (repeated 1, \
         no address 1, bad address 1, excluded 1, contact 1); new 1; gates admitting; 2 pages, end",
    );
}

/// The cap counts what may have been created; what the broker refused does not use it up.
#[test]
fn stays_under_its_caps() {
    check(
        "ann open queued
         bob open lost
         cyd open refused
         dan
         eve
         end",
        "seen 5 = created 1 + unknown 1 + in flight 1 + ended 0 + skipped 2 (cap cycle 1, \
         cap day 1); new 4; gates admitting; 1 page, end",
    );
}

/// A closed gate, or one that nobody can see, makes no task; nor does one that closes while
/// the create is on its way.
#[test]
fn holds_at_the_gate() {
    check(
        "ann closed
         bob blind
         cyd open moved-shut
         dan open moved
         end",
        "seen 4 = created 0 + unknown 0 + in flight 0 + ended 0 + skipped 4 (gate relay 2, \
         gates unknown 2); new 4; gates admitting; 1 page, end",
    );
}

/// A probing gate gets one task for its canary, and none when some wait already.
#[test]
fn feeds_one_canary() {
    check(
        "ann waiting
         bob probing
         cyd probing
         end",
        "seen 3 = created 1 + unknown 0 + in flight 0 + ended 0 + skipped 2 \
         (gate relay probing 2); new 3; gates relay probing, 0 waiting; 1 page, end",
    );
}

/// A failed page ends the scan, as do too many pages and a directory that repeats itself.
#[test]
fn stops_in_time() {
    let none = "; gates not asked; ";
    let zero = "created 0 + unknown 0 + in flight 0 + ended 0 + skipped";
    check("fails", &format!("seen 0 = {zero} 0; new 0{none}1 page, stopped: answered 503"));
    check(
        "us\nmore\nus\nmore",
        &format!("seen 2 = {zero} 2 (repeated 1, excluded 1); new 0{none}2 pages, pages repeat"),
    );
    check(
        "no-address\nmore\nno-address\nmore\nno-address\nmore",
        &format!("seen 3 = {zero} 3 (no address 3); new 0{none}3 pages, page limit"),
    );
    check("more", &format!("seen 0 = {zero} 0; new 0{none}1 page, end"));
}
