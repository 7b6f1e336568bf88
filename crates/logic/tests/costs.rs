//! What attempts have cost: every sum is the sum of its parts, whatever it is told by.

#![allow(clippy::unwrap_used, reason = "a test")]

use domain::{Cost, Kind, MicroUsd, Sats, Timestamp};
use logic::costs::{Attempted, By, Sum, saved, sums, wasted};
use proptest::prelude::*;

fn attempted(kind: u8, cause: Option<&str>, blame: u8, micro: u64) -> Attempted {
    Attempted {
        kind: format!("kind{kind}").parse().expect("a name"),
        source_key: format!("task/{}", micro % 3).parse().expect("a name"),
        at: Timestamp::from_millis(u64::from(blame) * 86_400_000),
        cause: cause.map(|cause| cause.parse().expect("a name")),
        charged: blame == 0,
        gate: (blame == 1).then(|| "anthropic".parse().expect("a name")),
        credential: None,
        cost: Cost {
            micro_usd: MicroUsd::new(micro),
            sats: Sats::new(micro / 2),
            tokens_in: micro * 3,
            tokens_out: micro,
        },
    }
}

fn any_attempted() -> impl Strategy<Value = Attempted> {
    let causes = [None, Some("anthropic.overloaded"), Some("service.timeout"), Some("exec.failed")];
    (0u8..3, prop::sample::select(causes.to_vec()), 0u8..3, 0u64..1_000_000)
        .prop_map(|(kind, cause, blame, micro)| attempted(kind, cause, blame, micro))
}

/// T1: the failures are told by whose they are, and the rate knows only the tasks' own.
#[test]
fn shared_failures_are_apart() {
    let attempts = [
        attempted(0, None, 0, 900),
        attempted(0, Some("exec.failed"), 0, 50),
        attempted(0, Some("anthropic.overloaded"), 1, 30),
        attempted(0, Some("anthropic.overloaded"), 1, 40),
        attempted(0, Some("anthropic.rate-limited"), 2, 1),
        attempted(0, Some("service.timeout"), 2, 0),
    ];
    let sum = Sum::of(&attempts);
    let counts = [sum.completed, sum.own, sum.shared, sum.nobodys].map(|part| part.attempts);
    assert_eq!((counts, sum.untold), ([1, 1, 2, 2], 1));
    assert_eq!(sum.own_failures(), Some((1, 2)));
    let wasted = wasted(&attempts);
    assert_eq!(
        (wasted[0].0.as_str(), wasted[0].1.cost.micro_usd.get()),
        ("anthropic.overloaded", 70)
    );
    assert_eq!(Sum::of(&attempts[2..]).own_failures(), None, "nothing to judge by");
}

/// What a closed gate saved is what waited times a mean; of nothing there is no mean, and what
/// was refused for want of money, or never said what it cost, is no part of it.
#[test]
fn no_mean_of_nothing() {
    let kind: [Kind; 1] = ["kind0".parse().unwrap()];
    let mut attempts = vec![
        attempted(0, None, 0, 900),
        attempted(1, Some("exec.failed"), 0, 5_000),
        attempted(0, Some("budget.reached"), 1, 0),
        attempted(0, Some("service.timeout"), 2, 0),
    ];
    let nothing = saved(&attempts, &kind, 61);
    assert_eq!((nothing.failed, nothing.mean(), nothing.amount()), (0, None, None));
    attempts.push(attempted(0, Some("anthropic.overloaded"), 1, 30));
    attempts.push(attempted(0, Some("exec.failed"), 0, 50));
    let saved = saved(&attempts, &kind, 61);
    assert_eq!((saved.failed, saved.cost.get()), (2, 80));
    assert_eq!(saved.amount(), Some(MicroUsd::new(61 * 40)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// T1: told by whatever, the rows add up to the whole, and each to its parts.
    #[test]
    fn rows_add_up(attempts in prop::collection::vec(any_attempted(), 0..60)) {
        let whole = Sum::of(&attempts);
        let count = u64::try_from(attempts.len()).unwrap();
        prop_assert_eq!(whole.all().attempts, count);
        let usd: u64 = attempts.iter().map(|it| it.cost.micro_usd.get()).sum();
        prop_assert_eq!(whole.all().cost.micro_usd.get(), usd);
        for by in [By::Kind, By::Cause, By::Credential, By::Day, By::Task] {
            let rows = sums(&attempts, by);
            let sum = |of: fn(&Sum) -> u64| rows.iter().map(|(_, sum)| of(sum)).sum::<u64>();
            prop_assert_eq!(sum(|row| row.all().attempts), count);
            prop_assert_eq!(sum(|row| row.all().cost.micro_usd.get()), usd);
            prop_assert_eq!(sum(|row| row.failed().attempts), whole.failed().attempts);
            prop_assert_eq!(sum(|row| row.untold), whole.untold);
        }
        let parts: u64 = wasted(&attempts).iter().map(|(_, part)| part.attempts).sum();
        prop_assert_eq!(parts, whole.failed().attempts);
    }
}
