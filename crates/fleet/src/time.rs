//! One time for the whole fleet: the broker's.
//!
//! What one service writes down, another reads: until when a task rests, how old a payment is,
//! which day a cap belongs to. Hosts disagree on the time, and their clocks jump; so each
//! service asks the broker what time it is, and counts on from the answer by its own monotonic
//! clock. A host whose clock is wrong is told of in the log, and nothing goes by it.

use std::time::Duration;

use bus::{Bus, BusError};
use domain::Timestamp;
use kit::Clock;
use wire::subject;

/// How often the broker is asked.
const EVERY: Duration = Duration::from_secs(10);
/// An answer that took longer says too little of the time by now.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(500);
/// A host's clock that is wrong by more is worth a line in the log.
const WRONG_FROM: Duration = Duration::from_secs(5);

/// Goes by the broker's time from now on, if the broker tells it.
pub async fn begin(bus: &Bus) {
    if let Err(error) = set(bus, Duration::MAX).await {
        tracing::warn!(%error, "the broker does not tell the time, the host's clock is believed");
    }
    told(false);
}

/// Keeps going by the broker's time. Never returns.
pub(crate) async fn keep(bus: &Bus) {
    let mut wrong = host_is_wrong();
    loop {
        Clock.sleep(EVERY).await;
        if let Err(error) = set(bus, ROUND_TRIP_MAX).await {
            tracing::debug!(%error, "the broker does not tell the time");
        }
        wrong = told(wrong);
    }
}

/// Asks the broker, and goes by its answer if that took no longer than `within`.
async fn set(bus: &Bus, within: Duration) -> Result<(), BusError> {
    let asked = Clock.instant();
    let shown = bus.time(subject::WORK, subject::GATE_LOG_CONSUMER).await?;
    let answered = Clock.instant();
    let took = answered.since(asked);
    if took <= within {
        // It was read somewhere on the way.
        Clock.set(Timestamp::from_millis(shown).after(took / 2), answered);
    }
    Ok(())
}

/// Says so when the host's clock has become wrong, or right again; whether it is wrong.
fn told(was_wrong: bool) -> bool {
    let wrong = host_is_wrong();
    let (host, broker) = (Clock.of_host(), Clock.now());
    match (was_wrong, wrong) {
        (false, true) => tracing::warn!(
            %host,
            %broker,
            "the clock of this host is wrong; the fleet goes by the broker's"
        ),
        (true, false) => tracing::info!(%host, %broker, "the clock of this host is right again"),
        _ => (),
    }
    wrong
}

fn host_is_wrong() -> bool {
    let (host, broker) = (Clock.of_host(), Clock.now());
    WRONG_FROM < host.since(broker).max(broker.since(host))
}
