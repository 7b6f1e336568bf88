//! Connecting, with the patience of somebody who waits at a terminal.

use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Options};
use kit::NatsArgs;

const PATIENCE: Duration = Duration::from_secs(3);

/// # Errors
///
/// When no server answers, with what to look at.
pub(crate) async fn bus(nats: &NatsArgs, command: &str) -> anyhow::Result<Bus> {
    let name = format!("portcullis {command}");
    let options = Options { patience: PATIENCE, ..fleet::options(nats, &name) };
    Bus::connect(&options).await.context(
        "reach NATS; is the server running? Name it with --nats-url or NATS_URL, or start \
         everything with `portcullis up`",
    )
}
