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
    /// Counts this sensor's cycles in this process, from 1.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) report: &'a CycleReport,
}

impl CycleTold<'_> {
    /// The line for whoever reads the log.
    pub(crate) fn log(&self) {
        let Self { sensor, number, report, .. } = self;
        match failure(report) {
            None => tracing::info!(%sensor, cycle = number, "{report}"),
            Some(failed) => tracing::warn!(%sensor, cycle = number, failed, "{report}"),
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
            "skipped": Value::Object(counted.collect::<Map<_, _>>()),
            "gates": report.gates,
            "pages": report.pages,
            "failed": failure(report),
            "retry_after_secs": report.retry_after().map(|wait| wait.as_secs()),
            "told": report.to_string(),
        });
        Event {
            subject: subject::event_sensor(self.sensor),
            id: format!("{}/{}/{}", self.source, self.sensor, self.number),
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
