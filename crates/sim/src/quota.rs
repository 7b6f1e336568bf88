//! What a tool allows in a stretch of time. When that is spent it refuses, and mostly names the
//! time at which it works again: a word that it keeps, or does not.
//!
//! The configuration says of these causes that they pass by themselves, see
//! [`crate::setting`]; of the tool being down it says no such thing.

use std::time::Duration;

use domain::{Cause, Cost, Outcome};

use crate::exec::Millis;

/// The causes that pass by themselves, one for each thing that can be spent.
pub(crate) const PASSING: [&str; 2] = ["tool.quota", "tool.session"];
/// A time so far ahead is no word to go by.
const FAR: Duration = Duration::from_secs(40 * 24 * 3_600);

/// What a refusal says of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// It works again when it says so.
    Truth,
    /// Half the time: it refuses again then.
    TooSoon,
    TooFar,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Spent {
    until: Millis,
    names: Names,
}

/// What is spent, in the order of [`PASSING`].
#[derive(Debug, Default)]
pub(crate) struct Quotas([Option<Spent>; 2]);

impl Quotas {
    /// One of them is spent from now on until `until`; `dice` decides which, and what is said of
    /// the end.
    pub(crate) fn spend(&mut self, until: Millis, dice: u64) {
        let names = match dice / 2 % 8 {
            0..4 => Names::Truth,
            4..6 => Names::TooSoon,
            6 => Names::Nothing,
            _ => Names::TooFar,
        };
        self.0[usize::from(dice % 2 == 1)] = Some(Spent { until, names });
    }

    /// Nothing is refused any more.
    pub(crate) fn heal(&mut self) {
        *self = Quotas::default();
    }

    /// The refusal of a script at `now`; `dice` decides for what, where both are spent.
    pub(crate) fn refuse(&self, now: Millis, dice: u64) -> Option<Outcome> {
        let standing = |at: usize| self.0[at].filter(|spent| now < spent.until).map(|it| (at, it));
        let first = usize::from(dice % 2 == 1);
        let (at, spent) = standing(first).or_else(|| standing(1 - first))?;
        let left = Duration::from_millis(spent.until - now);
        let retry_after = match spent.names {
            Names::Truth => Some(left),
            Names::TooSoon => Some(left / 2),
            Names::TooFar => Some(FAR),
            Names::Nothing => None,
        };
        let (cause, evidence) = (passing(at), "spent".to_owned());
        Some(Outcome::Failed { cause, evidence, retry_after, cost: Cost::ZERO })
    }
}

fn passing(at: usize) -> Cause {
    PASSING[at].parse().expect("a cause")
}
