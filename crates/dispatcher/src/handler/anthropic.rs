//! Anthropic's Messages API does the work: one question, one answer.
//!
//! * `ask`: what is asked, from the kind's words and the task's payload, and what it can cost;
//! * `web`: one question over HTTP;
//! * `answer`: what an answer means, and whose fault it is: the table of causes.
//!
//! The credential is the keyring's business: what is refused for the credential's own fault is
//! asked again at once with the next, within the same attempt. There is no idempotency at the
//! other end, so nothing else is ever asked twice by one attempt.

mod answer;
mod ask;
mod web;

use std::{sync::OnceLock, time::Duration};

use domain::{AnthropicConfig, Cause, Cost, MicroUsd, Outcome, Price};
use wire::message::RunRequest;

use self::{
    answer::{Bill, Meaning},
    ask::Ask,
    web::Question,
};
use super::Handled;
use crate::{
    credential::{Called, Lent, Tried},
    desk::Desk,
};

pub(crate) use web::Web;

/// Asks the model for one task, within `timeout` for all that it takes once there is a credential:
/// how long it takes to read one here says nothing of the provider.
pub(super) async fn run(
    desk: &Desk,
    config: &AnthropicConfig,
    request: &RunRequest,
    timeout: Duration,
) -> Handled {
    let ask = match Ask::of(config, &request.task.payload) {
        Ok(ask) => ask,
        Err(evidence) => return failed(Cause::known("task.invalid"), evidence).into(),
    };
    let applied = desk.fleet.config();
    let (price, provider) =
        (applied.prices.get(&config.model), applied.providers.get(&config.provider));
    let (Some(price), Some(provider)) = (price.copied(), provider) else {
        // `apply` refuses such a configuration; this one was written by somebody else.
        let evidence = format!("no price for {}, or no provider {}", config.model, config.provider);
        return failed(Cause::known("anthropic.model-unknown"), evidence).into();
    };
    let (provider_name, max_tokens) = (&config.provider, ask.max_tokens);
    let bill = Bill { provider: provider_name, price, most: ask.most(price), max_tokens };
    let until = OnceLock::new();
    let call = async |lent: Lent| {
        let question = Question {
            url: &provider.url,
            body: ask.body.clone(),
            within: until.get_or_init(|| desk.now() + timeout).saturating_sub(desk.now()),
            now: desk.fleet.clock.now(),
        };
        let reached = desk.web.ask(question, &lent).await;
        match answer::read(&bill, &reached) {
            Meaning::Ended(outcome) => Tried::Answered(outcome),
            Meaning::Refused { why, evidence } => Tried::Refused { why, evidence },
        }
    };
    match desk.keyring.call(provider_name, call).await {
        Called::Answered { answer, used } => Handled { outcome: answer, credential: Some(used) },
        Called::Exhausted { cause, evidence } | Called::Unreadable { cause, evidence } => {
            failed(cause, evidence).into()
        }
    }
}

/// The most that one attempt at a task with this payload can cost: nothing where the payload
/// makes no sense and nothing would be sent.
pub(crate) fn most(config: &AnthropicConfig, price: Price, payload: &str) -> MicroUsd {
    Ask::of(config, payload).map_or(MicroUsd::ZERO, |ask| ask.most(price))
}

fn failed(cause: Cause, evidence: String) -> Outcome {
    Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO }
}
