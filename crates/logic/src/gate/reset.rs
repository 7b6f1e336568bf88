//! What passes by itself at a time that was named: a canary may go then, where a person said so
//! beforehand (G3).
//!
//! A closing cites what was allowed: for each cause, the `resets` of the configuration in force as
//! the gate closed, or as the cause joined. So a configuration applied afterwards opens nothing,
//! and one that takes the word back has done so for this closing, whatever is applied later. Nor
//! does a gate open by itself for a cause that is not cited, or of which nobody named the time;
//! nor after a person has closed it; nor while its record does not know yet what closed it.
//!
//! The time is the latest that was named for any of the causes, by whatever failed since things
//! last went well, or a person said so, in whatever order it is told. A failure after the time
//! that was named for its cause has disproved it.

use std::time::Duration;

use domain::{Actor, Cause, Config, Gate, GateState, Incident, JoinedFailure, Timestamp};

use super::{Decision, Stamp, Told, next};

/// A time named further ahead than this is no word to go by.
const NAMED_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);
/// How long after a closing a canary waits whose forerunner went at a time that was not kept;
/// doubled for each, up to the longest.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_MAX: Duration = Duration::from_secs(15 * 60);

/// When a canary may go by itself, as the gate and its standing incident read now; `None`: a
/// person is asked.
///
/// An upstream that names times and does not keep them is asked ever less often.
pub fn resets_at(gate: &Gate, record: &Incident) -> Option<Timestamp> {
    let standing = record.gate == gate.name && record.number == gate.incident;
    let counted = gate.trigger.as_ref().is_some_and(|trigger| record.has(&trigger.event));
    if gate.state != GateState::Closed || !standing || !counted {
        return None;
    }
    let cited = |cause: &Cause| gate.resets.iter().any(|reset| reset.cause == *cause);
    if !gate.causes.iter().all(cited) {
        return None;
    }
    let standing = gate.causes.iter().filter(|cause| !is_over(gate, record, cause));
    let named = standing.map(|cause| named(gate, record, cause));
    let latest = named.collect::<Option<Vec<Timestamp>>>()?.into_iter().max()?;
    Some(latest.max(gate.at.after(patience(gate.words_broken))))
}

/// The version of the configuration that has taken back what the closing cites; `None` while its
/// word stands. `configs` are all from the oldest that is cited to the one in force.
pub fn taken_back(gate: &Gate, configs: &[Config]) -> Option<u64> {
    let silent = |config: &&Config| {
        let mut cited = gate.resets.iter().filter(|reset| reset.version <= config.version);
        cited.any(|reset| config.reset(&gate.name, &reset.cause).is_none())
    };
    configs.iter().find(silent).map(|config| config.version)
}

/// Decides that the time has come: one canary, by the word that the closing cites, if no
/// configuration since has taken that back, see [`taken_back`].
pub fn on_reset_due(
    gate: &Gate,
    record: &Incident,
    configs: &[Config],
    stamp: &Stamp<'_>,
) -> Decision {
    let due = resets_at(gate, record).filter(|at| *at <= stamp.now);
    let Some(at) = due.filter(|_| taken_back(gate, configs).is_none()) else {
        return Decision::default();
    };
    let words = gate.resets.iter().map(|reset| {
        let (cause, version, by, note) = (&reset.cause, reset.version, &reset.by, &reset.note);
        format!("{cause} passes by itself, said {by} in configuration {version}: {note}")
    });
    let words = words.collect::<Vec<_>>().join("; ");
    let note = format!("the time named was {at}; {words}");
    let mut probing = next(gate, GateState::Probing, Actor::Gatekeeper, note, stamp);
    probing.opening = probing.epoch;
    probing.canaries_failed = 0;
    Decision::write(probing, Told::Probing)
}

/// Whether things went well, or a person has said so, since anything failed for the cause.
fn is_over(gate: &Gate, record: &Incident, cause: &Cause) -> bool {
    let mut alike = record.failures.iter().filter(|failure| failure.cause == *cause).peekable();
    alike.peek().is_some() && alike.all(|failure| failure.at < gate.failing_since)
}

/// The latest time named for one cause, unless a failure has disproved it since.
fn named(gate: &Gate, record: &Incident, cause: &Cause) -> Option<Timestamp> {
    let alike = || record.failures.iter().filter(|failure| failure.cause == *cause);
    let counted_on = alike().filter(|failure| gate.failing_since <= failure.at);
    let latest = counted_on.filter_map(word).max()?;
    alike().all(|failure| failure.at <= latest).then_some(latest)
}

/// The time that a failure names, if it is one to go by.
pub(super) fn word(failure: &JoinedFailure) -> Option<Timestamp> {
    failure.resets_at.filter(|at| at.since(failure.at) <= NAMED_MAX)
}

fn patience(words_broken: u32) -> Duration {
    match words_broken {
        0 => Duration::ZERO,
        broken => PATIENCE.saturating_mul(1 << broken.saturating_sub(1).min(16)).min(PATIENCE_MAX),
    }
}
