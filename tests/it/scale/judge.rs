use std::collections::{BTreeMap, BTreeSet};

use domain::{Phase, TaskState};
use serde_json::Value;
use wire::{Wire as _, subject};

use super::bench::{ATTEMPTS, KINDS, Ledger};
use crate::harness::World;

/// Holds what is stored against what the service did.
pub(super) async fn judge(
    world: &World,
    ledger: &Ledger,
    created: impl Iterator<Item = (&'static str, String)>,
) {
    let created: Vec<(&str, String)> = created.collect();
    let states = states(world).await;
    let told = told(world).await;
    assert_eq!(states.len(), created.len(), "each task has its chain, and there are no others");
    let attempts: BTreeSet<_> = ledger.asked.iter().collect();
    assert_eq!(attempts.len(), ledger.asked.len(), "an attempt was begun twice (W4)");
    for (_, source_key) in &created {
        let state = &states[source_key];
        let effects = ledger.effects.get(source_key).copied().unwrap_or(0);
        assert!(state.charged <= ATTEMPTS, "{state:?}");
        let asked = ledger.asked.iter().filter(|(asked, _)| asked == source_key).count();
        assert!(asked <= usize::try_from(state.attempt).unwrap(), "{asked} asked: {state:?}");
        match &state.phase {
            Phase::Completed { effect } => {
                assert_eq!((effect, effects), (source_key, 1), "W3: {state:?}");
                assert_eq!(told.get(source_key), Some(&BTreeSet::from(["completed".to_owned()])));
            }
            Phase::Dead { .. } => {
                assert_eq!((state.charged, effects), (ATTEMPTS, 0), "{state:?}");
                assert_eq!(told.get(source_key), Some(&BTreeSet::from(["dead".to_owned()])));
            }
            other => panic!("{source_key} has not ended: {other:?}"),
        }
    }
    order(ledger, &created);
}

/// Where each task stands, by source key.
async fn states(world: &World) -> BTreeMap<String, TaskState> {
    let stored = world.stored(subject::STATE, "state.>").await;
    let states = stored.iter().map(|stored| TaskState::decode(&stored.body).unwrap());
    states.map(|state| (state.source_key.to_string(), state)).collect()
}

/// The ends that were told, by source key.
async fn told(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for verb in ["completed", "dead", "withdrawn", "parked"] {
        for event in world.events(&format!("event.task.{verb}.>")).await {
            let Value::String(source_key) = &event["data"]["source_key"] else {
                panic!("{event}");
            };
            told.entry(source_key.clone()).or_default().insert(verb.to_owned());
        }
    }
    told
}

/// Within a kind tasks come in the order of their creation, but for those that were with a
/// dispatcher that died; between kinds each has its part, and nobody starves.
fn order(ledger: &Ledger, created: &[(&str, String)]) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, (source_key, _)) in ledger.asked.iter().enumerate() {
        first.entry(source_key).or_insert(at);
    }
    for kind in KINDS {
        let of_kind = created.iter().filter(|(of, _)| *of == kind).map(|(_, key)| key.as_str());
        let mut ranked: Vec<(usize, usize)> =
            of_kind.enumerate().map(|(rank, key)| (first[key], rank)).collect();
        ranked.sort_unstable();
        let mut off: Vec<usize> =
            ranked.iter().enumerate().map(|(at, (_, rank))| at.abs_diff(*rank)).collect();
        off.sort_unstable();
        let typical = off[off.len() * 9 / 10];
        eprintln!("{kind}: nine of ten within {typical} places of their order");
        assert!(typical <= off.len() / 4 + 20, "{kind} is out of order: {typical} places");
    }
    let urgent: BTreeSet<&str> =
        created.iter().filter(|(kind, _)| *kind == "urgent").map(|(_, key)| key.as_str()).collect();
    let mut begun: Vec<(usize, &str)> = first.iter().map(|(key, at)| (*at, *key)).collect();
    begun.sort_unstable();
    let half =
        begun.iter().filter(|(_, key)| urgent.contains(key)).nth(urgent.len() / 2).unwrap().0;
    let bulk = begun.iter().filter(|(at, key)| *at < half && key.starts_with("bulk")).count();
    eprintln!("when half of {} urgent ones had begun, {bulk} of bulk had", urgent.len());
    assert!(urgent.len() / 16 <= bulk, "bulk starves");
    assert!(bulk <= urgent.len() / 3, "nothing comes of being urgent");
}
