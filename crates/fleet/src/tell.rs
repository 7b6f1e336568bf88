//! Events, stored for 30 days: telling twice counts once, since the id is what is told.

use bus::{Expect, Put, PutError};
use wire::event::Event;

use crate::Fleet;

/// How often an event that got no answer is told again before the caller hears of it.
const TRIES: u32 = 3;

impl Fleet {
    /// Tells `event` and returns once it is stored.
    ///
    /// # Errors
    ///
    /// When it may not be stored. Whatever rests on its having been told must not be
    /// acknowledged then.
    pub async fn tell(&self, event: &Event) -> Result<(), PutError> {
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
        if let Err(error) = self.tell(event).await {
            tracing::warn!(%error, id = event.id, "event not told");
        }
    }
}
