use serde::Serialize;

/// What has been asked of the world, for tests to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stats {
    pub(crate) directory_gets: u64,
    pub(crate) unpaid_posts: u64,
    /// Posts to the inbox with a payment header, good or bad.
    pub(crate) paid_posts: u64,
    /// Those that came while a nonce was stuck.
    pub(crate) paid_posts_while_stuck: u64,
    /// Posts that named a transaction in place of a payment.
    pub(crate) redeem_posts: u64,
    /// Distinct transactions among the paid posts.
    pub(crate) distinct_payments: usize,
    /// Submissions that the relay refused for the nonce, at whichever door.
    pub(crate) relay_conflicts: u64,
    /// Transfers that the chain confirmed.
    pub(crate) settled: u64,
    /// Transactions that the chain aborted: nonce spent, nothing moved.
    pub(crate) aborted: u64,
    pub(crate) in_flight_paid_posts: u64,
    pub(crate) max_in_flight_paid_posts: u64,
    pub(crate) first_paid_post_ms: Option<u64>,
    pub(crate) last_paid_post_ms: Option<u64>,
    pub(crate) stuck: bool,
    /// The world's time (milliseconds since 1970) and its last block.
    pub(crate) now_ms: u64,
    pub(crate) height: u64,
}
