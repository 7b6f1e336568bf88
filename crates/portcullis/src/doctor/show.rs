//! How the list looks.

use serde_json::{Value, json};

use super::{
    Report,
    check::{Check, Verdict},
};
use crate::out::Out;

const ALL: [Verdict; 4] = [Verdict::Ok, Verdict::Warn, Verdict::Fail, Verdict::NotAsked];
/// Verdict and two spaces on each side.
const INDENT: usize = 13;

pub(crate) fn text(report: &Report, out: &Out) -> String {
    let checks = report.areas.iter().flat_map(|area| &area.checks);
    let width = checks.map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![format!("by {}", report.by)];
    for area in &report.areas {
        lines.push(String::new());
        lines.push(area.name.to_owned());
        for check in &area.checks {
            lines.extend(told(check, width, out));
        }
    }
    let counts = ALL.map(|verdict| format!("{} {}", report.count(verdict), verdict.word()));
    lines.push(String::new());
    lines.push(counts.join(", "));
    lines.join("\n")
}

fn told(check: &Check, width: usize, out: &Out) -> Vec<String> {
    let verdict = painted(check.verdict, out);
    let left = INDENT + width + 2;
    let room = out.width().map_or(usize::MAX, |columns| columns.saturating_sub(left).max(30));
    let mut lines = Vec::new();
    let mut measured = wrapped(&check.measured, room).into_iter();
    let first = measured.next().unwrap_or_default();
    lines.push(format!("  {verdict}  {:width$}  {first}", check.name).trim_end().to_owned());
    lines.extend(measured.map(|line| format!("{:left$}{line}", "")));
    if !check.remedy.is_empty() {
        for (at, line) in wrapped(&check.remedy, room.saturating_sub(2)).iter().enumerate() {
            let arrow = if at == 0 { "→ " } else { "  " };
            lines.push(format!("{:left$}{arrow}{line}", ""));
        }
    }
    lines
}

fn painted(verdict: Verdict, out: &Out) -> String {
    let padded = format!("{:9}", verdict.word());
    match verdict {
        Verdict::Ok => out.paint(32, &padded),
        Verdict::Warn => out.paint(33, &padded),
        Verdict::Fail => out.paint(31, &padded),
        Verdict::NotAsked => out.faint(&padded),
    }
}

/// Broken between words; a word that is longer than a line keeps its line, so that it can be
/// copied whole.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub(crate) fn object(report: &Report) -> Value {
    let areas = report.areas.iter();
    let checks = areas.flat_map(|area| area.checks.iter().map(move |check| (area.name, check)));
    let check = |(area, check): (&str, &Check)| {
        json!({
            "area": area,
            "check": check.name,
            "verdict": check.verdict.name(),
            "measured": check.measured,
            "remedy": (!check.remedy.is_empty()).then_some(&check.remedy),
        })
    };
    let counts = ALL.map(|verdict| (verdict.name().to_owned(), json!(report.count(verdict))));
    json!({
        "healthy": report.nats && report.count(Verdict::Fail) == 0,
        "nats": report.nats,
        "by": report.by,
        "counts": counts.into_iter().collect::<serde_json::Map<String, Value>>(),
        "checks": checks.map(check).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Area;

    fn report() -> Report {
        let checks = vec![
            Check::ok("server", "nats-server 2.15.1"),
            Check::fail("sbtc balance", "0 sats: 0 payments of 100", "send sBTC to SP2J6"),
            Check::not_asked("key", "no key was given", ""),
        ];
        let by = "the configuration in force".to_owned();
        Report { areas: vec![Area { name: "NATS", checks }], nats: true, by }
    }

    /// Names line up, remedies stand under what they remedy, and the sum is the last line.
    #[test]
    fn lines_up() {
        let text = text(&report(), &Out::new(true));
        let expected = "by the configuration in force\n\nNATS\n  \
                        OK         server        nats-server 2.15.1\n  \
                        FAIL       sbtc balance  0 sats: 0 payments of 100\n                           \
                        → send sBTC to SP2J6\n  \
                        not asked  key           no key was given\n\n\
                        1 OK, 0 WARN, 1 FAIL, 1 not asked";
        assert_eq!(text, expected);
    }

    /// On a terminal nothing is cut off: what is too long goes on below, commands included.
    #[test]
    fn nothing_is_cut_off() {
        let words = "one two three four five six seven eight nine ten ".repeat(5);
        let check = Check::fail("x", words.clone(), words);
        let told = told(&check, 10, &Out::terminal()).join("\n");
        assert_eq!(told.matches("seven").count(), 10);
        assert!(told.lines().all(|line| line.chars().count() <= 110), "{told}");
    }

    /// Programs get every line, with the remedy or null.
    #[test]
    fn objects() {
        let object = object(&report());
        assert_eq!((&object["healthy"], &object["counts"]["fail"]), (&json!(false), &json!(1)));
        assert_eq!(object["checks"][1]["remedy"], "send sBTC to SP2J6");
        assert_eq!(
            (&object["checks"][0]["remedy"], &object["checks"][2]["verdict"]),
            (&json!(null), &json!("not-asked"))
        );
    }
}
