use std::time::Duration;

/// How long a holder may act on its claim, by its own monotonic clock.
///
/// The holder stops a tenth before its lease is over, counted from before it sent the renewal
/// that was accepted. A watcher counts a whole lease from when it saw that renewal, which is
/// later; so the two never act together, whatever the wall clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    length: Duration,
    renewed: Duration,
}

impl Lease {
    /// `sent` is the time just before the claim was sent.
    pub const fn new(length: Duration, sent: Duration) -> Self {
        Lease { length, renewed: sent }
    }

    /// A renewal that was sent at `sent` was accepted.
    pub fn renewed(&mut self, sent: Duration) {
        self.renewed = self.renewed.max(sent);
    }

    /// When to renew next: a third of the lease after the last one.
    pub fn renew_at(&self) -> Duration {
        self.renewed.saturating_add(self.length / 3)
    }

    /// From here on the holder must neither act nor answer the broker.
    pub fn over_at(&self) -> Duration {
        self.renewed.saturating_add(self.length / 10 * 9)
    }

    pub fn over(&self, now: Duration) -> bool {
        self.over_at() <= now
    }
}

/// Watches another's claim stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    length: Duration,
    seq: u64,
    since: Duration,
}

/// What a watcher may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Look again, at the latest then.
    Until(Duration),
    /// Somebody wrote: decide again from what is there now.
    Moved,
    /// It stood still for a whole lease: [`take_over`](super::take_over).
    Lost,
}

impl Watch {
    /// The state had the sequence `seq`; `now` is the time after that answer came.
    pub const fn new(length: Duration, seq: u64, now: Duration) -> Self {
        Watch { length, seq, since: now }
    }

    /// The state was read again and had the sequence `seq`; `asked` is the time just before.
    pub fn saw(&self, seq: u64, asked: Duration) -> Watched {
        let until = self.since.saturating_add(self.length);
        if seq != self.seq {
            Watched::Moved
        } else if until <= asked {
            Watched::Lost
        } else {
            Watched::Until(until)
        }
    }
}
