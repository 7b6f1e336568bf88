use crate::{Budget, Key, Kind, MicroUsd, Timestamp};

/// What the attempts of one kind have cost, and hold reserved: one record for all dispatchers.
///
/// A reservation is stored in one atomic batch with the claim that it is for, and comes to its
/// end in one batch with the end of that attempt. So there is none without a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsdSpending {
    pub kind: Kind,
    /// The day that `today` was spent on, see [`Timestamp::day`]. It never moves back.
    pub day: u64,
    pub today: MicroUsd,
    /// Spent in all, today's with it.
    pub spent: MicroUsd,
    /// Held for attempts whose end is not known yet, whichever day they were begun on.
    pub held: Vec<UsdHold>,
}

/// The most that one attempt can cost, held from its claim to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsdHold {
    pub task: Key,
    pub attempt: u32,
    pub most: MicroUsd,
    pub since: Timestamp,
}

/// What a budget still has to give, in dollars. `None`: as much as is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsdLeft {
    pub today: Option<MicroUsd>,
    pub total: Option<MicroUsd>,
}

impl UsdSpending {
    pub const fn new(kind: Kind) -> Self {
        let nothing = MicroUsd::ZERO;
        UsdSpending { kind, day: 0, today: nothing, spent: nothing, held: Vec::new() }
    }

    /// The same on the day of `now`. A day that is over has not been spent on; one that was
    /// begun stays begun, whatever a clock says after that.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let day = self.day.max(now.day());
        let today = if day == self.day { self.today } else { MicroUsd::ZERO };
        UsdSpending { day, today, ..self.clone() }
    }

    /// All that is held.
    pub fn reserved(&self) -> MicroUsd {
        self.held.iter().fold(MicroUsd::ZERO, |sum, hold| sum.saturating_add(hold.most))
    }

    /// What may still be reserved at `now`. What is held counts against every day until it ends.
    pub fn left(&self, budget: &Budget, now: Timestamp) -> UsdLeft {
        let (now, reserved) = (self.at(now), self.reserved());
        let left = |limit: Option<MicroUsd>, spent: MicroUsd| {
            limit.map(|limit| limit.less(spent.saturating_add(reserved)))
        };
        UsdLeft { today: left(budget.usd_day, now.today), total: left(budget.usd_total, now.spent) }
    }
}
