//! Events, stored for 30 days: telling twice counts once, since the id is what is told.

use std::time::Duration;

use bus::{Expect, Put, PutError};
use wire::event::Event;

use crate::Fleet;

/// How often an event that got no answer is told again before the caller hears of it.
const TRIES: u32 = 3;
/// How long the stream may be without a leader before the caller hears of that. A cluster
/// chooses a new one within about ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);

impl Fleet {
    /// Tells `event` and returns once it is stored.
    ///
    /// # Errors
    ///
    /// When it may not be stored. Whatever rests on its having been told must not be
    /// acknowledged then.
    pub async fn tell(&self, event: &Event) -> Result<(), PutError> {
        self.tell_within(event, PATIENCE).await
    }

    async fn tell_within(&self, event: &Event, patience: Duration) -> Result<(), PutError> {
        let begun = self.clock.instant();
        let mut tries = 0;
        loop {
            let put = Put {
                subject: event.subject.clone(),
                body: event.to_json(),
                expect: Expect::Nothing,
                id: Some(event.id.clone()),
            };
            tries += 1;
            match self.bus.put(put).await {
                Ok(_) => return Ok(()),
                // Nothing was stored, and nobody had to be waited for to learn that.
                Err(PutError::Refused { code: 503, .. }) if begun.elapsed() < patience => {
                    self.clock.sleep(bus::Bus::jitter() * 10).await;
                }
                Err(error) if TRIES <= tries => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, id = event.id, "told again");
                    self.clock.sleep(bus::Bus::jitter() * 10).await;
                }
            }
        }
    }

    /// Tells what nobody's next step rests on; a failure is only logged.
    pub async fn mention(&self, event: &Event) {
        if let Err(error) = self.tell_within(event, Duration::ZERO).await {
            tracing::warn!(%error, id = event.id, "event not told");
        }
    }
}
