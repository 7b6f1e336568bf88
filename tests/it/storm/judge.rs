//! The judge: each promise as a function of what is left of a storm.
//!
//! A promise is judged by what the streams and the ledger hold, never by what a service said of
//! itself in its log. Where a promise speaks of time, whoever was frozen or cut off meanwhile
//! is given that time.

mod doctored;
mod gates;
mod money;
mod tasks;
mod telling;

use super::history::History;

/// What was found about one promise.
pub(super) struct Verdict {
    pub(super) promise: &'static str,
    /// In words.
    pub(super) says: &'static str,
    /// How many things were looked at. A promise about nothing is not shown.
    pub(super) looked_at: usize,
    /// How it was broken, if it was.
    pub(super) broken: Vec<String>,
}

impl Verdict {
    fn new(promise: &'static str, says: &'static str) -> Verdict {
        Verdict { promise, says, looked_at: 0, broken: Vec::new() }
    }

    /// Looks at one more thing.
    fn look(&mut self, holds: bool, evidence: impl FnOnce() -> String) {
        self.looked_at += 1;
        if !holds {
            self.broken.push(evidence());
        }
    }
}

/// Judges all promises.
pub(super) fn judge(history: &History) -> Vec<Verdict> {
    let promises = [
        gates::g1_nothing_is_created_behind_a_closing,
        gates::g2_nothing_begins_behind_a_closing,
        gates::g3_only_a_person_opens,
        gates::g3_each_state_follows_from_the_one_before,
        gates::g4_one_canary_for_each_opening,
        gates::g4_the_drain_is_paced,
        gates::g4_the_fleet_keeps_to_the_concurrency,
        gates::g5_one_closing_is_one_incident,
        gates::g5_no_straggler_moves_a_gate,
        tasks::w1_each_task_ends_once,
        tasks::w1_nothing_is_lost,
        tasks::w2_no_failure_makes_a_task,
        tasks::w2_attempts_stay_within_the_budget,
        tasks::w3_done_means_paid_on_the_record,
        tasks::w4_one_holder_at_a_time,
        tasks::w4_each_attempt_is_asked_once,
        money::m1_nobody_is_paid_twice,
        money::m2_no_payment_in_doubt_is_given_up,
        money::m3_each_step_of_a_payment_is_legal,
        money::m3_no_nonce_is_lent,
        money::m3_no_nonce_is_missing,
        telling::t1_every_failure_has_a_cause,
        telling::t1_no_event_is_told_twice,
        telling::t1_the_sums_agree,
        telling::what_is_stored_can_be_read,
    ];
    promises.iter().map(|promise| promise(history)).collect()
}
