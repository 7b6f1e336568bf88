use crate::{Kind, MicroUsd, Sats, Timestamp};

/// What the payments and the attempts of one kind may spend. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// In one day: UTC, by the broker's time.
    pub day: Option<Sats>,
    /// In all, since the first payment of the kind.
    pub total: Option<Sats>,
    /// In dollars, what the attempts cost: in one day, and in all; see [`UsdSpending`].
    ///
    /// [`UsdSpending`]: crate::UsdSpending
    pub usd_day: Option<MicroUsd>,
    pub usd_total: Option<MicroUsd>,
}

impl Budget {
    /// Whether the dollars of the kind's attempts are limited.
    pub const fn limits_usd(&self) -> bool {
        self.usd_day.is_some() || self.usd_total.is_some()
    }

    /// Whether the sats of its payments are.
    pub const fn limits_sats(&self) -> bool {
        self.day.is_some() || self.total.is_some()
    }
}

/// What the payments of one kind have spent and hold reserved: one record for all payers.
///
/// Each change is written in one atomic batch with the payment that it is for, as a
/// compare-and-set on what it was decided from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    pub kind: Kind,
    /// The day that `today` was spent on, see [`Timestamp::day`]. It never moves back.
    pub day: u64,
    pub today: Sats,
    /// Spent in all, today's with it.
    pub spent: Sats,
    /// Held for payments whose end is not known yet, whichever day they were signed on.
    pub reserved: Sats,
}

/// What is held for one payment, from its signature to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// In whose spending.
    pub kind: Kind,
    pub amount: Sats,
}

/// What a budget still has to give. `None`: as much as is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub today: Option<Sats>,
    pub total: Option<Sats>,
}

impl Spending {
    pub const fn new(kind: Kind) -> Self {
        let nothing = Sats::ZERO;
        Spending { kind, day: 0, today: nothing, spent: nothing, reserved: nothing }
    }

    /// The same on the day of `now`. A day that is over has not been spent on; one that was
    /// begun stays begun, whatever a clock says after that.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let day = self.day.max(now.day());
        let today = if day == self.day { self.today } else { Sats::ZERO };
        Spending { day, today, ..self.clone() }
    }

    /// What may still be reserved at `now`. What is unresolved counts against every day until
    /// it ends, and against the day on which it ends if it was paid.
    pub fn left(&self, budget: &Budget, now: Timestamp) -> Left {
        let held = |spent: Sats| spent.saturating_add(self.reserved);
        let left = |limit: Option<Sats>, spent| limit.map(|limit| limit.less(held(spent)));
        let now = self.at(now);
        Left { today: left(budget.day, now.today), total: left(budget.total, now.spent) }
    }
}

impl Left {
    /// The smaller of the two; `None`: as much as is wanted.
    pub fn least(&self) -> Option<Sats> {
        self.today.into_iter().chain(self.total).min()
    }
}
