//! The incident record that a decision rests on.

use bus::Bus;
use domain::{GateName, Incident};
use fleet::store::{Cas, StoreError, compare_and_set};
use wire::{Wire as _, subject};

/// An incident as it was read, and the sequence that the next write of it expects.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Empty if it was never written.
    pub(crate) incident: Incident,
    pub(crate) written: bool,
    seq: u64,
}

impl Record {
    /// What stands in for a record that a decision does not look at.
    pub(crate) fn empty(gate: &GateName, number: u64) -> Self {
        Record { incident: Incident::new(gate.clone(), number), written: false, seq: 0 }
    }

    /// Reads one incident of a gate from the leader. One that makes no sense is begun anew,
    /// so that garbage cannot keep a gate from closing.
    ///
    /// # Errors
    ///
    /// When the stream cannot be asked.
    pub(crate) async fn read(bus: &Bus, gate: &GateName, number: u64) -> Result<Self, StoreError> {
        let subject = subject::incident(gate, number);
        let empty = Record::empty(gate, number);
        let Some(stored) = bus.last(subject::RECORD, &subject).await? else { return Ok(empty) };
        let fits = |found: &Incident| found.gate == *gate && found.number == number;
        match Incident::decode(&stored.body) {
            Ok(incident) if fits(&incident) => {
                Ok(Record { incident, written: true, seq: stored.seq })
            }
            _ => {
                tracing::error!(subject, "an incident record makes no sense, begun anew");
                Ok(Record { seq: stored.seq, ..empty })
            }
        }
    }

    /// Writes the incident as it must read now, if nobody wrote it since.
    ///
    /// # Errors
    ///
    /// When the write stayed open for too long.
    pub(crate) async fn write(&self, bus: &Bus, incident: &Incident) -> Result<Cas, StoreError> {
        let subject = subject::incident(&incident.gate, incident.number);
        compare_and_set(bus, subject::RECORD, &subject, incident, self.seq).await
    }
}
