//! What is known of a candidate on the bus.

use bus::Bus;
use domain::{Task, TaskState};
use fleet::store::{self, StoreError, Versioned};
use logic::sensor::Lookup;
use wire::subject;

use crate::told::chain;

/// Where a candidate stands, from the leader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    state: Option<TaskState>,
    contact: bool,
    /// Its task lies in the queue, or something stands in its place that is not its own.
    taken: bool,
    /// What stands there, if it is not its own.
    strange: Option<String>,
}

impl Standing {
    /// Reads the task's state, whether there was contact, and whether it is queued: a task
    /// that nobody has claimed yet has no state.
    ///
    /// That it is not queued is no promise; the broker refuses a second one (W4).
    ///
    /// # Errors
    ///
    /// When the bus cannot be asked.
    pub(crate) async fn read(
        bus: &Bus,
        Task { kind, source_key, contact, .. }: &Task,
    ) -> Result<Standing, StoreError> {
        let subject = subject::state(kind, source_key.key());
        let state = match store::read::<TaskState>(bus, subject::STATE, &subject).await {
            Ok(None) => None,
            Ok(Some(Versioned { value, .. })) if value.source_key == *source_key => Some(value),
            Ok(Some(Versioned { value, .. })) => {
                return Ok(Standing::strange(format!(
                    "`{subject}` is the state of {}, which has the key of {source_key}",
                    value.source_key
                )));
            }
            Err(error @ StoreError::Garbled { .. }) => return Ok(Standing::strange(chain(&error))),
            Err(error) => return Err(error),
        };
        if state.as_ref().is_some_and(TaskState::ended) {
            // Nothing else matters then.
            return Ok(Standing { state, ..Standing::default() });
        }
        // That there is a record is enough, whatever it says.
        let contact = match contact {
            Some(key) => bus.last(subject::RECORD, &subject::contact(*key)).await?.is_some(),
            None => false,
        };
        let task = subject::task(kind, source_key.key());
        let taken = !contact && bus.last(subject::WORK, &task).await?.is_some();
        Ok(Standing { state, contact, taken, strange: None })
    }

    fn strange(what: String) -> Standing {
        Standing { taken: true, strange: Some(what), ..Standing::default() }
    }

    /// What a person must look at, if there is something.
    pub(crate) fn complaint(&self) -> Option<&str> {
        self.strange.as_deref()
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup { state: self.state.as_ref(), contact: self.contact, queued: self.taken }
    }
}
