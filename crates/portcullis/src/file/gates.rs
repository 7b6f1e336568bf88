use std::{collections::BTreeMap, time::Duration};

use domain::{Cause, ClosePolicy, GateConfig, GateName, RULES};

use super::{
    notes::Notes,
    resets,
    section::{Section, Span},
    value::nearest,
};

/// A gate of the file.
pub(super) struct GateRead {
    pub(super) span: Span,
    pub(super) config: GateConfig,
    /// Where each cause of `closes_on` stands.
    pub(super) causes: Vec<(Cause, Span)>,
    /// The same of `resets`.
    pub(super) resets: Vec<(Cause, Span)>,
}

const WITHIN: Duration = Duration::from_secs(600);

pub(super) fn read(root: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<GateName, GateRead> {
    let mut gates = BTreeMap::new();
    for (name, mut section) in root.named("gates", notes) {
        let gate = gate(&mut section, notes);
        section.finish(notes);
        let reserved = if name.value.starts_with('_') {
            Some("names that begin with `_` are reserved".to_owned())
        } else {
            let kind = name.value.strip_prefix("kind-");
            kind.map(|kind| {
                format!("every kind has its own gate already: kind `{kind}` has `kind-{kind}`")
            })
        };
        if let Some(why) = reserved {
            notes.problem(&name.span, format!("gate `{}`: {why}; take another name", name.value));
            continue;
        }
        match name.value.parse::<GateName>() {
            Ok(name) => {
                gates.insert(name, gate);
            }
            Err(error) => notes.problem(&name.span, format!("[gates.{}]: {error}", name.value)),
        }
    }
    gates
}

fn gate(section: &mut Section<'_>, notes: &mut Notes<'_>) -> GateRead {
    let text = |word: Option<super::section::Word<&str>>| {
        word.map(|word| word.value.trim().to_owned()).unwrap_or_default()
    };
    let about = text(section.text("about", notes));
    let remedy = text(section.text("remedy", notes));
    let drain_max = section.number(
        "drain_max",
        1,
        "nothing would ever be let go; leave it out for no limit",
        notes,
    );
    let mut causes: Vec<(Cause, Span)> = Vec::new();
    let mut closes_on = Vec::new();
    for mut policy in section.sections("closes_on", notes) {
        let Some((close, span)) = close_policy(&mut policy, notes) else { continue };
        policy.finish(notes);
        if closes_on.iter().any(|other: &ClosePolicy| other.cause == close.cause) {
            let text =
                format!("cause `{}` stands twice{}; keep one", close.cause, policy_place(section));
            notes.problem(&span, text);
        }
        causes.push((close.cause.clone(), span));
        closes_on.push(close);
    }
    let (resets, places) = resets::read(section, notes)
        .into_iter()
        .map(|(policy, span)| (policy.clone(), (policy.cause, span)))
        .unzip();
    let config = GateConfig { about, remedy, closes_on, resets, drain_max };
    GateRead { span: section.span.clone(), config, causes, resets: places }
}

fn policy_place(section: &Section<'_>) -> String {
    format!(" in `closes_on` of [{}]", section.place)
}

fn close_policy(section: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<(ClosePolicy, Span)> {
    let word = section.required("cause", "\"relay.nonce-conflict\"", notes);
    let tasks = section.number("tasks", 0, "", notes).unwrap_or(1);
    let within = section.duration("within", WITHIN, Duration::from_secs(1), notes);
    let word = word?;
    let cause = section.parse::<Cause>("cause", &word, notes)?;
    let known = || RULES.iter().map(|rule| rule.cause).filter(|cause| !cause.contains('*'));
    if cause.value.rule().is_none()
        && let Some(near) = nearest(word.value, known())
    {
        let text = format!("Portcullis reports no cause `{}`; did you mean `{near}`?", word.value);
        notes.warning(&word.span, text);
    }
    Some((ClosePolicy { cause: cause.value, tasks, within }, word.span))
}
