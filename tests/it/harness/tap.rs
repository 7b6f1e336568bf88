//! A place to stand between a service and the world: proxies that know where one message ends
//! and the next begins, so that a test can stop the service between any two of them.
//!
//! What comes from the service is shown to a [`Watch`] before it goes on; while that thinks,
//! everything behind it waits, as in a slow network.

mod http;
mod steps;
mod wire;

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    http::HttpTap,
    steps::{Steps, Switch, When},
    wire::WireTap,
};

/// Something on its way out of a service.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The subject of a message, or method and path of an HTTP request.
    pub(crate) what: String,
    pub(crate) body: Vec<u8>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// It arrives, and nothing comes back any more; then [`Watch::arrived`].
    Last,
}

/// Judges what leaves a service.
pub(crate) trait Watch: Send + Sync + 'static {
    fn sent(&self, sent: &Sent) -> impl Future<Output = Fate> + Send;

    /// What was to be the last has arrived.
    fn arrived(&self) {}
}

/// Lets everything pass but the first that `at` names: that is held until released.
pub(crate) struct Brake {
    at: Box<dyn Fn(&Sent) -> bool + Send + Sync>,
    reached: CancellationToken,
    released: CancellationToken,
    passed: Mutex<Vec<Sent>>,
}

impl Brake {
    pub(crate) fn at(at: impl Fn(&Sent) -> bool + Send + Sync + 'static) -> Arc<Brake> {
        Arc::new(Brake {
            at: Box::new(at),
            reached: CancellationToken::new(),
            released: CancellationToken::new(),
            passed: Mutex::default(),
        })
    }

    /// Waits until the service has sent what is held.
    pub(crate) async fn reached(&self) {
        let reached = tokio::time::timeout(super::PATIENCE, self.reached.cancelled());
        reached.await.expect("the service comes to the place where it is to be stopped");
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.is_cancelled()
    }

    pub(crate) fn release(&self) {
        self.released.cancel();
    }

    /// How many of what has passed so far `is` so.
    pub(crate) fn passed(&self, is: impl Fn(&Sent) -> bool) -> usize {
        self.passed.lock().unwrap().iter().filter(|sent| is(sent)).count()
    }
}

impl Watch for Brake {
    async fn sent(&self, sent: &Sent) -> Fate {
        if !self.reached.is_cancelled() && (self.at)(sent) {
            self.reached.cancel();
            self.released.cancelled().await;
        }
        self.passed.lock().unwrap().push(sent.clone());
        Fate::Pass
    }
}
