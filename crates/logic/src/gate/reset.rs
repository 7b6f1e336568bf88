//! What passes by itself at a time that was named: a canary may go then, where a person said so
//! beforehand (G3).
//!
//! The closing cites what was allowed: for each cause, the `resets` of the configuration that
//! was in force as the cause joined. So a configuration applied afterwards opens nothing. Nor
//! does one cause that is not among them, one of which nobody named the time, or a person who
//! closes.
//!
//! Nor does a record that does not know yet what closed the gate.
//!
//! The time is the latest that was named for any of the causes, by whatever failed, in whatever
//! order it is told. A failure after the time that was named for its cause has disproved it.

use std::time::Duration;

use domain::{Actor, Cause, Gate, GateConfig, GateState, Incident, JoinedFailure, Timestamp};

use super::{Decision, Stamp, Told, next};

/// A time named further ahead than this is no word to go by.
pub const NAMED_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);
/// The longest that is added to a time that was named, for one that names times it does not keep.
const PATIENCE_MAX: Duration = Duration::from_secs(15 * 60);

/// When a canary may go by itself, as the gate and its standing incident read now; `None`: a
/// person is asked.
///
/// An upstream that names times and does not keep them is asked ever less often: never sooner
/// after the newest closing than half as long as the incident had lasted by then, or 15 minutes.
pub fn resets_at(gate: &Gate, record: &Incident) -> Option<Timestamp> {
    let standing = record.gate == gate.name && record.number == gate.incident;
    let counted = gate.trigger.as_ref().is_some_and(|trigger| record.has(&trigger.event));
    if gate.state != GateState::Closed || !standing || !counted {
        return None;
    }
    let allowed = |cause: &Cause| gate.resets.iter().any(|reset| reset.cause == *cause);
    let named = gate.causes.iter().map(|cause| named(record, cause).filter(|_| allowed(cause)));
    let latest = named.collect::<Option<Vec<Timestamp>>>()?.into_iter().max()?;
    let patience = (gate.at.since(gate.since) / 2).min(PATIENCE_MAX);
    Some(latest.max(gate.at.after(patience)))
}

/// Decides that the time has come: one canary, by the word that the closing cites, if the
/// configuration in force still says so.
pub fn on_reset_due(
    gate: &Gate,
    record: &Incident,
    config: &GateConfig,
    stamp: &Stamp<'_>,
) -> Decision {
    let due = resets_at(gate, record).filter(|at| *at <= stamp.now);
    let still = |cause: &Cause| config.resets.iter().any(|policy| policy.cause == *cause);
    let Some(at) = due.filter(|_| gate.causes.iter().all(still)) else {
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

/// The latest time named for one cause, unless a failure has disproved it since.
fn named(record: &Incident, cause: &Cause) -> Option<Timestamp> {
    let alike = || record.failures.iter().filter(|failure| failure.cause == *cause);
    let latest = alike().filter_map(word).max()?;
    alike().all(|failure| failure.at <= latest).then_some(latest)
}

/// The time that a failure names, if it is one to go by.
pub(super) fn word(failure: &JoinedFailure) -> Option<Timestamp> {
    failure.resets_at.filter(|at| at.since(failure.at) <= NAMED_MAX)
}
