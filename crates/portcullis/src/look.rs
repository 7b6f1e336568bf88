//! What this program sees of the fleet: read from the leader, once, for a person to look at.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use bus::{Backlog, Bus};
use domain::{Config, Gate, GateName, GateState, Incident, Kind, Timestamp};
use fleet::{
    gate_log,
    store::{self, StoreError},
};
use kit::Clock;
use wire::{
    Wire as _,
    message::{Beat, Latch},
    subject,
};

use crate::{exit::Ended, show::ago};

/// A gate as its newest message reads.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Known(Box<Gate>),
    /// It makes no sense, and so reads as CLOSED.
    Garbled,
    /// There is none, and so it reads as CLOSED.
    Absent,
}

impl Seen {
    pub(crate) async fn read(bus: &Bus, name: &GateName) -> anyhow::Result<Seen> {
        match gate_log::current(bus, name).await {
            Ok(Some(found)) => Ok(Seen::Known(Box::new(found.value))),
            Ok(None) => Ok(Seen::Absent),
            Err(StoreError::Garbled { .. }) => Ok(Seen::Garbled),
            Err(error) => Err(error).with_context(|| format!("read gate {name}")),
        }
    }

    /// Every gate of the configuration.
    pub(crate) async fn all(
        bus: &Bus,
        config: &Config,
    ) -> anyhow::Result<BTreeMap<GateName, Seen>> {
        let mut all = BTreeMap::new();
        for name in config.all_gates() {
            all.insert(name.clone(), Seen::read(bus, &name).await?);
        }
        Ok(all)
    }

    pub(crate) fn gate(&self) -> Option<&Gate> {
        match self {
            Seen::Known(gate) => Some(gate),
            Seen::Garbled | Seen::Absent => None,
        }
    }

    /// How services act on it.
    pub(crate) fn state(&self) -> GateState {
        self.gate().map_or(GateState::Closed, |gate| gate.state)
    }

    /// Why it reads as CLOSED although its log does not say so.
    pub(crate) const fn doubt(&self) -> Option<&'static str> {
        match self {
            Seen::Known(_) => None,
            Seen::Garbled => Some("its newest message makes no sense, so it reads as CLOSED"),
            Seen::Absent => Some("it has no message yet, so it reads as CLOSED: apply again"),
        }
    }
}

/// A cluster that has lost a leader chooses another within about ten seconds, and that must keep
/// nobody from closing a gate.
const CONFIG_WITHIN: Duration = Duration::from_secs(12);

/// The configuration in force.
pub(crate) async fn config(bus: &Bus) -> anyhow::Result<Config> {
    Ok(fleet::patient_config(bus, CONFIG_WITHIN).await?.config)
}

/// Refuses a gate that the configuration does not know, with the one that was meant.
pub(crate) fn known_gate(config: &Config, gate: &GateName) -> Result<(), Ended> {
    let all = config.all_gates();
    if all.contains(gate) {
        return Ok(());
    }
    let near = crate::file::nearest(gate.as_str(), all.iter().map(GateName::as_str));
    let names: Vec<&str> = all.iter().map(GateName::as_str).collect();
    Err(Ended::not_found(match near {
        Some(near) => format!("there is no gate `{gate}`; did you mean `{near}`?"),
        None => format!("there is no gate `{gate}`; there are: {}", names.join(", ")),
    }))
}

/// Refuses a kind that the configuration does not know, with the one that was meant.
pub(crate) fn known_kind(config: &Config, kind: &Kind) -> Result<(), Ended> {
    if config.kinds.contains_key(kind) {
        return Ok(());
    }
    let names: Vec<&str> = config.kinds.keys().map(Kind::as_str).collect();
    let near = crate::file::nearest(kind.as_str(), names.iter().copied());
    Err(Ended::not_found(match near {
        Some(near) => format!("there is no kind `{kind}`; did you mean `{near}`?"),
        None => format!("there is no kind `{kind}`; there are: {}", names.join(", ")),
    }))
}

