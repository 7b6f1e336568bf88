//! What attempts report: failures that close gates, and canaries that prove one can open.
//!
//! The durable `gatekeeper` delivers each outcome to one gatekeeper. For every gate that it
//! concerns: read the gate and the incident, decide, carry out; a lost race means to read
//! and decide again. Acknowledged when all of it is written and told, so that an outcome
//! counts also when every gatekeeper was dead as it was told.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bus::{Bus, Delivery, Queue};
use domain::{Blame, Cause, Config, Epoch, GateName, GateState};
use fleet::store::StoreError;
use logic::gate::{
    CompletedSeen, FailureSeen, Home, counted_before, home, on_completed, on_failure,
};
use tokio_util::sync::CancellationToken;
use wire::{
    event::{AttemptTold, AttemptVerb, shorten},
    subject,
};

use crate::{
    Keeper,
    moves::{self, Carried, TRIES},
    record::Record,
    standing::{Look, at_epoch, look},
};

/// How long one pull waits; also how long stopping may take.
const PULL_FOR: Duration = Duration::from_secs(2);
/// How many outcomes are taken at once when many are there.
const AT_ONCE: usize = 64;
/// Between tries to reach a bus that does not answer.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// What is kept of an answer from outside, in characters.
const EVIDENCE_MAX: usize = 1_000;
/// An outcome of a kind that the configuration does not have yet waits so often for a newer one.
const PATIENT_DELIVERIES: u64 = 5;

/// Takes outcomes until `shutdown`.
pub(crate) async fn take_all(keeper: Keeper, shutdown: CancellationToken) {
    let mut garbage = 0_u64;
    let mut queue = None;
    while !shutdown.is_cancelled() {
        if let Err(error) = take_some(&keeper, &mut queue, &mut garbage, &shutdown).await {
            tracing::warn!(error = format!("{error:#}"), "outcomes cannot be read");
            queue = None;
            keeper.fleet.clock.sleep(AGAIN_AFTER).await;
        }
    }
}

/// Waits for one outcome, then takes all there are.
async fn take_some(
    keeper: &Keeper,
    queue: &mut Option<Queue>,
    garbage: &mut u64,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let queue = match queue {
        Some(queue) => queue,
        None => queue
            .insert(keeper.fleet.bus.queue(subject::EVENTS, subject::GATEKEEPER_CONSUMER).await?),
    };
    let mut deliveries: Vec<Delivery> = queue.wait(PULL_FOR).await?.into_iter().collect();
    while !deliveries.is_empty() {
        for delivery in deliveries {
            take(keeper, delivery, garbage).await;
        }
        if shutdown.is_cancelled() {
            break;
        }
        deliveries = queue.fetch(AT_ONCE).await?;
    }
    Ok(())
}

async fn take(keeper: &Keeper, delivery: Delivery, garbage: &mut u64) {
    let (subject, seq, delivered) = (delivery.subject.clone(), delivery.seq, delivery.delivered);
    let settled = match AttemptTold::from_json(&delivery.body) {
        Ok(told) => settle(keeper, &told, delivered).await,
        Err(error) => {
            *garbage += 1;
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(subject, seq, error, garbage, "an outcome makes no sense, passed over");
            Ok(())
        }
    };
    let answered = match settled {
        Ok(()) => delivery.done().await,
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(subject, seq, delivered, error, "an outcome is not settled, put back");
            delivery.put_back(patience(delivered)).await
        }
    };
    if let Err(error) = answered {
        tracing::debug!(subject, seq, %error, "it will be delivered again");
    }
}

/// How long an outcome waits after it could not be settled for the nth time.
fn patience(delivered: u64) -> Duration {
    let doublings = u32::try_from(delivered.min(8)).unwrap_or(8);
    Duration::from_millis(100).saturating_mul(1 << doublings)
}

