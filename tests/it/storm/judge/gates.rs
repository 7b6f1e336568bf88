use std::collections::{BTreeMap, BTreeSet};

use domain::{Actor, Admission, Epoch, Gate, GateName, GateState, Key, Kind, Phase};

use super::Verdict;
use crate::storm::history::{At, History};

/// How long a closing may take to be known everywhere, on a machine that is busy with the
/// storm; a service that hears nothing for 3 s holds back by itself.
const KNOWN_AFTER_MS: u64 = 5_000;
/// By stored sequences: at the place of each create in WORK, no gate that it needs was CLOSED.
pub(super) fn g1_nothing_is_created_behind_a_closing(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G1", "no task is created behind a closing");
    // What the storm itself slips past the fence is parked, see `w1_each_task_ends_once`.
    for create in history.creates.iter().filter(|create| create.created_by != "test-unfenced") {
        for name in history.needs(&create.kind) {
            let before = history.log_of(&name).filter(|gate| gate.seq < create.seq).last();
            let closed = before.is_none_or(|gate| gate.value.state == GateState::Closed);
            verdict.look(!closed, || {
                let (kind, key, seq) = (&create.kind, create.key, create.seq);
                format!("task {kind}/{key} at {seq}, while {name} was {before:?}")
            });
        }
    }
    verdict
}

/// By stored sequences and the server's clock: no claim, and no request at the service of the
/// chores, under a gate that was closed long before.
pub(super) fn g2_nothing_begins_behind_a_closing(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G2", "no attempt begins behind a closing");
    for link in &history.links {
        if let Phase::Claimed(claim) = &link.value.phase
            && claim.renewals == 0
        {
            let who = || format!("{} attempt {}", link.value.source_key, link.value.attempt);
            begun(history, &mut verdict, &link.value.admitted, link.ms, &who);
        }
    }
    for asked in &history.asked {
        let who = || format!("{} attempt {} as asked", asked.source_key, asked.attempt);
        begun(history, &mut verdict, &asked.admitted, asked.at_ms, &who);
    }
    verdict
}

fn begun(
    history: &History,
    verdict: &mut Verdict,
    admitted: &[Admission],
    at_ms: u64,
    who: &dyn Fn() -> String,
) {
    for admission in admitted {
        let closing = history
            .log_of(&admission.gate)
            .find(|gate| admission.seq < gate.seq && gate.value.state == GateState::Closed);
        let known = closing.map(|closing| {
            let disturbed = history.disturbed_between(closing.ms, at_ms);
            at_ms.saturating_sub(closing.ms).saturating_sub(disturbed)
        });
        verdict.look(known.is_none_or(|known| known <= KNOWN_AFTER_MS), || {
            let (gate, known) = (&admission.gate, known.unwrap_or_default());
            format!("{} began {known} ms after {gate} had closed", who())
        });
    }
}

/// Every way out of CLOSED was a person's.
pub(super) fn g3_only_a_person_opens(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G3", "only a person opens a gate");
    for (before, after) in moves(history) {
        let opens = before.is_some_and(|gate| gate.value.state == GateState::Closed)
            && after.value.state != GateState::Closed;
        let begins = before.is_none();
        if opens || begins || after.value.without_canary {
            let person = matches!(&after.value.by, Actor::Person(name) if !name.is_empty());
            let noted = begins || !after.value.note.is_empty();
            verdict.look(person && noted, || format!("{:?}", after.value));
        }
    }
    verdict
}

/// The table of section 7, and no epoch twice or left out: two gatekeepers never contradict
/// each other.
pub(super) fn g3_each_state_follows_from_the_one_before(history: &History) -> Verdict {
    use GateState::{Closed, Draining, Open, Probing};
    let mut verdict = Verdict::new("G3", "each state of a gate follows from the one before");
    let mut newest = 0;
    for gate in &history.gates {
        verdict.look(gate.value.prev == newest, || {
            format!("{} at {} says {}, it was {newest}", gate.value.name, gate.seq, gate.value.prev)
        });
        newest = gate.seq;
    }
    for (before, after) in moves(history) {
        let Some(before) = before else { continue };
        let person = matches!(after.value.by, Actor::Person(_));
        let legal = match (before.value.state, after.value.state) {
            (_, Closed) | (Probing, Probing | Draining) | (Draining, Open) => true,
            (Closed, Probing) => person,
            (_, Open) => person && after.value.without_canary,
            (Open | Draining, Probing) => person,
            (Closed | Open | Draining, Draining) => false,
        };
        let next = after.value.epoch == before.value.epoch.next();
        verdict.look(legal && next, || format!("{:?} to {:?}", before.value, after.value));
    }
    verdict
}

