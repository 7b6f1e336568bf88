//! Whether the parts of the file agree with each other.

use std::collections::BTreeMap;

use domain::{GateName, Handler, Kind, SensorConfig, SensorName, WhileClosed};

use super::{
    gates::GateRead, kinds::KindRead, notes::Notes, payer::PayerRead, sensors::SensorRead,
    value::nearest,
};

/// The service that reads the table `[payer]`.
pub(crate) const PAYER: &str = "welcome-payer";
/// What the payer's failures are shared through. Without one of them its failures would be
/// laid on the task and charged to it, until a task that was paid for is dead.
const PAYER_NEEDS: [&str; 4] = ["relay", "wallet", "inbox", "chain"];

pub(super) fn check(
    kinds: &BTreeMap<Kind, KindRead>,
    gates: &BTreeMap<GateName, GateRead>,
    sensors: &BTreeMap<SensorName, SensorRead>,
    payer: Option<&PayerRead>,
    notes: &mut Notes<'_>,
) {
    needs_exist(kinds, gates, notes);
    causes_are_clear(kinds, gates, notes);
    gates_are_needed(kinds, gates, notes);
    sensors_have_kinds(kinds, sensors, notes);
    firings_are_held(kinds, sensors, notes);
    payer_needs(kinds, gates, notes);
    payer_fits(kinds, sensors, payer, notes);
}

fn needs_exist(
    kinds: &BTreeMap<Kind, KindRead>,
    gates: &BTreeMap<GateName, GateRead>,
    notes: &mut Notes<'_>,
) {
    for (kind, read) in kinds {
        for need in &read.needs {
            let gate = need.value.as_str();
            if gates.contains_key(&need.value) {
                continue;
            }
            let text = if need.value == GateName::of_kind(kind) {
                format!("kind `{kind}` needs its own gate `{gate}` anyway; leave it out of `needs`")
            } else if gate.starts_with("kind-") {
                format!("`{gate}` in `needs` is the own gate of a kind; name a gate of [gates]")
            } else {
                let advice = match nearest(gate, gates.keys().map(GateName::as_str)) {
                    Some(near) => format!("did you mean `{near}`? Or add [gates.{gate}]"),
                    None => format!("add [gates.{gate}]"),
                };
                format!("kind `{kind}` needs the unknown gate `{gate}`; {advice}")
            };
            notes.problem(&need.span, text);
        }
    }
}

/// A failure is laid on one gate; with two to choose from, nobody could say on which.
fn causes_are_clear(
    kinds: &BTreeMap<Kind, KindRead>,
    gates: &BTreeMap<GateName, GateRead>,
    notes: &mut Notes<'_>,
) {
    for (kind, read) in kinds {
        let mut seen = BTreeMap::new();
        for need in &read.needs {
            for (cause, span) in gates.get(&need.value).into_iter().flat_map(|gate| &gate.causes) {
                if let Some(other) = seen.insert(cause, &need.value)
                    && *other != need.value
                {
                    let text = format!(
                        "cause `{cause}` closes both `{other}` and `{}`, and kind `{kind}` needs \
                         both; keep it in one `closes_on`",
                        need.value
                    );
                    notes.problem(span, text);
                }
            }
        }
    }
}

fn gates_are_needed(
    kinds: &BTreeMap<Kind, KindRead>,
    gates: &BTreeMap<GateName, GateRead>,
    notes: &mut Notes<'_>,
) {
    for (name, gate) in gates {
        if kinds.values().any(|kind| kind.needs.iter().any(|need| need.value == *name)) {
            continue;
        }
        if gate.causes.is_empty() {
            let text = format!("no kind needs gate `{name}`, so it holds nothing back");
            notes.warning(&gate.span, text);
        }
        for (cause, span) in &gate.causes {
            let text = format!(
                "cause `{cause}` can never close gate `{name}`, because no kind needs it; add it \
                 to the `needs` of a kind"
            );
            notes.warning(span, text);
        }
    }
}

