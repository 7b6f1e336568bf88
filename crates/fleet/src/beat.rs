//! Signs of life, each second and at once when a gate has moved.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wire::{
    Wire as _,
    message::{Beat, Latch},
    subject,
};

use crate::Fleet;

const EVERY: Duration = Duration::from_secs(1);

/// What a service says of itself in each beat.
#[derive(Clone, Debug, Default)]
pub struct Vitals {
    /// Attempts under way.
    pub running: u32,
    pub latches: Vec<Latch>,
}

/// Beats until `shutdown`, asking `vitals` each time.
pub async fn beat(
    fleet: Fleet,
    shutdown: CancellationToken,
    vitals: impl Fn() -> Vitals + Send + 'static,
) {
    let mut changes = fleet.gates.changes();
    // Whether the health file could be written last time: trouble with it is told once.
    let mut heard = true;
    loop {
        let Vitals { running, latches } = vitals();
        let beat = Beat {
            service: fleet.service.to_owned(),
            id: fleet.id.to_string(),
            at: fleet.clock.now(),
            config_version: fleet.config().version,
            running,
            latches,
            head: fleet.gates.head(),
            blind: fleet.gates.doubt().map(|doubt| doubt.to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let blind = Some(beat.blind.as_str()).filter(|why| !why.is_empty());
        let said = fleet.health.say(blind);
        if let (Err(error), true) = (&said, heard) {
            tracing::error!(%error, "the health file cannot be written");
        }
        heard = said.is_ok();
        fleet.bus.say(subject::beat(fleet.service, fleet.id.as_str()), beat.encode()).await;
        let moved = async {
            while beat.head == fleet.gates.head() {
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = fleet.clock.sleep(EVERY) => (),
            () = moved => (),
        }
    }
}
