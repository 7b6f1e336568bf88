use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{Cause, GateName, Phase, TaskState};

use super::{CycleReport, Reason, Stop};

/// How often one create is tried again because a gate moved in between.
pub const FENCE_TRIES_MAX: u32 = 5;

/// A decoded address: what makes two rows the same agent, however they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payee {
    pub version: u8,
    pub hash160: [u8; 20],
}

/// What one cycle may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan<K: Ord = Payee> {
    pub pages_max: u32,
    /// Tasks created in one cycle, at most.
    pub cap_cycle: u32,
    /// Never worked on, our own address among them.
    pub excluded: BTreeSet<K>,
}

/// What the shell found a row to be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<K = Payee> {
    /// Without an address.
    Missing,
    /// Not an address, by shape or checksum.
    Bad,
    /// A good address of another network.
    Foreign,
    /// Without the fields that its key is made of, or with ones of another type.
    NoKey,
    /// Its fields make no source key.
    BadKey,
    /// No payload can be made of it.
    BadPayload,
    Good(K),
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<K = Payee> {
    Skip(Reason),
    /// To be looked up, then [`Cycle::weigh`]ed.
    Candidate(K),
}

/// What is known of a candidate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lookup<'a> {
    pub state: Option<&'a TaskState>,
    /// There is a record of contact under the payee and purpose.
    pub contact: bool,
    /// A message of its key lies in the queue. May be left `false` when not asked: then the
    /// broker refuses the create.
    pub queued: bool,
}

/// What the gates that the kind needs say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admits,
    /// `waiting`: tasks of the kind in the queue, which the canary can be taken from.
    Probing {
        gate: GateName,
        waiting: u64,
    },
    Blocked {
        gate: GateName,
    },
    Unknown,
}

/// What is to be done about a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    Skip(Reason),
    /// Reserve one of the day's budget, then [`Cycle::reserved`].
    Reserve,
    /// Publish the fenced create, then [`Cycle::answered`].
    Create,
}

/// What the broker said to a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Created,
    /// Refused: one is queued or running.
    InFlight,
    /// Refused: a gate moved since the token was read.
    FenceMoved,
    /// No answer: it may have been created.
    Unknown,
}

/// What follows from an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing more; the reservation stays.
    Keep,
    /// Nothing more; the reservation goes back.
    GiveBack,
    /// Create once more, under the newly read token, with the same reservation.
    Again,
}

/// Whether and from where to read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPage {
    Read { offset: u64 },
    Stop(Stop),
}

/// One scan of the directory, or of any other list whose rows are told apart by a `K`. See the
/// module for what it decides.
#[derive(Clone, Debug)]
pub struct Cycle<K: Ord = Payee> {
    plan: Plan<K>,
    standing: BTreeMap<K, Standing>,
    /// Rows of the current page, and how many of them were not repeats.
    page: (u64, u64),
    offset: u64,
    pages: u32,
    seen: u64,
    new: u64,
    created: u64,
    unknown: u64,
    /// A create may be under way for so many: they count against the cap.
    pending: u32,
    skipped: BTreeMap<Reason, u64>,
    gates: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Candidate,
    Reserving,
    Creating { tries: u32 },
    Decided,
}

impl<K: Ord + Clone> Cycle<K> {
    pub const fn new(plan: Plan<K>) -> Self {
        Cycle {
            plan,
            standing: BTreeMap::new(),
            page: (0, 0),
            offset: 0,
            pages: 0,
            seen: 0,
            new: 0,
            created: 0,
            unknown: 0,
            pending: 0,
            skipped: BTreeMap::new(),
            gates: String::new(),
        }
    }

    /// One row of the current page.
    pub fn row(&mut self, found: Found<K>) -> Seen<K> {
        self.seen += 1;
        self.page.0 += 1;
        let about = match found {
            Found::Good(about) => about,
            Found::Missing => return self.skip_row(Reason::NoAddress),
            Found::Bad => return self.skip_row(Reason::BadAddress),
            Found::Foreign => return self.skip_row(Reason::WrongNetwork),
            Found::NoKey => return self.skip_row(Reason::NoKey),
            Found::BadKey => return self.skip_row(Reason::BadKey),
            Found::BadPayload => return self.skip_row(Reason::BadPayload),
        };
        if self.standing.contains_key(&about) {
            self.count(Reason::Repeated);
            return Seen::Skip(Reason::Repeated);
        }
        if self.plan.excluded.contains(&about) {
            self.standing.insert(about, Standing::Decided);
            return self.skip_row(Reason::Excluded);
        }
        self.page.1 += 1;
        self.standing.insert(about.clone(), Standing::Candidate);
        Seen::Candidate(about)
    }

    /// The page is read to its end; `has_more` is what the directory says.
    pub fn page_read(&mut self, has_more: bool) -> NextPage {
        let (rows, fresh) = std::mem::take(&mut self.page);
        self.pages += 1;
        self.offset += rows;
        if !has_more || rows == 0 {
            NextPage::Stop(Stop::End)
        } else if self.plan.pages_max <= self.pages {
            NextPage::Stop(Stop::PagesMax)
        } else if fresh == 0 {
            NextPage::Stop(Stop::Repeats)
        } else {
            NextPage::Read { offset: self.offset }
        }
    }

    /// A page could not be read: this scan ends here, whatever it was.
    pub fn page_failed(&mut self, why: String, retry_after: Option<Duration>) -> Stop {
        self.pages += 1;
        Stop::Failed { why, retry_after }
    }

