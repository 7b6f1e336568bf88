//! Walking through the pages of a list.
//!
//! The list moves while it is read: what is added between two pages pushes everything on by
//! one, and a cache may serve pages of different ages. Neither does harm. What is seen twice is
//! counted once, by what it is about. What is missed is seen by the next cycle, since every
//! cycle starts over at the beginning. And nothing is remembered as done for having been seen:
//! only an end or contact counts (W3).

use std::time::Duration;

use logic::sensor::{Cycle, Found, NextPage, Seen, Stop};
use tokio_util::sync::CancellationToken;

/// A list that is read page by page.
pub(crate) trait Source {
    /// What makes two rows the same.
    type Key: Ord + Clone;
    /// What a task is made of.
    type Work;

    /// Reads the page that follows so many rows.
    ///
    /// # Errors
    ///
    /// Whatever it is, the cycle ends with it.
    async fn page(&mut self, offset: u64) -> Result<Sheet<Self::Key, Self::Work>, Unread>;
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sheet<K, W> {
    /// What each row is about; of a good one, what its task is made of.
    pub(crate) rows: Vec<(Found<K>, Option<W>)>,
    /// Whether there claims to be more. It may be wrong.
    pub(crate) has_more: bool,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It says nothing about the rows in it.
    Failed { why: String, retry_after: Option<Duration> },
    /// It is as it was when it was last read.
    Unchanged,
}

/// Decides about one candidate after the other.
pub(crate) trait Desk<K: Ord, W> {
    /// Creates the task of a candidate, or not.
    ///
    /// # Errors
    ///
    /// When nothing more can be decided in this cycle.
    async fn decide(&mut self, cycle: &mut Cycle<K>, about: K, work: &W) -> Result<(), Stop>;

    /// Whether gates or caps let nothing more be created, so that reading on is of no use.
    fn exhausted(&self) -> bool;
}

/// Reads page after page and takes each candidate to the desk, until there is a reason to
/// stop.
pub(crate) async fn walk<S: Source>(
    source: &mut S,
    cycle: &mut Cycle<S::Key>,
    desk: &mut impl Desk<S::Key, S::Work>,
    shutdown: &CancellationToken,
) -> Stop {
    let mut offset = 0;
    loop {
        let sheet = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Stop::Interrupted,
            sheet = source.page(offset) => sheet,
        };
        let sheet = match sheet {
            Ok(sheet) => sheet,
            Err(Unread::Failed { why, retry_after }) => return cycle.page_failed(why, retry_after),
            Err(Unread::Unchanged) => return Stop::Unchanged,
        };
        for (found, work) in sheet.rows {
            if let (Seen::Candidate(about), Some(work)) = (cycle.row(found), work)
                && let Err(stop) = desk.decide(cycle, about, &work).await
            {
                return stop;
            }
            // Between two candidates, so that a create under way is finished.
            if shutdown.is_cancelled() {
                return Stop::Interrupted;
            }
        }
        offset = match cycle.page_read(sheet.has_more) {
            NextPage::Read { .. } if desk.exhausted() => return Stop::PagesMax,
            NextPage::Read { offset } => offset,
            NextPage::Stop(stop) => return stop,
        };
    }
}

#[cfg(test)]
mod tests;
