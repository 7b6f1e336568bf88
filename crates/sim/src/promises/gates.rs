//! G1 to G5.

use domain::{Actor, Admission, Epoch, Gate, GateState, Phase, TaskState};

use super::{Kept, broken, resets};
use crate::{
    exec::Millis,
    setting::LEASE_MS,
    shown::link,
    witness::{Fact, attempt, tried_nothing},
    words::{Body, Stored},
    world::World,
};

/// How long a service may go on without an answer about the gates.
const BLIND: Millis = 3_000;

/// G1: no task message is stored after the closing of a gate that it needs, until reopening.
pub(super) fn no_task_is_stored_behind_a_closed_gate(
    world: &World,
    fact: &Fact,
    _: Millis,
) -> Kept {
    let Some(Body::Task(task)) = body(fact) else { return Ok(()) };
    for name in world.config.needs(&task.kind) {
        let state = world.broker.gate_now(&name).map(|gate| gate.state);
        if state.is_none_or(|state| state == GateState::Closed) {
            let what = format!("{} was created, and gate {name} is {state:?}", task.source_key);
            return broken("G1", what);
        }
    }
    Ok(())
}

/// G2: no attempt begins on a gate that its service has seen closed.
pub(super) fn no_attempt_begins_on_a_gate_seen_closed(
    world: &World,
    fact: &Fact,
    _: Millis,
) -> Kept {
    let Fact::Began { by, state, .. } = fact else { return Ok(()) };
    for name in world.config.needs(&state.kind) {
        if world.witness.seen(*by, &name).is_none_or(|seen| seen == GateState::Closed) {
            return broken(
                "G2",
                format!("{by} has seen gate {name} closed, and begins {}", link(state)),
            );
        }
    }
    Ok(())
}

/// G2: none by a service that has heard of a gate message whose forerunner it has missed, until
/// it has read them all again.
pub(super) fn no_attempt_begins_over_a_hole(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Fact::Began { by, state, .. } = fact else { return Ok(()) };
    if world.witness.has_hole(*by) {
        return broken("G2", format!("{by} has missed a gate message, and begins {}", link(state)));
    }
    Ok(())
}

/// G2: none when blind for 3 s.
pub(super) fn no_attempt_begins_blind(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Fact::Began { by, state, at, .. } = fact else { return Ok(()) };
    let blind = world.witness.blind_for(*by, *at);
    if BLIND <= blind {
        return broken("G2", format!("{by} is blind for {blind} ms, and begins {}", link(state)));
    }
    Ok(())
}

/// G3: only a person's command moves CLOSED to PROBING or OPEN, each command once; or a word that
/// a person gave beforehand, see [`resets`].
pub(super) fn only_a_person_opens(world: &World, fact: &Fact, now: Millis) -> Kept {
    let Some((before, gate)) = moved(world, fact) else { return Ok(()) };
    let opens = before.state == GateState::Closed && gate.state != GateState::Closed;
    let skips = before.state != GateState::Open && gate.without_canary;
    if !opens && !skips {
        return Ok(());
    }
    let meant = |command: &&crate::world::Command| {
        command.gate == gate.name
            && gate.note.starts_with(&command.note)
            && command.open.as_ref().is_some_and(|open| open.without_canary == gate.without_canary)
            && command.seen.is_none_or(|seen| seen == before.epoch)
    };
    if opens && gate.by == Actor::Gatekeeper {
        return resets::only_a_word_given_beforehand(world, fact, &before, gate, now);
    }
    let by_person = matches!(gate.by, Actor::Person(_));
    let said = world.witness.said.iter().find(meant);
    let log = world.witness.gates.get(&gate.name).into_iter().flatten();
    let again = log.into_iter().any(|earlier| {
        said.is_some_and(|said| earlier.note.starts_with(&said.note))
            && earlier.state != GateState::Closed
    });
    if !by_person || said.is_none() || again {
        let (name, word) = (&gate.name, gate.state.word());
        return broken("G3", format!("gate {name} became {word} by {}: {}", gate.by, gate.note));
    }
    Ok(())
}

