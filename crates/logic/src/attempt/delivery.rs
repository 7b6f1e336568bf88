use std::time::Duration;

use domain::{
    Admission, Cause, Claim, GateName, HolderId, Key, KindConfig, Phase, Task, TaskState, Timestamp,
};

use super::{
    Ending, Report, Then, Told, by_hand::unclaimed, outcome::Attempt, report::owed,
    times::out_of_time,
};
use crate::usd::Toll;

/// How long a task is put back when a gate does not admit it. Short, because kinds whose gates
/// do not admit are not pulled: this only answers what was pulled just before.
pub const HOLD: Duration = Duration::from_secs(1);

/// A message as it was delivered, with everything that was read for it.
#[derive(Clone, Copy, Debug)]
pub struct Delivered<'a> {
    /// The key in the subject that it came on.
    pub key: Key,
    pub task: &'a Task,
    /// The stored headers show that the create was fenced.
    pub fenced: bool,
    /// The newest link of the chain, read after the message came.
    pub state: Option<&'a TaskState>,
    pub me: &'a HolderId,
    /// An attempt of this task runs in this process, or its ending is not yet known to be
    /// written or refused.
    pub running: bool,
    pub contact_exists: bool,
    pub admission: &'a Admitted,
    /// The canaries that were won for this task after [`Step::WinCanary`]. Whatever was won
    /// and is not in the claim that follows must be freed.
    pub won: &'a [GateName],
    /// A gate that the kind needs and this dispatcher is latched on.
    pub latched: Option<&'a GateName>,
    /// Of the kind, as it is configured now.
    pub lease: Duration,
    pub now: Timestamp,
}

/// What the gates said after the message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Every gate that the kind needs; those that are PROBING admit only their canary.
    Yes {
        admitted: Vec<Admission>,
        probing: Vec<GateName>,
    },
    No {
        why: String,
    },
}

/// What the dispatcher does with a delivered message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has ended: tell that again, then acknowledge.
    TellAndAck {
        reports: Vec<Report>,
    },
    PutBack {
        after: Duration,
        why: String,
    },
    /// Another holds it: keep the message and watch the state for `lease` ([`super::Watch`]):
    /// the claim's own or the configured one, whichever is longer.
    Watch {
        holder: HolderId,
        lease: Duration,
    },
    /// This process runs it already: drop this delivery, answer nothing.
    Keep,
    /// Win the canary of each gate, in this order, then decide again with `won`. Lost one:
    /// free the others and put the message back.
    WinCanary {
        gates: Vec<GateName>,
    },
    /// Tell what is `owed` by the link before, write `state`, and when that is accepted run the
    /// handler. Refused: read and decide again. The claim overwrites what is owed, hence first.
    Claim {
        state: TaskState,
        owed: Vec<Report>,
    },
    /// Write this link, tell, answer. Refused: read and decide again.
    Settle(Ending),
    /// Not what its subject or chain says: tell under the subject's key, acknowledge, and write
    /// nothing, since the chain may be another task's.
    Refuse {
        report: Report,
    },
}

/// What to do with a delivered message.
pub fn on_delivery(delivered: &Delivered) -> Step {
    let Delivered { task, now, .. } = *delivered;
    if let Some(report) = mismatch(delivered) {
        return Step::Refuse { report };
    }
    let base = delivered.state.cloned().unwrap_or_else(|| unclaimed(task, now));
    if base.ended() || base.asks() {
        return Step::TellAndAck { reports: owed(&base) };
    }
    if matches!(base.phase, Phase::Parked { .. }) && 0 < base.attempt && !base.admitted.is_empty() {
        return Step::Settle(asks_again(base, task));
    }
    if let Phase::Claimed(claim) = &base.phase {
        return on_claimed(delivered, &base, claim);
    }
    if !delivered.fenced {
        if matches!(base.phase, Phase::Parked { .. }) {
            return Step::TellAndAck { reports: owed(&base) };
        }
        let evidence = format!("created by {:?} without the fence", task.created_by);
        return Step::Settle(Attempt::of(&base, now).park(&known("task.unfenced"), &evidence));
    }
    // Once anything was tried, the contact may be this task's own: then its handler tells.
    if delivered.contact_exists && base.attempt == 0 {
        return Step::Settle(Attempt::of(&base, now).moot("earlier contact"));
    }
    if let Some(ending) = out_of_time(task, &base, now) {
        return Step::Settle(ending);
    }
    match wait(&base, now) {
        Some(after) => Step::PutBack { after, why: "not due yet".to_owned() },
        None => begin(delivered, &base),
    }
}

