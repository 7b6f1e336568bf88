//! Typed reads from the leader, and compare-and-set writes that know how they ended.

use std::time::Duration;

use bus::{Bus, BusError, Expect, Put, PutError};
use wire::{DecodeError, Wire};

/// A value with the sequence that the next write must expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    pub value: T,
    pub seq: u64,
}

/// How a compare-and-set ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Cas {
    /// Stored, under this sequence.
    Stored(u64),
    /// Somebody else wrote first; nothing of ours is stored.
    Lost,
}

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("make sense of `{subject}`")]
    Garbled {
        subject: String,
        #[source]
        source: DecodeError,
    },
    #[error("write `{subject}`")]
    Put {
        subject: String,
        #[source]
        source: PutError,
    },
}

/// The server's codes for what passes: no leader just now, too many batches under way.
const PASSING: [u64; 3] = [503, 10_176, 10_210];
/// For how long a write is tried again before the caller hears of it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the newest value on `subject`, from the leader.
///
/// # Errors
///
/// When the stream cannot be asked, or holds what cannot be decoded.
pub async fn read<T: Wire>(
    bus: &Bus,
    stream: &str,
    subject: &str,
) -> Result<Option<Versioned<T>>, StoreError> {
    let Some(stored) = bus.last(stream, subject).await? else { return Ok(None) };
    let value = T::decode(&stored.body)
        .map_err(|source| StoreError::Garbled { subject: stored.subject, source })?;
    Ok(Some(Versioned { value, seq: stored.seq }))
}

/// Stores `value` if the last sequence on `subject` still is `last` (0: nothing there yet).
///
/// A write without an answer is looked up and tried again: with the same expectation only
/// one of them can be stored, so it is stored once or not at all. For that, `value` must be
/// one that nobody else would write: it names its holder, its attempt or its time.
///
/// # Errors
///
/// When it stayed open for longer than 20 s; then it may have been stored.
pub async fn compare_and_set<T: Wire + PartialEq>(
    bus: &Bus,
    stream: &str,
    subject: &str,
    value: &T,
    last: u64,
) -> Result<Cas, StoreError> {
    compare_and_set_with(bus, stream, subject, value, last, &[]).await
}

/// As [`compare_and_set`], and stores `others` in the same atomic batch: all or none. They lie
/// in the same stream, on subjects of their own, and each carries what it expects.
///
/// Lost says that something among all of these was written first.
///
/// # Errors
///
/// As [`compare_and_set`].
pub async fn compare_and_set_with<T: Wire + PartialEq>(
    bus: &Bus,
    stream: &str,
    subject: &str,
    value: &T,
    last: u64,
    others: &[Put],
) -> Result<Cas, StoreError> {
    let begun = kit::Clock.instant();
    let failed = |source| StoreError::Put { subject: subject.to_owned(), source };
    loop {
        let put = Put {
            subject: subject.to_owned(),
            body: value.encode(),
            expect: Expect::Last(last),
            id: None,
        };
        // Last in the batch, so that its own sequence is the one that comes back.
        let stored = match others {
            [] => bus.put(put).await,
            others => bus.put_all(others.iter().cloned().chain([put]).collect()).await,
        };
        let error = match stored {
            Ok(seq) => return Ok(Cas::Stored(seq)),
            Err(error) => error,
        };
        let open = match error {
            PutError::Moved { .. } | PutError::Exists { .. } | PutError::Unknown { .. } => true,
            PutError::Busy { .. } => false,
            PutError::Refused { code, .. } if PASSING.contains(&code) => false,
            PutError::Refused { .. } => return Err(failed(error)),
        };
        if open && let Some(ended) = look_up(bus, stream, subject, value, last).await {
            return Ok(ended);
        }
        if !others.is_empty() && matches!(error, PutError::Moved { .. }) {
            return Ok(Cas::Lost);
        }
        if PATIENCE < begun.elapsed() {
            return Err(failed(error));
        }
        kit::Clock.sleep(Bus::jitter() * if open { 10 } else { 1 }).await;
    }
}

/// How our write ended, where that can be seen: `None` while nothing has changed.
async fn look_up<T: Wire + PartialEq>(
    bus: &Bus,
    stream: &str,
    subject: &str,
    value: &T,
    last: u64,
) -> Option<Cas> {
    match read::<T>(bus, stream, subject).await {
        Ok(Some(found)) if found.value == *value => Some(Cas::Stored(found.seq)),
        Ok(Some(found)) if found.seq != last => Some(Cas::Lost),
        Err(StoreError::Garbled { .. }) => Some(Cas::Lost),
        Ok(_) | Err(_) => None,
    }
}
