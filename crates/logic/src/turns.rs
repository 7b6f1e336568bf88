//! Whose turn it is: which kind gets the next free slot of a dispatcher.
//!
//! | rule                                                                      | so that |
//! | ------------------------------------------------------------------------- | ------- |
//! | a kind that holds fewer slots than its share comes before one that holds its share | tasks that take long do not crowd out others |
//! | among those, starts are dealt 4 : 2 : 1 to a kind of high, normal and low priority | a backlog never starves another kind |
//! | while a kind of higher priority may run, lower ones leave a quarter of the slots, one at least of two | what is urgent finds a slot at once |
//!
//! A kind's share of the slots is its part, by the same weights, among all kinds that want or
//! hold one, rounded up. A kind that wanted nothing for a while comes back as the newest among
//! equals: it has saved up nothing, and owes nothing.
//!
//! Promise: of any N starts during which n kinds took part, weighing W together, a kind of
//! weight w that always wanted a slot and held fewer than its share has got at least
//! (N - n) * w / W - 1. So in a dispatcher with one slot, each kind with work has its turn:
//! with one of each priority, low gets one start of seven.
//!
//! Starts are dealt by stride: each kind's next start has a tag, and the lowest tag is next; a
//! start moves the kind's tag on by the inverse of its weight. A kind whose tag was passed while
//! it took no part has the newest start's; of several such, the one that waits longest is first.

use std::collections::BTreeMap;

use domain::{Kind, Priority};

/// The turns of one dispatcher.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// The tag of the newest start.
    now: u64,
    /// By kind, the tag of its next start.
    tags: BTreeMap<Kind, u64>,
}

/// How one kind stands when a slot is free.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    pub kind: &'a Kind,
    pub priority: Priority,
    /// Slots that it holds, by tasks and by pulls.
    pub held: usize,
    /// How many more it may hold by its gates and limits; 0 while it may not run at all.
    pub more: usize,
    /// It would take a slot now.
    pub wants: bool,
}

impl Turns {
    /// The place in `kinds` of the one that gets a free slot of `slots`, which it takes; `None`
    /// when nobody wants it, or whoever does must leave it.
    pub fn next(&mut self, slots: usize, kinds: &[Standing<'_>]) -> Option<usize> {
        self.tags.retain(|tagged, _| kinds.iter().any(|kind| kind.kind == tagged));
        let weights = kinds.iter().filter(|kind| kind.wants || 0 < kind.held);
        let weights: u64 = weights.map(|kind| kind.priority.weight()).sum();
        let rank = |kind: &Standing<'_>| {
            let own = self.tags.get(kind.kind).copied().unwrap_or(0);
            let beyond = if kind.held < share(slots, kind.priority, weights) {
                0
            } else {
                // Of those that have their share, whoever is least beyond it.
                u64::try_from(kind.held).unwrap_or(u64::MAX).saturating_mul(stride(kind.priority))
            };
            (beyond, own.max(self.now), own)
        };
        let takes_part = |kind: &Standing<'_>| kind.wants && !must_leave(slots, kinds, kind);
        let taking_part = kinds.iter().enumerate().filter(|(_, kind)| takes_part(kind));
        let (place, chosen) = taking_part.min_by_key(|(_, kind)| rank(kind))?;
        let (_, tag, _) = rank(chosen);
        self.now = tag;
        self.tags.insert(chosen.kind.clone(), tag.saturating_add(stride(chosen.priority)));
        Some(place)
    }

    /// The slot that `kind` took last came back unused: it was no start.
    pub fn unused(&mut self, kind: &Kind, priority: Priority) {
        if let Some(tag) = self.tags.get_mut(kind) {
            *tag = tag.saturating_sub(stride(priority));
        }
    }
}

/// Whether `kind` must leave what is free to a kind of higher priority.
pub fn must_leave(slots: usize, kinds: &[Standing<'_>], kind: &Standing<'_>) -> bool {
    let levels = [Priority::Low, Priority::Normal].into_iter();
    levels.filter(|level| kind.priority <= *level).any(|level| {
        let above = kinds.iter().filter(|other| level < other.priority);
        let wanted = above.map(|other| other.more).fold(0, usize::saturating_add);
        let kept = if slots < 2 { 0 } else { (slots / 4).max(1) }.min(wanted);
        let below = kinds.iter().filter(|other| other.priority <= level);
        let held: usize = below.map(|other| other.held).sum();
        0 < kept && slots - kept <= held
    })
}

/// The part of `slots` that a kind has among kinds of so much weight together, rounded up.
fn share(slots: usize, priority: Priority, weights: u64) -> usize {
    let slots = u64::try_from(slots).unwrap_or(u64::MAX);
    let part = slots.saturating_mul(priority.weight()).div_ceil(weights.max(1));
    usize::try_from(part).unwrap_or(usize::MAX)
}

/// The inverse of the weight.
const fn stride(priority: Priority) -> u64 {
    Priority::WEIGHT_MAX / priority.weight()
}
