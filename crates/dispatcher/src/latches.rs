//! The gates that this dispatcher holds itself back from since it saw a shared failure, until
//! a gatekeeper answers: with a gate message, or by having counted the failure and left the
//! gate open.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{Epoch, GateName, GateState, Incident, Timestamp};
use fleet::{Gates, store};
use logic::attempt::{Latch, Latches};
use tokio_util::sync::CancellationToken;
use wire::{message, subject};

use crate::desk::{Desk, lock};

/// How often the incident records are asked whether a failure was counted.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The latches of this dispatcher.
#[derive(Debug, Default)]
pub(crate) struct Latchboard {
    latches: Mutex<Latches>,
    /// The gates whose silence was alarmed.
    alarmed: Mutex<BTreeSet<GateName>>,
}

impl Latchboard {
    /// Holds back from the gate at once. `event` is the id of the failure event to be told.
    pub(crate) fn latch(&self, latch: &Latch, event: String, at: Timestamp) {
        tracing::warn!(gate = %latch.gate, epoch = %latch.epoch, event, "latched");
        lock(&self.latches).latch(latch.gate.clone(), latch.epoch, event, at);
    }

    /// Takes a latch back: the failure was not this holder's to tell.
    pub(crate) fn unlatch(&self, latch: &Latch, event: String) {
        lock(&self.latches).on_counted(&latch.gate, latch.epoch, &BTreeSet::from([event]));
    }

    pub(crate) fn first_of(&self, needs: &[GateName]) -> Option<GateName> {
        lock(&self.latches).first_of(needs).cloned()
    }

    /// The latches that wait for a gatekeeper, for the beat.
    pub(crate) fn told(&self) -> Vec<message::Latch> {
        let asking = lock(&self.latches).asking().into_iter();
        asking
            .map(|latch| message::Latch {
                gate: latch.gate,
                epoch: latch.epoch,
                event: latch.event,
                since: latch.since,
            })
            .collect()
    }

    /// Takes in where the gates stand. Whether any latch was released.
    fn follow(&self, gates: &Gates) -> bool {
        let standings = gates.standings();
        self.changing(|latches| {
            standings.iter().for_each(|standing| latches.on_gate(&standing.gate));
        })
    }

    /// The failures `events` are counted. Whether any latch was released.
    fn counted(&self, gate: &GateName, epoch: Epoch, events: &BTreeSet<String>) -> bool {
        self.changing(|latches| latches.on_counted(gate, epoch, events))
    }

    fn changing(&self, change: impl FnOnce(&mut Latches)) -> bool {
        let mut latches = lock(&self.latches);
        let before: Vec<GateName> = latches.gates().cloned().collect();
        change(&mut latches);
        let mut released = false;
        for gate in before.into_iter().filter(|gate| !latches.latched(gate)) {
            tracing::info!(%gate, "latch released");
            released = true;
        }
        released
    }

    /// Says once of each gate that no gatekeeper answers for it.
    fn alarm(&self, now: Timestamp) {
        let mut alarmed = lock(&self.alarmed);
        let unanswered = lock(&self.latches).unanswered(now);
        alarmed.retain(|gate| unanswered.iter().any(|latch| latch.gate == *gate));
        for latch in unanswered {
            if alarmed.insert(latch.gate.clone()) {
                tracing::error!(
                    gate = %latch.gate,
                    epoch = %latch.epoch,
                    event = latch.event,
                    since = %latch.since,
                    "latched and no gatekeeper answers, see that one runs"
                );
            }
        }
    }
}

/// Releases latches as they are answered, until `shutdown`.
pub(crate) async fn keep(desk: Arc<Desk>, shutdown: CancellationToken) {
    let clock = desk.fleet.clock;
    let mut changes = desk.fleet.gates.changes();
    let mut asked = clock.instant();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = changes.changed() => (),
            () = clock.sleep(ASK_EVERY.saturating_sub(asked.elapsed())) => (),
        }
        let mut released = desk.latches.follow(&desk.fleet.gates);
        if ASK_EVERY <= asked.elapsed() {
            released |= ask(&desk).await;
            desk.latches.alarm(clock.now());
            asked = clock.instant();
        }
        if released {
            desk.wake.notify_one();
        }
    }
}

/// Looks up whether the failures that latched a gate which still stands open were counted.
async fn ask(desk: &Desk) -> bool {
    let gates: BTreeSet<GateName> =
        desk.latches.told().into_iter().map(|latch| latch.gate).collect();
    let mut released = false;
    for gate in gates {
        let Some(standing) = desk.fleet.gates.standing(&gate) else { continue };
        if standing.gate.state != GateState::Open {
            continue;
        }
        let gathering = subject::incident(&gate, standing.gate.incident.saturating_add(1));
        let record = store::read::<Incident>(&desk.fleet.bus, subject::RECORD, &gathering).await;
        match record {
            Ok(Some(record)) => {
                let failures = record.value.failures.into_iter();
                let events = failures.map(|failure| failure.event).collect();
                released |= desk.latches.counted(&gate, standing.gate.epoch, &events);
            }
            Ok(None) => (),
            Err(error) => desk.grumble("read an incident", error),
        }
    }
    released
}
