//! How a task came to where it is: its attempts, what it waited for between them, and who put it
//! back or ended it. Pieced together from what was told, each event once.

use std::time::Duration;

use domain::{Cost, CredentialUse, Timestamp};
use serde_json::{Value, json};
use wire::event::{AttemptTold, AttemptVerb};

use crate::{cost::Move, show::lasts};

/// What is known of one task.
#[derive(Debug)]
pub(super) struct Story {
    steps: Vec<Step>,
}

/// One line of it.
#[derive(Debug)]
enum Step {
    Attempt(Box<AttemptTold>),
    /// Held back, withdrawn, put back, parked, or dead: no work was done.
    Told(Box<AttemptTold>),
    Waited(Waited),
}

/// A closed gate while the task could have begun.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Waited {
    gate: String,
    from: Timestamp,
    to: Timestamp,
    causes: Vec<String>,
    incident: u64,
}

/// What all of it comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    completed: u64,
    charged: u64,
    uncharged: u64,
    cost: Cost,
    rested: Duration,
    waited: Duration,
}

impl Story {
    /// `told`: all that was told of the task, oldest first. `moves`: of the gates that its kind
    /// needs. `until`: when it ended, or now.
    pub(super) fn of(
        told: &[&AttemptTold],
        moves: &[Move],
        created: Option<Timestamp>,
        until: Timestamp,
    ) -> Story {
        let mut ids = std::collections::BTreeSet::new();
        let mut told: Vec<&AttemptTold> =
            told.iter().filter(|told| ids.insert(told.id())).copied().collect();
        told.sort_by_key(|told| told.at);
        let mut steps = Vec::new();
        let mut free = created;
        for told in &told {
            if let Some(free) = free {
                let begun = told.begun.unwrap_or(told.at);
                steps.extend(waits(moves, free, begun).into_iter().map(Step::Waited));
            }
            // What has ended waits for nothing until somebody puts it back.
            let over = matches!(told.verb, AttemptVerb::Withdrawn | AttemptVerb::Dead);
            free = (!over).then_some(told.at);
            let told = Box::new((*told).clone());
            let tried = matches!(told.verb, AttemptVerb::Completed | AttemptVerb::Failed);
            steps.push(if tried { Step::Attempt(told) } else { Step::Told(told) });
        }
        if let Some(free) = free {
            steps.extend(waits(moves, free, until).into_iter().map(Step::Waited));
        }
        Story { steps }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.steps.iter().map(Step::line).collect();
        let total = self.totals().line();
        lines.extend((!total.is_empty()).then_some(total));
        lines
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for step in &self.steps {
            match step {
                Step::Attempt(told) => {
                    let count = match (told.verb, told.charged) {
                        (AttemptVerb::Completed, _) => &mut totals.completed,
                        (_, true) => &mut totals.charged,
                        (_, false) => &mut totals.uncharged,
                    };
                    *count += 1;
                    totals.cost = totals.cost.plus(told.cost);
                    totals.rested += rested(told).unwrap_or_default();
                }
                Step::Told(_) => (),
                Step::Waited(waited) => totals.waited += waited.to.since(waited.from),
            }
        }
        totals
    }

    pub(super) fn object(&self) -> Value {
        let totals = self.totals();
        json!({
            "steps": self.steps.iter().map(Step::object).collect::<Vec<_>>(),
            "completed": totals.completed,
            "charged": totals.charged,
            "uncharged": totals.uncharged,
            "cost_micro_usd": totals.cost.micro_usd.get(),
            "sats": totals.cost.sats.get(),
            "tokens_in": totals.cost.tokens_in,
            "tokens_out": totals.cost.tokens_out,
            "rested_ms": millis(totals.rested),
            "waited_ms": millis(totals.waited),
        })
    }
}

/// Every closing that overlaps with the time in which the task could have begun.
fn waits(moves: &[Move], free: Timestamp, begun: Timestamp) -> Vec<Waited> {
    let closed = moves.iter().filter(|moved| moved.state == "closed");
    let waits = closed.filter_map(|closed| {
        let next = moves.iter().filter(|it| it.gate == closed.gate && closed.epoch < it.epoch);
        let next = next.min_by_key(|it| it.epoch).map(|it| Timestamp::from_millis(it.at_ms));
        let from = Timestamp::from_millis(closed.at_ms).max(free);
        let to = next.unwrap_or(begun).min(begun);
        (from < to).then(|| Waited {
            gate: closed.gate.to_string(),
            from,
            to,
            causes: closed.causes.clone(),
            incident: closed.incident,
        })
    });
    waits.collect()
}

