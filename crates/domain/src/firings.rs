use crate::{SensorName, Timestamp};

/// What is known of one schedule's firings: one record for all sensors that run it.
///
/// Each change is written by compare-and-set on the record that it was decided from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firings {
    pub sensor: SensorName,
    /// The newest configuration that it was written under; an older one changes nothing.
    pub version: u64,
    /// The expression and the zone that the firings are of.
    pub rule: String,
    /// Every firing up to here has been decided on.
    pub until: Timestamp,
    /// Due and not created yet, oldest first.
    pub owed: Vec<Owed>,
    /// Never to be created, and not told of yet.
    pub untold: Vec<Unfired>,
}

/// A firing that is to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    pub at: Timestamp,
    /// The fence under which somebody may be creating it; 0 for nobody. Once a newer gate
    /// message is stored, that create can no longer succeed.
    pub token: u64,
}

/// Firings that were never created, all for the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfired {
    pub fate: Fate,
    pub count: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Why a firing was never created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// No sensor ran, and the schedule says to skip it.
    Missed,
    /// A gate did not admit, and the kind says to drop it.
    Dropped,
    /// A gate did not admit, and a newer one stands for it.
    Collapsed,
    /// More were kept than the schedule allows.
    Overflowed,
}

impl Fate {
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Missed => "missed",
            Fate::Dropped => "dropped",
            Fate::Collapsed => "collapsed",
            Fate::Overflowed => "overflowed",
        }
    }
}
