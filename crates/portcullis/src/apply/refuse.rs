//! What an apply may not do without saying why, and what it may not do at all.

use bus::Bus;
use domain::{Config, GateName, GateState, Handler, Kind};
use wire::subject;

use super::standing::Standing;
use crate::{file::PAYER, look::Seen};

/// No need to count further to see that tasks wait.
const COUNTED_MAX: usize = 1_000;

/// Every reason against it, a sentence each.
pub(super) async fn reasons(
    bus: &Bus,
    standing: &Standing,
    wanted: &Config,
    note: &str,
) -> anyhow::Result<Vec<String>> {
    let Some(old) = standing.config() else { return Ok(Vec::new()) };
    let mut reasons = Vec::new();
    if note.trim().is_empty() {
        reasons.extend(dropped_gates(standing, old, wanted));
        reasons.extend(dropped_needs(standing, old, wanted));
        reasons.extend(other_network(bus, old, wanted).await?);
    }
    for kind in old.kinds.keys().filter(|kind| !wanted.kinds.contains_key(kind)) {
        let waiting = bus.all(subject::WORK, &subject::tasks_of(kind), COUNTED_MAX).await?.len();
        if 0 < waiting {
            reasons.push(waits(kind, waiting));
        }
    }
    Ok(reasons)
}

/// Whom the waiting tasks would pay lives on the old network: they would wait for ever.
async fn other_network(bus: &Bus, old: &Config, wanted: &Config) -> anyhow::Result<Option<String>> {
    let (Some(before), Some(after)) = (&old.payer, &wanted.payer) else { return Ok(None) };
    if before.network == after.network {
        return Ok(None);
    }
    let paid = |kind: &&Kind| {
        let handler = &old.kinds[*kind].handler;
        matches!(handler, Handler::Service { name } if name.as_str() == PAYER)
    };
    let mut waiting = 0;
    for kind in old.kinds.keys().filter(paid) {
        waiting += bus.all(subject::WORK, &subject::tasks_of(kind), COUNTED_MAX).await?.len();
    }
    Ok((0 < waiting).then(|| {
        format!(
            "[payer] would pay on {} instead of {}, and {waiting} tasks wait to be paid for on \
             {1}, held for as long as that is so; let them end first, or say why with --note",
            after.network, before.network
        )
    }))
}

/// A gate that holds something back would vanish, and with it what it protects.
fn dropped_gates(standing: &Standing, old: &Config, wanted: &Config) -> Vec<String> {
    let kept = wanted.all_gates();
    let dropped = old.all_gates().into_iter().filter(|gate| !kept.contains(gate));
    let blocking =
        dropped.filter_map(|gate| Some((blocking(standing, &gate)?.state().told(), gate)));
    let line = |(told, gate)| {
        format!(
            "gate `{gate}` is {told} and would be dropped; open it first, or say why with --note"
        )
    };
    blocking.map(line).collect()
}

/// A kind would pass a closed gate by no longer needing it.
fn dropped_needs(standing: &Standing, old: &Config, wanted: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in old.kinds.keys().filter(|kind| wanted.kinds.contains_key(kind)) {
        let kept = wanted.needs(kind);
        for gate in old.needs(kind).into_iter().filter(|gate| !kept.contains(gate)) {
            if let Some(seen) = blocking(standing, &gate)
                && wanted.gates.contains_key(&gate)
            {
                lines.push(format!(
                    "gate `{gate}` is {} and kind `{kind}` would no longer need it; open it \
                     first, or say why with --note",
                    seen.state().told()
                ));
            }
        }
    }
    lines
}

fn blocking<'a>(standing: &'a Standing, gate: &GateName) -> Option<&'a Seen> {
    standing.gates.get(gate).filter(|seen| seen.state() != GateState::Open)
}

fn waits(kind: &Kind, waiting: usize) -> String {
    let more = if waiting == COUNTED_MAX { "at least " } else { "" };
    format!(
        "kind `{kind}` would be dropped or renamed, and {more}{waiting} of its tasks wait; keep \
         the kind until they have ended (`portcullis task list --kind {kind}`)"
    )
}
