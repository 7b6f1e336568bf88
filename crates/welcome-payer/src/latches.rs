//! The gates that this payer holds itself back from, because a payment failed for what
//! others share: until the gate moves, or a gatekeeper counted the failure and let go on.

use std::sync::Mutex;

use domain::{Gate, GateName, GateState, Incident, Timestamp};
use fleet::{Fleet, store::read};
use wire::{message::Latch, subject};

use crate::desk::lock;

#[derive(Debug, Default)]
pub(crate) struct Latches(Mutex<Vec<Latch>>);

impl Latches {
    pub(crate) fn latch(&self, latch: Latch) {
        let mut latches = lock(&self.0);
        if !latches.iter().any(|other| other.event == latch.event && other.gate == latch.gate) {
            tracing::info!(gate = %latch.gate, epoch = %latch.epoch, "latched");
            latches.push(latch);
        }
    }

    pub(crate) fn standing(&self) -> Vec<Latch> {
        lock(&self.0).clone()
    }

    /// Since when `gate` is latched, `now` being its newest message; releases what was
    /// answered.
    pub(crate) async fn since(&self, fleet: &Fleet, now: &Gate) -> Option<Timestamp> {
        let ours = |latch: &&Latch| latch.gate == now.name;
        let latches: Vec<Latch> = lock(&self.0).iter().filter(ours).cloned().collect();
        let mut standing = None;
        for latch in latches {
            if latch.epoch < now.epoch || counted(fleet, now, &latch.event).await {
                self.release(&latch.gate, &latch.event);
            } else {
                standing = Some(latch.since);
            }
        }
        standing
    }

    fn release(&self, gate: &GateName, event: &str) {
        lock(&self.0).retain(|latch| latch.gate != *gate || latch.event != event);
    }
}

/// The gate is still OPEN, and the failures that it gathers hold this one.
async fn counted(fleet: &Fleet, gate: &Gate, event: &str) -> bool {
    if gate.state != GateState::Open {
        return false;
    }
    let subject = subject::incident(&gate.name, gate.incident.saturating_add(1));
    match read::<Incident>(&fleet.bus, subject::RECORD, &subject).await {
        Ok(Some(incident)) => incident.value.has(event),
        Ok(None) | Err(_) => false,
    }
}
