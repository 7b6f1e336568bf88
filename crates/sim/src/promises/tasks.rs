//! W1 to W4.

use domain::{Blame, PaymentStage, Phase, TaskState};

use super::{Kept, broken};
use crate::{
    exec::Millis,
    setting::{LEASE_MS, number_of, payment_key, script},
    shown::link,
    witness::Fact,
    words::{Body, Stored, Subject},
    world::{Role, World},
};

/// W1: a task ends once, and an end is final.
pub(super) fn an_end_is_final(_: &World, fact: &Fact, _: Millis) -> Kept {
    match linked(fact) {
        Some((Some(before), after, _)) if before.ended() => {
            broken("W1", format!("{} was written over {}", link(after), link(before)))
        }
        _ => Ok(()),
    }
}

/// W1: until it has ended, a task is in the queue.
pub(super) fn nothing_leaves_the_queue_before_its_end(
    world: &World,
    fact: &Fact,
    _: Millis,
) -> Kept {
    let Fact::Removed { subject, by } = fact else { return Ok(()) };
    let Subject::Task(kind, key) = subject else { return Ok(()) };
    let chain = world.broker.last(&Subject::State(kind.clone(), *key));
    let over = |state: &TaskState| state.ended() || matches!(state.phase, Phase::Parked { .. });
    match chain.map(|stored| &stored.body) {
        Some(Body::State(state)) if over(state) => Ok(()),
        _ => broken("W1", format!("{by} acknowledged {subject:?}, which has not ended")),
    }
}

/// W2: a failure creates no task; only a sensor does.
pub(super) fn only_a_sensor_creates(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Fact::Stored { stored: Stored { body: Body::Task(task), .. }, by, .. } = fact else {
        return Ok(());
    };
    match world.processes[*by].role {
        Role::Sensor(_) => Ok(()),
        role => broken("W2", format!("a {role:?} created {}", task.source_key)),
    }
}

/// W2: charged is what the task is to blame for, and what a holder lost; never more than the
/// budget; and what is charged to nobody stays uncharged.
pub(super) fn charges_are_its_own_and_bounded(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Some((before, after, _)) = linked(fact) else { return Ok(()) };
    let (charged, most) =
        (before.map_or(0, |state| state.charged), world.attempts_max(&after.kind));
    if most < after.charged {
        return broken("W2", format!("{} is charged more than {most}", link(after)));
    }
    if let Some(before) = before
        && matches!(before.phase, Phase::Claimed(_))
        && before.attempt < after.attempt
    {
        return broken("W2", format!("{} is charged to nobody", link(before)));
    }
    let cause = match &after.phase {
        Phase::Resting { cause, charged: true, .. } | Phase::Dead { cause } => Some(cause),
        _ => None,
    };
    let own = cause.is_some_and(|cause| world.config.blame(&after.kind, cause) == Blame::Own);
    let wanted = charged + u32::from(cause.is_some());
    if after.charged != wanted || own != cause.is_some() {
        return broken("W2", format!("{} follows charged {charged}", link(after)));
    }
    if matches!(after.phase, Phase::Dead { .. }) && after.charged < most {
        return broken("W2", format!("{} is dead before its time", link(after)));
    }
    Ok(())
}

/// W3: done means that the effect is recorded.
pub(super) fn done_means_recorded(world: &World, fact: &Fact, _: Millis) -> Kept {
    let Some((_, after, _)) = linked(fact) else { return Ok(()) };
    let Phase::Completed { .. } = after.phase else { return Ok(()) };
    let number = number_of(&after.source_key);
    let recorded = if after.kind == script() {
        world.outside.effects.contains(&number)
    } else {
        let key = payment_key(number);
        let contact = world.broker.last(&Subject::Contact(key)).is_some();
        let payment = world.broker.last(&Subject::Payment(key)).map(|stored| &stored.body);
        contact
            && matches!(payment, Some(Body::Payment(payment))
                if matches!(payment.stage, PaymentStage::Settled(..)))
    };
    if !recorded {
        return broken("W3", format!("{} and nothing is on record", link(after)));
    }
    Ok(())
}

/// W4: one holder acts. Over a claim writes only its holder, or whoever takes over what stood
/// still for a lease; and an effect is had only by whoever holds the newest claim.
pub(super) fn one_holder_acts(world: &World, fact: &Fact, now: Millis) -> Kept {
    if let Fact::Acted { by, state, .. } = fact {
        let chain = Subject::State(state.kind.clone(), state.source_key.key());
        let newest = world.broker.last(&chain).map(|stored| &stored.body);
        let me = &world.processes[*by].me;
        let holds = matches!(newest, Some(Body::State(newest))
            if newest.attempt == state.attempt
                && matches!(&newest.phase, Phase::Claimed(claim) if claim.holder == *me));
        if !holds {
            return broken("W4", format!("{by} acted for {}, which it lost", link(state)));
        }
        return Ok(());
    }
    let Some((before, after, by)) = linked(fact) else { return Ok(()) };
    let me = &world.processes[by].me;
    let holder = before.and_then(|before| match &before.phase {
        Phase::Claimed(claim) => Some(&claim.holder),
        _ => None,
    });
    let lost = |state: &TaskState| {
        matches!(&state.phase, Phase::Resting { cause, .. } | Phase::Dead { cause }
            if cause.as_str() == "dispatcher.lost")
    };
    match holder {
        Some(holder) if holder == me => Ok(()),
        Some(holder) => {
            let key = (after.kind.clone(), after.source_key.key());
            let still = now - world.witness.linked.get(&key).copied().unwrap_or(0);
            if lost(after) && LEASE_MS <= still {
                return Ok(());
            }
            broken("W4", format!("{by} wrote {} over the claim of {holder}", link(after)))
        }
        None => match &after.phase {
            Phase::Claimed(claim) if claim.holder == *me => Ok(()),
            Phase::Withdrawn { .. } | Phase::Parked { .. } | Phase::Revived { .. } => Ok(()),
            _ => broken("W4", format!("{by} wrote {} without a claim", link(after))),
        },
    }
}

/// Every task that was ever claimed has ended.
pub(super) fn all_ended(world: &World) -> bool {
    world.witness.linked.keys().all(|(kind, key)| {
        let chain = world.broker.last(&Subject::State(kind.clone(), *key));
        matches!(chain.map(|stored| &stored.body), Some(Body::State(state)) if state.ended())
    })
}

/// A task that waits, in words.
pub(super) fn shown(world: &World, task: &Subject) -> String {
    let Subject::Task(kind, key) = task else { return format!("{task:?}") };
    match world.broker.last(&Subject::State(kind.clone(), *key)).map(|stored| &stored.body) {
        Some(Body::State(state)) => link(state),
        _ => format!("{kind}/{} never claimed", crate::world::short(*key)),
    }
}

/// A link of a task's chain: the one before, the new one, and who wrote it.
fn linked(fact: &Fact) -> Option<(Option<&TaskState>, &TaskState, usize)> {
    let Fact::Stored { stored, before, by } = fact else { return None };
    let Body::State(after) = &stored.body else { return None };
    let before = match before {
        Some(Stored { body: Body::State(before), .. }) => Some(&**before),
        _ => None,
    };
    Some((before, after, *by))
}
