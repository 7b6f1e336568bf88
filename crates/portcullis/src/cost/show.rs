use domain::{Cost, MicroUsd};
use kit::Clock;
use logic::costs::{Part, Saved, Sum, sums, wasted};
use serde_json::{Value, json};

use super::{
    CostArgs,
    incidents::{Closing, Counted},
    told::Told,
    window::Window,
};
use crate::{
    gate::field,
    out::Out,
    show::{Table, lasts},
};

/// How many causes and incidents are told one by one.
const SHOWN: usize = 12;

/// All that a window of attempts has cost.
pub(super) struct Bill<'a> {
    pub(super) args: &'a CostArgs,
    pub(super) window: Window,
    pub(super) told: &'a Told,
    pub(super) incidents: Vec<Closing>,
}

impl Bill<'_> {
    pub(super) fn text(&self, out: &Out) -> String {
        let whole = Sum::of(&self.told.attempts);
        let mut text = format!("since {}: {}\n", self.window.from, attempts(&whole));
        for (label, value) in lines(&whole) {
            field(&mut text, label, &value);
        }
        field(&mut text, "wasted", &self.wasted().join("\n"));
        let saved: Vec<String> = self.incidents.iter().take(SHOWN).map(saved_line).collect();
        field(&mut text, "saved", &saved.join("\n"));
        if whole.all().attempts == 0 {
            return text.trim_end().to_owned();
        }
        text.push('\n');
        text.push_str(&self.table().render(out));
        text
    }

    fn wasted(&self) -> Vec<String> {
        let wasted = wasted(&self.told.attempts);
        let line = |(cause, part): &(domain::Cause, Part)| {
            let Part { attempts, cost } = part;
            format!("{} by {attempts} × {cause}", money(*cost))
        };
        let mut lines: Vec<String> = wasted.iter().take(SHOWN).map(line).collect();
        if SHOWN < wasted.len() {
            lines.push(format!("and {} more causes: --by cause", wasted.len() - SHOWN));
        }
        lines
    }

    fn table(&self) -> Table {
        let heading = self.args.by.word().to_uppercase();
        let heads = ["ATTEMPTS", "FAILED", "SPENT", "WASTED", "TOKENS IN", "OUT", "SATS"];
        let mut table = Table::new(&[&[heading.as_str()][..], &heads].concat());
        let rows = sums(&self.told.attempts, self.args.by.by());
        for (label, sum) in rows.iter().take(self.args.limit) {
            let (all, failed) = (sum.all(), sum.failed());
            table.row(vec![
                label.as_str().into(),
                all.attempts.to_string().into(),
                failed.attempts.to_string().into(),
                all.cost.micro_usd.to_string().into(),
                failed.cost.micro_usd.to_string().into(),
                all.cost.tokens_in.to_string().into(),
                all.cost.tokens_out.to_string().into(),
                all.cost.sats.get().to_string().into(),
            ]);
        }
        if self.args.limit < rows.len() {
            table.remark(format!(
                "and {} more: see them with --limit",
                rows.len() - self.args.limit
            ));
        }
        table
    }

    /// What a person should know on top.
    pub(super) fn remark(&self, out: &Out) {
        let whole = Sum::of(&self.told.attempts);
        if 0 < whole.untold {
            out.talk(&format!(
                "{} of the failed ones ended unheard: they cost anything up to what was held for \
                 them, and count as nothing here; a budget counts them in full",
                whole.untold
            ));
        }
        if 0 < self.told.garbled {
            out.talk(&format!("{} events make no sense and count for nothing", self.told.garbled));
        }
        if self.window.beyond_what_is_kept(Clock.now()) {
            out.talk("events are kept for 30 days: what came before is not counted");
        }
    }

    pub(super) fn object(&self) -> Value {
        let attempts = &self.told.attempts;
        let by = self.args.by;
        let all = sums(attempts, by.by());
        let rows = all.iter().take(self.args.limit).map(|(label, sum)| {
            let mut row = sum_object(sum);
            row[by.word()] = json!(label);
            row
        });
        let wasted = wasted(attempts).into_iter().map(|(cause, part)| {
            let mut row = part_object(&part);
            row["cause"] = json!(cause.to_string());
            row
        });
        json!({
            "from": self.window.from.to_string(),
            "to": self.window.to.to_string(),
            "by": by.word(),
            "total": sum_object(&Sum::of(attempts)),
            "rows": rows.collect::<Vec<_>>(),
            "cut_off": self.args.limit < all.len(),
            "wasted": wasted.collect::<Vec<_>>(),
            "saved": self.incidents.iter().map(closing_object).collect::<Vec<_>>(),
            "not_readable": self.told.garbled,
        })
    }
}