/// For how long it was put back after that attempt.
fn rested(told: &AttemptTold) -> Option<Duration> {
    told.rest_until.map(|until| until.since(told.at)).filter(|rest| !rest.is_zero())
}

impl Step {
    fn line(&self) -> String {
        match self {
            Step::Attempt(told) => attempt_line(told),
            Step::Told(told) => {
                let cause = told.cause.as_ref().map(|cause| format!(" {cause}"));
                let verb = match told.verb {
                    AttemptVerb::Revived => "put back",
                    AttemptVerb::Held => "not begun:",
                    verb => verb.word(),
                };
                let text = format!("{verb}{} {}", cause.unwrap_or_default(), told.evidence);
                format!("{}  {}", second(told.at), text.trim_end())
            }
            Step::Waited(waited) => {
                let Waited { gate, from, to, causes, incident } = waited;
                let long = lasts(to.since(*from));
                let why = causes.join(", ");
                format!("{}  waited {long} for {gate}: {why} (incident {incident})", second(*from))
            }
        }
    }

    fn object(&self) -> Value {
        match self {
            Step::Attempt(told) => attempt_object(told),
            Step::Told(told) => json!({
                "step": told.verb.word(),
                "at": told.at.to_string(),
                "attempt": told.attempt,
                "cause": told.cause.as_ref().map(ToString::to_string),
                "why": told.evidence,
            }),
            Step::Waited(waited) => json!({
                "step": "waited",
                "gate": waited.gate,
                "from": waited.from.to_string(),
                "to": waited.to.to_string(),
                "causes": waited.causes,
                "incident": waited.incident,
            }),
        }
    }
}

/// `2026-03-11 09:00:03  #2 failed relay.nonce-conflict, not charged, gate relay; …`.
fn attempt_line(told: &AttemptTold) -> String {
    let mut parts = Vec::new();
    let cause = told.cause.as_ref().map(|cause| format!(" {cause}")).unwrap_or_default();
    let mut head = format!("#{} {}{cause}", told.attempt, told.verb.word());
    if let Some(begun) = told.begun {
        head = format!("{head} after {}", brief(told.at.since(begun)));
    }
    parts.push(head);
    if told.verb == AttemptVerb::Failed {
        let charged = if told.charged { "charged" } else { "not charged" };
        parts.push(charged.to_owned());
    }
    parts.extend(told.gate.as_ref().map(|gate| format!("shared through {gate}")));
    if !told.canary.is_empty() {
        let gates: Vec<&str> = told.canary.iter().map(|gate| gate.as_str()).collect();
        parts.push(format!("canary of {}", gates.join(", ")));
    }
    parts.extend(told.credential.as_ref().map(|used| format!("with {}", credential(used))));
    let cost = cost(told.cost);
    parts.extend((!cost.is_empty()).then_some(cost));
    parts.extend(rested(told).map(|rest| format!("then rested {}", brief(rest))));
    format!("{}  {}", second(told.begun.unwrap_or(told.at)), parts.join(", "))
}

fn attempt_object(told: &AttemptTold) -> Value {
    json!({
        "step": "attempt",
        "attempt": told.attempt,
        "begun": told.begun.map(|begun| begun.to_string()),
        "ended": told.at.to_string(),
        "took_ms": told.begun.map(|begun| millis(told.at.since(begun))),
        "outcome": told.verb.word(),
        "cause": told.cause.as_ref().map(ToString::to_string),
        "charged": told.charged,
        "gate": told.gate.as_ref().map(ToString::to_string),
        "canary": told.canary.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "credential": told.credential.as_ref().map(credential),
        "cost_micro_usd": told.cost.micro_usd.get(),
        "sats": told.cost.sats.get(),
        "tokens_in": told.cost.tokens_in,
        "tokens_out": told.cost.tokens_out,
        "rested_ms": rested(told).map(millis),
        "evidence": told.evidence,
        "effect": told.effect,
    })
}

