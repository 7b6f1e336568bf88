//! What each budget has left, and what waits for it: for whoever decides about the gate `budget`.

use anyhow::Context as _;
use bus::Bus;
use domain::{Budget, Config, GateName, Kind, Left, Sats, Spending, Timestamp};
use fleet::store;
use serde_json::{Value, json};
use wire::subject;

use super::{dollars::Dollars, field};
use crate::{file::BUDGET, look::Queues};

/// One kind's budget as it stands.
#[derive(Debug)]
pub(super) struct Account {
    kind: Kind,
    budget: Budget,
    spending: Spending,
    /// Tasks in the queue; `None` where the broker cannot say just now.
    waiting: Option<u64>,
    /// The most that one payment may cost.
    amount_max: Sats,
    /// Where its dollars are limited.
    dollars: Option<Dollars>,
    /// The broker's time: budgets go by its days.
    now: Timestamp,
}

impl Account {
    /// Every budget; none for a gate that is not theirs.
    pub(super) async fn all(
        bus: &Bus,
        config: &Config,
        gate: &GateName,
        queues: &Queues,
    ) -> anyhow::Result<Vec<Account>> {
        if gate.as_str() != BUDGET || config.budgets.is_empty() {
            return Ok(Vec::new());
        }
        let now = bus.time(subject::WORK, subject::GATE_LOG_CONSUMER).await;
        let now = Timestamp::from_millis(now.context("ask the broker for the time")?);
        let mut all = Vec::new();
        for (kind, budget) in &config.budgets {
            let subject = subject::spending(kind);
            let found = store::read::<Spending>(bus, subject::RECORD, &subject).await;
            let found = found.with_context(|| format!("read what {kind} has spent"))?;
            let spending = found.map_or_else(|| Spending::new(kind.clone()), |found| found.value);
            let most = config.kinds.get(kind).and_then(|kind| kind.cost_max);
            let dollars = Dollars::read(bus, kind, *budget, most, now).await?;
            all.push(Account {
                kind: kind.clone(),
                budget: *budget,
                spending: spending.at(now),
                waiting: queues.of(kind),
                amount_max: config.payer.as_ref().map_or(Sats::ZERO, |payer| payer.amount_max),
                dollars,
                now,
            });
        }
        Ok(all)
    }

    fn left(&self) -> Left {
        self.spending.left(&self.budget, self.now)
    }

    /// What everything that waits could cost.
    fn wanted(&self) -> Option<Sats> {
        Some(Sats::new(self.amount_max.get().saturating_mul(self.waiting?)))
    }

    /// `7 tasks wait × 100 sats = 700 sats`.
    fn waits(&self) -> String {
        if let Some(dollars) = self.dollars.as_ref().filter(|_| !self.budget.limits_sats()) {
            return dollars.waits(self.waiting);
        }
        match (self.waiting, self.wanted()) {
            (Some(waiting), Some(wanted)) => {
                let tasks = if waiting == 1 { "task waits" } else { "tasks wait" };
                format!("{waiting} {tasks} × {} = {wanted} at most", self.amount_max)
            }
            _ => "what waits cannot be counted just now".to_owned(),
        }
    }

    /// In one line: what is left for what waits.
    pub(super) fn line(&self) -> String {
        let left = self.left();
        let today = left.today.map(|left| format!("{left} left today"));
        let total = left.total.map(|left| format!("{left} left in all"));
        let dollars = self.dollars.iter().flat_map(Dollars::words);
        let left: Vec<String> = today.into_iter().chain(total).chain(dollars).collect();
        format!("{}: {}; {}", self.kind, left.join(", "), self.waits())
    }

    /// With what each limit is made of.
    pub(super) fn tell(&self, text: &mut String) {
        let Account { budget, spending, .. } = self;
        let (left, date) = (self.left(), self.now.to_string());
        let mut lines = Vec::new();
        if let (Some(limit), Some(left)) = (budget.day, left.today) {
            let date = date.split('T').next().unwrap_or_default();
            let Spending { today, reserved, .. } = spending;
            lines.push(format!(
                "{limit} a day: {today} spent, {reserved} reserved, {left} left on {date} (UTC)"
            ));
        }
        if let (Some(limit), Some(left)) = (budget.total, left.total) {
            let Spending { spent, reserved, .. } = spending;
            lines.push(format!("{limit} in all: {spent} spent, {reserved} reserved, {left} left"));
        }
        lines.extend(self.dollars.iter().flat_map(Dollars::lines));
        lines.push(self.waits());
        field(text, self.kind.as_str(), &lines.join("\n"));
    }

    pub(super) fn object(&self) -> Value {
        let (left, sats) = (self.left(), |sats: Option<Sats>| sats.map(Sats::get));
        json!({
            "kind": self.kind.to_string(),
            "sats_day": sats(self.budget.day),
            "sats_total": sats(self.budget.total),
            "spent_today": self.spending.today.get(),
            "spent": self.spending.spent.get(),
            "reserved": self.spending.reserved.get(),
            "left_today": sats(left.today),
            "left": sats(left.total),
            "waiting": self.waiting,
            "wanted_sats": sats(self.wanted().filter(|_| self.budget.limits_sats())),
            "usd": self.dollars.as_ref().map(Dollars::object),
        })
    }
}

/// Every budget as JSON.
pub(super) fn objects(accounts: &[Account]) -> Value {
    Value::Array(accounts.iter().map(Account::object).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M4: it says what is left, today and in all, and what everything that waits could cost.
    #[test]
    fn tells_what_is_left_for_what_waits() {
        let kind: Kind = "welcome".parse().unwrap();
        let sats = Sats::new;
        let mut account = Account {
            kind: kind.clone(),
            budget: Budget { day: Some(sats(300)), total: Some(sats(1_000)), ..Budget::default() },
            spending: Spending {
                day: 20_523,
                today: sats(100),
                spent: sats(400),
                reserved: sats(150),
                ..Spending::new(kind)
            },
            waiting: Some(7),
            amount_max: sats(100),
            dollars: None,
            now: Timestamp::from_millis(20_523 * 86_400_000),
        };
        assert_eq!(
            account.line(),
            "welcome: 50 sats left today, 450 sats left in all; 7 tasks wait × 100 sats = 700 \
             sats at most"
        );
        let mut text = String::new();
        account.tell(&mut text);
        assert_eq!(
            text,
            "  welcome     300 sats a day: 100 sats spent, 150 sats reserved, 50 sats left on \
             2026-03-11 (UTC)\n              1000 sats in all: 400 sats spent, 150 sats reserved, \
             450 sats left\n              7 tasks wait × 100 sats = 700 sats at most\n"
        );
        assert_eq!(account.object()["left_today"], 50);
        account.budget = Budget { total: Some(sats(10)), ..Budget::default() };
        account.waiting = None;
        let line = "welcome: 0 sats left in all; what waits cannot be counted just now";
        assert_eq!(account.line(), line);
    }
}
