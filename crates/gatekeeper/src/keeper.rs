use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use domain::{Gate, GateName, Reset, ResetPolicy};
use fleet::Fleet;
use logic::{gate::Stamp, pace::Pace};
use tokio::sync::Notify;

use crate::{standing::Look, tell::Teller};

/// What the parts of one gatekeeper share. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    pub(crate) fleet: Fleet,
    /// Says that the pace may have changed.
    pub(crate) paced: Arc<Notify>,
    pace: Arc<Mutex<Pace>>,
    counted: Arc<AtomicBool>,
}

impl Keeper {
    pub(crate) fn new(fleet: Fleet) -> Self {
        Keeper { fleet, paced: Arc::default(), pace: Arc::default(), counted: Arc::default() }
    }

    pub(crate) fn with_pace<T>(&self, with: impl FnOnce(&mut Pace) -> T) -> T {
        with(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether everything that was told before this gatekeeper started has been counted.
    pub(crate) fn has_counted(&self) -> bool {
        self.counted.load(Ordering::Acquire)
    }

    /// Says that everything told before has been counted.
    pub(crate) fn set_counted(&self) {
        if !self.counted.swap(true, Ordering::AcqRel) {
            self.paced.notify_one();
        }
    }

    /// Every gate as it is thought to stand.
    pub(crate) fn gates(&self) -> BTreeMap<GateName, Gate> {
        let standings = self.fleet.gates.standings().into_iter();
        standings.map(|standing| (standing.gate.name.clone(), standing.gate)).collect()
    }

    /// The `remedy` of a gate's configuration; empty for a gate without one.
    pub(crate) fn remedy(&self, name: &GateName) -> String {
        let config = self.fleet.config();
        config.gates.get(name).map(|gate| gate.remedy.clone()).unwrap_or_default()
    }

    /// What a person allowed of the gate, by the configuration in force: read behind the fence
    /// that the decision is written under. Where it cannot be read nothing is allowed, since a
    /// closing must not wait for it.
    pub(crate) async fn allowed(&self, name: &GateName) -> Vec<Reset> {
        let applied = match fleet::current_config(&self.fleet.bus).await {
            Ok(applied) => applied,
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(gate = %name, error, "what resets is not known: a person is asked");
                return Vec::new();
            }
        };
        let settings = applied.config.gates.get(name);
        let policies = settings.map(|settings| settings.resets.as_slice()).unwrap_or_default();
        let reset = |policy: &ResetPolicy| Reset {
            cause: policy.cause.clone(),
            version: applied.config.version,
            by: applied.by.clone(),
            note: policy.note.clone(),
        };
        policies.iter().map(reset).collect()
    }

    /// This gatekeeper, telling something now.
    pub(crate) fn teller(&self) -> Teller {
        Teller { source: self.fleet.source(), now: self.fleet.clock.now() }
    }

    /// What a decision made from `look` is stamped with.
    pub(crate) fn stamp<'a>(&self, look: &Look, remedy: &'a str) -> Stamp<'a> {
        Stamp { now: self.fleet.clock.now(), prev: look.token, remedy }
    }
}
