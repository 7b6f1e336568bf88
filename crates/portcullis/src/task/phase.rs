use std::collections::BTreeMap;

use domain::{Config, GateName, GateState, Lineage, Phase, TaskState, Timestamp};
use serde_json::{Value, json};

use super::{times, walk::Found};
use crate::{
    look::{self, Seen},
    show::{ago, until},
};

/// Where a task may stand, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum PhaseName {
    /// Never tried yet
    Queued,
    /// An attempt is under way
    Claimed,
    /// Waiting out its own delay
    Resting,
    /// Put back uncharged, for a gate
    Returned,
    /// Put back by a person
    Revived,
    /// May not run; a person must look
    Parked,
    /// Done
    Completed,
    /// Its attempts are spent
    Dead,
    /// Not to be done
    Withdrawn,
}

impl PhaseName {
    pub(super) const fn of(state: Option<&TaskState>) -> Self {
        let Some(state) = state else { return PhaseName::Queued };
        match state.phase {
            Phase::Claimed(_) => PhaseName::Claimed,
            Phase::Resting { .. } => PhaseName::Resting,
            Phase::Returned { .. } => PhaseName::Returned,
            Phase::Completed { .. } => PhaseName::Completed,
            Phase::Dead { .. } => PhaseName::Dead,
            Phase::Withdrawn { .. } => PhaseName::Withdrawn,
            Phase::Revived { .. } => PhaseName::Revived,
            Phase::Parked { .. } => PhaseName::Parked,
        }
    }

    /// Ended tasks are no longer in the queue; STATE alone knows them.
    pub(super) const fn ended(self) -> bool {
        matches!(self, PhaseName::Completed | PhaseName::Dead | PhaseName::Withdrawn)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            PhaseName::Queued => "queued",
            PhaseName::Claimed => "claimed",
            PhaseName::Resting => "resting",
            PhaseName::Returned => "returned",
            PhaseName::Revived => "revived",
            PhaseName::Parked => "parked",
            PhaseName::Completed => "completed",
            PhaseName::Dead => "dead",
            PhaseName::Withdrawn => "withdrawn",
        }
    }
}

/// Why a task stands where it stands, in a few words.
pub(super) fn why(
    found: &Found,
    config: &Config,
    gates: &BTreeMap<GateName, Seen>,
    now: Timestamp,
) -> String {
    let timed = found.task.as_ref().map_or_else(String::new, |task| times::why(task, now));
    let Some(state) = &found.state else { return joined([timed, held(found, config, gates)]) };
    let more = match &state.phase {
        Phase::Claimed(claim) => {
            let canary: Vec<&str> = state.canary.iter().map(GateName::as_str).collect();
            let canary = if canary.is_empty() {
                String::new()
            } else {
                format!(", the canary of {}", canary.join(", "))
            };
            let holder: String = claim.holder.as_str().chars().take(8).collect();
            return format!("run by {holder} since {}{canary}", ago(claim.begun, now));
        }
        Phase::Resting { due, cause, charged } => {
            let charged = if *charged { "" } else { ", not charged" };
            format!("{cause}{charged}; again {}", until(*due, now))
        }
        Phase::Returned { gate, cause, due } => {
            let gate = gate.as_ref().map(|gate| format!("put back for {gate}"));
            let why = cause.as_ref().map(ToString::to_string).or(gate).unwrap_or_default();
            let again = (now < *due).then(|| format!("again {}", until(*due, now)));
            joined([why, again.unwrap_or_default()])
        }
        Phase::Completed { effect } => return effect.clone(),
        Phase::Dead { cause } => return cause.to_string(),
        Phase::Withdrawn { by, why } => return format!("by {by}: {why}"),
        Phase::Revived { by, note } if found.seq.is_none() => {
            return format!("by {by}: {note}; not in the queue: `portcullis task retry` again");
        }
        Phase::Revived { by, note } => format!("by {by}: {note}"),
        Phase::Parked { cause, evidence } if state.asks() => {
            return format!(
                "{cause}: nobody knows what attempt {} did. Look, then `portcullis task retry` or \
                 `portcullis task withdraw` it. {evidence}",
                state.attempt
            );
        }
        Phase::Parked { cause, evidence } => return format!("{cause}: {evidence}"),
    };
    let held = held(found, config, gates);
    // What keeps it now comes first; why it was put back then is the older story.
    joined([held, timed, more])
}

