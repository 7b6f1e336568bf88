//! What a gate says, for a decision to rest on: read from the leader, behind its fence.
//!
//! A gate whose newest message makes no sense reads as CLOSED: for the cause `gate.garbled`,
//! in the incident that its last readable message left standing, or in the next one. So a
//! failure joins it, and a person's command to open writes the next epoch over it.

use bus::{Bus, Stored};
use domain::{Actor, Cause, Epoch, Gate, GateName, GateState, Timestamp};
use fleet::{gate_log, store::StoreError};
use logic::gate::{Stamp, first};
use wire::{Wire as _, subject};

/// A gate as it stood after `token` was read.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The newest sequence over all gates, read before the gate: the fence of what is written.
    pub(crate) token: u64,
    pub(crate) gate: Gate,
    /// The stream sequence of its newest message.
    pub(crate) seq: u64,
    /// The newest message makes no sense, and `gate` is what follows from that.
    pub(crate) garbled: bool,
}

/// The longest gate log that is searched for its last readable message.
const LOG_MAX: usize = 10_000;

/// Reads the gate; `None` if it was never written.
///
/// # Errors
///
/// When the stream cannot be asked.
pub(crate) async fn look(bus: &Bus, name: &GateName) -> Result<Option<Look>, StoreError> {
    loop {
        let token = gate_log::token(bus).await?;
        let log = subject::gate_log(name);
        let Some(newest) = bus.last(subject::WORK, &log).await? else { return Ok(None) };
        let seq = newest.seq;
        if token < seq {
            continue;
        }
        if let Some(gate) = readable(name, &newest) {
            return Ok(Some(Look { token, gate, seq, garbled: false }));
        }
        let all = bus.all(subject::WORK, &log, LOG_MAX).await?;
        return Ok(Some(Look { token, gate: as_closed(name, &all), seq, garbled: true }));
    }
}

/// The gate message of one epoch; `None` if it was never written or makes no sense.
///
/// # Errors
///
/// When the stream cannot be asked.
pub(crate) async fn at_epoch(
    bus: &Bus,
    name: &GateName,
    epoch: Epoch,
) -> Result<Option<(Stored, Gate)>, StoreError> {
    let stored = bus.last(subject::WORK, &subject::gate(name, epoch)).await?;
    Ok(stored.and_then(|stored| {
        let gate = readable(name, &stored)?;
        Some((stored, gate))
    }))
}

/// A message that says the same as the subject it lies on.
fn readable(name: &GateName, stored: &Stored) -> Option<Gate> {
    let (named, epoch) = subject::parse_gate(&stored.subject)?;
    let gate = Gate::decode(&stored.body).ok()?;
    (gate.name == *name && named == *name && gate.epoch == epoch).then_some(gate)
}

/// How a gate stands whose newest message makes no sense.
fn as_closed(name: &GateName, log: &[Stored]) -> Gate {
    let at = Timestamp::from_millis(log.last().map_or(0, |newest| newest.at_ms));
    let epochs = log.iter().filter_map(|stored| subject::parse_gate(&stored.subject));
    let epoch = epochs.map(|(_, epoch)| epoch).max().unwrap_or(Epoch::FIRST);
    let before = log.iter().rev().find_map(|stored| readable(name, stored));
    let before =
        before.unwrap_or_else(|| first(name.clone(), "", &Stamp { now: at, prev: 0, remedy: "" }));
    let mut closed = Gate {
        epoch,
        state: GateState::Closed,
        at,
        by: Actor::Gatekeeper,
        note: "its newest message cannot be read".to_owned(),
        trigger: None,
        without_canary: false,
        ..before.clone()
    };
    if before.state == GateState::Open {
        closed.since = at;
        closed.incident = before.incident.saturating_add(1);
        closed.causes = Vec::new();
    }
    closed.causes.extend("gate.garbled".parse::<Cause>().ok());
    closed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(subject: &str, seq: u64, body: Vec<u8>) -> Stored {
        Stored { subject: subject.to_owned(), seq, body: body.into(), at_ms: seq * 1_000 }
    }

    /// Garbage on an open gate's log reads as CLOSED in a new incident, past every epoch that
    /// was ever written; on a closed one, in the standing incident.
    #[test]
    fn garbage_reads_as_closed() {
        let relay: GateName = "relay".parse().unwrap();
        let stamp = Stamp { now: Timestamp::from_millis(5), prev: 0, remedy: "look" };
        let open = Gate { incident: 3, ..first(relay.clone(), "ann", &stamp) };
        let log = [
            stored("gate.relay.1", 1, open.encode()),
            stored("gate.relay.2", 2, b"garbage".to_vec()),
        ];
        let closed = as_closed(&relay, &log);
        assert_eq!((closed.state, closed.epoch), (GateState::Closed, Epoch::new(2)));
        assert_eq!((closed.incident, closed.since), (4, Timestamp::from_millis(2_000)));
        assert_eq!(closed.causes, ["gate.garbled".parse().unwrap()]);

        let standing = Gate { state: GateState::Closed, epoch: Epoch::new(2), ..open };
        let log = [
            stored("gate.relay.2", 2, standing.encode()),
            stored("gate.relay.7", 3, standing.encode()),
            stored("gate.relay.x", 4, Vec::new()),
        ];
        assert!(readable(&relay, &log[0]).is_some());
        assert!(readable(&relay, &log[1]).is_none(), "another epoch than its subject");
        let closed = as_closed(&relay, &log);
        assert_eq!((closed.incident, closed.epoch), (3, Epoch::new(7)));
        assert_eq!(as_closed(&relay, &[]).state, GateState::Closed);
    }
}