/// Does all that follows from one outcome.
async fn settle(keeper: &Keeper, told: &AttemptTold, delivered: u64) -> anyhow::Result<()> {
    match told.verb {
        AttemptVerb::Completed => {
            for gate in &told.canary {
                completed(keeper, gate, told).await?;
            }
        }
        AttemptVerb::Failed => {
            let config = keeper.fleet.config();
            if !config.kinds.contains_key(&told.kind) && delivered < PATIENT_DELIVERIES {
                keeper.fleet.gates.read_again();
                bail!("kind {} is not in the configuration, which may be an old one", told.kind);
            }
            let Some(cause) = &told.cause else {
                tracing::error!(event = told.id(), "a failure without a cause, passed over");
                return Ok(());
            };
            let seen = failure(told, cause, config.blame(&told.kind, cause));
            for gate in seen.concerns() {
                failed(keeper, &gate, &seen, told).await?;
            }
        }
        AttemptVerb::Dead
        | AttemptVerb::Withdrawn
        | AttemptVerb::Held
        | AttemptVerb::Parked
        | AttemptVerb::Revived => (),
    }
    Ok(())
}

pub(crate) fn failure(told: &AttemptTold, cause: &Cause, blame: Blame) -> FailureSeen {
    FailureSeen {
        event: told.id(),
        kind: told.kind.clone(),
        task: told.source_key.key(),
        source_key: told.source_key.clone(),
        attempt: told.attempt,
        cause: cause.clone(),
        blame,
        admitted: told.admitted.clone(),
        canary: told.canary.clone(),
        at: told.at,
        evidence: shorten(&told.evidence, EVIDENCE_MAX),
        resets_at: told.resets_at,
        allowed: Vec::new(),
    }
}

/// The same of an end that stands: a gate that is to blame closes on it, and where nobody is, the
/// canary is spent all the same.
pub(crate) fn spent(told: &AttemptTold, cause: &Cause, config: &Config) -> FailureSeen {
    let blame = match config.blame(&told.kind, cause) {
        Blame::Nobody => Blame::Own,
        blame @ (Blame::Own | Blame::Shared { .. }) => blame,
    };
    failure(told, cause, blame)
}

/// What a completed attempt proves about one gate.
pub(crate) async fn completed(
    keeper: &Keeper,
    name: &GateName,
    told: &AttemptTold,
) -> anyhow::Result<()> {
    let seen = CompletedSeen { admitted: told.admitted.clone(), canary: told.canary.clone() };
    let remedy = keeper.remedy(name);
    for _ in 0..TRIES {
        let Some(look) = looked(keeper, name).await? else { return Ok(()) };
        let decision = on_completed(&look.gate, &seen, &keeper.stamp(&look, &remedy));
        let record = Record::empty(name, look.gate.incident);
        match moves::carry_out(keeper, &look, &record, &decision, Some(told)).await? {
            Carried::Done(_) => return Ok(()),
            Carried::Lost => moves::step_aside().await,
        }
    }
    bail!("gate {name} kept moving")
}

/// What a failed attempt does to one gate.
pub(crate) async fn failed(
    keeper: &Keeper,
    name: &GateName,
    seen: &FailureSeen,
    told: &AttemptTold,
) -> anyhow::Result<()> {
    let bus = &keeper.fleet.bus;
    let remedy = keeper.remedy(name);
    for _ in 0..TRIES {
        let Some(look) = looked(keeper, name).await? else { return Ok(()) };
        if let Some(number) = counted_before(&look.gate, seen)
            && Record::read(bus, name, number).await?.incident.has(&seen.event)
        {
            tracing::debug!(gate = %name, event = seen.event, number, "counted already");
            return Ok(());
        }
        let record = match home(&look.gate, seen) {
            Home::None => Record::empty(name, look.gate.incident),
            Home::Incident(number) => Record::read(bus, name, number).await?,
            Home::From(epoch) => match closed_since(bus, &look, epoch).await? {
                Some(number) => Record::read(bus, name, number).await?,
                None => {
                    tracing::error!(gate = %name, event = seen.event, "no closing before the opening");
                    return Ok(());
                }
            },
        };
        let stamp = keeper.stamp(&look, &remedy);
        let decide = |seen: &FailureSeen| on_failure(&look.gate, &record.incident, seen, &stamp);
        let Ok(mut decision) = decide(seen) else {
            moves::step_aside().await;
            continue;
        };
        if decision.gate.as_ref().is_some_and(|gate| gate.state == GateState::Closed) {
            let allowed = keeper.allowed(name).await;
            decision = decide(&FailureSeen { allowed, ..seen.clone() })?;
        }
        match moves::carry_out(keeper, &look, &record, &decision, Some(told)).await? {
            Carried::Done(_) => return Ok(()),
            Carried::Lost => moves::step_aside().await,
        }
    }
    bail!("gate {name} kept moving")
}