/// Of each epoch of PROBING, one task has the canary until it gives it back, and nothing is
/// claimed under it but that task.
pub(super) fn g4_one_canary_for_each_opening(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G4", "opening begins with one canary");
    let mut holders: BTreeMap<(GateName, Epoch), Vec<(Kind, Key)>> = BTreeMap::new();
    let mut last: BTreeMap<(GateName, Epoch), ((Kind, Key), bool)> = BTreeMap::new();
    for canary in history.canaries.iter().map(|canary| &canary.value) {
        let (at, task) = ((canary.gate.clone(), canary.epoch), (canary.kind.clone(), canary.task));
        let taken = last.get(&at).is_some_and(|(other, free)| !free && *other != task);
        verdict.look(!taken, || format!("{canary:?} was another's"));
        holders.entry(at.clone()).or_default().push(task.clone());
        last.insert(at, (task, canary.released));
    }
    let probing: BTreeSet<u64> = history
        .gates
        .iter()
        .filter(|gate| gate.value.state == GateState::Probing)
        .map(|gate| gate.seq)
        .collect();
    for link in &history.links {
        let state = &link.value;
        let Phase::Claimed(claim) = &state.phase else { continue };
        if claim.renewals != 0 {
            continue;
        }
        let task = (state.kind.clone(), state.source_key.key());
        for at in state.admitted.iter().filter(|at| probing.contains(&at.seq)) {
            let won =
                holders.get(&(at.gate.clone(), at.epoch)).is_some_and(|it| it.contains(&task));
            verdict.look(won && state.canary.contains(&at.gate), || {
                format!(
                    "{} claimed under {} epoch {}, not its canary",
                    state.source_key, at.gate, at.epoch
                )
            });
        }
    }
    verdict
}

/// Of the attempts claimed under a drain, first or not, at most 1, 2, 4, 8 … are under way at
/// once in the whole fleet, by how many completed since the opening.
pub(super) fn g4_the_drain_is_paced(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G4", "the drain is paced");
    let draining = moves(history).filter(|(_, gate)| gate.value.state == GateState::Draining);
    for (_, gate) in draining {
        let (mut under_way, mut completed) = (BTreeSet::new(), 0_usize);
        let mut before = 0;
        let opened =
            history.log_of(&gate.value.name).find(|it| it.value.epoch == gate.value.opening);
        for link in &history.links {
            let missed = !history.whole(before, link.seq);
            if missed && opened.is_some_and(|opened| opened.ms <= link.ms) {
                // Who completed is not known any more.
                break;
            }
            before = link.seq;
            let state = &link.value;
            let at = state.admitted.iter().find(|at| at.gate == gate.value.name);
            let Some(at) = at.filter(|at| gate.value.opening <= at.epoch) else { continue };
            let task = (state.kind.clone(), state.source_key.key());
            if !matches!(state.phase, Phase::Claimed(_)) {
                completed += usize::from(matches!(state.phase, Phase::Completed { .. }));
                under_way.remove(&task);
            } else if at.seq == gate.seq && under_way.insert(task) {
                let pace = 1_usize << (completed + 1).ilog2();
                verdict.look(under_way.len() <= pace, || {
                    let (name, epoch) = (&gate.value.name, gate.value.epoch);
                    let many = under_way.len();
                    format!("{name} epoch {epoch}: {many} at once after {completed} completed")
                });
            }
        }
    }
    verdict
}

