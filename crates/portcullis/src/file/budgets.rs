use std::collections::BTreeMap;

use domain::{Budget, Kind, Sats};

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
    if !section.has("sats_day") && !section.has("sats_total") {
        let text = format!(
            "[budgets.{}] limits nothing; add sats_day = 10_000, or sats_total, or take it away",
            name.value
        );
        notes.problem(&name.span, text);
    }
    if let (Some(day), Some(total)) = (day, total)
        && total < day
    {
        let text = format!(
            "[budgets.{}] allows {day} a day and {total} in all: the first day may spend it all",
            name.value
        );
        notes.warning(&name.span, text);
    }
    Budget { day, total }
}