impl Totals {
    fn line(&self) -> String {
        let parts = [
            (self.completed, "completed"),
            (self.charged, "charged"),
            (self.uncharged, "not charged"),
        ];
        let all: u64 = parts.iter().map(|(count, _)| count).sum();
        if all == 0 {
            return String::new();
        }
        let parts = parts.iter().filter(|(count, _)| 0 < *count);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        let attempts = if all == 1 { "attempt" } else { "attempts" };
        let mut told = vec![format!("{all} {attempts} = {}", parts.join(" + "))];
        let cost = cost(self.cost);
        told.extend((!cost.is_empty()).then_some(cost));
        let times = [(self.rested, "rested"), (self.waited, "waited for gates")];
        let times = times.iter().filter(|(time, _)| !time.is_zero());
        told.extend(times.map(|(time, word)| format!("{word} {}", brief(*time))));
        format!("in all: {}", told.join("; "))
    }
}

/// `$0.02, 100 sats, 512 tokens in and 80 out`; empty for nothing.
pub(super) fn cost(cost: Cost) -> String {
    let mut parts = Vec::new();
    if cost.micro_usd != domain::MicroUsd::ZERO {
        parts.push(cost.micro_usd.to_string());
    }
    if cost.sats != domain::Sats::ZERO {
        parts.push(cost.sats.to_string());
    }
    if 0 < cost.tokens_in.saturating_add(cost.tokens_out) {
        parts.push(format!("{} tokens in and {} out", cost.tokens_in, cost.tokens_out));
    }
    parts.join(", ")
}

fn credential(used: &CredentialUse) -> String {
    format!("{}/{} {}", used.provider, used.credential, used.fingerprint)
}

fn brief(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { lasts(time) }
}

/// `2026-03-11 09:00:03`, UTC.
fn second(at: Timestamp) -> String {
    at.to_string().get(..19).unwrap_or_default().replace('T', " ")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_773_219_600_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(START + seconds * 1_000)
    }

    fn told(verb: AttemptVerb, attempt: u32, begun: u64, ended: u64) -> AttemptTold {
        let failed = verb == AttemptVerb::Failed;
        AttemptTold {
            verb,
            kind: "nightly".parse().unwrap(),
            source_key: "nightly/1".parse().unwrap(),
            attempt,
            holder: "a".parse().unwrap(),
            at: at(ended),
            cause: failed.then(|| "anthropic.auth-expired".parse().unwrap()),
            charged: false,
            gate: failed.then(|| "anthropic".parse().unwrap()),
            evidence: String::new(),
            rest_until: failed.then(|| at(ended + 30)),
            effect: String::new(),
            cost: Cost { micro_usd: domain::MicroUsd::new(20_000), tokens_in: 5, ..Cost::ZERO },
            credential: None,
            resets_at: None,
            admitted: Vec::new(),
            canary: if failed { Vec::new() } else { vec!["anthropic".parse().unwrap()] },
            begun: Some(at(begun)),
            created: None,
        }
    }

    fn moved(state: &str, epoch: u64, seconds: u64) -> Move {
        Move {
            gate: "anthropic".parse().unwrap(),
            state: state.to_owned(),
            epoch,
            at: at(seconds).to_string(),
            at_ms: at(seconds).as_millis(),
            incident: 2,
            causes: vec!["anthropic.auth-expired".to_owned()],
            without_canary: false,
        }
    }

    /// Each attempt once, however often it was told, what it waited for in between, and what all
    /// of it comes to.
    #[test]
    fn the_whole_story() {
        let failed = told(AttemptVerb::Failed, 1, 10, 12);
        let completed = told(AttemptVerb::Completed, 2, 732, 735);
        let moves = [moved("open", 1, 0), moved("closed", 2, 13), moved("probing", 3, 730)];
        let story = Story::of(&[&failed, &failed, &completed], &moves, Some(at(0)), at(735));
        assert_eq!(
            story.lines(),
            [
                "2026-03-11 09:00:10  #1 failed anthropic.auth-expired after 2 s, not charged, shared \
             through anthropic, $0.02, 5 tokens in and 0 out, then rested 30 s",
                "2026-03-11 09:00:13  waited 11 min for anthropic: anthropic.auth-expired (incident 2)",
                "2026-03-11 09:12:12  #2 completed after 3 s, canary of anthropic, $0.02, 5 tokens in \
             and 0 out",
                "in all: 2 attempts = 1 completed + 1 not charged; $0.04, 10 tokens in and 0 out; \
             rested 30 s; waited for gates 11 min",
            ]
        );
        assert_eq!(story.object()["waited_ms"], 717_000);
        let nothing = Story::of(&[], &[], None, at(0));
        assert_eq!(nothing.lines(), Vec::<String>::new());
    }
}
