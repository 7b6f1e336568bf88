use std::collections::BTreeMap;

use domain::{Budget, Kind, MicroUsd, Sats};

use super::{
    notes::Notes,
    section::{Section, Span, Word},
};

/// A budget of the file.
pub(super) struct BudgetRead {
    /// Where its kind is named.
    pub(super) span: Span,
    pub(super) config: Budget,
}

/// Sats of nothing are no limit that anybody means.
const WHY: &str = "nothing could ever be paid; leave it out for no limit, or suspend the kind with \
                   `portcullis gate close`";

pub(super) fn read(root: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<Kind, BudgetRead> {
    let mut budgets = BTreeMap::new();
    for (name, mut section) in root.named("budgets", notes) {
        let config = budget(&name, &mut section, notes);
        section.finish(notes);
        match name.value.parse::<Kind>() {
            Ok(kind) => {
                budgets.insert(kind, BudgetRead { span: name.span, config });
            }
            Err(error) => notes.problem(&name.span, format!("[budgets.{}]: {error}", name.value)),
        }
    }
    budgets
}

fn budget(name: &Word<&str>, section: &mut Section<'_>, notes: &mut Notes<'_>) -> Budget {
    let day = section.number::<u64>("sats_day", 1, WHY, notes).map(Sats::new);
    let total = section.number::<u64>("sats_total", 1, WHY, notes).map(Sats::new);
    let usd_day = section.dollars("usd_day", WHY, notes);
    let usd_total = section.dollars("usd_total", WHY, notes);
    if !["sats_day", "sats_total", "usd_day", "usd_total"].iter().any(|key| section.has(key)) {
        let text = format!(
            "[budgets.{}] limits nothing; add sats_day = 10_000, or sats_total, or usd_day = \
             \"5.00\", or usd_total, or take it away",
            name.value
        );
        notes.problem(&name.span, text);
    }
    in_all(name, usd_day, usd_total, notes);
    if let (Some(day), Some(total)) = (day, total)
        && total < day
    {
        let text = format!(
            "[budgets.{}] allows {day} a day and {total} in all: the first day may spend it all",
            name.value
        );
        notes.warning(&name.span, text);
    }
    Budget { day, total, usd_day, usd_total }
}

fn in_all(
    name: &Word<&str>,
    day: Option<MicroUsd>,
    total: Option<MicroUsd>,
    notes: &mut Notes<'_>,
) {
    if let (Some(day), Some(total)) = (day, total)
        && total < day
    {
        let text = format!(
            "[budgets.{}] allows {day} a day and {total} in all: the first day may spend it all",
            name.value
        );
        notes.warning(&name.span, text);
    }
}