    /// Decides about a candidate, from states read after the verdict's token.
    pub fn weigh(&mut self, about: &K, lookup: &Lookup, verdict: &Verdict) -> Decided {
        if self.standing.get(about) != Some(&Standing::Candidate) {
            return Decided::Skip(Reason::Repeated);
        }
        if let Some(reason) = known(lookup) {
            return self.skip(about, reason);
        }
        self.new += 1;
        if let Some(reason) = self.blocked(verdict) {
            return self.skip(about, reason);
        }
        if u64::from(self.plan.cap_cycle) <= self.taken() {
            return self.skip(about, Reason::CapCycle);
        }
        self.pending += 1;
        self.standing.insert(about.clone(), Standing::Reserving);
        Decided::Reserve
    }

    /// Whether the reservation was granted.
    pub fn reserved(&mut self, about: &K, granted: bool) -> Decided {
        if self.standing.get(about) != Some(&Standing::Reserving) {
            return Decided::Skip(Reason::Repeated);
        }
        if granted {
            self.standing.insert(about.clone(), Standing::Creating { tries: 1 });
            return Decided::Create;
        }
        self.pending -= 1;
        self.skip(about, Reason::CapDay)
    }

    /// What the broker said; `verdict` as it stands after that answer.
    pub fn answered(&mut self, about: &K, answer: Answer, verdict: &Verdict) -> Settled {
        let Some(&Standing::Creating { tries }) = self.standing.get(about) else {
            return Settled::Keep;
        };
        self.pending -= 1;
        match answer {
            Answer::Created => {
                self.created += 1;
                self.standing.insert(about.clone(), Standing::Decided);
                Settled::Keep
            }
            Answer::Unknown => {
                self.unknown += 1;
                self.standing.insert(about.clone(), Standing::Decided);
                Settled::Keep
            }
            Answer::InFlight => {
                self.new -= 1;
                self.skip(about, Reason::InFlight);
                Settled::GiveBack
            }
            Answer::FenceMoved => self.fence_moved(about, tries, verdict),
        }
    }

    /// The cycle is over. Whoever was not decided is counted so.
    pub fn finish(mut self, stop: Stop) -> CycleReport {
        let undecided = self.standing.values().filter(|at| **at != Standing::Decided).count();
        if 0 < undecided {
            let count = u64::try_from(undecided).unwrap_or(u64::MAX);
            self.skipped.insert(Reason::Undecided, count);
        }
        let Cycle { seen, new, created, unknown, skipped, gates, pages, .. } = self;
        CycleReport { seen, new, created, unknown, skipped, gates, pages, stop }
    }

    fn fence_moved(&mut self, about: &K, tries: u32, verdict: &Verdict) -> Settled {
        let reason = match self.blocked(verdict) {
            None if tries < FENCE_TRIES_MAX => {
                self.pending += 1;
                self.standing.insert(about.clone(), Standing::Creating { tries: tries + 1 });
                return Settled::Again;
            }
            None => Reason::GatesUnknown,
            Some(reason) => reason,
        };
        self.skip(about, reason);
        Settled::GiveBack
    }

    /// Why the gates let nothing be created, if they do not.
    fn blocked(&mut self, verdict: &Verdict) -> Option<Reason> {
        let (gates, reason) = match verdict {
            Verdict::Admits => ("admitting".to_owned(), None),
            Verdict::Blocked { gate } => {
                (format!("blocked by {gate}"), Some(Reason::Gate(gate.clone())))
            }
            Verdict::Unknown => ("unknown".to_owned(), Some(Reason::GatesUnknown)),
            Verdict::Probing { gate, waiting } => {
                let enough = 0 < *waiting || 0 < self.taken();
                let reason = enough.then(|| Reason::Probing(gate.clone()));
                (format!("{gate} probing, {waiting} waiting"), reason)
            }
        };
        self.gates = gates;
        reason
    }

    /// Tasks that this cycle made, or may have made, or is making.
    fn taken(&self) -> u64 {
        self.created.saturating_add(self.unknown).saturating_add(u64::from(self.pending))
    }

    fn skip_row(&mut self, reason: Reason) -> Seen<K> {
        self.page.1 += 1;
        self.count(reason.clone());
        Seen::Skip(reason)
    }

    fn skip(&mut self, about: &K, reason: Reason) -> Decided {
        self.standing.insert(about.clone(), Standing::Decided);
        self.count(reason.clone());
        Decided::Skip(reason)
    }

    fn count(&mut self, reason: Reason) {
        *self.skipped.entry(reason).or_insert(0) += 1;
    }
}

/// Why the candidate needs no task, if so. Only an end or contact counts as greeted; a task
/// that merely existed does not (W3).
fn known(lookup: &Lookup) -> Option<Reason> {
    let reason = match lookup.state.map(|state| &state.phase) {
        Some(Phase::Completed { .. }) => Some(Reason::Completed),
        Some(Phase::Dead { .. }) => Some(Reason::Dead),
        Some(Phase::Withdrawn { .. }) => Some(Reason::Withdrawn),
        // An unfenced create was parked and its message is gone: a fenced one may follow.
        Some(Phase::Parked { cause, .. }) if !unfenced(cause) => Some(Reason::Parked),
        Some(Phase::Claimed(_) | Phase::Resting { .. } | Phase::Returned { .. }) => {
            Some(Reason::InFlight)
        }
        // Whoever revived it may have vanished before the create.
        Some(Phase::Revived { .. } | Phase::Parked { .. }) | None => None,
    };
    match reason {
        Some(reason) => Some(reason),
        None if lookup.queued => Some(Reason::InFlight),
        None if lookup.contact => Some(Reason::Contact),
        None => None,
    }
}

fn unfenced(cause: &Cause) -> bool {
    cause.as_str() == "task.unfenced"
}
