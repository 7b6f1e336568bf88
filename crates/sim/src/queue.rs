//! A consumer of the model broker: deliveries, what is under way, put back, delivered again.
//!
//! It accepts the answer of any delivery of a message, however old: so does NATS. What was
//! delivered before is delivered again past `max_ack_pending`, which bounds only what is new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{exec::Millis, wait::Filler};

/// One delivery: the message's sequence and how often it was delivered, this time included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) seq: u64,
    pub(crate) times: u64,
}

/// How a consumer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) pending: u64,
    pub(crate) in_flight: u64,
    pub(crate) ack_floor: u64,
    pub(crate) max_ack_pending: i64,
    pub(crate) paused: bool,
}

/// What a delivery is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Done,
    PutBack(Millis),
    Progress,
}

/// Somebody who waits for one message.
pub(crate) struct Waiting {
    pub(crate) process: usize,
    pub(crate) until: Millis,
    pub(crate) filler: Filler<Delivered>,
}

#[derive(Default)]
pub(crate) struct Queue {
    ack_wait: Millis,
    new: BTreeSet<u64>,
    /// Delivered and not answered for good: until when, and how often delivered.
    under_way: BTreeMap<u64, (Millis, u64)>,
    newest: u64,
    pub(crate) max_ack_pending: i64,
    pub(crate) paused: bool,
    pub(crate) waiting: VecDeque<Waiting>,
    /// When it is looked at again by itself.
    pub(crate) look_at: Option<Millis>,
}

impl Queue {
    pub(crate) fn new(ack_wait: Millis) -> Self {
        Queue { ack_wait, max_ack_pending: 65_536, ..Queue::default() }
    }

    pub(crate) fn add(&mut self, seq: u64) {
        self.new.insert(seq);
        self.newest = self.newest.max(seq);
    }

    /// The next message for somebody who waits, if one may be delivered at `now`.
    pub(crate) fn deliver(&mut self, now: Millis) -> Option<Delivered> {
        if self.paused {
            return None;
        }
        let due = self.under_way.iter().find(|(_, (until, _))| *until <= now);
        if let Some((&seq, &(_, times))) = due {
            self.under_way.insert(seq, (now + self.ack_wait, times + 1));
            return Some(Delivered { seq, times: times + 1 });
        }
        let under_way = i64::try_from(self.under_way.len()).unwrap_or(i64::MAX);
        if self.max_ack_pending <= under_way {
            return None;
        }
        let seq = self.new.pop_first()?;
        self.under_way.insert(seq, (now + self.ack_wait, 1));
        Some(Delivered { seq, times: 1 })
    }

    /// Takes an answer; whether the message is done with.
    pub(crate) fn answer(&mut self, seq: u64, reply: Reply, now: Millis) -> bool {
        let Some((until, _)) = self.under_way.get_mut(&seq) else { return false };
        match reply {
            Reply::Done => {
                self.under_way.remove(&seq);
                return true;
            }
            Reply::PutBack(wait) => *until = now + wait,
            Reply::Progress => *until = now + self.ack_wait,
        }
        false
    }

    /// When something that is under way comes up again.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        self.under_way.values().map(|(until, _)| *until).min()
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let open = self.new.iter().chain(self.under_way.keys()).min();
        Backlog {
            pending: u64::try_from(self.new.len()).unwrap_or(u64::MAX),
            in_flight: u64::try_from(self.under_way.len()).unwrap_or(u64::MAX),
            ack_floor: open.map_or(self.newest, |seq| seq - 1),
            max_ack_pending: self.max_ack_pending,
            paused: self.paused,
        }
    }
}
