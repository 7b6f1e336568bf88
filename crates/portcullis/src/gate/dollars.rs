//! What a budget of dollars has left: beside the sats, for whoever decides about the gate.

use anyhow::Context as _;
use bus::Bus;
use domain::{Budget, Kind, MicroUsd, Timestamp, UsdLeft, UsdSpending};
use fleet::store;
use serde_json::{Value, json};
use wire::subject;

/// The dollars of one kind as they stand.
#[derive(Debug)]
pub(super) struct Dollars {
    pub(super) budget: Budget,
    pub(super) spending: UsdSpending,
    /// The most that one attempt may cost, where the configuration says so.
    pub(super) most: Option<MicroUsd>,
    pub(super) now: Timestamp,
}

impl Dollars {
    pub(super) async fn read(
        bus: &Bus,
        kind: &Kind,
        budget: Budget,
        most: Option<MicroUsd>,
        now: Timestamp,
    ) -> anyhow::Result<Option<Dollars>> {
        if !budget.limits_usd() {
            return Ok(None);
        }
        let found = store::read::<UsdSpending>(bus, subject::STATE, &subject::usd(kind)).await;
        let found = found.with_context(|| format!("read what {kind} has spent"))?;
        let spending = found.map_or_else(|| UsdSpending::new(kind.clone()), |found| found.value);
        Ok(Some(Dollars { budget, spending: spending.at(now), most, now }))
    }

    fn left(&self) -> UsdLeft {
        self.spending.left(&self.budget, self.now)
    }

    /// `$1.40 left today`, `$50.00 left in all`.
    pub(super) fn words(&self) -> Vec<String> {
        let left = self.left();
        let today = left.today.map(|left| format!("{left} left today"));
        today.into_iter().chain(left.total.map(|left| format!("{left} left in all"))).collect()
    }

    /// `7 tasks wait × $0.10 = $0.70 at most`.
    pub(super) fn waits(&self, waiting: Option<u64>) -> String {
        let Some(waiting) = waiting else {
            return "what waits cannot be counted just now".to_owned();
        };
        let tasks = if waiting == 1 { "task waits" } else { "tasks wait" };
        match self.most {
            Some(most) => {
                let wanted = most.saturating_mul(waiting);
                format!("{waiting} {tasks} × {most} = {wanted} at most")
            }
            None => format!("{waiting} {tasks}, each as dear as it asks for"),
        }
    }

    /// With what each limit is made of.
    pub(super) fn lines(&self) -> Vec<String> {
        let Dollars { budget, spending, now, .. } = self;
        let (left, date) = (self.left(), now.to_string());
        let date = date.split('T').next().unwrap_or_default();
        let held = match spending.held.len() {
            0 => "nothing reserved".to_owned(),
            count => format!("{} reserved by {count} under way", spending.reserved()),
        };
        let mut lines = Vec::new();
        if let (Some(limit), Some(left)) = (budget.usd_day, left.today) {
            let today = spending.today;
            lines
                .push(format!("{limit} a day: {today} spent, {held}, {left} left on {date} (UTC)"));
        }
        if let (Some(limit), Some(left)) = (budget.usd_total, left.total) {
            let spent = spending.spent;
            lines.push(format!("{limit} in all: {spent} spent, {held}, {left} left"));
        }
        lines
    }

    pub(super) fn object(&self) -> Value {
        let (left, micro) = (self.left(), |usd: Option<MicroUsd>| usd.map(MicroUsd::get));
        let held = self.spending.held.iter().map(|hold| {
            json!({
                "task": hold.task.to_string(),
                "attempt": hold.attempt,
                "most_micro_usd": hold.most.get(),
                "since": hold.since.to_string(),
            })
        });
        json!({
            "day_micro_usd": micro(self.budget.usd_day),
            "total_micro_usd": micro(self.budget.usd_total),
            "spent_today_micro_usd": self.spending.today.get(),
            "spent_micro_usd": self.spending.spent.get(),
            "reserved_micro_usd": self.spending.reserved().get(),
            "reserved_by": held.collect::<Vec<_>>(),
            "left_today_micro_usd": micro(left.today),
            "left_micro_usd": micro(left.total),
            "attempt_most_micro_usd": micro(self.most),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::UsdHold;

    use super::*;

    /// M4: it says what is left in dollars, what holds the rest, and what all that waits could
    /// cost; where nobody knows that, it says so.
    #[test]
    fn tells_what_is_left() {
        let now = Timestamp::from_millis(20_523 * 86_400_000);
        let usd = MicroUsd::new;
        let hold = UsdHold {
            task: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            attempt: 1,
            most: usd(400_000),
            since: now,
        };
        let mut dollars = Dollars {
            budget: Budget { usd_day: Some(usd(5_000_000)), ..Budget::default() },
            spending: UsdSpending {
                day: 20_523,
                today: usd(3_200_000),
                spent: usd(9_000_000),
                held: vec![hold],
                ..UsdSpending::new("nightly".parse().unwrap())
            },
            most: Some(usd(100_000)),
            now,
        };
        let line = "$5.00 a day: $3.20 spent, $0.40 reserved by 1 under way, $1.40 left on \
                    2026-03-11 (UTC)";
        assert_eq!(dollars.lines(), [line]);
        assert_eq!(dollars.words(), ["$1.40 left today"]);
        assert_eq!(dollars.waits(Some(7)), "7 tasks wait × $0.10 = $0.70 at most");
        assert_eq!(dollars.object()["left_today_micro_usd"], 1_400_000);
        dollars.most = None;
        assert_eq!(dollars.waits(Some(1)), "1 task waits, each as dear as it asks for");
        assert_eq!(dollars.waits(None), "what waits cannot be counted just now");
    }
}
