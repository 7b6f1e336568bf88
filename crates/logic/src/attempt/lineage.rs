//! What a follow-up task may still cost: it inherits the budget of the task that it follows.
//!
//! From the first task of a lineage to any that follows it, all on the way share the attempts that
//! the first may be charged. What one was charged, those after it begin with; and following a task
//! that did not complete costs one attempt at least, so that no chain of failures is longer than
//! one task would have been allowed to fail.
//!
//! That one number stands for all of a lineage needs it to be a chain: only what has ended is
//! followed, since what runs may be charged more; and by one task only, since two would both spend
//! what is left. Who follows is written down once, as a [`Follower`].

use domain::{Follower, Kind, KindConfig, Lineage, SourceKey, Task, TaskState};

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
    #[error(
        "it has not ended, and what it may still be charged is unknown: wait until it is \
         completed, dead or withdrawn, or create yours without --follows"
    )]
    Running,
    #[error(
        "{kind}/{source_key} follows it already, and two would spend its budget twice: follow that \
         one, or create yours without --follows",
        kind = .0.kind,
        source_key = .0.source_key
    )]
    Followed(Follower),
}

/// The lineage of the task `child`, whose kind is `own`, that follows `parent`, whose kind is
/// `kind`; `state` is where that stands, if it was ever tried, and `follower` is who is on record
/// as its follow-up. The child must be put on record before it is created.
///
/// # Errors
///
/// When the parent has not ended, is followed by another, or nothing is left of the budget.
pub fn follow(
    parent: &Task,
    state: Option<&TaskState>,
    follower: Option<&Follower>,
    kind: &KindConfig,
    child: (&Kind, &SourceKey),
    own: &KindConfig,
) -> Result<Lineage, NotFollowed> {
    if (&parent.kind, &parent.source_key) == child {
        return Err(NotFollowed::Itself);
    }
    let Some(state) = state.filter(|state| state.ended()) else {
        return Err(NotFollowed::Running);
    };
    only(follower, child)?;
    let inherited = parent.follows.as_deref();
    let before = inherited.map_or(0, |lineage| lineage.spent);
    let charged = state.charged.max(before);
    let completed = matches!(state.phase, domain::Phase::Completed { .. });
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

/// Whether `child` may be the one that follows: nobody does yet, or it does already.
///
/// # Errors
///
/// Who else follows.
pub fn only(follower: Option<&Follower>, child: (&Kind, &SourceKey)) -> Result<(), NotFollowed> {
    match follower {
        Some(other) if (&other.kind, &other.source_key) != child => {
            Err(NotFollowed::Followed(other.clone()))
        }
        _ => Ok(()),
    }
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

    /// Runs a task, anew or further, until it fails so often or ends; where it stands then, and how often it was
    /// charged.
    fn run(task: &Task, kind: &KindConfig, failures: u32, completes: bool) -> (TaskState, u32) {
        run_on(unclaimed(task, NOW), task, kind, failures, completes)
    }

    fn run_on(
        mut state: TaskState,
        task: &Task,
        kind: &KindConfig,
        failures: u32,
        completes: bool,
    ) -> (TaskState, u32) {
        let kind = within_lineage(kind, task);
        let mut charged = 0;
        let admission = Admitted::Yes { admitted: Vec::new(), probing: Vec::new() };
        for round in 0..=failures {
            let fails = round < failures;
            if state.ended() || !(fails || completes) {
                break;
            }
            let now = NOW.after(Duration::from_secs(100_000) * (state.attempt + 1));
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
        /// W2: whoever is to follow whomever, and whenever, all of a lineage together is charged
        /// no more attempts than its root alone might have been; and it ends.
        #[test]
        fn a_lineage_has_one_budget(
            most in prop::collection::vec(1u32..7, 24),
            steps in prop::collection::vec((0usize..24, 0u32..7, any::<bool>(), any::<bool>()), 48),
        ) {
            let mut tree = vec![Node::of(task(0, None))];
            let (mut charged, mut uncompleted) = (0, 0);
            for (pick, failures, completes, runs) in steps {
                let (at, next) = (pick % tree.len(), tree.len());
                let own = kind(most[at]);
                let node = &mut tree[at];
                if runs && node.state.as_ref().is_none_or(|state| !state.ended()) {
                    let begun = node.state.take().unwrap_or_else(|| unclaimed(&node.task, NOW));
                    let (state, more) = run_on(begun, &node.task, &own, failures, completes);
                    // A later one finds its parent as the link keeps it, or in the queue.
                    let kept = state.task.is_some();
                    prop_assert!(kept || node.task.follows.is_none() || !state.ended());
                    let done = matches!(state.phase, Phase::Completed { .. });
                    uncompleted += u32::from(state.ended() && !done);
                    charged += more;
                    prop_assert!(charged <= most[0], "{charged} of {}", most[0]);
                    prop_assert!(uncompleted <= most[0]);
                    node.state = Some(state);
                } else if next < most.len() {
                    let child = task(next, None);
                    let (state, follower) = (node.state.as_ref(), node.follower.as_ref());
                    let called = (&child.kind, &child.source_key);
                    let next_kind = kind(most[next]);
                    let Ok(lineage) = follow(&node.task, state, follower, &own, called, &next_kind)
                    else {
                        continue;
                    };
                    prop_assert_eq!(lineage.root.as_str(), "echo/0");
                    let depth = node.task.follows.as_deref().map_or(0, |before| before.depth);
                    prop_assert_eq!(lineage.depth, depth + 1);
                    node.follower = Some(follower_of(&child));
                    tree.push(Node::of(task(next, Some(lineage))));
                }
            }
        }
    }

    /// A task of a lineage, where it stands, and who follows it.
    struct Node {
        task: Task,
        state: Option<TaskState>,
        follower: Option<Follower>,
    }

    impl Node {
        fn of(task: Task) -> Node {
            Node { task, state: None, follower: None }
        }
    }

    fn follower_of(task: &Task) -> Follower {
        Follower { kind: task.kind.clone(), source_key: task.source_key.clone() }
    }

    /// Nothing follows itself or what still runs, what has spent everything is followed by
    /// nothing, and anything else by one task, which may ask again.
    #[test]
    fn refuses_with_a_reason() {
        let (parent, one, two) = (task(0, None), task(1, None), task(2, None));
        let (ended, _) = run(&parent, &kind(1), 1, false);
        let by = |child: &Task, state: Option<&TaskState>, follower: Option<&Follower>, most| {
            let called = (&child.kind, &child.source_key);
            follow(&parent, state, follower, &kind(most), called, &kind(most)).map(|it| it.spent)
        };
        assert_eq!(by(&parent, Some(&ended), None, 2), Err(NotFollowed::Itself));
        assert_eq!(by(&one, None, None, 2), Err(NotFollowed::Running));
        let (resting, _) = run(&parent, &kind(2), 1, false);
        assert_eq!(by(&one, Some(&resting), None, 2), Err(NotFollowed::Running));
        let spent = NotFollowed::Spent { root: parent.source_key.clone(), spent: 1, budget: 1 };
        assert_eq!(by(&one, Some(&ended), None, 1), Err(spent));
        let first = follower_of(&one);
        assert_eq!(by(&one, Some(&ended), None, 2), Ok(1));
        assert_eq!(by(&one, Some(&ended), Some(&first), 2), Ok(1));
        let refused = NotFollowed::Followed(first.clone());
        assert!(refused.to_string().starts_with("echo/echo/1 follows it already"), "{refused}");
        assert_eq!(by(&two, Some(&ended), Some(&first), 2), Err(refused));
    }
}