async fn looked(keeper: &Keeper, name: &GateName) -> anyhow::Result<Option<Look>> {
    let look = look(&keeper.fleet.bus, name).await.context("read the gate")?;
    if look.is_none() {
        tracing::error!(gate = %name, "an outcome concerns a gate that was never applied");
    }
    Ok(look)
}

/// The incident of the first closing at or after `epoch`, before the newest opening.
async fn closed_since(bus: &Bus, look: &Look, epoch: Epoch) -> Result<Option<u64>, StoreError> {
    let mut epoch = epoch.max(Epoch::FIRST);
    while epoch <= look.gate.opening {
        if let Some((_, gate)) = at_epoch(bus, &look.gate.name, epoch).await?
            && gate.state == GateState::Closed
        {
            return Ok(Some(gate.incident));
        }
        epoch = epoch.next();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use domain::{Actor, Admission, Gate, Handler, KindConfig, Timestamp};
    use logic::gate::Stamp;

    use super::*;

    /// An outcome that cannot be settled comes back soon, then ever later, within half a minute.
    #[test]
    fn patience_grows_and_ends() {
        assert_eq!(patience(1), Duration::from_millis(200));
        assert!(patience(3) < patience(4));
        assert_eq!(patience(u64::MAX), patience(8));
        assert!(patience(8) < Duration::from_secs(30));
    }

    fn probing() -> Gate {
        Gate {
            name: "relay".parse().unwrap(),
            epoch: Epoch::new(3),
            prev: 0,
            state: GateState::Probing,
            at: Timestamp::from_millis(0),
            since: Timestamp::from_millis(0),
            incident: 1,
            opening: Epoch::new(3),
            causes: Vec::new(),
            trigger: None,
            by: Actor::Gatekeeper,
            note: String::new(),
            remedy: String::new(),
            canaries_failed: 0,
            without_canary: false,
            resets: Vec::new(),
            failing_since: Timestamp::from_millis(0),
            words_broken: 0,
        }
    }

    fn parked(gate: &Gate) -> AttemptTold {
        AttemptTold {
            verb: AttemptVerb::Failed,
            kind: "echo".parse().unwrap(),
            source_key: "echo/1".parse().unwrap(),
            attempt: 1,
            holder: "them".parse().unwrap(),
            at: Timestamp::from_millis(1),
            cause: None,
            charged: false,
            gate: None,
            evidence: String::new(),
            rest_until: None,
            effect: String::new(),
            cost: domain::Cost::ZERO,
            admitted: vec![Admission { gate: gate.name.clone(), epoch: gate.epoch, seq: 1 }],
            canary: vec![gate.name.clone()],
            credential: None,
            resets_at: None,
            begun: None,
            created: None,
        }
    }

    /// G5: a canary that was parked for what the gate is to blame for closes it, though nobody
    /// told; parked for anything else, or withdrawn, it leaves its place to the next one.
    #[test]
    fn a_parked_canary_is_judged_by_its_cause() {
        let gate = probing();
        let told = parked(&gate);
        let handler = Handler::Service { name: "echo".parse().unwrap() };
        let echo = KindConfig { needs: vec![gate.name.clone()], ..KindConfig::of(handler) };
        let config = Config { kinds: [(told.kind.clone(), echo)].into(), ..Config::default() };
        let becomes = |cause: &str| {
            let seen = spent(&told, &cause.parse().unwrap(), &config);
            let record = Record::empty(&gate.name, gate.incident);
            let stamp = Stamp { now: Timestamp::from_millis(2), prev: 9, remedy: "" };
            let decided = on_failure(&gate, &record.incident, &seen, &stamp).unwrap();
            decided.gate.map(|gate| gate.state)
        };
        assert_eq!(becomes("relay.unavailable"), Some(GateState::Closed));
        for cause in ["service.timeout", "exec.timeout", "canary.withdrawn"] {
            assert_eq!(becomes(cause), Some(GateState::Probing), "{cause}");
        }
    }
}
