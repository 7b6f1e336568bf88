//! The fenced create: a task comes to be only if no gate has moved since its token was read.

use bus::{Bus, Expect, Put, PutError};
use domain::Task;
use wire::{Wire as _, subject};

/// How a create ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// It is queued, under this sequence.
    Created(u64),
    /// One of the same source key is queued, running or resting.
    InFlight,
    /// A gate has moved, or creates crowd: read the gates again and decide again.
    FenceMoved,
    /// It may have been stored. The next cycle will see.
    Unknown,
    /// The broker refused it for another reason.
    Refused(String),
}

/// How often a create that met another write under way is tried again at once.
const TRIES: u32 = 20;

/// Creates `task` if the newest gate message still is `token` (G1) and none of its source key
/// waits (W4). Both are checked by the broker in the same step.
pub async fn create(bus: &Bus, task: &Task, token: u64) -> Created {
    for _ in 0..TRIES {
        let put = Put {
            subject: subject::task(&task.kind, task.key()),
            body: task.encode(),
            expect: Expect::Fence { over: subject::FENCE.to_owned(), last: token },
            id: None,
        };
        match bus.put(put).await {
            Ok(seq) => return Created::Created(seq),
            Err(PutError::Busy { .. }) => kit::Clock.sleep(Bus::jitter()).await,
            Err(PutError::Exists { .. }) => return Created::InFlight,
            Err(PutError::Moved { .. }) => return Created::FenceMoved,
            Err(PutError::Unknown { .. }) => return Created::Unknown,
            Err(error @ PutError::Refused { .. }) => return Created::Refused(error.to_string()),
        }
    }
    Created::FenceMoved
}
