//! Whether the budgets of the file fit its kinds.

use std::collections::BTreeMap;

use domain::{GateName, Kind};

use super::{
    agree::{PAYER, pays},
    budgets::BudgetRead,
    gates::GateRead,
    kinds::KindRead,
    notes::Notes,
    payer::PayerRead,
    value::nearest,
};

/// The gate that a budget closes when it is reached.
pub(crate) const BUDGET: &str = "budget";

/// A budget is a kind's that spends, and that stops at the gate which the budget closes.
pub(super) fn check(
    budgets: &BTreeMap<Kind, BudgetRead>,
    kinds: &BTreeMap<Kind, KindRead>,
    gates: &BTreeMap<GateName, GateRead>,
    payer: Option<&PayerRead>,
    notes: &mut Notes<'_>,
) {
    for (kind, budget) in budgets {
        let Some(read) = kinds.get(kind) else {
            let advice = match nearest(kind.as_str(), kinds.keys().map(Kind::as_str)) {
                Some(near) => format!("did you mean [budgets.{near}]?"),
                None => format!("add [kinds.{kind}], or take it away"),
            };
            let text = format!("[budgets.{kind}] is for the unknown kind `{kind}`; {advice}");
            notes.problem(&budget.span, text);
            continue;
        };
        if !read.needs.iter().any(|need| need.value.as_str() == BUDGET) {
            let gate = match gates.keys().any(|gate| gate.as_str() == BUDGET) {
                true => String::new(),
                false => format!(", and a table [gates.{BUDGET}]"),
            };
            let text = format!(
                "kind `{kind}` has a budget and does not need the gate `{BUDGET}`, so that \
                 reaching it would be charged to its tasks; add \"{BUDGET}\" to its `needs`{gate}"
            );
            notes.problem(&read.span, text);
        }
        dollars(kind, budget, read, notes);
        if !budget.config.limits_sats() {
            continue;
        }
        if read.config.is_some() && !pays(read) {
            let text = format!(
                "[budgets.{kind}] limits no sats: they are only spent by kinds that `{PAYER}` \
                 handles"
            );
            notes.warning(&budget.span, text);
            continue;
        }
        let least = budget.config.day.into_iter().chain(budget.config.total).min();
        let most = payer.and_then(|payer| payer.config.as_ref()).map(|payer| payer.amount_max);
        if let (Some(least), Some(most)) = (least, most)
            && least < most
        {
            let text = format!(
                "[budgets.{kind}] allows {least}, and [payer] up to {most} for one payment: that \
                 one could never be made"
            );
            notes.warning(&budget.span, text);
        }
    }
}

/// Dollars are held before they are spent: so it must be known how many that can be.
fn dollars(kind: &Kind, budget: &BudgetRead, read: &KindRead, notes: &mut Notes<'_>) {
    let Some(config) = read.config.as_ref().filter(|_| budget.config.limits_usd()) else { return };
    if !config.most_is_known() {
        let text = format!(
            "[budgets.{kind}] limits dollars, and nobody can say what one attempt of kind \
             `{kind}` may cost; add cost_max = \"0.10\" to [kinds.{kind}]"
        );
        notes.problem(&budget.span, text);
    }
    let least = budget.config.usd_day.into_iter().chain(budget.config.usd_total).min();
    if let (Some(least), Some(most)) = (least, config.cost_max)
        && least < most
    {
        let text = format!(
            "[budgets.{kind}] allows {least}, and one attempt may cost {most}: it could never \
             begin"
        );
        notes.warning(&budget.span, text);
    }
}