/// What follows when the claim in `state` stood still for a whole lease: its attempt is charged
/// and the task is dead, or due at once for whoever claims it first. `None` when it is no claim.
pub fn take_over(state: &TaskState, kind: &KindConfig, now: Timestamp) -> Option<Ending> {
    let Phase::Claimed(claim) = &state.phase else { return None };
    let Claim { holder, renewals, .. } = claim;
    let evidence = format!("holder {holder} was silent for a lease after {renewals} renewals");
    Some(Attempt::of(state, now).lost(&known("dispatcher.lost"), &evidence, kind))
}

fn on_claimed(delivered: &Delivered, base: &TaskState, claim: &Claim) -> Step {
    if claim.holder != *delivered.me {
        let lease = claim.lease.max(delivered.lease);
        return Step::Watch { holder: claim.holder.clone(), lease };
    }
    if delivered.running {
        return Step::Keep;
    }
    // The claim was written without this process knowing, so nothing ran under it.
    let why = "the claim was accepted without its holder knowing";
    Step::Settle(Attempt::of(base, delivered.now).give_back(None, why, HOLD))
}

/// Parked after an attempt by somebody who did not have its task at hand: nobody knows what that
/// did, so nothing is begun (M2). The link is written once more, with the task for a person.
fn asks_again(base: TaskState, task: &Task) -> Ending {
    let state = TaskState { task: Some(Box::new(task.clone())), ..base };
    let (reports, then, free) = (owed(&state), Then::Ack, Vec::new());
    Ending { state, reports, then, latch: None, free, toll: Toll::Unknown }.keeping(task)
}

fn begin(delivered: &Delivered, base: &TaskState) -> Step {
    if let Some(gate) = delivered.latched {
        return Step::PutBack { after: HOLD, why: format!("latched on gate {gate}") };
    }
    let (admitted, probing) = match delivered.admission {
        Admitted::Yes { admitted, probing } => (admitted, probing),
        Admitted::No { why } => return Step::PutBack { after: HOLD, why: why.clone() },
    };
    let mut canary = probing.clone();
    canary.sort();
    canary.dedup();
    if !canary.iter().all(|gate| delivered.won.contains(gate)) {
        return Step::WinCanary { gates: canary };
    }
    let claim = Claim {
        holder: delivered.me.clone(),
        begun: delivered.now,
        lease: delivered.lease,
        renewals: 0,
    };
    let state = TaskState {
        at: delivered.now,
        attempt: base.attempt.saturating_add(1),
        admitted: admitted.clone(),
        canary,
        task: None,
        newest: domain::Cost::ZERO,
        credential: None,
        resets_at: None,
        phase: Phase::Claimed(claim),
        ..base.clone()
    };
    Step::Claim { state, owed: owed(base) }
}

/// How much longer it rests. A clock that was set back adds at most the whole rest again.
fn wait(base: &TaskState, now: Timestamp) -> Option<Duration> {
    match base.phase {
        Phase::Resting { due, .. } | Phase::Returned { due, .. } if now < due => {
            Some(due.since(now).min(due.since(base.at)))
        }
        _ => None,
    }
}

fn mismatch(delivered: &Delivered) -> Option<Report> {
    let Delivered { key, task, state, .. } = *delivered;
    let evidence = if task.key() != key {
        format!("{} does not belong on the key {key}", task.source_key)
    } else {
        let state = state.filter(|state| state.source_key != task.source_key)?;
        format!("{} and {} share the key {key}", task.source_key, state.source_key)
    };
    let told = Told::Parked { cause: known("task.invalid"), evidence };
    Some(Report::bare(state.map_or(0, |state| state.attempt), told))
}

fn known(text: &'static str) -> Cause {
    text.parse().expect("a cause of the rule set")
}