/// The incident that stands, or while the gate is OPEN the failures that gather.
pub(crate) async fn incident(bus: &Bus, gate: &Gate) -> anyhow::Result<Option<Incident>> {
    let number = match gate.state {
        GateState::Open => gate.incident.saturating_add(1),
        _ => gate.incident,
    };
    let subject = subject::incident(&gate.name, number);
    match store::read::<Incident>(bus, subject::RECORD, &subject).await {
        Ok(found) => Ok(found.map(|found| found.value)),
        Err(StoreError::Garbled { .. }) => Ok(None),
        Err(error) => Err(error).context("read the incident"),
    }
}

/// How many tasks of each kind are in the queue, waiting or running; `None` where the broker
/// cannot say just now, as while a queue's leader is gone. That must keep nobody from a gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queues(pub(crate) BTreeMap<Kind, Option<Backlog>>);

/// How an empty queue is told.
pub(crate) const NOTHING: &str = "nothing";

impl Queues {
    pub(crate) async fn read(bus: &Bus, kinds: &[Kind]) -> Queues {
        let mut queues = BTreeMap::new();
        for kind in kinds {
            let name = subject::dispatch_consumer(kind);
            let backlog = bus.backlog(subject::WORK, &name).await;
            if let Err(error) = &backlog {
                tracing::debug!(%kind, %error, "what waits cannot be counted");
            }
            queues.insert(kind.clone(), backlog.ok());
        }
        Queues(queues)
    }

    pub(crate) fn of(&self, kind: &Kind) -> Option<u64> {
        let backlog = self.0.get(kind)?.as_ref()?;
        Some(backlog.pending + backlog.in_flight)
    }

    /// Over the kinds that could be counted.
    pub(crate) fn total(&self) -> u64 {
        self.0.keys().filter_map(|kind| self.of(kind)).sum()
    }

    /// Nothing waits, and that is known of every kind.
    pub(crate) fn empty(&self) -> bool {
        self.0.keys().all(|kind| self.of(kind) == Some(0))
    }

    /// Delivered and not answered: running, or resting.
    pub(crate) fn in_flight(&self) -> u64 {
        self.0.values().flatten().map(|backlog| backlog.in_flight).sum()
    }

    /// `welcome 59, prompt 2`; `nothing` if so; `welcome ?` where it is not known.
    pub(crate) fn told(&self, kinds: &[Kind]) -> String {
        let told = kinds.iter().filter_map(|kind| match self.of(kind) {
            None => Some(format!("{kind} ?")),
            Some(0) => None,
            Some(count) => Some(format!("{kind} {count}")),
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { NOTHING.to_owned() } else { told.join(", ") }
    }
}

/// Who is alive, as their beats of one second say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse {
    pub(crate) beats: BTreeMap<(String, String), Beat>,
}

/// A little longer than the time between two beats.
const LISTEN: Duration = Duration::from_millis(1_200);

impl Pulse {
    pub(crate) async fn listen(bus: &Bus) -> anyhow::Result<Pulse> {
        let mut inbox = bus.subscribe(subject::BEATS).await.context("listen for beats")?;
        let begun = Clock.instant();
        let mut beats = BTreeMap::new();
        while begun.elapsed() < LISTEN {
            let left = LISTEN.saturating_sub(begun.elapsed());
            tokio::select! {
                () = Clock.sleep(left) => break,
                heard = inbox.next() => {
                    // Garbage on the subject is nobody's sign of life.
                    if let Ok(beat) = Beat::decode(&heard.context("listen for beats")?.body) {
                        beats.insert((beat.service.clone(), beat.id.clone()), beat);
                    }
                }
            }
        }
        Ok(Pulse { beats })
    }

    pub(crate) fn alive(&self, service: &str) -> usize {
        self.beats.keys().filter(|(name, _)| name == service).count()
    }

    /// Who holds itself back at a gate and has had no answer. Any later message of the gate
    /// is one: a closing keeps the latch shut, and yet says all that there is to say.
    pub(crate) fn latched<'a>(
        &'a self,
        name: &'a GateName,
        seen: &'a Seen,
    ) -> impl Iterator<Item = (&'a Beat, &'a Latch)> {
        let unanswered =
            move |latch: &Latch| seen.gate().is_none_or(|gate| gate.epoch <= latch.epoch);
        let latches = |beat: &'a Beat| beat.latches.iter().map(move |latch| (beat, latch));
        let here = self.beats.values().flat_map(latches);
        here.filter(move |(_, latch)| latch.gate == *name && unanswered(latch))
    }