fn joined<const N: usize>(parts: [String; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Which gates keep it, if any.
fn held(found: &Found, config: &Config, gates: &BTreeMap<GateName, Seen>) -> String {
    if !config.kinds.contains_key(&found.kind) {
        return "no such kind is configured".to_owned();
    }
    let held = look::held_by(config, gates, &found.kind, None);
    if !held.is_empty() {
        let held: Vec<&str> = held.iter().map(|(gate, _)| gate.as_str()).collect();
        return format!("held by {}", held.join(", "));
    }
    let paced = config.needs(&found.kind).into_iter().find_map(|need| {
        let state = gates.get(&need).map(Seen::state)?;
        (state != GateState::Open).then(|| format!("{need} is {}", state.word().to_uppercase()))
    });
    paced.unwrap_or_else(|| match &found.state {
        None => "waits for a dispatcher".to_owned(),
        Some(_) => String::new(),
    })
}

fn lineage(lineage: &Lineage) -> Value {
    json!({
        "kind": lineage.parent_kind.to_string(),
        "source_key": lineage.parent.to_string(),
        "root_kind": lineage.root_kind.to_string(),
        "root": lineage.root.to_string(),
        "depth": lineage.depth,
        "spent": lineage.spent,
        "budget": lineage.budget,
    })
}

/// A task as JSON.
pub(super) fn object(found: &Found, why: &str) -> Value {
    // Once it has ended its message is gone, and its chain may keep it.
    let kept = found.state.as_ref().and_then(|state| state.task.as_deref());
    let task = found.task.as_ref().or(kept);
    let mut object = json!({
        "kind": found.kind.to_string(),
        "key": found.key.to_string(),
        "source_key": found.source_key,
        "phase": PhaseName::of(found.state.as_ref()).word(),
        "why": why,
        "created_by": found.task.as_ref().map(|task| task.created_by.clone()),
        "created_at": found.task.as_ref().map(|task| task.created_at.to_string()),
        "not_before": task.and_then(|task| task.not_before).map(|at| at.to_string()),
        "expires_at": task.and_then(|task| task.expires_at).map(|at| at.to_string()),
        "follows": task.and_then(|task| task.follows.as_deref()).map(lineage),
        "in_queue": found.seq.is_some(),
        "attempt": found.state.as_ref().map_or(0, |state| state.attempt),
        "charged": found.state.as_ref().map_or(0, |state| state.charged),
    });
    let Some(state) = &found.state else { return object };
    let phase = match &state.phase {
        Phase::Claimed(claim) => json!({
            "holder": claim.holder.to_string(),
            "begun": claim.begun.to_string(),
            "canary": state.canary.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        Phase::Resting { due, cause, charged } => {
            json!({ "due": due.to_string(), "cause": cause.to_string(), "was_charged": charged })
        }
        Phase::Returned { gate, cause, due } => json!({
            "due": due.to_string(),
            "gate": gate.as_ref().map(ToString::to_string),
            "cause": cause.as_ref().map(ToString::to_string),
        }),
        Phase::Completed { effect } => json!({ "effect": effect }),
        Phase::Dead { cause } => json!({ "cause": cause.to_string() }),
        Phase::Withdrawn { by, why } => json!({ "by": by, "reason": why }),
        Phase::Revived { by, note } => json!({ "by": by, "note": note }),
        Phase::Parked { cause, evidence } => {
            json!({ "cause": cause.to_string(), "evidence": evidence })
        }
    };
    if let (Value::Object(object), Value::Object(phase)) = (&mut object, phase) {
        object.extend(phase);
        object.insert("at".to_owned(), json!(state.at.to_string()));
        object.insert("cost_micro_usd".to_owned(), json!(state.cost.micro_usd.get()));
        object.insert("sats".to_owned(), json!(state.cost.sats.get()));
        object.insert("tokens_in".to_owned(), json!(state.cost.tokens_in));
        object.insert("tokens_out".to_owned(), json!(state.cost.tokens_out));
    }
    object
}
