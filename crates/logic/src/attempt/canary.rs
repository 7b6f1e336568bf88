use std::time::Duration;

use domain::{Canary, HolderId, Key, Kind};

/// Whether `mine` may be written over what the canary record holds; by compare-and-set.
///
/// The record is free when nobody wrote it or its holder gave it back. One that names the same
/// task is taken over when that attempt is over (ours has a higher number), when it is our own,
/// or when whoever wrote it has not claimed the task for two leases: it vanished in between.
///
/// Whoever frees a canary that it did not use does so by compare-and-set on its own write, and
/// not when the chain shows by then that another claimed the task.
pub fn win_canary(found: Option<&Canary>, mine: &Canary, lease: Duration) -> bool {
    let Some(found) = found else { return true };
    let same_task = (&found.kind, found.task) == (&mine.kind, mine.task);
    let abandoned = lease.saturating_mul(2) < mine.begun.since(found.begun);
    let over = found.attempt < mine.attempt || found.holder == mine.holder || abandoned;
    found.released || (same_task && over)
}

/// Whether `me` may give back the canary that it won for the task: `links` is all that was
/// written to its record, oldest first.
///
/// Not when an earlier attempt of the same task was the same canary and was not given back: that
/// one has tried something, and what came of it is undecided. Nor when it was taken over from
/// another holder: that one may wake, and claim the task by what it won. Another task would be
/// the second canary of one opening (G4).
pub fn may_free(links: &[Canary], me: &HolderId, task: (&Kind, Key)) -> bool {
    let ours = |link: &Canary| !link.released && (&link.kind, link.task) == task;
    let Some((newest, before)) = links.split_last() else { return false };
    if !ours(newest) || newest.holder != *me {
        return false;
    }
    let mut since_won = before.iter().rev().take_while(|link| ours(link));
    since_won.all(|link| newest.attempt <= link.attempt && link.holder == *me)
}

#[cfg(test)]
mod tests {
    use domain::{Epoch, Timestamp};

    use super::*;

    /// Given back is what tried nothing: not by another, not twice, and not where an earlier
    /// attempt of the same task has acted as this very canary (seed 102 of the simulation).
    #[test]
    fn only_an_untried_canary_is_given_back() {
        let link = |source_key: &str, attempt, released| {
            let source_key: domain::SourceKey = source_key.parse().unwrap();
            Canary {
                gate: "relay".parse().unwrap(),
                epoch: Epoch::new(3),
                kind: "welcome".parse().unwrap(),
                task: source_key.key(),
                source_key,
                attempt,
                holder: HolderId::of(7),
                begun: Timestamp::from_millis(0),
                released,
            }
        };
        let check = |links: &[Canary], expected| {
            let newest = link("a", 1, false);
            let task = (&newest.kind, newest.task);
            assert_eq!(may_free(links, &HolderId::of(7), task), expected, "{links:?}");
            assert!(!may_free(links, &HolderId::of(8), task), "another's: {links:?}");
        };
        check(&[], false);
        check(&[link("a", 1, false)], true);
        check(&[link("a", 1, true)], false);
        check(&[link("b", 1, false)], false);
        // Won again with the same attempt, which was never claimed.
        check(&[link("a", 2, false), link("a", 2, false)], true);
        // What attempt 1 did is undecided.
        check(&[link("a", 1, false), link("a", 2, false)], false);
        check(&[link("a", 1, false), link("a", 2, false), link("a", 3, false)], false);
        // Attempt 1 gave it back: it had tried nothing.
        check(&[link("a", 1, false), link("a", 1, true), link("a", 2, false)], true);
        check(&[link("b", 1, false), link("b", 1, true), link("a", 2, false)], true);
        // Taken over from one that is silent, and may wake (seed 201575, 30,000 steps).
        let others = Canary { holder: HolderId::of(9), ..link("a", 2, false) };
        check(&[others.clone(), link("a", 2, false)], false);
        let freed = Canary { released: true, ..others.clone() };
        check(&[others, freed, link("a", 2, false)], true);
    }
}
