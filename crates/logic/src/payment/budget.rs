//! What a kind may spend: reserved with the signature, spent with the settlement, released only
//! with a rejection.
//!
//! ```text
//! INTENT -> SIGNED     reserved: refused where the day or the whole could be exceeded
//! … -> SETTLED         spent, on the day on which that is known
//! … -> REJECTED        released: the bytes never left, or the chain has their nonce elsewhere
//! anything else        stays reserved, also over midnight
//! ```
//!
//! The reservation stands in the payment and its sum in the kind's [`Spending`], both written in
//! one batch. So no crash leaves sats without an owner, and nothing is reserved twice. What is
//! unresolved counts against every day until it ends: whatever the chain does with it, and
//! whenever, no day sees more than its budget, nor do all of them together (M4).

use std::{fmt, time::Duration};

use domain::{Budget, Payment, PaymentStage as Stage, Reservation, Sats, Spending, Timestamp};

/// A kind's spending as it was read, and what the configuration allows.
#[derive(Clone, Copy, Debug)]
pub struct Purse<'a> {
    pub spending: &'a Spending,
    pub budget: Budget,
}

/// A budget has not enough left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Of this day; `None`: the one in all.
    day: Option<u64>,
    limit: Sats,
    spent: Sats,
    reserved: Sats,
    needs: Sats,
    /// What the budget in all has left, where it is the day's that is reached.
    total_left: Option<Sats>,
}

/// The spending with `amount` reserved.
///
/// # Errors
///
/// When that could exceed what may be spent, in all or today; the former first, since waiting
/// does not help there.
pub fn reserve(purse: Purse<'_>, amount: Sats, now: Timestamp) -> Result<Spending, Reached> {
    let Purse { spending, budget } = purse;
    let next = spending.at(now);
    let reached = |day, limit, spent| Reached {
        day,
        limit,
        spent,
        reserved: next.reserved,
        needs: amount,
        total_left: spending.left(&budget, now).total,
    };
    let fits = |limit: Sats, spent: Sats| {
        let held = spent.get().checked_add(next.reserved.get());
        held.and_then(|held| held.checked_add(amount.get())).is_some_and(|sum| sum <= limit.get())
    };
    if let Some(limit) = budget.total.filter(|limit| !fits(*limit, next.spent)) {
        return Err(reached(None, limit, next.spent));
    }
    if let Some(limit) = budget.day.filter(|limit| !fits(*limit, next.today)) {
        return Err(reached(Some(next.day), limit, next.today));
    }
    let reserved = next.reserved.saturating_add(amount);
    Ok(Spending { reserved, ..next })
}

/// The spending after a payment for which `reserved` was held has paid `amount`.
#[must_use]
pub fn settle(spending: &Spending, reserved: Sats, amount: Sats, now: Timestamp) -> Spending {
    let next = release(spending, reserved, now);
    let (today, spent) = (next.today.saturating_add(amount), next.spent.saturating_add(amount));
    Spending { today, spent, ..next }
}

/// The spending after a payment for which `reserved` was held will never be made.
#[must_use]
pub fn release(spending: &Spending, reserved: Sats, now: Timestamp) -> Spending {
    let next = spending.at(now);
    Spending { reserved: next.reserved.less(reserved), ..next }
}

/// The payment as it is to be saved, and the spending with it: what has come to an end holds
/// nothing any more. `None`: the spending is as it was.
pub(super) fn counted(
    payment: Payment,
    spending: Option<&Spending>,
    now: Timestamp,
) -> (Payment, Option<Spending>) {
    let (Some(Reservation { kind, amount: reserved }), Some(spending)) =
        (&payment.reserved, spending)
    else {
        return (payment, None);
    };
    if *kind != spending.kind {
        return (payment, None);
    }
    let next = match &payment.stage {
        Stage::Settled(..) => settle(spending, *reserved, payment.amount, now),
        Stage::Rejected(..) => release(spending, *reserved, now),
        Stage::Intent
        | Stage::Signed(_)
        | Stage::Sent(..)
        | Stage::Staged(..)
        | Stage::Unknown(..) => return (payment, None),
    };
    (Payment { reserved: None, ..payment }, Some(next))
}

impl Reached {
    /// Until the day after the one that is spent; `None` where only a person can see to more.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        self.day.map(|day| Timestamp::of_day(day.saturating_add(1)).since(now))
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reached { limit, spent, reserved, needs, .. } = self;
        let left = limit.less(spent.saturating_add(*reserved));
        match self.day {
            Some(day) => write!(f, "budget of {}: {limit} a day", date(day))?,
            None => write!(f, "budget in all: {limit}")?,
        }
        write!(f, ", {spent} spent, {reserved} reserved, {left} left; this payment needs {needs}")?;
        match (self.day, self.total_left) {
            (Some(_), Some(left)) => write!(f, "; in all {left} are left"),
            _ => Ok(()),
        }
    }
}

/// `2026-03-11`.
fn date(day: u64) -> String {
    let midnight = Timestamp::of_day(day).to_string();
    midnight.chars().take_while(|c| *c != 'T').collect()
}
