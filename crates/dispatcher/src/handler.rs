//! Who does the work of an attempt.

mod service;

use domain::{Cause, Cost, CredentialUse, Handler, KindConfig, Outcome};
use wire::message::RunRequest;

use crate::desk::Desk;

/// How the work of an attempt ended.
#[derive(Debug)]
pub(crate) struct Handled {
    pub(crate) outcome: Outcome,
    /// What it was made with, if this dispatcher lent it something.
    pub(crate) credential: Option<CredentialUse>,
}

/// Has one attempt done, and says how it ended. Dropping the future gives it up.
pub(crate) async fn handle(desk: &Desk, kind: &KindConfig, request: &RunRequest) -> Handled {
    match &kind.handler {
        Handler::Service { name } => {
            service::run(&desk.fleet.bus, name, request, kind.timeout).await.into()
        }
    }
}

/// No answer was waited for to the end: the work may have been done.
pub(crate) fn unanswered(evidence: String) -> Outcome {
    let cause = Cause::known("service.timeout");
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

impl From<Outcome> for Handled {
    fn from(outcome: Outcome) -> Self {
        Handled { outcome, credential: None }
    }
}
