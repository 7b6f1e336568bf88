//! Holds the consumers to the pace: the second line behind the gates.
//!
//! Each second and after each change, whoever made it, every kind's consumer is compared with
//! what [`logic::pace`] asks for, and only the difference is written. Tightening is done at
//! once. Loosening waits until the leader confirms that no gate has moved meanwhile, so that a
//! gatekeeper that lags behind never lets go what another one has just held.

use std::{collections::BTreeMap, time::Duration};

use bus::{Backlog, BusError};
use domain::{Gate, Kind};
use fleet::gate_log;
use kit::Instant;
use logic::{pace::KindLimit, view::Verdict};
use tokio_util::sync::CancellationToken;
use wire::subject;

use crate::{Keeper, announce::Announced};

const EVERY: Duration = Duration::from_secs(1);
/// Changes that come together are enforced together.
const BREATH: Duration = Duration::from_millis(5);
/// The broker ends a pause by itself; long before that it is set again.
const PAUSE_HOURS: u64 = 24;
const REARM_AFTER: Duration = Duration::from_secs(6 * 3_600);
/// How often what can no longer matter to the pace is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What this gatekeeper remembers of a consumer.
#[derive(Default)]
struct Held {
    paused_at: Option<Instant>,
    /// The last trouble that was told, so that it is told once.
    trouble: String,
}

/// What is to be done about a consumer, tightening first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Steps {
    pause: bool,
    lower: Option<i64>,
    raise: Option<i64>,
    resume: bool,
}

