//! What lies on the model's bus: subjects and bodies, as types instead of bytes.

use std::rc::Rc;

use domain::{
    Admission, Blame, Canary, Cause, Epoch, Gate, GateName, Incident, Key, Kind, Payment,
    SourceKey, Task, TaskState, Timestamp, Wallet, event_id,
};
use logic::sensor::DayBudget;

/// Where one message lies, or the newest of its line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Task(Kind, Key),
    Gate(GateName, Epoch),
    State(Kind, Key),
    Payment(Key),
    Wallet,
    Contact(Key),
    Incident(GateName, u64),
    Canary(GateName, Epoch),
    Budget(Kind, u64),
    Event,
}

/// The four streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Work,
    State,
    Record,
    Events,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Task(Rc<Task>),
    Gate(Rc<Gate>),
    State(Rc<TaskState>),
    Payment(Rc<Payment>),
    Wallet(Rc<Wallet>),
    /// How it came about.
    Contact(String),
    Incident(Rc<Incident>),
    Canary(Rc<Canary>),
    Budget(DayBudget),
    Told(Rc<Told>),
}

/// How an attempt ended, as its durable event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) verb: &'static str,
    /// The payer's own telling, under an id that no dispatcher uses.
    pub(crate) by_payer: bool,
    pub(crate) kind: Kind,
    pub(crate) source_key: SourceKey,
    pub(crate) attempt: u32,
    pub(crate) at: Timestamp,
    pub(crate) cause: Option<Cause>,
    pub(crate) evidence: String,
    pub(crate) rest_until: Option<Timestamp>,
    /// When it will have passed, by the word of whoever refused.
    pub(crate) resets_at: Option<Timestamp>,
    pub(crate) admitted: Vec<Admission>,
    pub(crate) canary: Vec<GateName>,
}

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) subject: Subject,
    pub(crate) seq: u64,
    pub(crate) body: Body,
    /// A create carried the fence.
    pub(crate) fenced: bool,
}

/// What a write takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Nothing,
    /// The last sequence on this very subject.
    Last(u64),
    /// The last sequence over all gates.
    Fence(u64),
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) subject: Subject,
    pub(crate) body: Body,
    pub(crate) expect: Expect,
}

/// Why a write is not known to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutError {
    Moved,
    Busy,
    Exists,
    Unknown,
}

/// The bus did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent;

/// A value and the sequence that the next write must expect.
#[derive(Clone, Debug)]
pub(crate) struct Versioned<T> {
    pub(crate) value: Rc<T>,
    pub(crate) seq: u64,
}

impl Subject {
    pub(crate) const fn stream(&self) -> Stream {
        match self {
            Subject::Task(..) | Subject::Gate(..) => Stream::Work,
            Subject::State(..) => Stream::State,
            Subject::Event => Stream::Events,
            Subject::Payment(_)
            | Subject::Wallet
            | Subject::Contact(_)
            | Subject::Incident(..)
            | Subject::Canary(..)
            | Subject::Budget(..) => Stream::Record,
        }
    }
}

impl Told {
    /// By which a repeated telling counts once; what is found outside any attempt counts anew
    /// once the gate to blame was opened again.
    pub(crate) fn id(&self) -> String {
        let id = event_id(&self.kind, self.source_key.key(), self.attempt, self.verb);
        let blame = self.cause.as_ref().and_then(Cause::rule).map(domain::Rule::blame);
        let blamed = |admission: &&Admission| match &blame {
            Some(Blame::Shared { gate, .. }) => gate == &admission.gate,
            _ => false,
        };
        match self.admitted.iter().find(blamed) {
            Some(admission) if self.attempt == 0 => format!("{id}/{}", admission.epoch),
            _ => id,
        }
    }
}

/// A body that can be taken out as what it is.
pub(crate) trait Word: Sized {
    fn take(body: &Body) -> Option<Rc<Self>>;
    fn wrap(self) -> Body;
}

macro_rules! word {
    ($($name:ident),*) => {$(
        impl Word for $name {
            fn take(body: &Body) -> Option<Rc<Self>> {
                if let Body::$name(value) = body { Some(value.clone()) } else { None }
            }

            fn wrap(self) -> Body {
                Body::$name(Rc::new(self))
            }
        }
    )*};
}

type State = TaskState;
word!(Task, Gate, State, Payment, Wallet, Incident, Canary, Told);
