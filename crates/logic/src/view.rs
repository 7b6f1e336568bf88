//! What a service may believe about the gates, and for how long.
//!
//! Two sources feed a view: complete reads and each second's read of the head, both from the
//! leader; and the republished gate messages, which are quick but may be lost. Each gate
//! message names the one before it (`prev`), so that a lost one shows.
//!
//! | fed with                                            | then the view is          |
//! | --------------------------------------------------- | ------------------------- |
//! | a complete read, nothing in it newer than its token | whole and fresh           |
//! | a complete read that goes back on what was seen     | broken                    |
//! | a message whose `prev` is the head                  | whole, one message on     |
//! | a message at or before the head                     | as it was: a repetition   |
//! | any other message, or a garbled one                 | broken                    |
//! | the head, unchanged                                 | fresh                     |
//! | the head, changed                                   | broken                    |
//!
//! Only a complete read mends a broken view. Promises: nothing is admitted, and no token
//! given, by a view that is broken, older than [`STALE_AFTER`], or under a configuration
//! other than the one in force (G1); an absent gate does not admit, and none moves backwards
//! (G2).

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{Admission, Config, Epoch, Gate, GateName, GateState, Kind};

/// How long a view is believed after the last read from the leader that confirmed it.
pub const STALE_AFTER: Duration = Duration::from_secs(3);

/// The gates as one service believes them to stand.
///
/// Times are milliseconds of the service's own monotonic clock. For an answer of the bus the
/// time is that of the *question*: only what was so then is known.
///
/// ```
/// use logic::view::{Verdict, View};
///
/// let config = domain::Config { version: 1, ..Default::default() };
/// let verdict = View::new().admission(&config, &"welcome".parse()?, 0);
/// assert!(matches!(verdict, Verdict::Unknown(_)));
/// # Ok::<(), domain::NameError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct View {
    gates: BTreeMap<GateName, Standing>,
    /// The newest sequence and epoch ever seen of each gate, the unreadable ones included.
    marks: BTreeMap<GateName, (u64, Epoch)>,
    /// The newest gate message that the gates above include.
    head: u64,
    /// The newest gate message that was ever heard of: an older read is out of date.
    floor: u64,
    /// Invariant: `None` exactly while `gates` include every message up to `head` with no
    /// message known to be missing.
    broken: Option<Broken>,
    /// When the leader was last asked and agreed; `None` before the first complete read.
    fresh_at_ms: Option<u64>,
}

/// A gate and the stream sequence of the message that put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub seq: u64,
    pub gate: Gate,
}

/// Why a view is not believed until the next complete read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("a gate message was missed")]
    Hole,
    #[error("a gate message could not be read")]
    Garbled,
    #[error("the gate log went backwards")]
    Backwards,
}

/// A complete read that was not taken over; the gates must be read again, token first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reread {
    /// A gate moved while it was being read.
    #[error("a gate moved while the gates were read")]
    Moved,
    /// Older than what is known already. While gates move this may happen once or twice; if
    /// it lasts, the log has shrunk, and nothing is admitted until a person has looked.
    #[error("the gates read are older than those known")]
    Backwards,
}

/// Whether a kind may be worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every gate needed admits.
    Open {
        /// The fence of a create: the sequence of the newest gate message.
        token: u64,
        /// The gates needed as they stand; an attempt carries this to its end.
        admitted: Vec<Admission>,
        /// The gates needed that are PROBING, sorted: an attempt must win the canary of each,
        /// and only when nothing waits may one task be created.
        probing: Vec<GateName>,
        /// Whether any gate needed is DRAINING, and so attempts are paced.
        draining: bool,
    },
    /// At least one gate needed is CLOSED.
    Blocked {
        gate: GateName,
        state: GateState,
        epoch: Epoch,
        /// What else blocks.
        also: Vec<GateName>,
    },
    /// Not known, and so treated as closed.
    Unknown(Unknown),
}

