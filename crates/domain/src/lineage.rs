use crate::{Kind, SourceKey};

/// What a follow-up task inherits from the task that it follows: all of a lineage share one
/// budget of charged attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The task that it follows.
    pub parent_kind: Kind,
    pub parent: SourceKey,
    /// The first of the lineage, which followed nothing.
    pub root_kind: Kind,
    pub root: SourceKey,
    /// How many tasks stand before it; 1 for a follow-up of the root.
    pub depth: u32,
    /// What those have spent of the budget.
    pub spent: u32,
    /// The most attempts that may be charged to all of them together.
    pub budget: u32,
}

/// The one task that follows up another. A second would spend the budget that both inherit
/// twice, so whoever comes first is written down, and stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    pub kind: Kind,
    pub source_key: SourceKey,
}