/// G4: one canary for each opening. An attempt begins as the canary only while no other task
/// has tried anything under the same epoch, and while the record names it.
pub(super) fn one_canary_for_each_opening(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Fact::Began { state, .. } = fact else { return Ok(()) };
    let me = attempt(state);
    for name in &state.canary {
        let Some(admission) = state.admitted.iter().find(|it| it.gate == *name) else { continue };
        for other in world.witness.canaries(name, admission.epoch) {
            let same_task = (&other.0, other.1) == (&me.0, me.1);
            let began = world.witness.begun.contains_key(other);
            let nothing = world.witness.ends.get(other).is_some_and(|end| tried_nothing(end));
            if !same_task && began && !nothing {
                let what = format!("{} is a second canary of {name} after {other:?}", link(state));
                return broken("G4", what);
            }
        }
        let subject = crate::words::Subject::Canary(name.clone(), admission.epoch);
        let record = world.broker.last(&subject).map(|stored| &stored.body);
        let named = matches!(record, Some(Body::Canary(canary))
            if (&canary.kind, canary.task) == (&me.0, me.1) && !canary.released);
        if !named {
            return broken("G4", format!("{} is the canary of {name} unrecorded", link(state)));
        }
    }
    Ok(())
}

/// G4: what was admitted by a probing gate is its canary.
pub(super) fn only_a_canary_passes_a_probing_gate(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Fact::Began { state, .. } = fact else { return Ok(()) };
    for admission in &state.admitted {
        let gate = world.witness.gate_at(&admission.gate, admission.epoch);
        let probing = gate.is_some_and(|gate| gate.state == GateState::Probing);
        if probing && !state.canary.contains(&admission.gate) {
            let what = format!("{} passes probing {} as no canary", link(state), admission.gate);
            return broken("G4", what);
        }
    }
    Ok(())
}

/// G4: a drain is paced. What holds of it: of what a dispatcher has asked for since it knows that
/// a gate is DRAINING, it never has more of a kind under way than the greatest limit that a
/// gatekeeper has set for that kind's consumer since the opening. What it had in hand or had
/// asked for before, at most its slots, comes on top. (The limit itself is 1, 2, 4 … and what rests, or more for a
/// second where a gatekeeper's late word overtook another's.)
pub(super) fn a_drain_keeps_its_pace(world: &World, fact: &Fact, now: Millis) -> Kept {
    let Fact::Began { by, state, asked, .. } = fact else { return Ok(()) };
    let witness = &world.witness;
    let draining = |admission: &&Admission| {
        let gate = witness.gate_at(&admission.gate, admission.epoch);
        gate.is_some_and(|gate| gate.state == GateState::Draining)
    };
    // Since when it knows that the last of the gates that drain does so.
    let drains = |claim: &TaskState| {
        let draining = claim.admitted.iter().filter(draining);
        draining.map(|it| witness.seen_at(*by, &it.gate)).max()
    };
    if drains(state).is_none_or(|since| *asked < since) {
        return Ok(());
    }
    let under_way = witness.begun.iter().filter(|(other, (process, asked))| {
        let claim = witness.claims.get(other);
        let linked = witness.linked.get(&(other.0.clone(), other.1)).copied();
        // A claim that was not renewed is given up: nobody acts under it.
        let held = linked.is_some_and(|linked| now - linked < LEASE_MS / 10 * 9);
        let paced = claim.and_then(|claim| drains(claim)).is_some_and(|it| it <= *asked);
        let ours = *process == *by && other.0 == state.kind;
        ours && held && paced && !witness.ends.contains_key(other)
    });
    let under_way = i64::try_from(under_way.count()).unwrap_or(i64::MAX);
    let limits = state.admitted.iter().filter(draining);
    let limits = limits.map(|it| witness.limit_since(&state.kind, &it.gate, it.epoch));
    let most = limits.max().unwrap_or(i64::MAX);
    if most <= under_way {
        let what = format!("{by} has {under_way} of at most {most} and begins {}", link(state));
        return broken("G4", what);
    }
    Ok(())
}