/// Why a view cannot say whether a kind may be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    #[error("the gates were not read yet")]
    Unread,
    #[error("the gates could not be read for {} s", STALE_AFTER.as_secs())]
    Stale,
    #[error("the gates must be read again: {0}")]
    Broken(Broken),
    #[error("the configuration in force is version {in_force}, not version {ours}")]
    Config { in_force: u64, ours: u64 },
    #[error("the configuration has no kind {0}")]
    Kind(Kind),
    #[error("gate {0} has no readable state")]
    Absent(GateName),
}

impl View {
    /// A view that knows nothing yet, and so admits nothing.
    pub fn new() -> Self {
        View::default()
    }

    /// Takes a complete read: the token, read first, then every gate's newest message with
    /// its sequence, `_config` included. A gate whose newest message cannot be read is left
    /// out. `at_ms`: when the reading began.
    ///
    /// # Errors
    ///
    /// Read again: the gates moved meanwhile, or the read is older than what is known.
    pub fn on_snapshot(
        &mut self,
        token: u64,
        gates: Vec<(u64, Gate)>,
        at_ms: u64,
    ) -> Result<(), Reread> {
        if gates.iter().any(|(seq, _)| token < *seq) {
            return Err(Reread::Moved);
        }
        if token < self.floor || gates.iter().any(|(seq, gate)| self.goes_back(*seq, gate)) {
            self.broken = Some(Broken::Backwards);
            return Err(Reread::Backwards);
        }
        self.gates.clear();
        for (seq, gate) in gates {
            self.stand(seq, gate);
        }
        self.head = token;
        self.floor = token;
        self.broken = None;
        self.fresh_at_ms = self.fresh_at_ms.max(Some(at_ms));
        Ok(())
    }

    /// Takes one republished gate message and its stream sequence.
    ///
    /// It does not make the view fresher, since nobody knows how long it was under way.
    pub fn on_message(&mut self, seq: u64, gate: Gate) {
        if seq <= self.head {
            return;
        }
        self.floor = self.floor.max(seq);
        if self.broken.is_some() || self.fresh_at_ms.is_none() {
            return;
        }
        let skips = |standing: &Standing| standing.gate.epoch.next() < gate.epoch;
        if gate.prev != self.head || self.gates.get(&gate.name).is_some_and(skips) {
            self.broken = Some(Broken::Hole);
        } else if self.marks.get(&gate.name).is_some_and(|(_, epoch)| gate.epoch <= *epoch) {
            self.broken = Some(Broken::Backwards);
        } else {
            self.head = seq;
            self.stand(seq, gate);
        }
    }

    /// Takes a republished gate message that could not be read, with its sequence if it has
    /// one.
    pub fn on_garbled(&mut self, seq: Option<u64>) {
        if seq.is_some_and(|seq| seq <= self.head) {
            return;
        }
        self.floor = self.floor.max(seq.unwrap_or(0));
        self.broken.get_or_insert(Broken::Garbled);
    }

    /// Takes the sequence of the newest gate message, as the leader gave it to a question
    /// asked at `at_ms`.
    pub fn on_head(&mut self, token: u64, at_ms: u64) {
        if token < self.head {
            self.broken = Some(Broken::Backwards);
        } else if self.head < token {
            self.floor = self.floor.max(token);
            self.broken.get_or_insert(Broken::Hole);
        } else if self.broken.is_none() && self.fresh_at_ms.is_some() {
            self.fresh_at_ms = self.fresh_at_ms.max(Some(at_ms));
        }
    }

    /// Whether only a complete read can make this view believable.
    pub fn wants_reading(&self) -> bool {
        self.broken.is_some() || self.fresh_at_ms.is_none()
    }

