//! What a schedule decides: which of its firings are to be created, and which never.
//!
//! One record, [`Firings`], is shared by all sensors that run the schedule; every change here is
//! written by compare-and-set on the record that it was decided from. A firing goes
//!
//! ```text
//! due        --seen within `late`-----------------> owed
//!            --missed, the schedule keeps it------> owed
//!            --missed, the schedule skips it------> never: missed
//! owed       --claimed under a fence, created-----> settled, gone from the record
//!            --a gate does not admit, kind drops--> never: dropped
//!            --…, kind collapses, a newer one-----> never: collapsed
//!            --more are owed than are kept--------> never: overflowed
//! ```
//!
//! Promises: a firing is settled or given up, never both and never twice, whatever crashes and
//! however many sensors look. What is claimed may be on its way to the broker, and is given up
//! only once its fence has moved and it was looked for in vain. A schedule that is new, or whose
//! expression or zone is, has no past.

use std::{collections::BTreeSet, time::Duration};

use domain::{Fate, Firings, Missed, Owed, SensorName, Timestamp, Unfired, WhileClosed};

/// Firings that are looked through at once, at most; what is behind them has been missed and is
/// not even counted.
pub const LOOKED_AT_MAX: usize = 10_000;
/// Entries that wait to be told, at most; more are told together.
const UNTOLD_MAX: usize = 32;

/// By what a schedule's firings are decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub sensor: SensorName,
    /// The version of the configuration that it is from.
    pub version: u64,
    /// The expression and the zone.
    pub rule: String,
    pub missed: Missed,
    pub late: Duration,
    pub held_max: u32,
}

/// What a look at the time has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing is new: the record stands.
    Same,
    /// To be stored before anything is done about it.
    Changed(Firings),
    /// The record is of a newer configuration: this one has no say any more.
    Outdated,
}

impl Schedule {
    /// Decides which firings are due at `now`. `back`: the schedule's firings up to `now`,
    /// newest first.
    pub fn look(
        &self,
        record: Option<&Firings>,
        now: Timestamp,
        back: impl Iterator<Item = Timestamp>,
    ) -> Looked {
        let Some(record) = record else {
            return Looked::Changed(self.begin(now));
        };
        if self.version < record.version {
            return Looked::Outdated;
        }
        let mut next = Firings { version: self.version, ..record.clone() };
        if record.rule != self.rule {
            next.rule.clone_from(&self.rule);
            next.until = now;
            return Looked::Changed(next);
        }
        let due: Vec<Timestamp> =
            back.take_while(|at| record.until < *at).take(LOOKED_AT_MAX).collect();
        let Some(newest) = due.first() else {
            return if next == *record { Looked::Same } else { Looked::Changed(next) };
        };
        next.until = *newest;
        let seen = due.partition_point(|at| now.since(*at) <= self.late);
        let (seen, missed) = due.split_at(seen);
        let kept = match self.missed {
            Missed::Skip => 0,
            Missed::Once => missed.len().min(1),
            Missed::All => missed.len(),
        };
        let (kept, skipped) = missed.split_at(kept);
        next.never(Fate::Missed, skipped.iter().rev().copied());
        let owed = kept.iter().rev().chain(seen.iter().rev());
        next.owed.extend(owed.map(|at| Owed { at: *at, token: 0 }));
        next.keep_at_most(usize::try_from(self.held_max).unwrap_or(usize::MAX));
        Looked::Changed(next)
    }

    fn begin(&self, now: Timestamp) -> Firings {
        Firings {
            sensor: self.sensor.clone(),
            version: self.version,
            rule: self.rule.clone(),
            until: now,
            owed: Vec::new(),
            untold: Vec::new(),
        }
    }
}

/// The changes of a record by those who create what it owes.
pub trait Ledger: Sized {
    /// The record once `at` is about to be created under `token`; `None` when it is not owed
    /// any more, and so must not be created.
    #[must_use]
    fn claimed(&self, at: Timestamp, token: u64) -> Option<Self>;

    /// The record once these were created, or found to have been.
    #[must_use]
    fn settled(&self, done: &BTreeSet<Timestamp>) -> Self;

    /// The record once `rule` was applied to what a gate holds back. `absent`: firings of which
    /// there was no trace, looked for after the gates' head was read as `head`.
    #[must_use]
    fn held(&self, rule: WhileClosed, absent: &BTreeSet<Timestamp>, head: u64) -> Self;

    /// The record once this entry was told.
    #[must_use]
    fn told(&self, entry: &Unfired) -> Self;
}

impl Ledger for Firings {
    fn claimed(&self, at: Timestamp, token: u64) -> Option<Self> {
        let mut next = self.clone();
        let owed = next.owed.iter_mut().find(|owed| owed.at == at)?;
        owed.token = owed.token.max(token);
        Some(next)
    }

    fn settled(&self, done: &BTreeSet<Timestamp>) -> Self {
        let mut next = self.clone();
        next.owed.retain(|owed| !done.contains(&owed.at));
        next
    }

    fn held(&self, rule: WhileClosed, absent: &BTreeSet<Timestamp>, head: u64) -> Self {
        let mut next = self.clone();
        // Of a claimed one with the head as its fence, the create may still succeed.
        let idle = |owed: &Owed| absent.contains(&owed.at) && (owed.token < head);
        let (fate, stays) = match rule {
            WhileClosed::Hold => return next,
            WhileClosed::Drop => (Fate::Dropped, None),
            WhileClosed::Collapse => (Fate::Collapsed, self.owed.last().map(|owed| owed.at)),
        };
        let gone = |owed: &Owed| idle(owed) && Some(owed.at) != stays;
        let given_up: Vec<Timestamp> =
            self.owed.iter().filter(|owed| gone(owed)).map(|owed| owed.at).collect();
        next.owed.retain(|owed| !gone(owed));
        next.never(fate, given_up.into_iter());
        next
    }

    fn told(&self, entry: &Unfired) -> Self {
        let mut next = self.clone();
        next.untold.retain(|other| other != entry);
        next
    }
}

trait GivingUp {
    /// Notes that these, oldest first, are never created.
    fn never(&mut self, fate: Fate, firings: impl Iterator<Item = Timestamp>);
    /// Gives up the oldest that nobody has claimed, until so many are left.
    fn keep_at_most(&mut self, most: usize);
}

impl GivingUp for Firings {
    fn never(&mut self, fate: Fate, mut firings: impl Iterator<Item = Timestamp>) {
        let Some(first) = firings.next() else { return };
        let (count, last) =
            firings.fold((1, first), |(count, _): (u64, _), at| (count.saturating_add(1), at));
        let crowded = UNTOLD_MAX <= self.untold.len();
        match self.untold.iter_mut().rev().find(|entry| crowded && entry.fate == fate) {
            Some(entry) => {
                entry.count = entry.count.saturating_add(count);
                entry.last = last;
            }
            None => self.untold.push(Unfired { fate, count, first, last }),
        }
    }

    fn keep_at_most(&mut self, most: usize) {
        let mut over = self.owed.len().saturating_sub(most);
        let mut given_up = Vec::new();
        self.owed.retain(|owed| {
            let gone = 0 < over && owed.token == 0;
            over -= usize::from(gone);
            given_up.extend(gone.then_some(owed.at));
            !gone
        });
        self.never(Fate::Overflowed, given_up.into_iter());
    }
}
