//! What a follow-up task may still cost: it inherits the budget of the task that it follows.
//!
//! From the first task of a lineage to any that follows it, all on the way share the attempts that
//! the first may be charged. What one was charged, those after it begin with; and following a task that did not complete costs one
//! attempt at least, so that no chain of failures is longer than one task would have been
//! allowed to fail.

use domain::{Kind, KindConfig, Lineage, SourceKey, Task, TaskState};

/// Why nothing may follow a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFollowed {
    #[error(
        "its lineage from {root} on has spent {spent} of the {budget} attempts that it may be \
         charged: look at why those failed, or create it anew without --follows"
    )]
    Spent { root: SourceKey, spent: u32, budget: u32 },
    #[error("a task cannot follow itself")]
    Itself,
}

/// The lineage of the task `child`, whose kind is `own`, that follows `parent`, whose kind is
/// `kind`; `state` is where that stands, if it was ever tried.
///
/// # Errors
///
/// When nothing is left of the budget.
pub fn follow(
    parent: &Task,
    state: Option<&TaskState>,
    kind: &KindConfig,
    child: (&Kind, &SourceKey),
    own: &KindConfig,
) -> Result<Lineage, NotFollowed> {
    if (&parent.kind, &parent.source_key) == child {
        return Err(NotFollowed::Itself);
    }
    let inherited = parent.follows.as_deref();
    let before = inherited.map_or(0, |lineage| lineage.spent);
    let charged = state.map_or(before, |state| state.charged).max(before);
    let completed =
        state.is_some_and(|state| matches!(state.phase, domain::Phase::Completed { .. }));
    let spent = if completed { charged } else { charged.max(before.saturating_add(1)) };
    let budget = inherited.map_or(kind.attempts_max, |lineage| lineage.budget);
    let budget = budget.min(own.attempts_max);
    let (root_kind, root) = match inherited {
        Some(lineage) => (lineage.root_kind.clone(), lineage.root.clone()),
        None => (parent.kind.clone(), parent.source_key.clone()),
    };
    if budget <= spent {
        return Err(NotFollowed::Spent { root, spent, budget });
    }
    Ok(Lineage {
        parent_kind: parent.kind.clone(),
        parent: parent.source_key.clone(),
        root_kind,
        root,
        depth: inherited.map_or(0, |lineage| lineage.depth).saturating_add(1),
        spent,
        budget,
    })
}

/// `kind` as it holds for `task`: a follow-up may be charged no more than its lineage.
pub fn within_lineage(kind: &KindConfig, task: &Task) -> KindConfig {
    let budget = task.follows.as_deref().map_or(u32::MAX, |lineage| lineage.budget);
    KindConfig { attempts_max: kind.attempts_max.min(budget), ..kind.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Blame, Cost, Handler, Outcome, Phase, Timestamp};
    use proptest::prelude::*;

    use super::*;
    use crate::attempt::{Admitted, Delivered, Step, Terms, on_delivery, on_outcome, unclaimed};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn kind(attempts_max: u32) -> KindConfig {
        let service = Handler::Service { name: "echo".parse().unwrap() };
        KindConfig { attempts_max, ..KindConfig::of(service) }
    }

    fn task(number: usize, follows: Option<Lineage>) -> Task {
        Task {
            kind: "echo".parse().unwrap(),
            source_key: format!("echo/{number}").parse().unwrap(),
            created_by: "ann".to_owned(),
            created_at: NOW,
            contact: None,
            payload: String::new(),
            not_before: None,
            expires_at: None,
            follows: follows.map(Box::new),
        }
    }

    /// Runs a task until it fails so often or ends; where it stands then, and how often it was
    /// charged.
    fn run(task: &Task, kind: &KindConfig, failures: u32, completes: bool) -> (TaskState, u32) {
        let kind = within_lineage(kind, task);
        let (mut state, mut charged) = (unclaimed(task, NOW), 0);
        let admission = Admitted::Yes { admitted: Vec::new(), probing: Vec::new() };
        for round in 0..=failures {
            let fails = round < failures;
            if state.ended() || !(fails || completes) {
                break;
            }
            let now = NOW.after(Duration::from_secs(100_000) * (round + 1));
            let me = "me".parse().unwrap();
            let step = on_delivery(&Delivered {
                key: task.key(),
                task,
                fenced: true,
                state: Some(&state),
                me: &me,
                running: false,
                contact_exists: false,
                admission: &admission,
                won: &[],
                latched: None,
                lease: kind.lease,
                now,
            });
            let Step::Claim { state: claimed, .. } = step else { panic!("{step:?}") };
            let cause = "target.invalid".parse().unwrap();
            let evidence = String::new();
            let outcome = if fails {
                Outcome::Failed { cause, evidence, retry_after: None, cost: Cost::ZERO }
            } else {
                Outcome::Completed { effect: String::new(), cost: Cost::ZERO }
            };
            let terms = Terms { kind: &kind, blame: &Blame::Own, jitter: 1.0, now };
            state = on_outcome(&claimed, &outcome, &terms).keeping(task).state;
            charged += u32::from(fails);
        }
        (state, charged)
    }

    proptest! {
        /// W2: however a lineage goes on, all of it together is charged no more attempts than
        /// its root alone might have been; and one in which nothing completes ends.
        #[test]
        fn a_lineage_has_one_budget(
            most in prop::collection::vec(1u32..7, 12),
            runs in prop::collection::vec((0u32..4, any::<bool>()), 12),
        ) {
            let (mut parent, mut charged, mut uncompleted) = (task(0, None), 0, 0);
            for (at, (failures, completes)) in runs.into_iter().enumerate() {
                let own = kind(most[at]);
                let (state, more) = run(&parent, &own, failures, completes);
                charged += more;
                prop_assert!(charged <= most[0], "{charged} of {}", most[0]);
                let done = matches!(state.phase, Phase::Completed { .. });
                uncompleted = if done { uncompleted } else { uncompleted + 1 };
                prop_assert!(uncompleted <= most[0]);
                // A later one finds its parent as the link keeps it, or in the queue.
                let kept = state.task.as_deref();
                prop_assert!(kept.is_some() || parent.follows.is_none() || !state.ended());
                let next = kind(most.get(at + 1).copied().unwrap_or(1));
                let source_key = format!("echo/{}", at + 1).parse().unwrap();
                let Ok(lineage) = follow(&parent, Some(&state), &own, (&parent.kind, &source_key), &next) else {
                    break;
                };
                prop_assert_eq!(lineage.root.as_str(), "echo/0");
                prop_assert_eq!(usize::try_from(lineage.depth).unwrap(), at + 1);
                parent = task(at + 1, Some(lineage));
            }
        }
    }

    /// Nothing follows itself, and what has spent everything is followed by nothing.
    #[test]
    fn refuses_with_a_reason() {
        let (parent, kind) = (task(0, None), kind(1));
        let other = "echo/1".parse().unwrap();
        assert_eq!(
            follow(&parent, None, &kind, (&parent.kind, &parent.source_key), &kind),
            Err(NotFollowed::Itself)
        );
        let spent = NotFollowed::Spent { root: parent.source_key.clone(), spent: 1, budget: 1 };
        assert_eq!(follow(&parent, None, &kind, (&parent.kind, &other), &kind), Err(spent));
    }
}
