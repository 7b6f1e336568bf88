//! G3, where a gatekeeper leads to a canary by a word that a person gave beforehand. What that
//! may rest on is found in the messages alone: the gate's log, the records of its incident, the
//! outcomes as they were told.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use domain::{Actor, Blame, Cause, Gate, GateName, GateState, Incident, Reset, Timestamp};

use super::{Kept, broken};
use crate::{
    exec::{Millis, ProcId},
    witness::Fact,
    words::Told,
    world::World,
};

/// A time named further ahead than this is nothing to go by.
const NAMED_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// One canary, past no cause that a person has not allowed, at no gate that one has closed, and
/// not before the time that was named.
pub(super) fn only_a_word_given_beforehand(
    world: &World,
    fact: &Fact,
    before: &Gate,
    gate: &Gate,
    now: Millis,
) -> Kept {
    let because = match why_not(world, fact, before, gate, now) {
        None => return Ok(()),
        Some(because) => because,
    };
    let (name, epoch, word) = (&gate.name, gate.epoch, gate.state.word());
    broken("G3", format!("gate {name} became {word} in epoch {epoch} though {because}"))
}

fn why_not(world: &World, fact: &Fact, before: &Gate, gate: &Gate, now: Millis) -> Option<String> {
    let Fact::Stored { by, .. } = fact else { return None };
    let log = world.witness.gates.get(&gate.name).map_or(&[][..], Vec::as_slice);
    let closings = closings(log);
    if gate.state != GateState::Probing || gate.without_canary {
        return Some("a word given beforehand leads to a canary only".to_owned());
    }
    if closings.iter().any(|closed| closed.by != Actor::Gatekeeper) {
        return Some("a person has closed it".to_owned());
    }
    if world.processes[*by].clock(now) < gate.at {
        return Some("it is dated ahead".to_owned());
    }
    let causes = causes(log);
    let uncited = causes.iter().find(|cause| !cited(world, gate, cause));
    if let Some(cause) = uncited {
        return Some(format!("nobody has said that {cause} passes by itself"));
    }
    // Records are written without regard to one another, so any version will do that holds
    // what the gate was last closed for.
    let trigger = before.trigger.as_ref().map_or("", |trigger| &trigger.event);
    let records = world.witness.records(&gate.name, gate.incident);
    let known = records.iter().filter(|record| record.has(trigger));
    let since = failing_since(world, log);
    let due = |record: &Incident| due(world, record, &causes, since);
    let dues: Vec<Option<Timestamp>> = known.map(|it| due(it)).collect();
    if !dues.iter().flatten().any(|due| *due <= gate.at) {
        return Some(format!("no time had come by {}: {dues:?}", gate.at));
    }
    unread(world, *by, before, records.iter().filter_map(|it| due(it)).min())
}

/// The newest messages of a gate that say CLOSED.
fn closings(log: &[Rc<Gate>]) -> Vec<&Gate> {
    let newest = log.iter().rev().map(|gate| &**gate);
    newest.take_while(|gate| gate.state == GateState::Closed).collect()
}

/// Every cause that a gate was closed for since it was last OPEN.
fn causes(log: &[Rc<Gate>]) -> BTreeSet<Cause> {
    let incident = log.iter().rev().take_while(|gate| gate.state != GateState::Open);
    let triggers = |gate: &Gate| gate.trigger.as_ref().map(|trigger| trigger.cause.clone());
    incident.flat_map(|gate| gate.causes.iter().cloned().chain(triggers(gate))).collect()
}

/// Whether the gate's message cites for `cause` what the configuration says, and who applied
/// that before the cause joined.
fn cited(world: &World, gate: &Gate, cause: &Cause) -> bool {
    let Some(reset) = gate.resets.iter().find(|reset| reset.cause == *cause) else { return false };
    let config = &world.config;
    let says = config.gates.get(&gate.name).is_some_and(|settings| {
        settings.resets.iter().any(|it| it.cause == *cause && it.note == reset.note)
    });
    let log = |name: &GateName| world.witness.gates.get(name).into_iter().flatten();
    let applied = log(&GateName::config()).find(|it| applies(it, reset));
    let joined = log(&gate.name).find(|it| it.incident == gate.incident && cites(it, reset));
    let stored_at = |gate: Option<&Rc<Gate>>| gate.and_then(|it| world.witness.stored_at(it));
    let before = match (stored_at(applied), stored_at(joined)) {
        (Some(applied), Some(joined)) => applied < joined,
        _ => false,
    };
    says && config.version == reset.version && before
}

