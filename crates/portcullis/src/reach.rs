//! Connecting, with the patience of somebody who waits at a terminal.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Options};
use kit::NatsArgs;
use wire::subject;

const PATIENCE: Duration = Duration::from_secs(3);
/// A leader that takes longer is asked over another server.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Connects to a server over which the gate log can be read, if there is one: a server that is
/// cut off from its cluster takes clients and answers nothing.
///
/// # Errors
///
/// When no server answers, with what to look at.
pub(crate) async fn bus(nats: &NatsArgs, command: &str) -> anyhow::Result<Bus> {
    let name = format!("portcullis {command}");
    let options = Options { patience: PATIENCE, ..fleet::options(nats, &name) };
    let bus = Bus::connect(&options).await.context(
        "reach NATS; is the server running? Name it with --nats-url or NATS_URL, or start \
         everything with `portcullis up`",
    )?;
    for _ in 1..options.servers.split(',').count() {
        let head = bus.last(subject::WORK, subject::FENCE);
        match tokio::time::timeout(ANSWERS_WITHIN, head).await {
            Ok(Ok(_)) => break,
            Ok(Err(error)) if error.is_absent() => break,
            // Where none answers, what was to be done says so.
            Ok(Err(_)) | Err(_) => bus.leave().await,
        }
    }
    Ok(bus)
}
