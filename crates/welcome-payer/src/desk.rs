use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use domain::Key;
use fleet::{Fleet, beat::Vitals};
use stacks::PrivateKey;
use tokio::sync::Notify;

use crate::{
    latches::Latches, ledger::Ledger, peers::Peers, standing::WalletStanding, tools::Tools,
};

/// What the requests under way and the background share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) fleet: Fleet,
    pub(crate) ledger: Ledger,
    pub(crate) key: PrivateKey,
    pub(crate) latches: Latches,
    pub(crate) peers: Peers,
    pub(crate) standing: WalletStanding,
    tools: Mutex<Option<Arc<Tools>>>,
    at_work: Mutex<BTreeSet<Key>>,
    left: Notify,
}

/// The right of one session in this process to work a payment.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    desk: &'a Desk,
    key: Key,
}

impl Desk {
    pub(crate) fn new(fleet: Fleet, key: PrivateKey) -> Self {
        Desk {
            ledger: Ledger::new(fleet.clone()),
            key,
            latches: Latches::default(),
            peers: Peers::new(fleet.clock),
            standing: WalletStanding::default(),
            tools: Mutex::new(None),
            at_work: Mutex::new(BTreeSet::new()),
            left: Notify::new(),
            fleet,
        }
    }

    /// The tools for the configuration in force.
    ///
    /// # Errors
    ///
    /// When the configuration does not let us pay.
    pub(crate) fn tools(&self) -> anyhow::Result<Arc<Tools>> {
        let config = self.fleet.config();
        let mut tools = lock(&self.tools);
        if let Some(tools) = tools.as_ref().filter(|tools| tools.version == config.version) {
            return Ok(tools.clone());
        }
        let fresh = Arc::new(Tools::new(&config, &self.key).context("use the configuration")?);
        tracing::info!(wallet = %fresh.wallet, network = %fresh.network, limits = ?fresh.limits, "paying");
        *tools = Some(fresh.clone());
        Ok(fresh)
    }

    /// Takes a payment unless another session of this process works it.
    pub(crate) fn try_hold(&self, key: Key) -> Option<Hold<'_>> {
        // Not `then_some`: a hold that was made and not granted would give back another's.
        let free = lock(&self.at_work).insert(key);
        free.then(|| Hold { desk: self, key })
    }

    /// Takes a payment, waiting for its turn.
    pub(crate) async fn hold(&self, key: Key) -> Hold<'_> {
        loop {
            let left = self.left.notified();
            if let Some(hold) = self.try_hold(key) {
                return hold;
            }
            left.await;
        }
    }

    pub(crate) fn vitals(&self) -> Vitals {
        let running = u32::try_from(lock(&self.at_work).len()).unwrap_or(u32::MAX);
        Vitals { running, latches: self.latches.standing() }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        lock(&self.desk.at_work).remove(&self.key);
        self.desk.left.notify_waiters();
    }
}

/// Nothing is left half done under any of these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
