use std::collections::BTreeMap;

use bus::Bus;
use domain::{Kind, TaskState, Timestamp};
use kit::Clock;
use serde_json::{Value, json};

use super::{
    ListArgs,
    phase::{PhaseName, object, why},
    walk::{self, Found},
};
use crate::{
    look::{self, Seen},
    out::Out,
    show::{Table, lasts},
};

pub(super) async fn run(bus: &Bus, args: &ListArgs, out: &Out) -> anyhow::Result<()> {
    let config = look::config(bus).await?;
    if let Some(kind) = &args.kind {
        look::known_kind(&config, kind)?;
    }
    let kinds: Vec<Kind> = match &args.kind {
        Some(kind) => vec![kind.clone()],
        None => config.kinds.keys().cloned().collect(),
    };
    let gates = Seen::all(bus, &config).await?;
    let mut found = Vec::new();
    for kind in &kinds {
        found.extend(find(bus, kind, args).await?);
    }
    let cut = args.limit < found.len();
    found.truncate(args.limit);
    let now = Clock.now();
    let told: Vec<(&Found, String)> =
        found.iter().map(|found| (found, why(found, &config, &gates, now))).collect();
    if out.json {
        let tasks: Vec<Value> = told.iter().map(|(found, why)| object(found, why)).collect();
        out.object(&json!({ "tasks": tasks, "by_phase": counts(&found), "cut_off": cut }))?;
        return Ok(());
    }
    if found.is_empty() {
        out.talk("nothing waits");
        return Ok(());
    }
    out.data(&table(&told, now).render(out))?;
    let counts: Vec<String> =
        counts(&found).iter().map(|(phase, count)| format!("{count} {phase}")).collect();
    out.talk(&format!("\n{} = {}", found.len(), counts.join(" + ")));
    if cut {
        out.talk(&format!("there are more than {}; see them with --limit", args.limit));
    }
    Ok(())
}

fn table(told: &[(&Found, String)], now: Timestamp) -> Table {
    let mut table = Table::new(&["TASK", "STANDS", "TRIED", "FOR", "COST", "WHY"]);
    for (found, why) in told {
        let name = if found.source_key.starts_with(&format!("{}/", found.kind)) {
            found.source_key.clone()
        } else {
            format!("{}: {}", found.kind, found.source_key)
        };
        let since = found.state.as_ref().map(|state| state.at);
        let since = since.or(found.task.as_ref().map(|task| task.created_at));
        table.row(vec![
            name.into(),
            PhaseName::of(found.state.as_ref()).word().into(),
            tried(found.state.as_ref()).into(),
            since.map_or_else(String::new, |since| lasts(now.since(since))).into(),
            money(found.state.as_ref()).into(),
            why.as_str().into(),
        ]);
    }
    table
}

/// One more than the limit, so that it shows when something is cut off.
async fn find(bus: &Bus, kind: &Kind, args: &ListArgs) -> anyhow::Result<Vec<Found>> {
    match args.phase {
        // What is parked is not in the queue either.
        Some(phase) if phase.ended() || phase == PhaseName::Parked => {
            let wanted = |state: &TaskState| PhaseName::of(Some(state)) == phase;
            walk::known(bus, kind, args.limit + 1, wanted).await
        }
        Some(PhaseName::Revived) => walk::revived(bus, kind, args.limit + 1).await,
        Some(phase) => {
            let mut found = walk::queued(bus, kind, usize::MAX).await?;
            found.retain(|found| PhaseName::of(found.state.as_ref()) == phase);
            Ok(found)
        }
        None => walk::queued(bus, kind, args.limit + 1).await,
    }
}

fn counts(found: &[Found]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for found in found {
        *counts.entry(PhaseName::of(found.state.as_ref()).word()).or_insert(0) += 1;
    }
    counts
}

/// `3 (1 charged)`.
fn tried(state: Option<&TaskState>) -> String {
    match state {
        None => "never".to_owned(),
        Some(state) if state.charged == 0 => state.attempt.to_string(),
        Some(state) => format!("{} ({} charged)", state.attempt, state.charged),
    }
}

/// `$0.02`, or sats where those were paid.
fn money(state: Option<&TaskState>) -> String {
    let cost = state.map(|state| state.cost).unwrap_or_default();
    match (cost.micro_usd == domain::MicroUsd::ZERO, cost.sats == domain::Sats::ZERO) {
        (true, true) => "-".to_owned(),
        (false, true) => cost.micro_usd.to_string(),
        (true, false) => cost.sats.to_string(),
        (false, false) => format!("{} {}", cost.micro_usd, cost.sats),
    }
}
