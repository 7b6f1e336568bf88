//! `resets` of a gate: the causes after which a canary may go at the time that was named.

use std::collections::BTreeMap;

use domain::{Blame, Cause, Config, GateName, ResetPolicy};

use super::{
    gates::GateRead,
    notes::Notes,
    section::{Section, Span},
};

/// What someone has to clear: a time that is named with it is none that is kept. Whole causes, or
/// their first words.
const FOR_A_PERSON: [&str; 7] = [
    "relay.nonce-conflict",
    "relay.unconfirmed",
    "wallet.",
    "payment.",
    "record.",
    "person.",
    "canary.",
];

/// Where a gate says that a cause passes by itself.
pub(super) type Place = (GateName, Cause, Span);

/// Reads the `resets` of one gate, each with where it stands.
pub(super) fn read(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Vec<(ResetPolicy, Span)> {
    let mut all: Vec<(ResetPolicy, Span)> = Vec::new();
    for mut policy in section.sections("resets", notes) {
        let cause = policy.required("cause", "\"budget.reached\"", notes);
        let note = policy.required("note", "\"why it passes by itself\"", notes);
        let cause = cause.and_then(|word| policy.parse::<Cause>("cause", &word, notes));
        policy.finish(notes);
        let (Some(cause), Some(note)) = (cause, note) else { continue };
        let text = note.value.trim();
        if text.is_empty() {
            let what =
                format!("`note` in [{}] is empty: say why it passes by itself", policy.place);
            notes.problem(&note.span, what);
        }
        if all.iter().any(|(other, _)| other.cause == cause.value) {
            let place = &section.place;
            let what =
                format!("cause `{}` stands twice in `resets` of [{place}]; keep one", cause.value);
            notes.problem(&cause.span, what);
        }
        all.push((ResetPolicy { cause: cause.value, note: text.to_owned() }, cause.span));
    }
    all
}

/// Where each gate of the file allows what.
pub(super) fn places(gates: &BTreeMap<GateName, GateRead>) -> Vec<Place> {
    let places = gates.iter().flat_map(|(name, gate)| {
        gate.resets.iter().map(|(cause, span)| (name.clone(), cause.clone(), span.clone()))
    });
    places.collect()
}

/// Warns of what will do nothing, or what no time heals.
pub(super) fn check(config: &Config, places: &[Place], notes: &mut Notes<'_>) {
    for (gate, cause, span) in places {
        let text = cause.as_str();
        if FOR_A_PERSON
            .iter()
            .any(|word| text == *word || word.ends_with('.') && text.starts_with(word))
        {
            let what = format!(
                "cause `{cause}` does not pass by itself: someone has to clear it, whatever time \
                 is named with it; leave it out of the `resets` of gate `{gate}`"
            );
            notes.warning(span, what);
            continue;
        }
        let kinds = config.needing(gate);
        let blamed = kinds.iter().find_map(|kind| match config.blame(kind, cause) {
            Blame::Shared { gate: blamed, tasks, .. } if blamed == *gate => Some((blamed, tasks)),
            _ => None,
        });
        // A gate that no kind needs is told of already.
        if kinds.is_empty() || blamed.is_some_and(|(_, tasks)| 0 < tasks) {
            continue;
        }
        let elsewhere = kinds.iter().find_map(|kind| match config.blame(kind, cause) {
            Blame::Shared { gate: other, .. } if other != *gate => Some(other),
            _ => None,
        });
        let advice = match elsewhere {
            Some(other) => format!("it closes `{other}`, so say it there"),
            None => format!("add it to its `closes_on`: {{ cause = \"{cause}\", tasks = 1 }}"),
        };
        let what =
            format!("cause `{cause}` never closes gate `{gate}`, so nothing resets; {advice}");
        notes.warning(span, what);
    }
}
