use bus::{Backlog, BusError};
use wire::subject;

use crate::{Keeper, progress};

/// Waits until what was told is decided upon, before something is concluded from silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaughtUp {
    /// The newest outcome that was told at the first question; when that is read, every earlier
    /// one is.
    told: Option<u64>,
}

impl CaughtUp {
    /// Whether every outcome that was told before the first of these calls has been read and
    /// decided upon. What is told meanwhile does not put it off.
    ///
    /// # Errors
    ///
    /// When the stream cannot be asked.
    pub(crate) async fn all_read(&mut self, keeper: &Keeper) -> Result<bool, BusError> {
        let told = match self.told {
            Some(told) => told,
            None => *self.told.insert(newest_outcome(keeper).await?),
        };
        let consumer = subject::GATEKEEPER_CONSUMER;
        let backlog = keeper.fleet.bus.backlog(subject::EVENTS, consumer).await?;
        Ok(read_up_to(&backlog, told))
    }
}

/// The sequence of the newest outcome that was told; 0 if none is kept.
async fn newest_outcome(keeper: &Keeper) -> Result<u64, BusError> {
    let mut newest = 0;
    for subject in progress::OUTCOMES {
        let last = keeper.fleet.bus.last(subject::EVENTS, subject).await?;
        newest = newest.max(last.map_or(0, |last| last.seq));
    }
    Ok(newest)
}

/// Whether everything up to `seq` was answered by whoever reads the outcomes.
const fn read_up_to(outcomes: &Backlog, seq: u64) -> bool {
    seq <= outcomes.ack_floor || (outcomes.pending == 0 && outcomes.in_flight == 0)
}

#[cfg(test)]
impl CaughtUp {
    pub(crate) const fn up_to(told: u64) -> Self {
        CaughtUp { told: Some(told) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was told is read although newer outcomes keep coming in.
    #[test]
    fn read_while_more_is_told() {
        let busy = Backlog { pending: 3, in_flight: 2, ack_floor: 40, ..Backlog::default() };
        assert!(read_up_to(&busy, 40) && !read_up_to(&busy, 41));
        // Answered out of order, or nothing was ever told.
        assert!(read_up_to(&Backlog { ack_floor: 40, ..Backlog::default() }, 41));
    }
}
