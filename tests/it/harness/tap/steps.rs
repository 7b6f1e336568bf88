use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::{Fate, Sent, Watch};

/// Where in relation to a step a service is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The step never leaves.
    Before,
    /// It has arrived; its answer never comes.
    After,
}

/// Counts the steps of a service, which are what leaves it and may have consequences, and stops
/// it at one of them: from there on nothing leaves at all.
pub(crate) struct Steps {
    at: usize,
    when: When,
    taken: Mutex<Vec<String>>,
    reached: CancellationToken,
}

impl Steps {
    /// Stops at the step of this number, from 1.
    pub(crate) fn until(at: usize, when: When) -> Arc<Steps> {
        let reached = CancellationToken::new();
        Arc::new(Steps { at, when, taken: Mutex::default(), reached })
    }

    /// Stops nowhere.
    pub(crate) fn all() -> Arc<Steps> {
        Steps::until(usize::MAX, When::Before)
    }

    /// Waits until it is to be killed.
    pub(crate) async fn reached(&self) {
        self.reached.cancelled().await;
    }

    /// What left so far, the step at which it was stopped included.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    /// Reads, signs of life and what keeps a delivery change nothing: they are no steps.
    fn is_step(sent: &Sent) -> bool {
        let idle = [
            "$JS.API.STREAM.",
            "$JS.API.DIRECT.",
            "$JS.API.CONSUMER.INFO.",
            "$JS.API.CONSUMER.MSG.",
            "beat.",
        ];
        let keeps = sent.what.starts_with("$JS.ACK.") && sent.body.starts_with(b"+WPI");
        !keeps && !idle.iter().any(|idle| sent.what.starts_with(idle))
    }
}

impl Watch for Steps {
    async fn sent(&self, sent: &Sent) -> Fate {
        let number = {
            let mut taken = self.taken.lock().unwrap();
            if taken.len() < self.at && !Steps::is_step(sent) {
                return Fate::Pass;
            }
            taken.push(sent.what.clone());
            taken.len()
        };
        match number.cmp(&self.at) {
            std::cmp::Ordering::Less => Fate::Pass,
            std::cmp::Ordering::Equal if self.when == When::After => Fate::Last,
            std::cmp::Ordering::Equal => {
                self.reached.cancel();
                std::future::pending().await
            }
            std::cmp::Ordering::Greater => std::future::pending().await,
        }
    }

    fn arrived(&self) {
        self.reached.cancel();
    }
}

/// A watch that can be replaced by another while its tap stays where it is.
pub(crate) struct Switch(Mutex<Arc<Steps>>);

impl Switch {
    pub(crate) fn to(steps: Arc<Steps>) -> Arc<Switch> {
        Arc::new(Switch(Mutex::new(steps)))
    }

    pub(crate) fn set(&self, steps: Arc<Steps>) {
        *self.0.lock().unwrap() = steps;
    }

    fn now(&self) -> Arc<Steps> {
        self.0.lock().unwrap().clone()
    }
}

impl Watch for Switch {
    async fn sent(&self, sent: &Sent) -> Fate {
        self.now().sent(sent).await
    }

    fn arrived(&self) {
        self.now().arrived();
    }
}