    /// The same in words, one line for each who does.
    pub(crate) fn latched_lines(
        &self,
        name: &GateName,
        seen: &Seen,
        now: Timestamp,
    ) -> Vec<String> {
        let mut latched: BTreeMap<String, (Timestamp, usize)> = BTreeMap::new();
        for (beat, latch) in self.latched(name, seen) {
            let who = format!("{} {}", beat.service, beat.id);
            let (since, count) = latched.entry(who).or_insert((latch.since, 0));
            (*since, *count) = ((*since).min(latch.since), *count + 1);
        }
        let line = |(who, (since, count)): (String, (Timestamp, usize))| {
            let attempts = if count == 1 { "attempt" } else { "attempts" };
            let since = ago(since, now);
            format!(
                "{who} holds itself back here since {since} after {count} failed {attempts}, \
                 until a gatekeeper answers"
            )
        };
        latched.into_iter().map(line).collect()
    }
}

/// The gates that hold `kind` back, apart from `but`.
pub(crate) fn held_by<'a>(
    config: &Config,
    gates: &'a BTreeMap<GateName, Seen>,
    kind: &Kind,
    but: Option<&GateName>,
) -> Vec<(GateName, &'a Seen)> {
    let others = config.needs(kind).into_iter().filter(|need| Some(need) != but);
    let seen = others.map(|need| {
        let seen = gates.get(&need).unwrap_or(&Seen::Absent);
        (need, seen)
    });
    seen.filter(|(_, seen)| seen.state() == GateState::Closed).collect()
}

#[cfg(test)]
mod tests {
    use domain::Epoch;
    use logic::gate::{Stamp, first};

    use super::*;

    /// A latch is news until its gate has moved: a service may keep it while the gate is
    /// CLOSED, and nobody is waited for any more. Where the gate is not known, it is news.
    #[test]
    fn answered_latches_are_no_news() {
        let relay: GateName = "relay".parse().unwrap();
        let now = Timestamp::from_millis(60_000);
        let latch = |epoch| Latch {
            gate: relay.clone(),
            epoch: Epoch::new(epoch),
            event: format!("e{epoch}"),
            since: Timestamp::from_millis(30_000),
        };
        let beat = Beat {
            service: "welcome-payer".to_owned(),
            id: "13e1".to_owned(),
            at: now,
            config_version: 1,
            running: 0,
            latches: vec![latch(3), latch(3)],
            blind: String::new(),
            head: 7,
            version: String::new(),
        };
        let beats = BTreeMap::from([(("welcome-payer".to_owned(), "13e1".to_owned()), beat)]);
        let pulse = Pulse { beats };
        let stamp = Stamp { now, prev: 1, remedy: "" };
        let at = |epoch| {
            let gate = first(relay.clone(), "ann", &stamp);
            Seen::Known(Box::new(Gate { epoch: Epoch::new(epoch), ..gate }))
        };
        let lines = |seen: &Seen| pulse.latched_lines(&relay, seen, now);
        let told = "welcome-payer 13e1 holds itself back here since 30 s ago after 2 failed \
                    attempts, until a gatekeeper answers";
        assert_eq!(lines(&at(3)), [told]);
        assert_eq!(lines(&Seen::Garbled), [told]);
        assert_eq!(lines(&at(4)), Vec::<String>::new());
        assert!(pulse.latched_lines(&"wallet".parse().unwrap(), &at(3), now).is_empty());
    }

    /// What cannot be counted is told as not known, never as nothing.
    #[test]
    fn an_unknown_queue_is_not_an_empty_one() {
        let kind = |name: &str| name.parse::<Kind>().unwrap();
        let (known, unknown) = (kind("welcome"), kind("prompt"));
        let counted = Backlog { pending: 2, in_flight: 1, ..Backlog::default() };
        let queues =
            Queues(BTreeMap::from([(known.clone(), Some(counted)), (unknown.clone(), None)]));
        assert_eq!(queues.told(&[known.clone(), unknown.clone()]), "welcome 3, prompt ?");
        assert_eq!((queues.total(), queues.of(&unknown)), (3, None));
        let idle = |backlog| Queues(BTreeMap::from([(known.clone(), backlog)])).empty();
        assert!(idle(Some(Backlog::default())) && !idle(None));
    }
}
