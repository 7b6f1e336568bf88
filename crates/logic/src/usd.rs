//! What a kind's attempts may cost in dollars: held with the claim, spent with the end.
//!
//! ```text
//! claim                the most that the attempt can cost is held; refused where day or whole
//!                      could be exceeded; the task's own fault where it exceeds a whole limit
//! completed, failed    spent: what the handler says it cost, which is the most where its worker
//!                      does not say
//! unknown, vanished    spent: all that was held, since nobody can say that it was less
//! held, moot           nothing was tried: given back
//! ended by others      spent: all that was held, see `stale`
//! ```
//!
//! The claim and what is held for it are one atomic write, and so are the end and what it cost:
//! whatever crashes in between, each reservation is that of a claim that stands, and whoever
//! takes such a claim over settles it. Only who does not know of the record, such as a person who
//! withdraws a task that runs, ends a claim without it; what is left over then is found by its
//! chain, which has moved on. So no day sees more than its budget, nor do all of them together,
//! as long as no attempt costs more than was held for it; and nothing is held for ever (M4).

use std::{fmt, time::Duration};

use domain::{Budget, Key, MicroUsd, Outcome, Phase, TaskState, Timestamp, UsdHold, UsdSpending};

/// What an attempt has cost, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toll {
    /// Nothing was tried.
    Nothing,
    Cost(MicroUsd),
    /// Anything up to what was held for it.
    Unknown,
}

/// Why nothing is held for an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It may cost more than there ever is: the task's own fault, which no opening mends.
    Oversized(Oversized),
    /// The budget is spent as far as the next attempt goes: a person is asked.
    Reached(Reached),
    /// It is not, but what is under way could still spend it: wait for that to end.
    Busy,
}

/// One attempt may cost more than a whole budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized {
    needs: MicroUsd,
    limit: MicroUsd,
    /// The limit of each day, or the one in all.
    a_day: bool,
}

/// A budget has not enough left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Of this day; `None`: the one in all.
    day: Option<u64>,
    limit: MicroUsd,
    spent: MicroUsd,
    reserved: MicroUsd,
    under_way: usize,
    needs: MicroUsd,
}

impl Toll {
    /// What an attempt with this outcome has cost.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Completed { cost, .. } => Toll::Cost(cost.micro_usd),
            // Who answers what nobody can read has not said what it cost either.
            Outcome::Failed { cause, .. } if cause.as_str() == "service.garbled" => Toll::Unknown,
            Outcome::Failed { cost, .. } => Toll::Cost(cost.micro_usd),
            Outcome::Unknown { .. } => Toll::Unknown,
            Outcome::Held { .. } | Outcome::Moot { .. } => Toll::Nothing,
        }
    }

    /// What is spent where `most` was held. More, if the handler says so: it is its word.
    fn spends(self, most: MicroUsd) -> MicroUsd {
        match self {
            Toll::Nothing => MicroUsd::ZERO,
            Toll::Cost(cost) => cost,
            Toll::Unknown => most,
        }
    }
}

/// The spending with `hold` in it. What was held for the same task before is over by then, and
/// nobody said what it cost.
///
/// # Errors
///
/// When more could be spent then than may be, in all or today; the former first, since waiting
/// for tomorrow does not help there. A limit of nothing is one that is reached: it holds back
/// every task, and none for being what it is.
pub fn reserve(
    spending: &UsdSpending,
    budget: &Budget,
    hold: UsdHold,
    now: Timestamp,
) -> Result<UsdSpending, Refused> {
    let mut next = spending.at(now);
    while let Some(left) = next.held.iter().find(|other| other.task == hold.task) {
        let attempt = left.attempt;
        next = settle(&next, hold.task, attempt, Toll::Unknown, now).unwrap_or(next);
    }
    let reserved = next.reserved();
    let fits = |limit: MicroUsd, parts: [MicroUsd; 3]| {
        let sum = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.get()));
        sum.is_some_and(|sum| sum <= limit.get())
    };
    let days = [(None, budget.usd_total, next.spent), (Some(next.day), budget.usd_day, next.today)];
    let limits = || days.into_iter().filter_map(|(day, limit, spent)| Some((day, limit?, spent)));
    let none = MicroUsd::ZERO;
    if let Some((day, limit, _)) =
        limits().find(|(_, limit, _)| none < *limit && *limit < hold.most)
    {
        let (needs, a_day) = (hold.most, day.is_some());
        return Err(Refused::Oversized(Oversized { needs, limit, a_day }));
    }
    if let Some((day, limit, spent)) =
        limits().find(|(_, limit, spent)| !fits(*limit, [*spent, none, hold.most]))
    {
        let (under_way, needs) = (next.held.len(), hold.most);
        return Err(Refused::Reached(Reached { day, limit, spent, reserved, under_way, needs }));
    }
    if !limits().all(|(_, limit, spent)| fits(limit, [spent, reserved, hold.most])) {
        return Err(Refused::Busy);
    }
    next.held.push(hold);
    Ok(next)
}

