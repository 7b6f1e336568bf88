//! The model of the broker: four streams, atomic checks, and the queues.
//!
//! | asked for                    | what it does                                               |
//! | ---------------------------- | ---------------------------------------------------------- |
//! | a create                     | refused while one of its subject lies in WORK, or when any gate has moved since the fence |
//! | a gate message               | a subject for each epoch, refused under the same fence      |
//! | a link, a record             | a compare-and-set on the last sequence of the subject       |
//! | a batch                      | all of it or nothing                                        |
//!
//! Everything here is what NATS does; what may go wrong on the way to it and back is
//! [`crate::bus`]'s.

use std::collections::BTreeMap;

use domain::{Epoch, Gate, GateName, Kind};

use crate::{
    exec::Millis,
    queue::Queue,
    words::{Body, Expect, Put, PutError, Stored, Stream, Subject},
};

/// Everything that is stored.
#[derive(Default)]
pub(crate) struct Broker {
    seqs: BTreeMap<Stream, u64>,
    last: BTreeMap<Subject, Stored>,
    /// The tasks in WORK by sequence.
    pub(crate) tasks: BTreeMap<u64, Subject>,
    /// Every task that was ever in WORK: a delivery keeps what it carries.
    created: BTreeMap<u64, Stored>,
    gates: BTreeMap<GateName, Vec<Stored>>,
    /// The last sequence over all gates.
    fence: u64,
    /// A fenced write was checked and is not stored yet: another one is told to try again.
    pub(crate) checking: bool,
    /// Every link of each canary's record.
    canaries: BTreeMap<Subject, Vec<Stored>>,
    pub(crate) events: Vec<Stored>,
    /// One for each kind.
    pub(crate) work: BTreeMap<Kind, Queue>,
    /// The outcomes, each for one gatekeeper.
    pub(crate) outcomes: Queue,
}

impl Broker {
    /// The queues of `kinds`; `lease` is how long a delivery may go unanswered.
    pub(crate) fn new(kinds: impl Iterator<Item = Kind>, lease: Millis) -> Self {
        let work = kinds.map(|kind| (kind, Queue::new(lease))).collect();
        Broker { work, outcomes: Queue::new(10_000), ..Broker::default() }
    }

    /// The newest message on a subject.
    pub(crate) fn last(&self, subject: &Subject) -> Option<&Stored> {
        self.last.get(subject)
    }

    pub(crate) const fn fence(&self) -> u64 {
        self.fence
    }

    /// The newest message of a gate.
    pub(crate) fn gate(&self, name: &GateName) -> Option<&Stored> {
        self.gates.get(name)?.last()
    }

    pub(crate) fn gate_now(&self, name: &GateName) -> Option<&Gate> {
        match &self.gate(name)?.body {
            Body::Gate(gate) => Some(gate),
            _ => None,
        }
    }

    pub(crate) fn gate_at(&self, name: &GateName, epoch: Epoch) -> Option<&Stored> {
        self.last.get(&Subject::Gate(name.clone(), epoch))
    }

    pub(crate) fn canary_links(&self, subject: &Subject) -> Vec<Stored> {
        self.canaries.get(subject).cloned().unwrap_or_default()
    }

    /// The first task of `kind` in WORK at or after `from`.
    pub(crate) fn next_task(&self, kind: &Kind, from: u64) -> Option<Stored> {
        let of_kind = |subject: &&Subject| matches!(subject, Subject::Task(of, _) if of == kind);
        let subject = self.tasks.range(from..).map(|(_, subject)| subject).find(of_kind)?;
        self.last.get(subject).cloned()
    }

    /// Stores all of it or nothing; what was stored, in order.
    pub(crate) fn put(&mut self, puts: &[Put]) -> Result<Vec<Stored>, PutError> {
        self.check_all(puts)?;
        Ok(self.store_all(puts))
    }

    /// Stores what was checked.
    pub(crate) fn store_all(&mut self, puts: &[Put]) -> Vec<Stored> {
        puts.iter().map(|put| self.store(put)).collect()
    }

    /// Whether all of it may be stored.
    pub(crate) fn check_all(&self, puts: &[Put]) -> Result<(), PutError> {
        puts.iter().try_for_each(|put| self.check(put))
    }

    fn check(&self, put: &Put) -> Result<(), PutError> {
        let there = self.last.get(&put.subject).map(|stored| stored.seq);
        match put.expect {
            Expect::Fence(_) if self.checking => return Err(PutError::Busy),
            Expect::Fence(fence) if fence != self.fence => return Err(PutError::Moved),
            Expect::Last(last) if last != there.unwrap_or(0) => return Err(PutError::Moved),
            _ => (),
        }
        let single = put.subject.stream() == Stream::Work;
        if single && there.is_some() { Err(PutError::Exists) } else { Ok(()) }
    }

    fn store(&mut self, put: &Put) -> Stored {
        let seq = self.seqs.entry(put.subject.stream()).or_insert(0);
        *seq += 1;
        let stored = Stored {
            subject: put.subject.clone(),
            seq: *seq,
            body: put.body.clone(),
            fenced: matches!(put.expect, Expect::Fence(_)),
        };
        match &put.subject {
            Subject::Event => {
                if let Body::Told(_) = &stored.body {
                    self.outcomes.add(stored.seq);
                }
                self.events.push(stored.clone());
                return stored;
            }
            Subject::Task(kind, _) => {
                self.tasks.insert(stored.seq, put.subject.clone());
                self.created.insert(stored.seq, stored.clone());
                if let Some(queue) = self.work.get_mut(kind) {
                    queue.add(stored.seq);
                }
            }
            Subject::Gate(name, _) => {
                self.fence = stored.seq;
                self.gates.entry(name.clone()).or_default().push(stored.clone());
            }
            Subject::Canary(..) => {
                self.canaries.entry(put.subject.clone()).or_default().push(stored.clone());
            }
            _ => (),
        }
        self.last.insert(put.subject.clone(), stored.clone());
        stored
    }

    /// The answer to a delivery of WORK came: done with it.
    pub(crate) fn remove_task(&mut self, seq: u64) -> Option<Stored> {
        let subject = self.tasks.remove(&seq)?;
        self.last.remove(&subject)
    }

    /// What a delivery of `seq` from WORK carries.
    pub(crate) fn task(&self, seq: u64) -> Option<&Stored> {
        self.created.get(&seq)
    }

    /// An outcome by its sequence in EVENTS.
    pub(crate) fn event(&self, seq: u64) -> Option<&Stored> {
        let place = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.events.get(place)
    }
}
