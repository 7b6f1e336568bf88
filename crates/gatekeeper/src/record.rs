//! The incident record that a decision rests on.

use bus::Bus;
use domain::{GateName, Incident};
use fleet::store::{Cas, StoreError, compare_and_set};
use wire::{Wire as _, event::shorten, subject};

/// The failures that came first keep all that was said; the others only so many characters of
/// it, so that a full record stays below the broker's limit of 1 MiB for a message.
const WHOLE: usize = 20;
const EVIDENCE_MAX: usize = 100;

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
    pub(crate) async fn write(&self, bus: &Bus, incident: Incident) -> Result<Cas, StoreError> {
        let incident = lean(incident);
        let subject = subject::incident(&incident.gate, incident.number);
        compare_and_set(bus, subject::RECORD, &subject, &incident, self.seq).await
    }
}

fn lean(mut incident: Incident) -> Incident {
    for failure in incident.failures.iter_mut().skip(WHOLE) {
        // One more is the mark of what was shortened before.
        if EVIDENCE_MAX + 1 < failure.evidence.chars().count() {
            failure.evidence = shorten(&failure.evidence, EVIDENCE_MAX);
        }
    }
    incident
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Blame, JoinedFailure, SourceKey, Timestamp};
    use logic::gate::{FailureSeen, Stamp, first, on_failure};

    use super::*;

    /// A full record of the longest keys and answers, in characters of four bytes, still fits
    /// into one message, and writing it again changes nothing.
    #[test]
    fn a_full_record_fits() {
        let source_key: SourceKey = "k".repeat(SourceKey::LEN_MAX).parse().unwrap();
        let failure = |attempt| JoinedFailure {
            event: format!("welcome/{}/{attempt}/failed", source_key.key()),
            task: source_key.key(),
            source_key: source_key.clone(),
            attempt,
            cause: "relay.nonce-conflict".parse().unwrap(),
            at: Timestamp::from_millis(1_773_219_600_000),
            straggler: false,
            evidence: "🛑".repeat(1_000),
            resets_at: Some(Timestamp::from_millis(1_773_219_600_000)),
        };
        let mut full = Incident::new("relay".parse().unwrap(), 1);
        let kept = u32::try_from(Incident::KEPT_MAX).unwrap();
        full.failures = (0..kept).map(failure).collect();
        assert!(1 << 19 < full.encode().len());
        let lean = lean(full);
        assert!(lean.encode().len() < 1 << 19);
        assert_eq!(lean.failures[0].evidence.chars().count(), 1_000);
        assert_eq!(super::lean(lean.clone()), lean);
    }

    /// All that thousands of failures write while they gather, and every writing is kept, is
    /// some megabytes: each has a task of its own, and answers at length.
    #[test]
    fn gathering_is_cheap() {
        let relay: GateName = "relay".parse().unwrap();
        let stamp = Stamp { now: Timestamp::from_millis(0), prev: 0, remedy: "" };
        let gate = first(relay.clone(), "ann", &stamp);
        let blame =
            Blame::Shared { gate: relay.clone(), tasks: 0, within: Duration::from_secs(600) };
        let (mut incident, mut written) = (Incident::new(relay, 1), 0);
        for number in 0..2_202_u64 {
            let source_key: SourceKey = format!("welcome/{number}").parse().unwrap();
            let seen = FailureSeen {
                event: format!("welcome/{}/1/failed", source_key.key()),
                kind: "welcome".parse().unwrap(),
                task: source_key.key(),
                source_key,
                attempt: 1,
                cause: "relay.unavailable".parse().unwrap(),
                blame: blame.clone(),
                admitted: Vec::new(),
                canary: Vec::new(),
                at: Timestamp::from_millis(number * 1_000),
                evidence: "5".repeat(1_000),
                resets_at: None,
                allowed: Vec::new(),
            };
            let decision = on_failure(&gate, &incident, &seen, &stamp).unwrap();
            incident = super::lean(decision.incident.unwrap());
            written += incident.encode().len();
        }
        assert!(written < 20_000_000, "{written}");
    }
}