fn sensors_have_kinds(
    kinds: &BTreeMap<Kind, KindRead>,
    sensors: &BTreeMap<SensorName, SensorRead>,
    notes: &mut Notes<'_>,
) {
    for (sensor, read) in sensors {
        let Some(kind) = &read.kind else { continue };
        if kinds.contains_key(&kind.value) {
            continue;
        }
        let name = kind.value.as_str();
        let advice = match nearest(name, kinds.keys().map(Kind::as_str)) {
            Some(near) => format!("did you mean `{near}`? Or add [kinds.{name}]"),
            None => format!("add [kinds.{name}]"),
        };
        let text = format!("sensor `{sensor}` creates the unknown kind `{name}`; {advice}");
        notes.problem(&kind.span, text);
    }
}

/// What looks again by itself holds nothing back that could be dropped: it finds it once more.
fn firings_are_held(
    kinds: &BTreeMap<Kind, KindRead>,
    sensors: &BTreeMap<SensorName, SensorRead>,
    notes: &mut Notes<'_>,
) {
    for (sensor, read) in sensors {
        let (Some(kind), Some(config)) = (&read.kind, &read.config) else { continue };
        let rule = kinds.get(&kind.value).and_then(|kind| kind.config.as_ref());
        let rule = rule.map_or(WhileClosed::Hold, |kind| kind.while_closed);
        if rule == WhileClosed::Hold || matches!(config, SensorConfig::Schedule(_)) {
            continue;
        }
        let text = format!(
            "kind `{}` says while_closed = {:?}, which only a schedule can do: sensor `{sensor}` \
             finds again what it could not create; leave it out, or give the schedule a kind of \
             its own",
            kind.value,
            rule.word()
        );
        notes.problem(&kind.span, text);
    }
}

pub(super) fn pays(kind: &KindRead) -> bool {
    let handler = kind.config.as_ref().map(|config| &config.handler);
    handler.is_some_and(
        |handler| matches!(handler, Handler::Service { name } if name.as_str() == PAYER),
    )
}

fn payer_needs(
    kinds: &BTreeMap<Kind, KindRead>,
    gates: &BTreeMap<GateName, GateRead>,
    notes: &mut Notes<'_>,
) {
    for (kind, read) in kinds.iter().filter(|(_, read)| pays(read)) {
        // A name that is only written wrongly is told already.
        if read.needs.iter().any(|need| !gates.contains_key(&need.value)) {
            continue;
        }
        let needed = |gate: &str| read.needs.iter().any(|need| need.value.as_str() == gate);
        let missing: Vec<&str> = PAYER_NEEDS.iter().filter(|gate| !needed(gate)).copied().collect();
        if !missing.is_empty() {
            let (names, all) = (missing.join("`, `"), PAYER_NEEDS.join("\", \""));
            let text = format!(
                "kind `{kind}` is handled by `{PAYER}` and does not need `{names}`, so a failure \
                 of that would be charged to its tasks; needs = [\"{all}\"]"
            );
            notes.problem(&read.span, text);
        }
    }
}

/// Whoever pays reads `[payer]`, on the network whose agents the sensors find.
fn payer_fits(
    kinds: &BTreeMap<Kind, KindRead>,
    sensors: &BTreeMap<SensorName, SensorRead>,
    payer: Option<&PayerRead>,
    notes: &mut Notes<'_>,
) {
    let Some(payer) = payer else {
        for (kind, read) in kinds.iter().filter(|(_, read)| pays(read)) {
            let text = format!("kind `{kind}` is handled by `{PAYER}`, which has no settings");
            notes.problem(&read.span, format!("{text}; add a table [payer]"));
        }
        return;
    };
    if !kinds.values().any(pays) && kinds.values().all(|kind| kind.config.is_some()) {
        let text = format!("[payer] is not used: no kind is handled by `{PAYER}`");
        notes.warning(&payer.span, text);
    }
    for (name, sensor) in sensors {
        let kind = sensor.kind.as_ref().and_then(|kind| kinds.get(&kind.value));
        let (Some(found), Some(paid)) = (&sensor.network, &payer.network) else { continue };
        if kind.is_some_and(pays) && found.value != paid.value {
            let text = format!(
                "sensor `{name}` finds agents of {}, and [payer] pays on {}; make them the same",
                found.value, paid.value
            );
            notes.problem(&found.span, text);
        }
    }
}
