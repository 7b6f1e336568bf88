//! Walking through the directory's pages.
//!
//! The list moves while it is read: who registers between two pages pushes everybody on by
//! one, and a cache may serve pages of different ages. Neither does harm. Who is seen twice is
//! counted once, by decoded address. Who is missed is seen by the next cycle, since every
//! cycle starts over at the newest. And nobody is remembered as done for having been seen: only
//! an end or contact counts (W3).

use logic::sensor::{Cycle, NextPage, Payee, Seen, Stop};
use tokio_util::sync::CancellationToken;

use crate::{
    directory::Directory,
    page::{Agent, Row},
    told::chain,
};

/// Decides about one candidate after the other.
pub(crate) trait Desk {
    /// Creates the task of a candidate, or not.
    ///
    /// # Errors
    ///
    /// When nothing more can be decided in this cycle.
    async fn decide(&mut self, cycle: &mut Cycle, payee: Payee, agent: &Agent) -> Result<(), Stop>;

    /// Whether gates or caps let nothing more be created, so that reading on is of no use.
    fn exhausted(&self) -> bool;
}

/// Reads page after page and takes each candidate to the desk, until there is a reason to
/// stop.
pub(crate) async fn walk(
    directory: &Directory,
    cycle: &mut Cycle,
    desk: &mut impl Desk,
    shutdown: &CancellationToken,
) -> Stop {
    let mut offset = 0;
    loop {
        let page = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Stop::Interrupted,
            page = directory.page(offset) => page,
        };
        let page = match page {
            Ok(page) => page,
            Err(error) => return cycle.page_failed(chain(&error), error.retry_after()),
        };
        for row in &page.rows {
            if let Err(stop) = one(row, cycle, desk).await {
                return stop;
            }
            // Between two candidates, so that a create under way is finished.
            if shutdown.is_cancelled() {
                return Stop::Interrupted;
            }
        }
        offset = match cycle.page_read(page.has_more) {
            NextPage::Read { .. } if desk.exhausted() => return Stop::PagesMax,
            NextPage::Read { offset } => offset,
            NextPage::Stop(stop) => return stop,
        };
    }
}

async fn one(row: &Row, cycle: &mut Cycle, desk: &mut impl Desk) -> Result<(), Stop> {
    match (cycle.row(row.found()), row) {
        (Seen::Candidate(payee), Row::Agent(agent)) => desk.decide(cycle, payee, agent).await,
        (_, Row::Bad { why }) => {
            tracing::debug!(why, "bad address in the directory");
            Ok(())
        }
        (_, Row::Foreign { address }) => {
            tracing::debug!(%address, "address of another network in the directory");
            Ok(())
        }
        (Seen::Skip(_) | Seen::Candidate(_), _) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
