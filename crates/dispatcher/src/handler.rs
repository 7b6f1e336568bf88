//! Who does the work of an attempt.

mod service;

use bus::Bus;
use domain::{Cause, Cost, Handler, KindConfig, Outcome};
use wire::message::RunRequest;

/// Has one attempt done, and says how it ended. Dropping the future gives it up.
pub(crate) async fn handle(bus: &Bus, kind: &KindConfig, request: &RunRequest) -> Outcome {
    match &kind.handler {
        Handler::Service { name } => service::run(bus, name, request, kind.timeout).await,
    }
}

/// No answer was waited for to the end: the work may have been done.
pub(crate) fn unanswered(evidence: String) -> Outcome {
    let cause = Cause::known("service.timeout");
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}
