//! The gate log in WORK: every write is checked over one literal text, so that a create can
//! never slip in behind a closing (G1).

use bus::{Bus, Expect, Put, PutError, Stored};
use domain::{Gate, GateName};
use wire::{Wire as _, subject};

use crate::store::{StoreError, Versioned, read};

/// The fence: the sequence of the newest gate message of all, 0 before the first.
///
/// Read it before the gates themselves; a gate newer than it means: read again.
///
/// # Errors
///
/// When the stream cannot be asked.
pub async fn token(bus: &Bus) -> Result<u64, StoreError> {
    Ok(bus.last(subject::WORK, subject::FENCE).await?.map_or(0, |stored| stored.seq))
}

/// The newest message of one gate, from the leader.
///
/// # Errors
///
/// When the stream cannot be asked, or the message makes no sense: treat that as CLOSED.
pub async fn current(bus: &Bus, gate: &GateName) -> Result<Option<Versioned<Gate>>, StoreError> {
    let found = read::<Gate>(bus, subject::WORK, &subject::gate_log(gate)).await?;
    match found {
        Some(found) if found.value.name != *gate => Err(StoreError::Garbled {
            subject: subject::gate_log(gate),
            source: wire::DecodeError::Missing { field: "name" },
        }),
        found => Ok(found),
    }
}

/// Every message of one gate, oldest first; those that make no sense are left out.
///
/// # Errors
///
/// When the stream cannot be asked.
pub async fn history(bus: &Bus, gate: &GateName) -> Result<Vec<Versioned<Gate>>, StoreError> {
    let stored = bus.all(subject::WORK, &subject::gate_log(gate), 10_000).await?;
    let decode = |stored: Stored| {
        let value = Gate::decode(&stored.body).ok()?;
        Some(Versioned { value, seq: stored.seq })
    };
    Ok(stored.into_iter().filter_map(decode).collect())
}

/// Writes the next message of a gate. `gate.prev` is the token that the decision rests on.
///
/// # Errors
///
/// [`PutError::lost_race`]: another gate message came first: read again, decide again.
/// [`PutError::Unknown`]: read the gate to see.
pub async fn append(bus: &Bus, gate: &Gate) -> Result<u64, PutError> {
    bus.put(Put {
        subject: subject::gate(&gate.name, gate.epoch),
        body: gate.encode(),
        expect: Expect::Fence { over: subject::FENCE.to_owned(), last: gate.prev },
        id: None,
    })
    .await
}