    /// Whether `kind` may be worked on, as of `at_ms`.
    ///
    /// Asked before a create and again before an attempt begins. A PROBING gate is for one
    /// canary only: what that leaves for a create is the sensor's to know, see
    /// [`Verdict::Open`].
    pub fn admission(&self, config: &Config, kind: &Kind, at_ms: u64) -> Verdict {
        match self.needed(config, kind, at_ms) {
            Ok(needed) => self.verdict(&needed),
            Err(unknown) => Verdict::Unknown(unknown),
        }
    }

    /// The version of the configuration in force, if its gate was ever read; believable only
    /// while the view is.
    pub fn config_version(&self) -> Option<u64> {
        self.gates.get(&GateName::config()).map(|standing| standing.gate.epoch.get())
    }

    /// What is thought of one gate, believable or not: to be shown, not to act on.
    pub fn standing(&self, gate: &GateName) -> Option<&Standing> {
        self.gates.get(gate)
    }

    /// Every gate by name, `_config` included, believable or not: to be shown.
    pub fn standings(&self) -> impl Iterator<Item = &Standing> {
        self.gates.values()
    }

    /// Why the view as a whole is not believed at `at_ms`; `None` while it is.
    pub fn doubt(&self, at_ms: u64) -> Option<Unknown> {
        let Some(fresh_at_ms) = self.fresh_at_ms else { return Some(Unknown::Unread) };
        if let Some(broken) = self.broken {
            return Some(Unknown::Broken(broken));
        }
        let age = Duration::from_millis(at_ms.saturating_sub(fresh_at_ms));
        (STALE_AFTER <= age).then_some(Unknown::Stale)
    }

    fn needed(&self, config: &Config, kind: &Kind, at_ms: u64) -> Result<Vec<&Standing>, Unknown> {
        if let Some(doubt) = self.doubt(at_ms) {
            return Err(doubt);
        }
        let in_force = self.config_version().ok_or_else(|| Unknown::Absent(GateName::config()))?;
        if in_force != config.version {
            return Err(Unknown::Config { in_force, ours: config.version });
        }
        if !config.kinds.contains_key(kind) {
            return Err(Unknown::Kind(kind.clone()));
        }
        let needs = config.needs(kind).into_iter();
        needs.map(|gate| self.gates.get(&gate).ok_or(Unknown::Absent(gate))).collect()
    }

    fn verdict(&self, needed: &[&Standing]) -> Verdict {
        let mut closed = needed.iter().filter(|standing| standing.gate.state == GateState::Closed);
        if let Some(Standing { gate, .. }) = closed.next() {
            return Verdict::Blocked {
                gate: gate.name.clone(),
                state: gate.state,
                epoch: gate.epoch,
                also: closed.map(|standing| standing.gate.name.clone()).collect(),
            };
        }
        let admission = |standing: &&Standing| Admission {
            gate: standing.gate.name.clone(),
            epoch: standing.gate.epoch,
            seq: standing.seq,
        };
        let in_state = |state| {
            let found = needed.iter().filter(move |standing| standing.gate.state == state);
            found.map(|standing| standing.gate.name.clone())
        };
        let probing: BTreeSet<GateName> = in_state(GateState::Probing).collect();
        Verdict::Open {
            token: self.head,
            admitted: needed.iter().map(admission).collect(),
            probing: probing.into_iter().collect(),
            draining: in_state(GateState::Draining).next().is_some(),
        }
    }

    fn stand(&mut self, seq: u64, gate: Gate) {
        self.marks.insert(gate.name.clone(), (seq, gate.epoch));
        self.gates.insert(gate.name.clone(), Standing { seq, gate });
    }

    /// Whether a gate as read is older than it was seen before, or another message under an
    /// epoch that was seen before.
    fn goes_back(&self, seq: u64, gate: &Gate) -> bool {
        self.marks.get(&gate.name).is_some_and(|(seen, epoch)| match gate.epoch.cmp(epoch) {
            Ordering::Less => true,
            Ordering::Equal => seq != *seen,
            Ordering::Greater => seq <= *seen,
        })
    }
}