/// The spending after that attempt has come to its end; `None` when nothing is held for it.
pub fn settle(
    spending: &UsdSpending,
    task: Key,
    attempt: u32,
    toll: Toll,
    now: Timestamp,
) -> Option<UsdSpending> {
    let its = |hold: &UsdHold| hold.task == task && hold.attempt == attempt;
    let at = spending.held.iter().position(its)?;
    let mut next = spending.at(now);
    let cost = toll.spends(next.held.remove(at).most);
    next.today = next.today.saturating_add(cost);
    next.spent = next.spent.saturating_add(cost);
    Some(next)
}

/// Whether the claim that `hold` is for is over, judged by the newest link of its task's chain,
/// read after the record was: whoever settles an attempt writes both at once, so then nobody is
/// going to any more.
pub fn stale(hold: &UsdHold, chain: Option<&TaskState>) -> bool {
    let Some(chain) = chain else { return true };
    chain.attempt != hold.attempt || !matches!(chain.phase, Phase::Claimed(_))
}

impl fmt::Display for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Oversized { needs, limit, a_day } = self;
        let span = if *a_day { "a day" } else { "in all" };
        write!(f, "one attempt may cost {needs}, more than the whole budget of {limit} {span}")
    }
}

impl Reached {
    /// Until the day after the one that is spent; `None` where only a person can see to more.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        self.day.map(|day| Timestamp::of_day(day.saturating_add(1)).since(now))
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reached { limit, spent, reserved, under_way, needs, .. } = self;
        match self.day {
            Some(day) => {
                let midnight = Timestamp::of_day(day).to_string();
                let date = midnight.split('T').next().unwrap_or_default();
                write!(f, "budget of {date}: {limit} a day")?;
            }
            None => write!(f, "budget in all: {limit}")?,
        }
        let left = limit.less(spent.saturating_add(*reserved));
        write!(f, ", {spent} spent, {reserved} reserved by {under_way} under way, {left} left")?;
        write!(f, "; this attempt may cost {needs}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A task that may cost more than a whole limit is to blame itself, whatever is spent; the gate is
    /// not closed for it, which would hold back every other task, opening after opening.
    #[test]
    fn what_never_fits_is_its_own_fault() {
        let now = Timestamp::from_millis(20_523 * 86_400_000);
        let task = "nightly/1".parse::<domain::SourceKey>().unwrap().key();
        let usd = MicroUsd::new;
        let budget = |day, total: Option<u64>| Budget {
            usd_day: Some(usd(day)),
            usd_total: total.map(usd),
            ..Budget::default()
        };
        let hold = |most| UsdHold { task, attempt: 1, most: usd(most), since: now };
        let spent = |micro| UsdSpending {
            day: 20_523,
            today: usd(micro),
            spent: usd(micro),
            ..UsdSpending::new("nightly".parse().unwrap())
        };
        for already in [0, 400] {
            let ask = |budget, most| reserve(&spent(already), &budget, hold(most), now);
            let told = |refused| match refused {
                Err(Refused::Oversized(oversized)) => oversized.to_string(),
                other => panic!("{other:?}"),
            };
            assert_eq!(
                told(ask(budget(500_000, Some(600_000)), 500_001)),
                "one attempt may cost $0.500001, more than the whole budget of $0.50 a day"
            );
            assert_eq!(
                told(ask(budget(500_000, Some(400_000)), 450_000)),
                "one attempt may cost $0.45, more than the whole budget of $0.40 in all"
            );
            assert_eq!(ask(budget(500_000, None), 500_000).is_ok(), already == 0);
            // Who allows nothing holds back every task, and none is at fault.
            let nothing = ask(budget(0, None), 1);
            assert!(matches!(nothing, Err(Refused::Reached(_))), "{nothing:?}");
        }
    }
}
