//! What is told of a cycle: one log line and one event.

use std::fmt::Write as _;

use domain::{Kind, SensorName, Timestamp};
use logic::sensor::{CycleReport, Stop};
use serde_json::{Map, Value, json};
use wire::{event::Event, subject};

/// One cycle, to be told.
#[derive(Clone, Debug)]
pub(crate) struct CycleTold<'a> {
    pub(crate) sensor: &'a SensorName,
    /// What it creates; unknown when the configuration has no such sensor.
    pub(crate) kind: Option<&'a Kind>,
    /// Which process, `sensor/4f2a…`.
    pub(crate) source: String,
    /// Which cycle of that process, from 1; no other of its cycles has this number.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) report: &'a CycleReport,
    /// The first row of which no task can be made, and why.
    pub(crate) odd: Option<&'a str>,
}

impl CycleTold<'_> {
    /// The line for whoever reads the log.
    pub(crate) fn log(&self) {
        let Self { sensor, number, report, .. } = self;
        match failure(report) {
            None => tracing::info!(%sensor, cycle = number, "{report}"),
            Some(_) => tracing::warn!(%sensor, cycle = number, "{report}"),
        }
    }

    /// The event for everyone else.
    pub(crate) fn to_event(&self) -> Event {
        let report = self.report;
        let counted =
            report.skipped.iter().map(|(reason, count)| (reason.to_string(), json!(count)));
        let data = json!({
            "sensor": self.sensor.to_string(),
            "kind": self.kind.map(ToString::to_string),
            "cycle": self.number,
            "seen": report.seen,
            "new": report.new,
            "created": report.created,
            "unknown": report.unknown,
            "in_flight": report.in_flight(),
            "ended": report.ended(),
            "held": report.held(),
            "odd": self.odd,
            "skipped": Value::Object(counted.collect::<Map<_, _>>()),
            "gates": report.gates,
            "pages": report.pages,
            "failed": failure(report),
            "retry_after_secs": report.retry_after().map(|wait| wait.as_secs()),
            "told": report.to_string(),
        });
        Event {
            subject: subject::event_sensor(self.sensor),
            id: format!("{}/{}", self.source, self.number),
            kind: "portcullis.sensor.cycle".to_owned(),
            source: self.source.clone(),
            at: self.at,
            data,
        }
    }
}

/// What failed, if something did.
pub(crate) fn failure(report: &CycleReport) -> Option<&str> {
    match &report.stop {
        Stop::Failed { why, .. } => Some(why),
        _ => None,
    }
}

/// An error with everything behind it, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for source in std::iter::successors(error.source(), |error| error.source()) {
        let _ = write!(text, ": {source}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use logic::sensor::Reason;

    use super::*;

    fn told(report: &CycleReport) -> Event {
        let (sensor, kind) = ("aibtc-directory".parse().unwrap(), "welcome".parse().unwrap());
        let at = Timestamp::from_millis(1_773_219_600_000);
        let source = "sensor/00000000000000aa".to_owned();
        CycleTold { sensor: &sensor, kind: Some(&kind), source, number: 7, at, report, odd: None }
            .to_event()
    }

    fn report(stop: Stop) -> CycleReport {
        let skipped = BTreeMap::from([
            (Reason::Gate("relay".parse().unwrap()), 3),
            (Reason::InFlight, 2),
            (Reason::Completed, 4),
        ]);
        let gates = "relay CLOSED (blocking) since noon".to_owned();
        CycleReport { seen: 10, new: 4, created: 1, unknown: 0, skipped, gates, pages: 1, stop }
    }

    /// A cycle's event carries every count that its line has, and the line.
    #[test]
    fn a_cycle_is_told() {
        let event = told(&report(Stop::End));
        assert_eq!(event.subject, "event.sensor.cycle.aibtc-directory");
        assert_eq!(event.id, "sensor/00000000000000aa/7");
        assert_eq!(event.kind, "portcullis.sensor.cycle");
        let data = &event.data;
        assert_eq!(
            (&data["seen"], &data["new"], &data["created"]),
            (&10.into(), &4.into(), &1.into())
        );
        assert_eq!((&data["in_flight"], &data["ended"]), (&2.into(), &4.into()));
        assert_eq!(data["skipped"]["gate relay"], 3);
        assert_eq!(data["failed"], Value::Null);
        let line = data["told"].as_str().unwrap();
        assert!(line.contains("relay CLOSED (blocking) since noon"), "{line}");
    }

    /// A failed cycle is told too, with what failed and how long it will wait.
    #[test]
    fn a_failure_is_told() {
        let retry_after = Some(Duration::from_secs(60));
        let data =
            told(&report(Stop::Failed { why: "directory answered 429".into(), retry_after })).data;
        assert_eq!(data["failed"], "directory answered 429");
        assert_eq!(data["retry_after_secs"], 60);
    }
}