/// The whole fleet never has more claims of a kind at once than the kind's concurrency.
pub(super) fn g4_the_fleet_keeps_to_the_concurrency(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G4", "the fleet keeps to each kind's concurrency");
    let Some(config) = &history.config else { return verdict };
    let mut held: BTreeSet<(Kind, Key)> = BTreeSet::new();
    let mut before = 0;
    for link in &history.links {
        if !history.whole(before, link.seq) {
            held.clear();
        }
        before = link.seq;
        let (state, task) = (&link.value, (link.value.kind.clone(), link.value.source_key.key()));
        if !matches!(state.phase, Phase::Claimed(_)) {
            held.remove(&task);
            continue;
        }
        held.insert(task);
        let most = config.kinds.get(&state.kind).and_then(|kind| kind.concurrency);
        let Some(most) = most.and_then(|most| usize::try_from(most).ok()) else { continue };
        let many = held.iter().filter(|(kind, _)| *kind == state.kind).count();
        verdict.look(many <= most, || format!("{many} of {} at {}", state.kind, link.seq));
    }
    verdict
}

/// Incidents are numbered by the closings of open gates, and a standing one keeps its number;
/// its record has the failure that closed the gate, and each failure stands in one.
pub(super) fn g5_one_closing_is_one_incident(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G5", "one closing is one incident");
    for (before, after) in moves(history) {
        let Some(before) = before else { continue };
        let begins =
            before.value.state == GateState::Open && after.value.state == GateState::Closed;
        let expected = before.value.incident + u64::from(begins);
        verdict.look(after.value.incident == expected, || {
            format!(
                "{} epoch {}: incident {}, not {expected}",
                after.value.name, after.value.epoch, after.value.incident
            )
        });
    }
    let mut home: BTreeMap<(&GateName, &str), u64> = BTreeMap::new();
    let mut full = BTreeSet::new();
    for incident in history.incidents.iter().map(|incident| &incident.value) {
        let events: BTreeSet<&str> = incident.failures.iter().map(|it| it.event.as_str()).collect();
        verdict.look(events.len() == incident.failures.len(), || {
            format!("a failure stands twice in incident {} of {}", incident.number, incident.gate)
        });
        for event in events {
            let number = *home.entry((&incident.gate, event)).or_insert(incident.number);
            verdict.look(number == incident.number, || {
                format!("{event} is in incidents {number} and {}", incident.number)
            });
        }
        if 0 < incident.more {
            full.insert((&incident.gate, incident.number));
        }
    }
    for (_, gate) in moves(history) {
        let (gate, name) = (&gate.value, &gate.value.name);
        let Some(event) = gate.trigger.as_ref().map(|trigger| trigger.event.as_str()) else {
            continue;
        };
        if gate.state == GateState::Closed && event.ends_with("/failed") {
            let kept = home.get(&(name, event)) == Some(&gate.incident);
            verdict.look(kept || full.contains(&(name, gate.incident)), || {
                format!("{event} closed {name} and is not in incident {}", gate.incident)
            });
        }
    }
    verdict
}

/// What closes a gate, other than a person, was admitted since its newest opening.
pub(super) fn g5_no_straggler_moves_a_gate(history: &History) -> Verdict {
    let mut verdict = Verdict::new("G5", "no straggler moves a gate");
    let told: BTreeMap<&str, &[Admission]> =
        history.told.iter().map(|told| (told.id.as_str(), told.told.admitted.as_slice())).collect();
    for (before, after) in moves(history) {
        let (Some(before), Some(trigger)) = (before, &after.value.trigger) else { continue };
        let stood = before.value.state == GateState::Closed;
        if after.value.state != GateState::Closed || stood {
            continue;
        }
        let admitted = told.get(trigger.event.as_str()).copied().unwrap_or_default();
        let at = admitted.iter().find(|at| at.gate == after.value.name);
        verdict.look(at.is_none_or(|at| before.value.opening <= at.epoch), || {
            let (name, epoch) = (&after.value.name, after.value.epoch);
            format!("{name} epoch {epoch} closed by {}, admitted under {at:?}", trigger.event)
        });
    }
    verdict
}

/// Each message of each gate with the one before.
fn moves(history: &History) -> impl Iterator<Item = (Option<&At<Gate>>, &At<Gate>)> {
    let mut newest: BTreeMap<&GateName, &At<Gate>> = BTreeMap::new();
    let log = history.gates.iter().filter(|gate| !gate.value.name.as_str().starts_with('_'));
    log.map(move |gate| (newest.insert(&gate.value.name, gate), gate))
}
