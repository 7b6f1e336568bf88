//! What attempts have cost, summed up: by kind, cause, credential, day and task, with the parts
//! that each sum is made of, and what closed gates have saved.
//!
//! Nothing here is an estimate but [`saved`], which says from what it is made. Where there is
//! nothing to take a mean of, there is none.

use std::collections::BTreeMap;

use domain::{Cause, Cost, CredentialUse, GateName, Kind, MicroUsd, SourceKey, Timestamp};

/// One attempt that has ended, as its event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    pub kind: Kind,
    pub source_key: SourceKey,
    pub at: Timestamp,
    /// Why it failed; `None` for a completed one.
    pub cause: Option<Cause>,
    /// The task itself was to blame.
    pub charged: bool,
    /// The gate through which the failure is shared.
    pub gate: Option<GateName>,
    pub credential: Option<CredentialUse>,
    pub cost: Cost,
}

/// By what sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Kind,
    Cause,
    Credential,
    Day,
    Task,
}

/// How many attempts ended so, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub attempts: u64,
    pub cost: Cost,
}

/// What attempts have cost, and the parts that it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub completed: Part,
    /// Failed, and charged to their tasks.
    pub own: Part,
    /// Failed for something that others share.
    pub shared: Part,
    /// Failed, and nobody is to blame: in doubt, or asked to slow down.
    pub nobodys: Part,
    /// Of the failed ones, those of which nobody heard what they cost.
    pub untold: u64,
}

/// Causes of attempts whose end nobody heard, or nobody understood.
const UNTOLD: [&str; 7] = [
    "service.timeout",
    "service.garbled",
    "dispatcher.lost",
    "dispatcher.stopped",
    "exec.timeout",
    "exec.killed",
    "exec.garbled",
];

/// What a closed gate has saved, and the figures that this is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Tasks that waited.
    pub waited: u64,
    /// Failed attempts that the mean is taken of, and what they cost together.
    pub failed: u64,
    pub cost: MicroUsd,
}

impl Attempted {
    /// What `by` calls it.
    pub fn label(&self, by: By) -> String {
        match by {
            By::Kind => self.kind.to_string(),
            By::Cause => self.cause.as_ref().map_or("completed".to_owned(), Cause::to_string),
            By::Credential => self.credential.as_ref().map_or("none".to_owned(), |used| {
                format!("{}/{} {}", used.provider, used.credential, used.fingerprint)
            }),
            By::Day => self.at.to_string().chars().take_while(|c| *c != 'T').collect(),
            By::Task => self.source_key.to_string(),
        }
    }

    /// Refused before it began: it says nothing of what a failure costs.
    fn begun(&self) -> bool {
        self.cause.as_ref().is_none_or(|cause| cause.as_str() != "budget.reached")
    }

    /// Nobody heard what it cost.
    fn untold(&self) -> bool {
        let untold = |cause: &Cause| UNTOLD.contains(&cause.as_str());
        self.cause.as_ref().is_some_and(untold) && self.cost == Cost::ZERO
    }
}

impl Part {
    fn add(&mut self, cost: Cost) {
        self.attempts = self.attempts.saturating_add(1);
        self.cost = self.cost.plus(cost);
    }

    const fn plus(self, other: Part) -> Part {
        let attempts = self.attempts.saturating_add(other.attempts);
        Part { attempts, cost: self.cost.plus(other.cost) }
    }
}

impl Sum {
    pub fn of<'a>(attempts: impl IntoIterator<Item = &'a Attempted>) -> Sum {
        let mut sum = Sum::default();
        attempts.into_iter().for_each(|attempt| sum.add(attempt));
        sum
    }

    pub fn add(&mut self, attempt: &Attempted) {
        let part = match attempt {
            Attempted { cause: None, .. } => &mut self.completed,
            Attempted { charged: true, .. } => &mut self.own,
            Attempted { gate: Some(_), .. } => &mut self.shared,
            Attempted { .. } => &mut self.nobodys,
        };
        part.add(attempt.cost);
        self.untold = self.untold.saturating_add(u64::from(attempt.untold()));
    }

    pub const fn failed(&self) -> Part {
        self.own.plus(self.shared).plus(self.nobodys)
    }

    pub const fn all(&self) -> Part {
        self.completed.plus(self.failed())
    }

    /// How many of the attempts that say something of their own work failed: shared causes and
    /// what is nobody's apart. `None`: there was none.
    pub const fn own_failures(&self) -> Option<(u64, u64)> {
        let judged = self.completed.attempts.saturating_add(self.own.attempts);
        if judged == 0 { None } else { Some((self.own.attempts, judged)) }
    }
}

/// The sums by what `by` calls them, the dearest first.
pub fn sums(attempts: &[Attempted], by: By) -> Vec<(String, Sum)> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for attempt in attempts {
        sums.entry(attempt.label(by)).or_default().add(attempt);
    }
    let mut sums: Vec<(String, Sum)> = sums.into_iter().collect();
    if by != By::Day {
        sums.sort_by_key(|(_, sum)| {
            let all = sum.all();
            std::cmp::Reverse((all.cost.micro_usd, all.cost.sats, all.attempts))
        });
    }
    sums
}

/// What failures have wasted, by cause, the dearest first.
pub fn wasted(attempts: &[Attempted]) -> Vec<(Cause, Part)> {
    let mut wasted: BTreeMap<&Cause, Part> = BTreeMap::new();
    for attempt in attempts {
        if let Some(cause) = &attempt.cause {
            wasted.entry(cause).or_default().add(attempt.cost);
        }
    }
    let mut wasted: Vec<(Cause, Part)> =
        wasted.into_iter().map(|(cause, part)| (cause.clone(), part)).collect();
    wasted.sort_by_key(|(_, part)| std::cmp::Reverse((part.cost.micro_usd, part.attempts)));
    wasted
}

/// What it saved that `waited` tasks of `kinds` did not fail too: each would have cost the mean
/// of the failed attempts of these kinds.
pub fn saved(attempts: &[Attempted], kinds: &[Kind], waited: u64) -> Saved {
    let counts = |it: &&Attempted| {
        kinds.contains(&it.kind) && it.cause.is_some() && it.begun() && !it.untold()
    };
    let failed = Sum::of(attempts.iter().filter(counts)).failed();
    Saved { waited, failed: failed.attempts, cost: failed.cost.micro_usd }
}

impl Saved {
    /// What a failed attempt cost in the mean, rounded down; `None` where none failed.
    pub const fn mean(&self) -> Option<MicroUsd> {
        match self.cost.get().checked_div(self.failed) {
            Some(mean) => Some(MicroUsd::new(mean)),
            None => None,
        }
    }

    pub fn amount(&self) -> Option<MicroUsd> {
        self.mean().map(|mean| mean.saturating_mul(self.waited))
    }
}
