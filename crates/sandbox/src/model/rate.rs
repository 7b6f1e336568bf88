use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

const MINUTE_MS: u64 = 60_000;

/// So many requests per minute and key; those beyond are refused and do not count.
#[derive(Debug)]
pub(crate) struct RateLimit<K>(HashMap<K, VecDeque<u64>>);

impl<K> Default for RateLimit<K> {
    fn default() -> Self {
        RateLimit(HashMap::new())
    }
}

impl<K: Eq + Hash> RateLimit<K> {
    /// Whether one more is too many now; 0 per minute is no limit.
    pub(crate) fn exceeded(&mut self, key: K, per_minute: u64, now_ms: u64) -> bool {
        let recent = self.0.entry(key).or_default();
        recent.retain(|at_ms| now_ms.saturating_sub(*at_ms) < MINUTE_MS);
        let exceeded = per_minute > 0 && recent.len() as u64 >= per_minute;
        if !exceeded {
            recent.push_back(now_ms);
        }
        exceeded
    }

    /// Counts one more, and says how many there were within the window, this one included.
    pub(crate) fn count(&mut self, key: K, window_ms: u64, now_ms: u64) -> usize {
        let recent = self.0.entry(key).or_default();
        recent.retain(|at_ms| now_ms.saturating_sub(*at_ms) < window_ms);
        recent.push_back(now_ms);
        recent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window slides, each key has its own, and 0 lets everything through.
    #[test]
    fn slides() {
        let mut limit = RateLimit::default();
        let answers: Vec<bool> =
            [0, 1, 2, 59_999, 60_000, 60_000].map(|now| limit.exceeded('a', 2, now)).into();
        assert_eq!(answers, [false, false, true, true, false, true]);
        assert!(!limit.exceeded('b', 2, 60_000));
        assert!((0..100).all(|now| !limit.exceeded('c', 0, now)));
    }
}