fn attempts(sum: &Sum) -> String {
    let Sum { completed, own, shared, nobodys, .. } = sum;
    let parts = [
        (completed, "completed"),
        (own, "failed"),
        (shared, "shared failures"),
        (nobodys, "in doubt or put off"),
    ];
    let parts = parts.iter().filter(|(part, _)| 0 < part.attempts);
    let parts: Vec<String> =
        parts.map(|(part, word)| format!("{} {word}", part.attempts)).collect();
    match parts.is_empty() {
        true => "no attempt has ended".to_owned(),
        false => format!("{} attempts = {}", sum.all().attempts, parts.join(" + ")),
    }
}

/// `$3.20 = $2.90 completed + $0.30 failed`, and so on.
fn lines(sum: &Sum) -> Vec<(&'static str, String)> {
    let (all, completed, failed) = (sum.all().cost, sum.completed.cost, sum.failed().cost);
    let mut lines = Vec::new();
    if 0 < sum.all().attempts {
        let (all, completed, failed) = (all.micro_usd, completed.micro_usd, failed.micro_usd);
        lines.push(("spent", format!("{all} = {completed} completed + {failed} failed")));
    }
    if all.sats != domain::Sats::ZERO {
        let (all, completed, failed) = (all.sats, completed.sats, failed.sats);
        lines.push(("", format!("{all} = {completed} completed + {failed} failed")));
    }
    if 0 < all.tokens_in.saturating_add(all.tokens_out) {
        lines.push(("tokens", format!("{} in, {} out", all.tokens_in, all.tokens_out)));
    }
    if let Some((own, judged)) = sum.own_failures() {
        let told = format!("{own} of {judged} = {}, shared causes apart", percent(own, judged));
        lines.push(("failed", told));
    }
    lines
}

