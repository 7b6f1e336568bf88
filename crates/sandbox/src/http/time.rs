use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use kit::Clock;

/// The world's time: the clock's, or, once held, only what is asked of it. Held, a wait costs no
/// time at all, and a story of six minutes is told in a moment.
#[derive(Debug, Default)]
pub(crate) struct Time {
    clock: Clock,
    /// Milliseconds since 1970; 0 while time runs.
    held_ms: AtomicU64,
}

impl Time {
    pub(crate) fn now_ms(&self) -> u64 {
        match self.held_ms.load(Ordering::Acquire) {
            0 => self.clock.now().as_millis(),
            held_ms => held_ms,
        }
    }

    /// Time stands still from now on.
    pub(crate) fn hold(&self) {
        self.held_ms.fetch_max(self.now_ms(), Ordering::AcqRel);
    }

    /// Lets held time pass; false if it is not held.
    pub(crate) fn pass(&self, ms: u64) -> bool {
        let held = self.held_ms.load(Ordering::Acquire) > 0;
        if held {
            self.held_ms.fetch_add(ms, Ordering::AcqRel);
        }
        held
    }

    /// Waits so long: held time passes by it.
    pub(crate) async fn pause(&self, ms: u64) {
        if !self.pass(ms) {
            self.clock.sleep(Duration::from_millis(ms)).await;
        }
    }
}
