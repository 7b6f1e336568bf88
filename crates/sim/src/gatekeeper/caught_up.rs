//! Waits until what was told is decided upon, before something is concluded from silence.

use super::Keeper;
use crate::{bus::Of, words::Silent};

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CaughtUp {
    /// The newest outcome that was told at the first question.
    told: Option<u64>,
}

impl CaughtUp {
    /// Whether every outcome that was told before the first of these calls has been decided
    /// upon.
    pub(super) async fn all_read(&mut self, keeper: &Keeper) -> Result<bool, Silent> {
        let told = match self.told {
            Some(told) => told,
            None => *self.told.insert(keeper.p.newest_outcome().await?),
        };
        let backlog = keeper.p.backlog(Of::Outcomes).await?;
        Ok(told <= backlog.ack_floor || (backlog.pending == 0 && backlog.in_flight == 0))
    }
}
