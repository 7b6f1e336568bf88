use crate::{Epoch, GateName, Key, Kind};

/// What limits how many attempts are under way at once: a kind's own concurrency, or a gate
/// that drains. Each has a row of numbered seats, as many as it lets through at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    Kind(Kind),
    Gate(GateName),
}

/// Who sits in a seat: an attempt, for as long as its claim stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub kind: Kind,
    pub task: Key,
    pub attempt: u32,
}

/// How many attempts at once a DRAINING gate lets through, over all kinds that need it.
///
/// Within one epoch it only grows, so that an old one is never too high; under another epoch
/// it means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainPace {
    pub gate: GateName,
    pub epoch: Epoch,
    pub at_once: u32,
}
