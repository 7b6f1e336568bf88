//! How a kind shares what the fleet has: its priority, and its budget for repeated attempts.

use std::time::Duration;

use domain::{Priority, RetryBudget};

use super::{notes::Notes, section::Section};

/// `priority` and `retries` of a kind.
pub(super) fn read(section: &mut Section<'_>, notes: &mut Notes<'_>) -> (Priority, RetryBudget) {
    let word = section.text("priority", notes);
    let priority = word.and_then(|word| section.parse::<Priority>("priority", &word, notes));
    (priority.map(|word| word.value).unwrap_or_default(), retries(section, notes))
}

fn retries(section: &mut Section<'_>, notes: &mut Notes<'_>) -> RetryBudget {
    let otherwise = RetryBudget::DEFAULT;
    let Some(mut section) = section.section("retries", notes) else { return otherwise };
    let share_permille = section.share("share", otherwise.share_permille, notes);
    let never = "what failed would never be tried again";
    let floor = section.number("floor", 1, never, notes).unwrap_or(otherwise.floor);
    let per = section.duration("per", otherwise.per, Duration::from_secs(1), notes);
    section.finish(notes);
    RetryBudget { share_permille, floor, per }
}