/// `3.1 %`, rounded to the nearest tenth.
fn percent(part: u64, whole: u64) -> String {
    let tenths = (part.saturating_mul(2_000).saturating_add(whole)) / (whole.saturating_mul(2));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn money(cost: Cost) -> String {
    if cost.sats == domain::Sats::ZERO {
        return cost.micro_usd.to_string();
    }
    if cost.micro_usd == MicroUsd::ZERO {
        return cost.sats.to_string();
    }
    format!("{} and {}", cost.micro_usd, cost.sats)
}

/// What one incident saved, with its arithmetic.
fn saved_line(closing: &Closing) -> String {
    let Closing { gate, incident, causes, since, until, .. } = closing;
    let lasted = match until {
        Some(until) => lasts(until.since(*since)),
        None => format!("closed since {since}"),
    };
    let told = match (&closing.saved, closing.counted) {
        (Some(saved), counted) => arithmetic(saved, counted),
        (None, Counted::Queue) => "what waits cannot be counted just now".to_owned(),
        (None, _) => "opened without a canary, so nobody counted what waited".to_owned(),
    };
    format!("{gate}, incident {incident} ({}, {lasted}): {told}", causes.join(", "))
}

fn arithmetic(saved: &Saved, counted: Counted) -> String {
    let Saved { waited, failed, cost } = saved;
    let tasks = if *waited == 1 { "task" } else { "tasks" };
    let wait = if counted == Counted::Queue { "waiting" } else { "that waited" };
    match (saved.mean(), saved.amount()) {
        (Some(mean), Some(amount)) => format!(
            "{amount} = {waited} {tasks} {wait} × {mean}, the mean of {failed} failed ({cost} / \
             {failed})"
        ),
        _ => format!("{waited} {tasks} {wait}; no failed attempt in this time says what one costs"),
    }
}

fn part_object(part: &Part) -> Value {
    json!({
        "attempts": part.attempts,
        "micro_usd": part.cost.micro_usd.get(),
        "sats": part.cost.sats.get(),
        "tokens_in": part.cost.tokens_in,
        "tokens_out": part.cost.tokens_out,
    })
}

fn sum_object(sum: &Sum) -> Value {
    let own = sum.own_failures();
    let mut object = part_object(&sum.all());
    object["completed"] = part_object(&sum.completed);
    object["failed"] = part_object(&sum.failed());
    object["failed_own"] = part_object(&sum.own);
    object["failed_shared"] = part_object(&sum.shared);
    object["failed_nobodys"] = part_object(&sum.nobodys);
    object["cost_untold"] = json!(sum.untold);
    object["own_failures"] = json!(own.map(|(own, _)| own));
    object["own_judged"] = json!(own.map(|(_, judged)| judged));
    object
}

fn closing_object(closing: &Closing) -> Value {
    let saved = closing.saved.as_ref();
    json!({
        "gate": closing.gate.to_string(),
        "incident": closing.incident,
        "causes": closing.causes,
        "since": closing.since.to_string(),
        "until": closing.until.map(|until| until.to_string()),
        "waited": saved.map(|saved| saved.waited),
        "counted": match closing.counted {
            Counted::LetThrough => Some("let-through"),
            Counted::Queue => Some("queue"),
            Counted::Not => None,
        },
        "failed": saved.map(|saved| saved.failed),
        "failed_micro_usd": saved.map(|saved| saved.cost.get()),
        "mean_micro_usd": saved.and_then(Saved::mean).map(MicroUsd::get),
        "saved_micro_usd": saved.and_then(Saved::amount).map(MicroUsd::get),
    })
}

#[cfg(test)]
mod tests {
    use domain::{GateName, Timestamp};

    use super::*;

    /// T1: what was saved is told with all that it is made of; without a failed attempt there is
    /// no figure, and without a count no guess.
    #[test]
    fn the_arithmetic_is_shown() {
        let gate: GateName = "anthropic".parse().unwrap();
        let closing = |saved, counted| Closing {
            gate: gate.clone(),
            incident: 3,
            causes: vec!["anthropic.auth-expired".to_owned()],
            since: Timestamp::from_millis(0),
            until: Some(Timestamp::from_millis(720_000)),
            counted,
            saved,
        };
        let saved = Saved { waited: 61, failed: 4, cost: MicroUsd::new(140_000) };
        let head = "anthropic, incident 3 (anthropic.auth-expired, 12 min): ";
        let check = |saved, counted, told: &str| {
            assert_eq!(saved_line(&closing(saved, counted)), format!("{head}{told}"));
        };
        check(
            Some(saved),
            Counted::LetThrough,
            "$2.135 = 61 tasks that waited × $0.035, the mean of 4 failed ($0.14 / 4)",
        );
        let nothing = Saved { failed: 0, cost: MicroUsd::ZERO, waited: 1 };
        check(
            Some(nothing),
            Counted::Queue,
            "1 task waiting; no failed attempt in this time says what one costs",
        );
        check(None, Counted::Not, "opened without a canary, so nobody counted what waited");
        assert_eq!(
            [(1, 32), (0, 7), (1, 3)].map(|(part, of)| percent(part, of)),
            ["3.1 %", "0.0 %", "33.3 %"]
        );
    }
}