/// Enforces the pace until `shutdown`.
pub(crate) async fn enforce(keeper: Keeper, shutdown: CancellationToken) {
    let mut changes = keeper.fleet.gates.changes();
    let mut held: BTreeMap<Kind, Held> = BTreeMap::new();
    let mut announced = Announced::default();
    let mut forgot = keeper.fleet.clock.instant();
    loop {
        if keeper.fleet.gates.doubt().is_none() {
            let gates = keeper.gates();
            announced.announce(&keeper, &gates).await;
            for kind in keeper.fleet.config().kinds.keys() {
                let held = held.entry(kind.clone()).or_default();
                let trouble = match enforce_kind(&keeper, &gates, kind, held).await {
                    Ok(()) => String::new(),
                    Err(error) => format!("{:#}", anyhow::Error::new(error)),
                };
                if !trouble.is_empty() && trouble != held.trouble {
                    tracing::warn!(%kind, error = trouble, "consumer is not held to the pace");
                }
                held.trouble = trouble;
            }
            if FORGET_EVERY < forgot.elapsed() {
                keeper.with_pace(|pace| pace.forget(&gates, keeper.fleet.clock.now()));
                forgot = keeper.fleet.clock.instant();
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = changes.changed() => (),
            () = keeper.paced.notified() => (),
            () = keeper.fleet.clock.sleep(EVERY) => (),
        }
        keeper.fleet.clock.sleep(BREATH).await;
    }
}

/// Sets the consumers behind a gate to the canary's pace, before the gate is PROBING. They
/// stay paused; that ends once the gate message is seen.
///
/// # Errors
///
/// When a consumer is there and could not be set.
pub(crate) async fn hold_for_canary(keeper: &Keeper, probing: &Gate) -> Result<(), BusError> {
    let bus = &keeper.fleet.bus;
    let config = keeper.fleet.config();
    let mut gates = keeper.gates();
    gates.insert(probing.name.clone(), probing.clone());
    for kind in config.needing(&probing.name) {
        let now = keeper.fleet.clock.now();
        let wanted = keeper.with_pace(|pace| pace.limit(&config, &gates, &kind, now));
        let consumer = subject::dispatch_consumer(&kind);
        let found = match bus.backlog(subject::WORK, &consumer).await {
            // Nothing flows through a consumer that is not there.
            Err(error) if error.is_absent() => continue,
            found => found?,
        };
        if let Some(limit) = steps(&found, wanted, true).lower {
            bus.limit_consumer(subject::WORK, &consumer, limit).await?;
        }
    }
    Ok(())
}

async fn enforce_kind(
    keeper: &Keeper,
    gates: &BTreeMap<domain::GateName, Gate>,
    kind: &Kind,
    held: &mut Held,
) -> Result<(), BusError> {
    let (bus, clock) = (&keeper.fleet.bus, keeper.fleet.clock);
    let config = keeper.fleet.config();
    let wanted = keeper.with_pace(|pace| pace.limit(&config, gates, kind, clock.now()));
    let consumer = subject::dispatch_consumer(kind);
    let found = bus.backlog(subject::WORK, &consumer).await?;
    let armed = held.paused_at.is_some_and(|at| at.elapsed() < REARM_AFTER);
    let mut steps = steps(&found, wanted, armed);
    if !keeper.has_counted() {
        // Too little is known for any limit: that is the other gatekeepers' until then.
        steps = Steps { pause: steps.pause, ..Steps::default() };
    }
    if steps.pause {
        bus.pause_consumer(subject::WORK, &consumer, clock.now().as_millis(), PAUSE_HOURS).await?;
        held.paused_at = Some(clock.instant());
    }
    if let Some(limit) = steps.lower {
        bus.limit_consumer(subject::WORK, &consumer, limit).await?;
    }
    if (steps.raise.is_none() && !steps.resume) || !confirmed(keeper, kind, wanted).await {
        return Ok(());
    }
    if let Some(limit) = steps.raise {
        bus.limit_consumer(subject::WORK, &consumer, limit).await?;
    }
    if steps.resume {
        bus.resume_consumer(subject::WORK, &consumer).await?;
        held.paused_at = None;
    }
    tracing::debug!(%kind, limit = wanted.max_ack_pending, paused = wanted.paused, "pace set");
    Ok(())
}

/// Whether the leader knows no gate message that this gatekeeper does not.
async fn confirmed(keeper: &Keeper, kind: &Kind, wanted: KindLimit) -> bool {
    let Verdict::Open { token, .. } = keeper.fleet.gates.verdict(kind) else {
        // Behind a closed gate the limit may follow the resting tasks, and nothing flows.
        return wanted.paused;
    };
    let leader = gate_log::token(&keeper.fleet.bus).await;
    let same = matches!(leader, Ok(leader) if leader == token);
    if !same {
        keeper.fleet.gates.read_again();
    }
    same
}

/// The difference between a consumer as found and as wanted. `armed`: its pause was set
/// not long ago.
fn steps(found: &Backlog, wanted: KindLimit, armed: bool) -> Steps {
    let limit = i64::from(wanted.max_ack_pending);
    // Below 1 stands for no limit at all.
    let unlimited = found.max_ack_pending < 1;
    Steps {
        pause: wanted.paused && !(found.paused && armed),
        lower: (unlimited || limit < found.max_ack_pending).then_some(limit),
        raise: (!unlimited && found.max_ack_pending < limit).then_some(limit),
        resume: found.paused && !wanted.paused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: (i64, bool), wanted: (u32, bool), armed: bool, steps: Steps) {
        let found = Backlog { max_ack_pending: found.0, paused: found.1, ..Backlog::default() };
        let wanted = KindLimit { max_ack_pending: wanted.0, paused: wanted.1 };
        assert_eq!(super::steps(&found, wanted, armed), steps, "{found:?} to {wanted:?}");
    }

    /// Only the difference is written, and what holds back is told from what lets go.
    #[test]
    fn writes_only_the_difference() {
        let none = Steps::default();
        check((4, false), (4, false), false, none);
        check((1, true), (1, true), true, none);
        check((65_536, false), (1, true), false, Steps { pause: true, lower: Some(1), ..none });
        check((-1, false), (8, false), false, Steps { lower: Some(8), ..none });
        check((1, true), (1, false), true, Steps { resume: true, ..none });
        check((2, false), (4, false), false, Steps { raise: Some(4), ..none });
    }

    /// A pause that another gatekeeper set, or that was set long ago, is set again.
    #[test]
    fn arms_a_pause_again() {
        check((1, true), (1, true), false, Steps { pause: true, ..Steps::default() });
    }
}
