//! Who does the work of an attempt.

pub(crate) mod anthropic;
mod exec;
mod service;

use domain::{Cause, Config, Cost, CredentialUse, Handler, KindConfig, MicroUsd, Outcome, Task};
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
    let (bus, unnamed) = (&desk.fleet.bus, unnamed(kind));
    match &kind.handler {
        Handler::Service { name } => {
            service::run(bus, name, request, kind.timeout, unnamed).await.into()
        }
        Handler::JsonService { name } => {
            service::run_json(bus, name, request, kind.timeout, unnamed).await.into()
        }
        Handler::Exec(exec) => {
            Box::pin(exec::run(desk.fleet.clock, exec, kind, request)).await.into()
        }
        Handler::Anthropic(model) => {
            // An HTTP exchange is large, and every attempt would carry its room about.
            Box::pin(anthropic::run(desk, model, request, kind.timeout)).await
        }
    }
}

/// The most that one attempt at the task can cost; `None` where nobody can say.
pub(crate) fn most(config: &Config, kind: &KindConfig, task: &Task) -> Option<MicroUsd> {
    match &kind.handler {
        Handler::Service { .. } | Handler::JsonService { .. } | Handler::Exec(_) => kind.cost_max,
        Handler::Anthropic(model) => {
            let price = config.prices.get(&model.model)?;
            Some(anthropic::most(model, *price, &task.payload))
        }
    }
}

/// What an attempt counts as having cost whose worker does not say: the most, where that is known.
fn unnamed(kind: &KindConfig) -> Cost {
    Cost { micro_usd: kind.cost_max.unwrap_or_default(), ..Cost::ZERO }
}

/// No answer was waited for to the end: the work may have been done.
pub(crate) fn unanswered(handler: &Handler, evidence: String) -> Outcome {
    let cause = Cause::known(match handler {
        Handler::Service { .. } | Handler::JsonService { .. } => "service.timeout",
        Handler::Exec(_) | Handler::Anthropic(_) => "dispatcher.stopped",
    });
    Outcome::Unknown { cause, evidence, retry_after: None, cost: Cost::ZERO }
}

impl From<Outcome> for Handled {
    fn from(outcome: Outcome) -> Self {
        Handled { outcome, credential: None }
    }
}