/// G5: what was admitted before the newest opening closes nothing.
pub(super) fn a_straggler_moves_nothing(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Some((before, gate)) = moved(world, fact) else { return Ok(()) };
    let Some(trigger) = &gate.trigger else { return Ok(()) };
    let news = before.trigger.as_ref() != Some(trigger);
    if gate.by != Actor::Gatekeeper || !news {
        return Ok(());
    }
    let admitted = world.witness.claims.iter().find_map(|((_, key, number), state)| {
        let its = (*key, *number) == (trigger.task, trigger.attempt);
        its.then(|| state.admitted.iter().find(|it| it.gate == gate.name)).flatten()
    });
    match admitted {
        Some(admission) if admission.epoch < before.opening => {
            let (event, epoch) = (&trigger.event, admission.epoch);
            let what = format!(
                "{event} of epoch {epoch} moved gate {} opened at {}",
                gate.name, before.opening
            );
            broken("G5", what)
        }
        _ => Ok(()),
    }
}

/// G5 and G4: only the canary of this very epoch makes PROBING anything else, and DRAINING only
/// by its success.
pub(super) fn a_canary_moves_only_what_it_proved(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Some((before, gate)) = moved(world, fact) else { return Ok(()) };
    if before.state != GateState::Probing || gate.by != Actor::Gatekeeper {
        return Ok(());
    }
    let ended = |wanted: fn(&Phase) -> bool| {
        let mut canaries = world.witness.canaries(&gate.name, before.epoch);
        canaries.any(|canary| world.witness.ends.get(canary).is_some_and(|end| wanted(&end.phase)))
    };
    let proved = match gate.state {
        GateState::Draining => ended(|phase| matches!(phase, Phase::Completed { .. })),
        GateState::Probing => ended(|phase| !matches!(phase, Phase::Completed { .. })),
        GateState::Closed => true,
        GateState::Open => false,
    };
    if !proved {
        let (name, epoch, word) = (&gate.name, before.epoch, gate.state.word());
        return broken("G5", format!("gate {name} epoch {epoch} became {word} without its canary"));
    }
    Ok(())
}

/// G5: one closing is one incident, each epoch follows the one before.
pub(super) fn one_closing_is_one_incident(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Some((before, gate)) = moved(world, fact) else { return Ok(()) };
    let new = before.state == GateState::Open && gate.state == GateState::Closed;
    let wanted = before.incident + u64::from(new);
    let straight = gate.epoch == Epoch::new(before.epoch.get() + 1);
    if gate.incident != wanted || !straight {
        let what = format!(
            "gate {} went from epoch {} incident {} to {} and {}",
            gate.name, before.epoch, before.incident, gate.epoch, gate.incident
        );
        return broken("G5", what);
    }
    Ok(())
}

/// G5: a failure is counted in one incident of its gate.
pub(super) fn a_failure_is_counted_in_one_incident(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Some(Body::Incident(incident)) = body(fact) else { return Ok(()) };
    for failure in &incident.failures {
        let event = (incident.gate.clone(), failure.event.clone());
        let counted = world.witness.counted.get(&event).copied().unwrap_or(incident.number);
        if counted != incident.number {
            let (event, number) = (&failure.event, incident.number);
            return broken("G5", format!("{event} is counted in incidents {counted} and {number}"));
        }
    }
    Ok(())
}

fn body(fact: &Fact) -> Option<&Body> {
    match fact {
        Fact::Stored { stored: Stored { body, .. }, .. } => Some(body),
        _ => None,
    }
}

/// The gate that moved, as it stood before and as it stands now.
fn moved<'a>(world: &World, fact: &'a Fact) -> Option<(std::rc::Rc<Gate>, &'a Gate)> {
    let Some(Body::Gate(gate)) = body(fact) else { return None };
    Some((world.witness.before(gate)?, gate))
}