fn applies(config: &Gate, reset: &Reset) -> bool {
    config.epoch.get() == reset.version && config.by == Actor::Person(reset.by.clone())
}

fn cites(closed: &Gate, reset: &Reset) -> bool {
    closed.state == GateState::Closed && closed.resets.contains(reset)
}

/// Since when it fails, after all had gone well or a person had said so; the beginning of time for
/// what closed an OPEN gate, since such failures add up.
fn failing_since(world: &World, log: &[Rc<Gate>]) -> Timestamp {
    for (before, after) in log.iter().zip(log.iter().skip(1)).rev() {
        let trigger = || world.witness.told.get(&after.trigger.as_ref()?.event);
        match (before.state, after.state) {
            (GateState::Open, GateState::Closed) => break,
            (GateState::Draining, GateState::Closed) => {
                return trigger().map(|(_, told)| told.at).unwrap_or_default();
            }
            (GateState::Closed, GateState::Probing) if after.by != Actor::Gatekeeper => {
                return after.at;
            }
            _ => (),
        }
    }
    Timestamp::default()
}

/// The latest time that was named for any of the causes since then, by the failures of `record` as
/// they were told; `None` where none was for one of them, or it has failed again since.
fn due(
    world: &World,
    record: &Incident,
    causes: &BTreeSet<Cause>,
    since: Timestamp,
) -> Option<Timestamp> {
    let told = |event: &String| world.witness.told.get(event).map(|(_, told)| &**told);
    let failures = |cause: &Cause| -> Vec<&Told> {
        let failures = record.failures.iter().filter(|failure| failure.cause == *cause);
        failures.filter_map(|it| told(&it.event)).collect()
    };
    let over = |failures: &[&Told]| !failures.is_empty() && failures.iter().all(|it| it.at < since);
    let due = |failures: Vec<&Told>| {
        let named = failures.iter().filter_map(|it| Some((it.at, it.resets_at?)));
        let named = named.filter(|(at, _)| since <= *at);
        let near = named.filter(|(at, named)| named.since(*at) <= NAMED_MAX);
        let latest = near.map(|(_, named)| named).max()?;
        failures.iter().all(|it| it.at <= latest).then_some(latest)
    };
    let standing = causes.iter().map(failures).filter(|failures| !over(failures));
    standing.map(due).collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// A failure that the gate is to blame for, told before the time had come, and not counted: it
/// may name a later time, or another cause. The gatekeeper cannot have looked before its clock
/// showed the `earliest` time that there was, nor before the gate was closed.
fn unread(world: &World, by: ProcId, before: &Gate, earliest: Option<Timestamp>) -> Option<String> {
    let closed = world.witness.stored_at(before)?;
    let process = &world.processes[by];
    let blames = |told: &Told| {
        let blame = told.cause.as_ref().map(|cause| world.config.blame(&told.kind, cause));
        let admitted = told.admitted.iter().find(|it| it.gate == before.name);
        let since = admitted.is_some_and(|it| before.opening <= it.epoch);
        let shared = matches!(&blame, Some(Blame::Shared { gate, tasks, .. })
            if *gate == before.name && 0 < *tasks);
        told.verb == "failed" && shared && since
    };
    let unread = world.witness.told.iter().find(|(event, (at, told))| {
        let then = *at < closed || earliest.is_some_and(|due| process.clock(*at) < due);
        let counted = (before.name.clone(), (*event).clone());
        then && blames(told) && !world.witness.counted.contains_key(&counted)
    });
    unread.map(|(event, _)| format!("{event} had been told by then, and was not counted"))
}
